//! Every exchange of the corpus, with the real server and with ours. Those that are known to differ stand in
//! `corpus/known.txt`, with the reason. New differences are told, and fail the test when they are more than a machine's pace
//! explains; a line there that is true no more is told as well.
//! `SIDE_BY_SIDE_ONLY=PREFIX` runs the sequences whose names begin so, and judges nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use cedge_e2e::Folder;
use cedge_side_by_side::{
    Answer, Difference, Ours, Real, Sequence, Session, corpus, differences, echo, server,
};
use futures::StreamExt as _;

/// `SEQUENCE STEP` of the exchanges that differ, and `SEQUENCE *` where the real server's own controllers write to the
/// object in between, sooner or later.
const KNOWN: &str = include_str!("../corpus/known.txt");
/// What takes longer is told.
const SLOW: Duration = Duration::from_secs(5);
/// New differences that are only told: a watch, or a controller of either server, may be faster on another machine.
const FEW: usize = 8;
/// How many sequences run at the same time.
const TOGETHER: usize = 8;

/// One exchange that is not alike.
struct Unlike {
    id: String,
    what: String,
    found: Vec<Difference>,
}

/// What became of a sequence.
struct Done {
    exchanges: usize,
    unlike: Vec<Unlike>,
}

#[tokio::test(flavor = "multi_thread")]
async fn we_answer_as_the_real_server_does() {
    let Some(assets) = server::assets() else {
        let named = std::env::var_os("KUBEBUILDER_ASSETS");
        assert!(
            named.is_none(),
            "no kube-apiserver in {named:?}: cargo xtask oracle"
        );
        let _ = writeln!(
            std::io::stderr(),
            "skipped: KUBEBUILDER_ASSETS names no folder with a kube-apiserver; cargo xtask oracle builds one"
        );
        return;
    };
    let folder = Folder::of("side-by-side");
    let (real, ours) = tokio::join!(Real::start(&assets, &folder), Ours::start(&folder));
    let (real, ours) = (real.expect("the real server"), ours.expect("our server"));
    let echo = echo::start().await.expect("a server behind both");
    let only = std::env::var("SIDE_BY_SIDE_ONLY").unwrap_or_default();
    let wanted = corpus::all()
        .into_iter()
        .filter(|s| s.name.starts_with(&only))
        .filter(|s| echo.is_some() || !needs_echo(s));
    let (alone, together): (Vec<Sequence>, Vec<Sequence>) = wanted.partition(|s| s.alone);
    let run = |sequence: Sequence| run(sequence, &real, &ours, echo);
    let mut done: Vec<Done> = futures::stream::iter(together)
        .map(run)
        .buffered(TOGETHER)
        .collect()
        .await;
    for sequence in alone {
        done.push(run(sequence).await);
    }
    let exchanges = done.iter().map(|d| d.exchanges).sum();
    let unlike: Vec<Unlike> = done.into_iter().flat_map(|d| d.unlike).collect();
    report(exchanges, &unlike);
    if only.is_empty() {
        judge(&unlike);
    }
}

fn judge(unlike: &[Unlike]) {
    let known: BTreeSet<&str> = KNOWN
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    let seen: BTreeSet<&str> = unlike.iter().map(|u| u.id.as_str()).collect();
    let whole = |id: &str| {
        let sequence = id.split(' ').next().unwrap_or_default();
        known.contains(format!("{sequence} *").as_str())
    };
    let news: Vec<&str> = unlike
        .iter()
        .filter(|u| !known.contains(u.id.as_str()) && !whole(&u.id))
        .map(|u| u.what.as_str())
        .collect();
    let settled: Vec<&&str> = known
        .iter()
        .filter(|id| !id.ends_with('*') && !seen.contains(**id))
        .collect();
    let mut out = std::io::stderr().lock();
    let _ = writeln!(out, "not known to differ: {news:#?}");
    let _ = writeln!(out, "alike by now, to be taken out: {settled:?}");
    drop(out);
    assert!(news.len() <= FEW, "{} new differences", news.len());
}

/// A machine without an address of its own has nothing that could be proxied to.
fn needs_echo(sequence: &Sequence) -> bool {
    let bodies = sequence.steps.iter().filter_map(|s| s.body.as_deref());
    bodies
        .filter_map(|body| std::str::from_utf8(body).ok())
        .any(|body| body.contains("{echo."))
}

async fn run(sequence: Sequence, real: &Real, ours: &Ours, echo: Option<SocketAddr>) -> Done {
    let mut there = Session::new(real, &sequence.name, echo);
    let mut here = Session::new(ours, &sequence.name, echo);
    let mut done = Done {
        exchanges: 0,
        unlike: Vec::new(),
    };
    for (i, step) in sequence.steps.iter().enumerate() {
        let begun = tokio::time::Instant::now();
        let (a, b) = tokio::join!(there.send(step), here.send(step));
        if begun.elapsed() > SLOW {
            let took = begun.elapsed().as_secs();
            let _ = writeln!(std::io::stderr(), "slow: {} {i}: {took} s", sequence.name);
        }
        let a: BTreeMap<String, Answer> = a.into_iter().collect();
        let b: BTreeMap<String, Answer> = b.into_iter().collect();
        for part in a.keys().chain(b.keys().filter(|p| !a.contains_key(*p))) {
            done.exchanges += 1;
            let nothing = Answer::default();
            let of = |all: &BTreeMap<String, Answer>| all.get(part).unwrap_or(&nothing).clone();
            let found = differences(&of(&a), &of(&b));
            if !found.is_empty() {
                let id = format!("{} {i} {part}", sequence.name);
                let what = format!("{} {i} {} {} {part}", sequence.name, step.method, step.path);
                done.unlike.push(Unlike {
                    id: id.trim().to_owned(),
                    what: what.trim().to_owned(),
                    found,
                });
            }
        }
    }
    done
}

fn report(exchanges: usize, unlike: &[Unlike]) {
    let mut out = std::io::stderr().lock();
    for exchange in unlike {
        let _ = writeln!(out, "@ {}", exchange.what);
        for difference in &exchange.found {
            let _ = writeln!(
                out,
                "  {}\n    real {}\n    ours {}",
                difference.at, difference.real, difference.ours
            );
        }
    }
    let _ = writeln!(out, "{} of {exchanges} exchanges differ", unlike.len());
}
