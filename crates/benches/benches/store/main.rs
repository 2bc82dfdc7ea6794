//! The store's writes and watches, beside the disk's own limit and etcd.
//!
//! `cargo bench -p cedge-benches --bench store`, with `etcd` on the path for the peer, `-- --seconds N` for the length
//! of a round. Ours is called in its process, as the API server calls it; etcd over gRPC on loopback, as an API server
//! calls that; the disk is one file that a group of records is appended to, then `fdatasync`.
#![expect(clippy::print_stdout, reason = "a table is what it is for")]

mod ours;

use std::time::Duration;

use anyhow::Result;
use cedge_benches::etcd::Etcd;
use cedge_benches::load::{Folder, Side, VALUE, Write, flag};
use cedge_benches::{Rounds, Samples, disk, millis, ratio, table};

const ROUNDS: usize = 3;
const WRITERS: [usize; 3] = [1, 16, 100];
const WATCHERS: usize = 1000;
/// Between two changes that watchers are told.
const BEAT: Duration = Duration::from_millis(10);

fn main() -> Result<()> {
    let length = Duration::from_secs(flag("--seconds", 2)?);
    let folder = Folder::of("store")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let etcd = Etcd::start(&folder).await?;
        println!(
            "peer: {}\n",
            etcd.as_ref()
                .map_or("none (no etcd on the path)", |e| e.version())
        );
        writes(&folder, etcd.as_ref(), length).await?;
        watches(&folder, etcd.as_ref(), length).await
    })
}

async fn writes(folder: &Folder, etcd: Option<&Etcd>, length: Duration) -> Result<()> {
    let mut all = table(&[
        "writers",
        "side",
        "writes/s (range)",
        "p50 ms",
        "p99 ms",
        "writes a sync",
        "ours against it",
    ]);
    for writers in WRITERS {
        let (mut disk, mut ours, mut peer) = (Side::default(), Side::default(), Side::default());
        let mut grouped = Rounds::default();
        for round in 0..ROUNDS {
            disk.take(disk::append(folder, writers, length)?);
            let file = folder.join(format!("ours-{writers}-{round}.redb"));
            let (done, group) = ours::writes(&file, writers, length).await?;
            ours.take(done);
            grouped.push(group);
            if let Some(etcd) = etcd {
                peer.take(etcd.writes(Write::Update, writers, length).await?);
            }
        }
        let group = format!("{:.1}", grouped.median());
        let against_disk = ratio(ours.rates.against(&disk.rates));
        let against_peer = ratio(ours.rates.against(&peer.rates));
        let mut row = |name: &str, side: &mut Side, group: &str, against: &str| {
            if side.latency.is_empty() {
                return;
            }
            all.add_row([
                writers.to_string(),
                name.to_owned(),
                side.rates.to_string(),
                millis(side.latency.percentile(50)),
                millis(side.latency.percentile(99)),
                group.to_owned(),
                against.to_owned(),
            ]);
        };
        row("disk", &mut disk, &writers.to_string(), &against_disk);
        row("ours", &mut ours, &group, "");
        row("etcd", &mut peer, "", &against_peer);
    }
    println!("Compare-and-swap of {VALUE} bytes, durable\n\n{all}\n");
    Ok(())
}

async fn watches(folder: &Folder, etcd: Option<&Etcd>, length: Duration) -> Result<()> {
    let mut all = table(&["side", "events delivered", "p50 ms", "p99 ms"]);
    let (mut ours, mut peer) = (Samples::default(), Samples::default());
    for round in 0..ROUNDS {
        let file = folder.join(format!("watch-{round}.redb"));
        ours.extend(ours::watches(&file, WATCHERS, length, BEAT).await?);
        if let Some(etcd) = etcd {
            peer.extend(etcd.watches(WATCHERS, length, BEAT).await?);
        }
    }
    for (name, mut side) in [("ours", ours), ("etcd", peer)] {
        if !side.is_empty() {
            all.add_row([
                name.to_owned(),
                side.len().to_string(),
                millis(side.percentile(50)),
                millis(side.percentile(99)),
            ]);
        }
    }
    println!("From a put to each of {WATCHERS} watchers, one put every {BEAT:?}\n\n{all}");
    Ok(())
}
