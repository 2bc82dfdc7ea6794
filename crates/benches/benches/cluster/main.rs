//! What one cluster takes: its binary, its start, and its memory and processor time while nothing happens.
//!
//! `cargo bench -p cedge-benches --bench cluster`, after `cargo build --release -p cedge` (and `--profile dist` for the
//! second size). `-- --rounds N --settle SECONDS --idle SECONDS`: how many starts, how long the cluster may settle, and how
//! long it is then watched. Peers: etcd, which is only the store of a cluster, and the disk.
#![expect(clippy::print_stdout, reason = "a table is what it is for")]

mod cold;
mod idle;

use std::time::Duration;

use anyhow::Result;
use cedge_benches::load::{Folder, flag};
use cedge_benches::machine::Machine;
use cedge_benches::{site, table};

fn main() -> Result<()> {
    let rounds = flag("--rounds", 5)?;
    let settle = Duration::from_secs(flag("--settle", 60)?);
    let length = Duration::from_secs(flag("--idle", 60)?);
    let folder = Folder::of("cluster")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        println!("{}; {}\n", site::version()?, Machine::look().await?);
        size()?;
        cold::compare(&folder, rounds).await?;
        idle::compare(&folder, settle, length).await?;
        println!("\nat the end: {}", Machine::look().await?);
        Ok(())
    })
}

/// The binary that is measured, and the one that is shipped if it is built.
fn size() -> Result<()> {
    let measured = site::binary()?;
    let shipped = measured.ancestors().nth(2).map(|d| d.join("dist/cedge"));
    let mut all = table(&["binary", "MiB"]);
    for path in [Some(measured), shipped].into_iter().flatten() {
        if let Ok(found) = std::fs::metadata(&path) {
            let profile = path.parent().and_then(|p| p.file_name());
            let profile = profile.unwrap_or_default().to_string_lossy().into_owned();
            all.add_row([profile, mebi(found.len() / 1024)]);
        }
    }
    println!("Size of the one binary, by profile\n\n{all}\n");
    Ok(())
}

/// KiB, as MiB for a table.
fn mebi(kibi: u64) -> String {
    let tenths = kibi * 10 / 1024;
    format!("{}.{}", tenths / 10, tenths % 10)
}
