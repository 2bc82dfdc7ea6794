//! What a link carries while nothing happens, and what a reconnect costs.
//!
//! `cargo bench -p cedge-benches --bench link`, after `cargo build --release -p cedge`; `-- --missions N --changed K
//! --rounds N --settle SECONDS --idle SECONDS`. Two clusters and a node, each a process of its own, with a relay in between
//! that counts what TCP carries (heads of packets come on top) and that can be cut. Beside a reconnect stands what a client
//! without a memory does: it lists all Missions again.
#![expect(clippy::print_stdout, reason = "a table is what it is for")]

mod idle;
mod pair;
mod reconnect;

use std::time::Duration;

use anyhow::Result;
use cedge_benches::load::{Folder, flag};
use cedge_benches::machine::Machine;
use cedge_benches::site;

use pair::Pair;

fn main() -> Result<()> {
    let missions = usize::try_from(flag("--missions", 1000)?)?;
    let changed = usize::try_from(flag("--changed", 10)?)?;
    let rounds = flag("--rounds", 5)?;
    let settle = Duration::from_secs(flag("--settle", 60)?);
    let length = Duration::from_secs(flag("--idle", 120)?);
    let folder = Folder::of("link")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        println!("{}; {}\n", site::version()?, Machine::look().await?);
        let mut pair = Pair::start(&folder).await?;
        idle::watch(&pair, settle, length).await?;
        pair.write(missions).await?;
        reconnect::compare(&mut pair, missions, changed, rounds).await?;
        println!("\nat the end: {}", Machine::look().await?);
        Ok(())
    })
}
