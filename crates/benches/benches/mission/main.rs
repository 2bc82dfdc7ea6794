//! A Mission down a chain of four clusters, A ← B ← C ← D, and its state back up.
//!
//! `cargo bench -p cedge-benches --bench mission`, after `cargo build --release -p cedge`; `-- --missions N`. Every
//! cluster is a `cedge server` of its own on loopback. Missions are written at A one after another, each for D alone: one
//! Deployment of one process, which says over a socket that it runs. Nothing is taken back in between: ten deletions in
//! half a minute would be held as a mistake. Times are those at which this bench, on one clock, sees a change by a watch
//! of the cluster concerned.
#![expect(clippy::print_stdout, reason = "a table is what it is for")]

mod chain;
mod walk;

use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use cedge_benches::beacon::Beacon;
use cedge_benches::load::{Folder, flag};
use cedge_benches::machine::Machine;
use cedge_benches::{Samples, disk, millis, site, table};
use http::Method;
use serde_json::json;
use tokio::time::Instant;

use chain::Chain;
use walk::{STATIONS, Station, Walk, Watchers};

pub(crate) const MISSIONS: &str = "/apis/edge.centaurus.io/v1alpha1/missions";
/// How long one Mission may take before the bench gives up.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

fn main() -> Result<()> {
    let count = flag("--missions", 50)?;
    let folder = Folder::of("mission")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        println!("{}; {}\n", site::version()?, Machine::look().await?);
        let chain = Chain::grow(&folder).await?;
        let mut beacon = Beacon::listen().await?;
        let mut watchers = Watchers::start(&chain).await?;
        let mut walks = Vec::new();
        // The first is not counted: nothing of its way was used before.
        for number in 0..=count {
            let walk = one(&chain, &mut beacon, &mut watchers, number).await?;
            if number > 0 {
                walks.push(walk);
            }
        }
        let mut sync = disk::append(&folder, 1, Duration::from_secs(1))?;
        show(&walks);
        println!(
            "One append and sync of the disk takes {} ms.\nAt the end: {}",
            millis(sync.latency.percentile(50)),
            Machine::look().await?
        );
        Ok(())
    })
}

/// One Mission's way down and back.
async fn one(
    chain: &Chain,
    beacon: &mut Beacon,
    watchers: &mut Watchers,
    number: u64,
) -> Result<Walk> {
    let name = format!("walk-{number}");
    let mission = json!({
        "apiVersion": "edge.centaurus.io/v1alpha1", "kind": "Mission", "metadata": { "name": name },
        "spec": {
            "placement": { "clusters": ["d"] },
            "content": { "manifests": [beacon.deployment(&name)] },
        },
    });
    let mut api = chain.root_api.clone();
    let mut walk = Walk::begin();
    let body = Bytes::from(mission.to_string());
    api.must(Method::POST, MISSIONS, body).await?;
    walk.mark(Station::Accepted, Instant::now());
    let running = beacon.hear(&name, LIMIT).await?;
    walk.mark(Station::Running, running);
    if let Err(error) = watchers.follow(&name, &mut walk).await {
        return Err(error.context(chain.holds().await));
    }
    Ok(walk)
}

fn show(walks: &[Walk]) {
    let mut all = table(&[
        "",
        "p50 ms",
        "p99 ms",
        "most ms",
        "of it the last step, p50 ms",
    ]);
    let mut last = None;
    for station in STATIONS {
        let (mut total, mut step) = (Samples::default(), Samples::default());
        for walk in walks {
            total.push(walk.since_begin(station));
            step.push(walk.between(last, station));
        }
        all.add_row([
            station.says().to_owned(),
            millis(total.percentile(50)),
            millis(total.percentile(99)),
            millis(total.percentile(100)),
            millis(step.percentile(50)),
        ]);
        last = Some(station);
    }
    println!(
        "From the first byte of the write at A, {} Missions one after another\n\n{all}\n",
        walks.len()
    );
}
