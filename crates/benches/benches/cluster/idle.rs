//! Memory and processor time of processes that have nothing to do.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use cedge_benches::etcd::Etcd;
use cedge_benches::process::{Memory, Used};
use cedge_benches::site::{Running, Site};
use cedge_benches::table;
use comfy_table::Table;

use crate::cold::ready;
use crate::mebi;

/// Looks at each process alone for most of the time: a server that others hang on is not idle.
pub(crate) async fn compare(folder: &Path, settle: Duration, length: Duration) -> Result<()> {
    let mut all = table(&[
        "process",
        "RSS MiB",
        "PSS MiB",
        "private MiB",
        "anonymous MiB",
        "CPU %",
        "wake-ups/s",
        "threads",
    ]);
    let mut site = Site::new(folder, "idle", &[])?;
    site.start().await?;
    tokio::time::sleep(settle).await;
    watch(&mut all, &[("server with its node", site.id()?)], length).await?;

    let mut lone = Site::new(folder, "lone", &["--without", "node"])?;
    lone.start().await?;
    let agent = Running::agent(
        &folder.join("agent"),
        "agent",
        &lone.token(lone.hub()).await?,
    )?;
    lone.until("/api/v1/nodes/agent", |node| node.is_some_and(ready))
        .await?;
    let peer = Etcd::start(&folder.join("idle-etcd")).await?;
    site.kill();
    tokio::time::sleep(settle).await;
    let mut processes = vec![
        ("agent", agent.id()),
        ("the server of that agent", lone.id()?),
    ];
    processes.extend(peer.as_ref().map(|e| ("etcd, empty", e.id())));
    watch(&mut all, &processes, length).await?;
    println!(
        "Idle: memory at the end of {} s, CPU in percent of one core over them, after {} s to settle; \
         private memory includes pages of the binary that nobody else maps, anonymous memory does not\n\n{all}",
        length.as_secs(),
        settle.as_secs()
    );
    Ok(())
}

async fn watch(all: &mut Table, processes: &[(&str, u32)], length: Duration) -> Result<()> {
    let used = |(_, id): &(&str, u32)| Used::by(*id);
    let before = processes.iter().map(used).collect::<Result<Vec<_>>>()?;
    tokio::time::sleep(length).await;
    for ((name, id), before) in processes.iter().zip(before) {
        let (memory, after) = (Memory::of(*id)?, Used::by(*id)?);
        let seconds = length.as_secs_f64();
        let cpu = (after.cpu - before.cpu).as_secs_f64() / seconds * 100.0;
        let sleeps = u32::try_from(after.sleeps.saturating_sub(before.sleeps))?;
        all.add_row([
            (*name).to_owned(),
            mebi(memory.resident),
            mebi(memory.proportional),
            mebi(memory.private),
            mebi(memory.anonymous),
            format!("{cpu:.2}"),
            format!("{:.1}", f64::from(sleeps) / seconds),
            after.threads.to_string(),
        ]);
    }
    Ok(())
}
