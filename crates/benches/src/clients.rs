//! Clients and watchers of an API server.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::Samples;
use crate::api::{Connection, Target, resource_version, text_after};
use crate::load::{Round, VALUE, Write, rate};

/// Connections of many clients at least, as the peer's clients have.
const CONNECTIONS: usize = 4;
/// Streams of one connection. An API server of Kubernetes allows 100.
const STREAMS: usize = 50;
/// Between the last write and the end of a watch.
const AFTERWARDS: Duration = Duration::from_secs(2);
const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const WATCHED: &str = "/api/v1/namespaces/watched/configmaps";
/// Before the time, in what watchers are told.
const STAMP: &[u8] = b"\"stamp\":\"";

/// Clients that each make ConfigMaps, or replace their own, by compare-and-swap.
///
/// # Errors
/// When a call fails.
pub async fn writes(
    target: &Target,
    kind: Write,
    clients: usize,
    round: usize,
    length: Duration,
) -> Result<Round> {
    let connections = connections(target, clients).await?;
    let begun = Instant::now();
    let tasks: Vec<_> = (0..clients)
        .map(|client| {
            let api = connections[client % connections.len()].clone();
            let name = format!("{kind:?}-{clients}-{round}-{client}").to_lowercase();
            cedge_tasks::spawn("bench/client", async move {
                match kind {
                    Write::Create => create(api, &name, begun, length).await,
                    Write::Update => update(api, &name, begun, length).await,
                }
            })
        })
        .collect();
    let mut done = Round::default();
    for task in tasks {
        done.latency.extend(task.await??);
    }
    done.per_second = rate(done.latency.len(), begun);
    Ok(done)
}

async fn create(
    mut api: Connection,
    name: &str,
    begun: Instant,
    length: Duration,
) -> Result<Samples> {
    let mut latency = Samples::default();
    while begun.elapsed() < length {
        let body = map(&format!("{name}-{}", latency.len()), None, "");
        let asked = Instant::now();
        api.must(Method::POST, MAPS, body).await?;
        latency.push(asked.elapsed());
    }
    Ok(latency)
}

async fn update(
    mut api: Connection,
    name: &str,
    begun: Instant,
    length: Duration,
) -> Result<Samples> {
    let path = format!("{MAPS}/{name}");
    let mut answer = api.must(Method::POST, MAPS, map(name, None, "0")).await?;
    let mut latency = Samples::default();
    while begun.elapsed() < length {
        let at = resource_version(&answer).context("no resourceVersion")?;
        // A word of its own each time: an update that changes nothing is not written.
        let body = map(name, Some(at), &latency.len().to_string());
        let asked = Instant::now();
        answer = api.must(Method::PUT, &path, body).await?;
        latency.push(asked.elapsed());
    }
    Ok(latency)
}

/// Watchers of one namespace, one update every `beat`; tells how old each change was when each watcher had it.
///
/// # Errors
/// When a call fails, or a watcher was not told everything.
pub async fn watches(
    target: &Target,
    watchers: usize,
    length: Duration,
    beat: Duration,
) -> Result<Samples> {
    let connections = connections(target, watchers).await?;
    let mut writer = target.connect().await?;
    let namespace = json!({ "metadata": { "name": "watched" } }).to_string();
    let (status, _) = writer
        .ask(Method::POST, "/api/v1/namespaces", namespace)
        .await?;
    if !status.is_success() && status != StatusCode::CONFLICT {
        bail!("no namespace to watch: {status}");
    }
    let path = format!("{WATCHED}/watched");
    // What an earlier round left would be told first.
    writer.ask(Method::DELETE, &path, Bytes::new()).await?;
    let begun = Instant::now();
    let stop = Arc::new(Semaphore::new(0));
    let mut tasks = Vec::with_capacity(watchers);
    for watcher in 0..watchers {
        let mut api = connections[watcher % connections.len()].clone();
        let mut lines = api.watch_from_now(WATCHED, "").await?;
        let stop = stop.clone();
        tasks.push(cedge_tasks::spawn("bench/watcher", async move {
            let mut ages = Samples::default();
            loop {
                let line = tokio::select! {
                    biased;
                    _ = stop.acquire() => return Ok(ages),
                    line = lines.next() => line?.context("a watch ended")?,
                };
                if let Some(micros) = text_after(&line, STAMP) {
                    let then = Duration::from_micros(micros.parse()?);
                    ages.push(begun.elapsed().saturating_sub(then));
                }
            }
        }));
    }
    let mut beat = tokio::time::interval(beat);
    let (started, mut written) = (Instant::now(), 0);
    while started.elapsed() < length {
        beat.tick().await;
        let stamp = begun.elapsed().as_micros().to_string();
        let body = map("watched", None, &stamp);
        match written {
            0 => writer.must(Method::POST, WATCHED, body).await?,
            _ => writer.must(Method::PUT, &path, body).await?,
        };
        written += 1;
    }
    tokio::time::sleep(AFTERWARDS).await;
    stop.close();
    let mut ages = Samples::default();
    for task in tasks {
        let told: Result<Samples> = task.await?;
        ages.extend(told?);
    }
    if ages.len() != written * watchers {
        bail!("{} of {} events came", ages.len(), written * watchers);
    }
    Ok(ages)
}

/// The connections that so many clients share.
///
/// # Errors
/// When nobody answers.
pub async fn connections(target: &Target, clients: usize) -> Result<Vec<Connection>> {
    let count = match clients {
        0..16 => 1,
        _ => CONNECTIONS.max(clients.div_ceil(STREAMS)),
    };
    let mut connections = Vec::with_capacity(count);
    for _ in 0..count {
        connections.push(target.connect().await?);
    }
    Ok(connections)
}

/// A ConfigMap with [`VALUE`] bytes.
#[must_use]
pub fn map(name: &str, at: Option<&str>, stamp: &str) -> Bytes {
    let mut metadata = json!({ "name": name });
    if let Some(at) = at {
        metadata["resourceVersion"] = at.into();
    }
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata,
        "data": { "stamp": stamp, "value": "x".repeat(VALUE) },
    });
    Bytes::from(map.to_string())
}
