//! Writes and watches through the whole API server, beside etcd and the disk's own limit.
//!
//! `cargo bench -p cedge-benches --bench api`, after `cargo build --release -p cedge`, with `etcd` on the path for the
//! peer; `-- --seconds N` for the length of a round, `--beat MILLISECONDS` between two changes that watchers are told.
//! Ours is a `cedge server`, asked over HTTPS with a client certificate for ConfigMaps of 1 KiB: JSON, authentication,
//! RBAC, defaults, validation and managed fields included. etcd is asked over gRPC without TLS for keys of 1 KiB. Both
//! over as many HTTP/2 connections, from this process, on the same disk.
#![expect(clippy::print_stdout, reason = "a table is what it is for")]

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use cedge_benches::clients;
use cedge_benches::etcd::Etcd;
use cedge_benches::load::{Folder, Side, VALUE, Write, flag};
use cedge_benches::machine::Machine;
use cedge_benches::site::{self, Site};
use cedge_benches::{Samples, disk, millis, ratio, table};

const ROUNDS: usize = 3;
const CLIENTS: [usize; 3] = [1, 16, 100];
const WATCHERS: usize = 1000;

fn main() -> Result<()> {
    let length = Duration::from_secs(flag("--seconds", 3)?);
    let beat = Duration::from_millis(flag("--beat", 100)?);
    let folder = Folder::of("api")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let etcd = Etcd::start(&folder).await?;
        let peer = etcd.as_ref().map_or("no etcd on the path", Etcd::version);
        let machine = Machine::look().await?;
        println!("{}, peer: {peer}; {machine}\n", site::version()?);
        let mut site = Site::new(&folder, "api", &["--without", "node"])?;
        site.start().await?;
        for kind in [Write::Create, Write::Update] {
            writes(&folder, &site, etcd.as_ref(), kind, length).await?;
        }
        watches(&site, etcd.as_ref(), length, beat).await?;
        println!("\nat the end: {}", Machine::look().await?);
        Ok(())
    })
}

async fn writes(
    folder: &Path,
    site: &Site,
    etcd: Option<&Etcd>,
    kind: Write,
    length: Duration,
) -> Result<()> {
    let mut all = table(&[
        "clients",
        "side",
        "writes/s (range)",
        "p50 ms",
        "p99 ms",
        "ours against it",
    ]);
    for clients in CLIENTS {
        let (mut disk, mut ours, mut peer) = (Side::default(), Side::default(), Side::default());
        for round in 0..ROUNDS {
            disk.take(disk::append(folder, clients, length)?);
            ours.take(clients::writes(&site.target()?, kind, clients, round, length).await?);
            if let Some(etcd) = etcd {
                peer.take(etcd.writes(kind, clients, length).await?);
            }
        }
        let against_disk = ratio(ours.rates.against(&disk.rates));
        let against_peer = ratio(ours.rates.against(&peer.rates));
        let mut row = |name: &str, side: &mut Side, against: &str| {
            if side.latency.is_empty() {
                return;
            }
            all.add_row([
                clients.to_string(),
                name.to_owned(),
                side.rates.to_string(),
                millis(side.latency.percentile(50)),
                millis(side.latency.percentile(99)),
                against.to_owned(),
            ]);
        };
        row("disk", &mut disk, &against_disk);
        row("ours", &mut ours, "");
        row("etcd", &mut peer, &against_peer);
    }
    println!("{kind:?}: a ConfigMap (a key) with {VALUE} bytes, durable\n\n{all}\n");
    Ok(())
}

async fn watches(site: &Site, etcd: Option<&Etcd>, length: Duration, beat: Duration) -> Result<()> {
    let mut all = table(&["side", "events delivered", "p50 ms", "p99 ms", "most ms"]);
    let (mut ours, mut peer) = (Samples::default(), Samples::default());
    for _ in 0..ROUNDS {
        ours.extend(clients::watches(&site.target()?, WATCHERS, length, beat).await?);
        if let Some(etcd) = etcd {
            peer.extend(etcd.watches(WATCHERS, length, beat).await?);
        }
    }
    for (name, mut side) in [("ours", ours), ("etcd", peer)] {
        if !side.is_empty() {
            all.add_row([
                name.to_owned(),
                side.len().to_string(),
                millis(side.percentile(50)),
                millis(side.percentile(99)),
                millis(side.percentile(100)),
            ]);
        }
    }
    println!("From a write to each of {WATCHERS} watchers, one write every {beat:?}\n\n{all}");
    Ok(())
}
