//! Scripts of kubectl commands, with the real server and with ours: what they print, and how they end, is compared sign
//! by sign after replacing what must differ. What is known to differ stands in `corpus/scripts/known.txt`.
//!
//! A script is a file in `corpus/scripts`; a line of it is a command, a line that ends in `<<END` goes on to `END`. Each
//! script has a namespace and a folder of its own.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cedge_e2e::Folder;
use cedge_side_by_side::{Ours, Real, Server, alike, server};
use futures::StreamExt as _;
use tokio::process::Command;

const KNOWN: &str = include_str!("../corpus/scripts/known.txt");
const TOGETHER: usize = 3;
const COMMAND_WITHIN: Duration = Duration::from_secs(60);

/// A command that does not do the same at both.
struct Unlike {
    id: String,
    command: String,
    real: String,
    ours: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_prints_what_it_prints_with_the_real_server() {
    let Some(assets) = server::assets().filter(|dir| dir.join("kubectl").exists()) else {
        let _ = writeln!(
            std::io::stderr(),
            "skipped: KUBEBUILDER_ASSETS names no folder with a kube-apiserver and a kubectl"
        );
        return;
    };
    let folder = Folder::of("scripts");
    let (real, ours) = tokio::join!(Real::start(&assets, &folder), Ours::start(&folder));
    let (real, ours) = (real.expect("the real server"), ours.expect("our server"));
    let only = std::env::var("SIDE_BY_SIDE_ONLY").unwrap_or_default();
    let scripts: Vec<(String, Vec<String>)> = scripts()
        .into_iter()
        .filter(|(name, _)| name.starts_with(&only))
        .collect();
    let commands: usize = scripts.iter().map(|(_, lines)| lines.len()).sum();
    let run = |(name, lines): (String, Vec<String>)| {
        let (real, ours, assets, folder) = (&real, &ours, &assets, &folder);
        async move {
            let (there, here) = (folder.join("there"), folder.join("here"));
            let there = at(real, assets, &there, &name, &lines);
            let here = at(ours, assets, &here, &name, &lines);
            let (there, here) = tokio::join!(there, here);
            let both = there.into_iter().zip(here).zip(lines).enumerate();
            let unlike = both.filter(|(_, ((real, ours), _))| real != ours);
            unlike
                .map(|(i, ((real, ours), command))| Unlike {
                    id: format!("{name} {i}"),
                    command,
                    real,
                    ours,
                })
                .collect::<Vec<Unlike>>()
        }
    };
    let found: Vec<Vec<Unlike>> = futures::stream::iter(scripts)
        .map(run)
        .buffered(TOGETHER)
        .collect()
        .await;
    let unlike: Vec<Unlike> = found.into_iter().flatten().collect();
    report(commands, &unlike);
    if only.is_empty() {
        judge(&unlike);
    }
}

/// All scripts: name and commands.
fn scripts() -> Vec<(String, Vec<String>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/scripts");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the folder of scripts")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "sh"))
        .collect();
    files.sort();
    let read = |path: &PathBuf| {
        let name = path.file_stem().and_then(|stem| stem.to_str());
        let text = std::fs::read_to_string(path).expect("a script");
        (name.expect("a name").to_owned(), commands(&text))
    };
    files.iter().map(read).collect()
}

fn commands(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut command = line.to_owned();
        if line.contains("<<END") {
            for more in lines.by_ref() {
                command.push('\n');
                command.push_str(more);
                if more == "END" {
                    break;
                }
            }
        }
        all.push(command);
    }
    all
}

/// What the commands of a script print with one server.
async fn at(
    server: &dyn Server,
    assets: &Path,
    side: &Path,
    name: &str,
    lines: &[String],
) -> Vec<String> {
    let folder = side.join(name);
    std::fs::create_dir_all(&folder).expect("a folder for the script");
    let config = folder.join("config");
    std::fs::copy(server.kubeconfig(), &config).expect("a configuration");
    let mut said = Vec::new();
    let begin = format!(
        "kubectl create namespace {name} && kubectl create serviceaccount default -n {name} && \
         kubectl config set-context --current --namespace={name}"
    );
    let _ = run(&begin, assets, side, &folder, &config).await;
    for line in lines {
        let text = run(line, assets, side, &folder, &config).await;
        said.push(alike::printed(&text));
    }
    said
}

async fn run(line: &str, assets: &Path, side: &Path, folder: &Path, config: &Path) -> String {
    let path = format!(
        "{}:{}",
        assets.display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", line])
        .current_dir(folder)
        .env("PATH", path)
        .env("KUBECONFIG", config)
        // Discovery is kept there, for all scripts of a side.
        .env("HOME", side)
        .env("TZ", "UTC")
        .kill_on_drop(true)
        .stdin(std::process::Stdio::null());
    match tokio::time::timeout(COMMAND_WITHIN, command.output()).await {
        Ok(Ok(output)) => format!(
            "{}{}ends with {}\n",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
            output.status.code().unwrap_or(-1)
        ),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "does not end\n".to_owned(),
    }
}

fn report(commands: usize, unlike: &[Unlike]) {
    let mut out = std::io::stderr().lock();
    for u in unlike {
        let _ = writeln!(out, "@ {} {}", u.id, u.command);
        let ours: BTreeSet<&str> = u.ours.lines().collect();
        let real: BTreeSet<&str> = u.real.lines().collect();
        for line in u.real.lines().filter(|l| !ours.contains(l)) {
            let _ = writeln!(out, "  real {line}");
        }
        for line in u.ours.lines().filter(|l| !real.contains(l)) {
            let _ = writeln!(out, "  ours {line}");
        }
    }
    let _ = writeln!(out, "{} of {commands} commands differ", unlike.len());
}

fn judge(unlike: &[Unlike]) {
    let known: BTreeSet<&str> = KNOWN
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    let seen: BTreeSet<&str> = unlike.iter().map(|u| u.id.as_str()).collect();
    let news: Vec<&&str> = seen.difference(&known).collect();
    assert!(news.is_empty(), "not known to differ: {news:?}");
    let settled: Vec<&&str> = known.difference(&seen).collect();
    assert!(
        settled.is_empty(),
        "alike by now, take them out: {settled:?}"
    );
}
