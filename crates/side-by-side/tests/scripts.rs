//! Scripts of kubectl commands, with a real cluster and with ours: what they print, and how they end, is compared sign by
//! sign after replacing what must differ. `alone` are those for an API server by itself, `whole` those for a cluster with
//! controllers, scheduler and a node: kube-apiserver with its own controllers and scheduler there, and all of ours here; the
//! node is ours at both. What is known to differ stands in `corpus/scripts/known.txt`.
//! `SIDE_BY_SIDE_ONLY=PREFIX` runs the scripts whose folder and name begin so, and judges nothing.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;

use cedge_e2e::{Folder, Foreign, Site, condition, eventually, kubectl};
use cedge_side_by_side::script::{self, Place, Script};
use cedge_side_by_side::{Ours, Real, Server, server};
use futures::StreamExt as _;

/// Folder, script and first line of the commands that differ.
const KNOWN: &str = include_str!("../corpus/scripts/known.txt");
/// How many scripts run at the same time.
const TOGETHER: usize = 5;
/// New differences that are only told: a machine may be slower than a script waits.
const FEW: usize = 2;
/// The node's name at both.
const NODE: &str = "worker";

/// A command that does not do the same at both.
struct Unlike {
    id: String,
    real: String,
    ours: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_prints_what_it_prints_with_real_kubernetes() {
    let assets = server::assets().filter(|dir| dir.join("kubectl").exists());
    let Some(assets) = assets else {
        let _ = writeln!(
            std::io::stderr(),
            "skipped: KUBEBUILDER_ASSETS names no folder with a kube-apiserver and a kubectl"
        );
        return;
    };
    let folder = Folder::of("scripts");
    let mut all = Vec::new();
    let (alone, whole) = (wanted("alone"), wanted("whole"));
    let commands = alone.iter().chain(&whole).map(|s| s.commands.len()).sum();
    if !alone.is_empty() {
        let (real, ours) = tokio::join!(Real::start(&assets, &folder), Ours::start(&folder));
        let (real, ours) = (real.expect("the real server"), ours.expect("our server"));
        let places = [real.kubeconfig(), ours.kubeconfig()];
        all.extend(compare("alone", alone, &assets, &folder, places).await);
    }
    if !whole.is_empty() {
        let there = folder.join("theirs");
        std::fs::create_dir_all(&there).expect("a folder");
        let (real, ours) = clusters(&there, &folder);
        let (theirs, here) = (real.kubeconfig(), ours.kubeconfig());
        all.extend(compare("whole", whole, &assets, &folder, [&theirs, &here]).await);
    }
    report(commands, &all);
    if std::env::var_os("SIDE_BY_SIDE_ONLY").is_none() {
        judge(commands, &all);
    }
}

fn wanted(folder: &str) -> Vec<Script> {
    let only = std::env::var("SIDE_BY_SIDE_ONLY").unwrap_or_default();
    let mut scripts = script::all(folder);
    scripts.retain(|script| format!("{folder}/{}", script.name).starts_with(&only));
    scripts
}

/// Both clusters, each with a ready node.
fn clusters(there: &Path, folder: &Path) -> (Foreign, Site) {
    let mut ours = Site::new(folder, NODE, &[]);
    ours.launch();
    let mut real = Foreign::whole(there).expect("the real programs");
    real.node(NODE);
    for file in [real.kubeconfig(), ours.kubeconfig()] {
        eventually("the node is ready", 60, || {
            let node = kubectl(&file, &["get", "node", NODE, "-o", "json"]).json()?;
            match condition(&node, "Ready").0.as_str() {
                "True" => Ok(()),
                _ => Err(node["status"]["conditions"].to_string()),
            }
        });
    }
    (real, ours)
}

/// Runs the scripts at both, those that must be alone last.
async fn compare(
    what: &str,
    scripts: Vec<Script>,
    assets: &Path,
    folder: &Path,
    kubeconfigs: [&Path; 2],
) -> Vec<Unlike> {
    let [there, here] = ["there", "here"].map(|side| folder.join(format!("{what}-{side}")));
    let place = |folder, at: usize| Place {
        assets,
        kubeconfig: kubeconfigs[at],
        folder,
    };
    let (there, here) = (place(there, 0), place(here, 1));
    let both = async |script: Script| {
        let begun = tokio::time::Instant::now();
        let (real, ours) = tokio::join!(script.run(&there), script.run(&here));
        let took = begun.elapsed().as_secs();
        let _ = writeln!(std::io::stderr(), "{what}/{}: {took} s", script.name);
        unlike(what, &script, real, ours)
    };
    let (last, first): (Vec<Script>, Vec<Script>) = scripts.into_iter().partition(|s| s.alone);
    let first = futures::stream::iter(first)
        .map(both)
        .buffer_unordered(TOGETHER);
    let mut found: Vec<Vec<Unlike>> = first.collect().await;
    for script in last {
        found.push(both(script).await);
    }
    found.into_iter().flatten().collect()
}

fn unlike(what: &str, script: &Script, real: Vec<String>, ours: Vec<String>) -> Vec<Unlike> {
    let both = real.into_iter().zip(ours).zip(&script.commands);
    let unlike = both.filter(|((real, ours), _)| real != ours);
    unlike
        .map(|((real, ours), command)| Unlike {
            id: format!(
                "{what}/{}: {}",
                script.name,
                command.lines().next().unwrap_or_default()
            ),
            real,
            ours,
        })
        .collect()
}

fn report(commands: usize, unlike: &[Unlike]) {
    let mut out = std::io::stderr().lock();
    for u in unlike {
        let _ = writeln!(out, "@ {}", u.id);
        let ours: BTreeSet<&str> = u.ours.lines().collect();
        let real: BTreeSet<&str> = u.real.lines().collect();
        for line in u.real.lines().filter(|l| !ours.contains(l)) {
            let _ = writeln!(out, "  real {line}");
        }
        for line in u.ours.lines().filter(|l| !real.contains(l)) {
            let _ = writeln!(out, "  ours {line}");
        }
        if ours == real {
            let _ = writeln!(out, "  in another order\n{}\n{}", u.real, u.ours);
        }
    }
    let _ = writeln!(out, "{} of {commands} commands differ", unlike.len());
}

fn judge(commands: usize, unlike: &[Unlike]) {
    let known: BTreeSet<&str> = KNOWN
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    let seen: BTreeSet<&str> = unlike.iter().map(|u| u.id.as_str()).collect();
    let news: Vec<&&str> = seen.difference(&known).collect();
    let settled: Vec<&&str> = known.difference(&seen).collect();
    let mut out = std::io::stderr().lock();
    let _ = writeln!(out, "not known to differ: {news:#?}");
    let _ = writeln!(out, "alike by now, to be taken out: {settled:#?}");
    drop(out);
    assert!(news.len() <= FEW, "{} new differences", news.len());
    assert!(
        unlike.len() * 100 <= commands,
        "{} of {commands} differ",
        unlike.len()
    );
}
