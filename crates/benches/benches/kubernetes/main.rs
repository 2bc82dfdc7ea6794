//! An embedded cluster beside the real Kubernetes, in one run on one machine: starts, idle cost, requests, watches, and a
//! Deployment of a hundred pods.
//!
//! `cargo bench -p cedge-benches --bench kubernetes`, after `cargo build --release -p cedge` and `cargo xtask oracle`, with
//! `KUBEBUILDER_ASSETS` naming what that built. Flags behind `--`: `--rounds 3 --seconds 2 --objects 10000
//! --watchers 10000 --settle 30 --idle 30`, and `--only starts|idle|requests|watches|pods` for a part.
#![expect(clippy::print_stdout, reason = "a table is what it is for")]

mod idle;
mod pods;
mod requests;
mod sides;
mod starts;
mod watches;

use std::time::Duration;

use anyhow::Result;
use cedge_benches::load::{Folder, flag};
use cedge_benches::machine::Machine;
use cedge_benches::site;
use cedge_e2e::kubelet::Kubelet;

use sides::Sides;

/// What is measured, and how much of it.
struct Plan {
    rounds: u64,
    length: Duration,
    objects: usize,
    watchers: usize,
    settle: Duration,
    idle: Duration,
}

fn main() -> Result<()> {
    let seconds = |name: &str, default: u64| flag(name, default).map(Duration::from_secs);
    let plan = Plan {
        rounds: flag("--rounds", 3)?,
        length: seconds("--seconds", 2)?,
        objects: usize::try_from(flag("--objects", 10_000)?)?,
        watchers: usize::try_from(flag("--watchers", 10_000)?)?,
        settle: seconds("--settle", 30)?,
        idle: seconds("--idle", 30)?,
    };
    let only = std::env::args().skip_while(|a| a != "--only").nth(1);
    let wanted = |part: &str| only.as_deref().is_none_or(|o| o == part);
    let folder = Folder::of("kubernetes")?;
    // Before there are threads, as they get the same network.
    let mut kubelet = match Kubelet::machine(&folder) {
        Ok(kubelet) => Some(kubelet),
        Err(why) => {
            println!("without a kubelet: {why}");
            None
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let Some(mut sides) = Sides::new(&folder)? else {
            println!("skipped: KUBEBUILDER_ASSETS names no programs of Kubernetes; cargo xtask oracle builds them");
            return Ok(());
        };
        println!("{} beside Kubernetes 1.37; {}\n", site::version()?, Machine::look().await?);
        if wanted("starts") {
            starts::empty(&folder, &plan).await?;
        }
        sides.start().await?;
        if wanted("idle") {
            idle::compare(&folder, &sides, kubelet.take(), &plan).await?;
        }
        if wanted("starts") || wanted("requests") {
            requests::fill(&sides, &plan).await?;
        }
        if wanted("starts") {
            let what = format!("killed, {} objects", plan.objects);
            starts::again(&mut sides, &plan, &what).await?;
        }
        if wanted("requests") {
            requests::compare(&sides, &plan).await?;
        }
        if wanted("watches") {
            watches::compare(&sides, &plan).await?;
        }
        if wanted("pods") {
            pods::compare(&sides, &plan).await?;
        }
        if wanted("starts") && wanted("requests") {
            let what = format!("killed, {} objects and the history of all this", plan.objects);
            starts::again(&mut sides, &plan, &what).await?;
        }
        println!("\nat the end: {}", Machine::look().await?);
        Ok(())
    })
}
