//! Our store, called in its process.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, anyhow};
use cedge_benches::Samples;
use cedge_benches::load::{Round, VALUE, age, rate, stamped};
use cedge_store::{Options, Store, Txn};
use tokio::time::Instant;

/// Writers that each replace their own key. Also tells how many writes share a sync.
pub(crate) async fn writes(file: &Path, writers: usize, length: Duration) -> Result<(Round, f64)> {
    let store = Store::open(file, Options::default())?;
    let begun = Instant::now();
    let tasks: Vec<_> = (0..writers)
        .map(|writer| {
            let store = store.clone();
            cedge_tasks::spawn("bench/writer", async move {
                let key = format!("/registry/pods/default/pod-{writer}");
                let mut at = store.commit(Txn::put(key.as_str(), vec![1; VALUE])).await?;
                let mut latency = Samples::default();
                while begun.elapsed() < length {
                    let asked = Instant::now();
                    at = store
                        .commit(Txn::update(key.as_str(), at, vec![2; VALUE]))
                        .await?;
                    latency.push(asked.elapsed());
                }
                Ok::<_, cedge_store::CommitError>(latency)
            })
        })
        .collect();
    let mut round = Round::default();
    for task in tasks {
        round.latency.extend(task.await??);
    }
    round.per_second = rate(round.latency.len(), begun);
    let stats = store.stats();
    let count = |n: u64| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    let group = count(stats.transactions) / count(stats.commits_durable.max(1));
    store.close().await;
    Ok((round, group))
}

/// Watchers of one prefix; tells how old each change was when each watcher had it.
pub(crate) async fn watches(
    file: &Path,
    watchers: usize,
    length: Duration,
    beat: Duration,
) -> Result<Samples> {
    let store = Store::open(file, Options::default())?;
    let begun = Instant::now();
    let mut tasks = Vec::with_capacity(watchers);
    for _ in 0..watchers {
        let mut watch = store.watch("/registry/pods/", store.revision())?;
        tasks.push(cedge_tasks::spawn("bench/watcher", async move {
            let mut ages = Samples::default();
            while let Ok(batch) = watch.next().await {
                for event in &batch.events {
                    ages.push(age(&event.value, begun));
                }
            }
            ages
        }));
    }
    let mut beat = tokio::time::interval(beat);
    let mut puts = 0;
    while begun.elapsed() < length {
        beat.tick().await;
        let txn = Txn::put("/registry/pods/default/pod", stamped(begun));
        store.commit(txn).await?;
        puts += 1;
    }
    // What is under way arrives, then every watch ends.
    tokio::time::sleep(Duration::from_millis(500)).await;
    store.close().await;
    let mut all = Samples::default();
    for task in tasks {
        all.extend(task.await?);
    }
    if all.len() != puts * watchers {
        return Err(anyhow!("{} of {} events came", all.len(), puts * watchers));
    }
    Ok(all)
}
