//! Every exchange of the corpus, with the real server and with ours. Those that are known to differ stand in
//! `corpus/known.txt`, with the reason; a new difference fails the test, and so does a line there that is true no more.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use cedge_e2e::Folder;
use cedge_side_by_side::sequence::Session;
use cedge_side_by_side::{
    Difference, Ours, Real, Sequence, Server as _, corpus, differences, server,
};

/// `SEQUENCE STEP` of the exchanges that differ, and `SEQUENCE *` where the real server's own controllers write to the
/// object in between, sooner or later.
const KNOWN: &str = include_str!("../corpus/known.txt");

/// One exchange that is not alike.
struct Unlike {
    id: String,
    what: String,
    found: Vec<Difference>,
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
    let mut exchanges = 0;
    let mut unlike = Vec::new();
    for sequence in corpus::all() {
        exchanges += sequence.steps.len();
        run(&sequence, &real, &ours, &mut unlike).await;
    }
    report(exchanges, &unlike);
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
    assert!(news.is_empty(), "not known to differ: {news:#?}");
    let settled: Vec<&&str> = known
        .iter()
        .filter(|id| !id.ends_with('*') && !seen.contains(**id))
        .collect();
    assert!(
        settled.is_empty(),
        "alike by now, take them out: {settled:?}"
    );
}

async fn run(sequence: &Sequence, real: &Real, ours: &Ours, unlike: &mut Vec<Unlike>) {
    let mut there = Session::new(real.client(), &sequence.name);
    let mut here = Session::new(ours.client(), &sequence.name);
    for (i, step) in sequence.steps.iter().enumerate() {
        let what = format!("{} {i} {} {}", sequence.name, step.method, step.path);
        let (a, b) = tokio::join!(there.send(step), here.send(step));
        let (a, b) = (a.expect("the real server answers"), b.expect("we answer"));
        let found = differences(&a, &b);
        if !found.is_empty() {
            let id = format!("{} {i}", sequence.name);
            unlike.push(Unlike { id, what, found });
        }
    }
}

fn report(exchanges: usize, unlike: &[Unlike]) {
    let mut out = std::io::stderr().lock();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for exchange in unlike {
        let _ = writeln!(out, "{}", exchange.what);
        for difference in &exchange.found {
            *places.entry(&difference.at).or_default() += 1;
            let _ = writeln!(
                out,
                "  {}\n    real {}\n    ours {}",
                difference.at, difference.real, difference.ours
            );
        }
    }
    for (place, count) in &places {
        let _ = writeln!(out, "{count:6} {place}");
    }
    let _ = writeln!(out, "{} of {exchanges} exchanges differ", unlike.len());
}
