//! The store's writes and watches, beside the disk's own limit and etcd.
//!
//! `cargo bench -p cedge-benches --bench store`, with `etcd` on the path for the peer, `-- --seconds N` for the length
//! of a round. Ours is called in its process, as the API server calls it; etcd over gRPC on loopback, as an API server
//! calls that; the disk is one file that a group of records is appended to, then `fdatasync`.
#![expect(clippy::print_stdout, reason = "a table is what it is for")]

mod disk;
mod etcd;
mod etcd_proto;
mod ours;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use cedge_benches::{Rounds, Samples, millis, ratio, table};

const ROUNDS: usize = 3;
const WRITERS: [usize; 3] = [1, 16, 100];
const WATCHERS: usize = 1000;
/// Bytes of a value.
const VALUE: usize = 1024;

/// What one side did in one round.
#[derive(Debug, Default)]
struct Round {
    per_second: f64,
    latency: Samples,
}

/// One side over all rounds.
#[derive(Debug, Default)]
struct Side {
    rates: Rounds,
    latency: Samples,
}

impl Side {
    fn take(&mut self, round: Round) {
        self.rates.push(round.per_second);
        self.latency.extend(round.latency);
    }
}

/// A folder for all sides, on one disk; removed at the end.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn main() -> Result<()> {
    let seconds = std::env::args()
        .skip_while(|a| a != "--seconds")
        .nth(1)
        .map_or(Ok(2), |n| n.parse())?;
    let length = Duration::from_secs(seconds);
    let target =
        std::env::var_os("CARGO_TARGET_TMPDIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = Folder(target.join(format!("cedge-bench-store-{}", std::process::id())));
    std::fs::create_dir_all(&folder.0)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let etcd = etcd::Etcd::start(&folder.0).await?;
        println!(
            "peer: {}\n",
            etcd.as_ref()
                .map_or("none (no etcd on the path)", |e| e.version())
        );
        writes(&folder, etcd.as_ref(), length).await?;
        watches(&folder, etcd.as_ref(), length).await
    })
}

async fn writes(folder: &Folder, etcd: Option<&etcd::Etcd>, length: Duration) -> Result<()> {
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
            disk.take(disk::append(&folder.0, writers, length)?);
            let file = folder.0.join(format!("ours-{writers}-{round}.redb"));
            let (done, group) = ours::writes(&file, writers, length).await?;
            ours.take(done);
            grouped.push(group);
            if let Some(etcd) = etcd {
                peer.take(etcd.writes(writers, length).await?);
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

async fn watches(folder: &Folder, etcd: Option<&etcd::Etcd>, length: Duration) -> Result<()> {
    let mut all = table(&["side", "events delivered", "p50 ms", "p99 ms"]);
    let (mut ours, mut peer) = (Samples::default(), Samples::default());
    for round in 0..ROUNDS {
        let file = folder.0.join(format!("watch-{round}.redb"));
        ours.extend(ours::watches(&file, WATCHERS, length).await?);
        if let Some(etcd) = etcd {
            peer.extend(etcd.watches(WATCHERS, length).await?);
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
    println!("From a put to each of {WATCHERS} watchers, one put every 10 ms\n\n{all}");
    Ok(())
}

/// A value that carries the time since the process began to measure.
fn stamped(since: tokio::time::Instant) -> Vec<u8> {
    let micros = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
    let mut value = vec![0; VALUE];
    value[..8].copy_from_slice(&micros.to_be_bytes());
    value
}

/// How long ago a value was stamped.
fn age(value: &[u8], since: tokio::time::Instant) -> Duration {
    let mut micros = [0; 8];
    micros.copy_from_slice(&value[..8]);
    let then = Duration::from_micros(u64::from_be_bytes(micros));
    since.elapsed().saturating_sub(then)
}
