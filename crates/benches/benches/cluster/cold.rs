//! From `exec` to an answer, to a ready node, and to a process that runs again.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use cedge_benches::beacon::Beacon;
use cedge_benches::etcd::Etcd;
use cedge_benches::load::VALUE;
use cedge_benches::site::Site;
use cedge_benches::{Rounds, disk, millis, table};
use http::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

/// What a cluster holds that is started again, beside its own.
const OBJECTS: usize = 1000;
/// How long a start may take before the bench gives up.
const LIMIT: Duration = Duration::from_secs(30);
const NAMESPACES: &str = "/api/v1/namespaces";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// Times of one kind of start, in milliseconds.
#[derive(Default)]
struct Starts {
    answer: Rounds,
    work: Rounds,
}

pub(crate) async fn compare(folder: &Path, rounds: u64) -> Result<()> {
    let mut beacon = Beacon::listen().await?;
    let mut filled = filled(folder, &mut beacon).await?;
    let (mut empty, mut again, mut peer) =
        (Starts::default(), Starts::default(), Rounds::default());
    for round in 0..rounds {
        empty_start(folder, round, &mut empty).await?;
        next_start(&mut filled, &mut beacon, &mut again).await?;
        let begun = Instant::now();
        if let Some(etcd) = Etcd::start(&folder.join(format!("etcd-{round}"))).await? {
            peer.push(ms(begun));
            drop(etcd);
        }
    }
    filled.kill();
    let mut sync = disk::append(folder, 1, Duration::from_secs(1))?;
    let mut all = table(&["start", "to the first answer, ms", "to work, ms", "work"]);
    let row = |name: &str, starts: &Starts, work: &str| {
        [
            name.to_owned(),
            starts.answer.to_string(),
            starts.work.to_string(),
            work.to_owned(),
        ]
    };
    all.add_row(row("ours, empty folder", &empty, "its node is Ready"));
    let stored = format!("ours, killed, {OBJECTS} objects and a pod");
    all.add_row(row(&stored, &again, "the pod's process runs again"));
    all.add_row(["etcd, empty folder", &peer.to_string(), "", ""]);
    println!(
        "Cold start: from exec to an authenticated GET over HTTPS (etcd: to a put), median and range of {rounds}; one \
         append and sync of the disk takes {} ms\n\n{all}\n",
        millis(sync.latency.percentile(50))
    );
    Ok(())
}

async fn empty_start(folder: &Path, round: u64, starts: &mut Starts) -> Result<()> {
    let mut site = Site::new(folder, &format!("empty-{round}"), &[])?;
    let begun = Instant::now();
    site.launch()?;
    site.until(NAMESPACES, |answer| answer.is_some()).await?;
    starts.answer.push(ms(begun));
    let node = format!("/api/v1/nodes/{}", site.name);
    site.until(&node, |answer| answer.is_some_and(ready))
        .await?;
    starts.work.push(ms(begun));
    Ok(())
}

async fn next_start(site: &mut Site, beacon: &mut Beacon, starts: &mut Starts) -> Result<()> {
    site.kill();
    let begun = Instant::now();
    site.launch()?;
    site.until(NAMESPACES, |answer| answer.is_some()).await?;
    starts.answer.push(ms(begun));
    let running = beacon.hear("beacon", LIMIT).await?;
    let took = (running - begun).as_secs_f64();
    starts.work.push(took * 1000.0);
    Ok(())
}

/// A site with something in it, and a pod that runs.
async fn filled(folder: &Path, beacon: &mut Beacon) -> Result<Site> {
    let mut site = Site::new(folder, "filled", &[])?;
    site.start().await?;
    let mut api = site.connect().await?;
    for number in 0..OBJECTS {
        let map = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": format!("map-{number}") },
            "data": { "value": "x".repeat(VALUE) },
        });
        api.must(Method::POST, CONFIG_MAPS, map.to_string()).await?;
    }
    let deployment = Bytes::from(beacon.deployment("beacon").to_string());
    api.must(Method::POST, DEPLOYMENTS, deployment).await?;
    beacon.hear("beacon", LIMIT).await?;
    Ok(site)
}

/// Whether a node says that it is ready.
pub(crate) fn ready(node: &Value) -> bool {
    let conditions = node.pointer("/status/conditions").and_then(Value::as_array);
    conditions.is_some_and(|all| {
        all.iter()
            .any(|c| c["type"] == "Ready" && c["status"] == "True")
    })
}

fn ms(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1000.0
}
