//! Requests of one kind by 1, 16 and 100 clients, in turn at both sides.

use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use cedge_benches::api::{Connection, resource_version};
use cedge_benches::clients::{connections, map};
use cedge_benches::load::rate;
use cedge_benches::{Rounds, Samples, millis, ratio, table};
use http::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::Plan;
use crate::sides::{Side, Sides};

const CLIENTS: [usize; 3] = [1, 16, 100];
/// Objects of the smaller namespace.
const SOME: usize = 500;
/// One of so many objects bears the label that is asked for.
const LABELS: usize = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    Get,
    ListSome,
    ListAll,
    ListByLabel,
    Create,
    Update,
    Apply,
}

/// What one side did, over all rounds.
#[derive(Default)]
struct Figures {
    rates: Rounds,
    /// Requests for each second of processor time.
    per_core: Rounds,
    latency: Samples,
}

fn maps(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/configmaps")
}

/// Fills both sides: one namespace with some objects, one with many.
pub(crate) async fn fill(sides: &Sides, plan: &Plan) -> Result<()> {
    for side in sides.both()? {
        let mut api = side.target.connect().await?;
        for (namespace, count) in [("some", SOME), ("many", plan.objects), ("written", 0)] {
            let body = json!({ "metadata": { "name": namespace } }).to_string();
            api.must(Method::POST, "/api/v1/namespaces", body).await?;
            let path = maps(namespace);
            let shared = connections(&side.target, 16).await?;
            let tasks: Vec<_> = (0..16)
                .map(|client| {
                    let (mut api, path) = (shared[client % shared.len()].clone(), path.clone());
                    cedge_tasks::spawn("bench/fill", async move {
                        for number in (client..count).step_by(16) {
                            api.must(Method::POST, &path, labelled(number)?).await?;
                        }
                        anyhow::Ok(())
                    })
                })
                .collect();
            for task in tasks {
                task.await??;
            }
        }
    }
    Ok(())
}

fn labelled(number: usize) -> Result<String> {
    let mut object: Value = serde_json::from_slice(&map(&format!("map-{number}"), None, ""))?;
    object["metadata"]["labels"] = json!({ "part": format!("p{}", number % LABELS) });
    Ok(object.to_string())
}

pub(crate) async fn compare(sides: &Sides, plan: &Plan) -> Result<()> {
    let both = sides.both()?;
    let asks = [
        Ask::Get,
        Ask::ListSome,
        Ask::ListAll,
        Ask::ListByLabel,
        Ask::Create,
        Ask::Update,
        Ask::Apply,
    ];
    for ask in asks {
        let mut all = table(&[
            "clients",
            "side",
            "requests/s (range)",
            "p50 ms",
            "p99 ms",
            "requests per core-second",
            "ours: rate, per core",
        ]);
        for clients in CLIENTS {
            let mut figures = [Figures::default(), Figures::default()];
            for round in 0..plan.rounds {
                for (side, figures) in both.iter().zip(&mut figures) {
                    once(side, ask, clients, round, plan.length, figures).await?;
                }
            }
            let [ours, theirs] = &figures;
            let ratios = format!(
                "{}, {}",
                ratio(ours.rates.against(&theirs.rates)),
                ratio(ours.per_core.against(&theirs.per_core))
            );
            for (side, mut figures) in both.iter().zip(figures) {
                all.add_row([
                    clients.to_string(),
                    side.name.to_owned(),
                    figures.rates.to_string(),
                    millis(figures.latency.percentile(50)),
                    millis(figures.latency.percentile(99)),
                    figures.per_core.to_string(),
                    if side.name == "ours" {
                        ratios.clone()
                    } else {
                        String::new()
                    },
                ]);
            }
        }
        println!("{}\n\n{all}\n", said(ask, plan));
    }
    Ok(())
}

fn said(ask: Ask, plan: &Plan) -> String {
    match ask {
        Ask::Get => "GET of a ConfigMap of 1 KiB".to_owned(),
        Ask::ListSome => format!("LIST of {SOME} of them"),
        Ask::ListAll => format!("LIST of {} of them", plan.objects),
        Ask::ListByLabel => format!(
            "LIST of {} of {} by label",
            plan.objects / LABELS,
            plan.objects
        ),
        Ask::Create => "create".to_owned(),
        Ask::Update => "update with resourceVersion, one object for each client".to_owned(),
        Ask::Apply => "server-side apply, one object for each client".to_owned(),
    }
}

async fn once(
    side: &Side,
    ask: Ask,
    clients: usize,
    round: u64,
    length: Duration,
    figures: &mut Figures,
) -> Result<()> {
    let shared = connections(&side.target, clients).await?;
    let before = side.cpu()?;
    let begun = Instant::now();
    let tasks: Vec<_> = (0..clients)
        .map(|client| {
            let api = shared[client % shared.len()].clone();
            let name = format!("{ask:?}-{clients}-{round}-{client}").to_lowercase();
            cedge_tasks::spawn("bench/client", run(api, ask, name, client, begun, length))
        })
        .collect();
    let mut latency = Samples::default();
    for task in tasks {
        latency.extend(task.await??);
    }
    let used = (side.cpu()? - before).as_secs_f64();
    figures.rates.push(rate(latency.len(), begun));
    let done = f64::from(u32::try_from(latency.len())?);
    figures.per_core.push(done / used.max(0.01));
    figures.latency.extend(latency);
    Ok(())
}

async fn run(
    mut api: Connection,
    ask: Ask,
    name: String,
    client: usize,
    begun: Instant,
    length: Duration,
) -> Result<Samples> {
    let written = maps("written");
    let own = format!("{written}/{name}");
    let mut at = String::new();
    if ask == Ask::Update {
        let made = api
            .must(Method::POST, &written, map(&name, None, ""))
            .await?;
        resource_version(&made)
            .context("no resourceVersion")?
            .clone_into(&mut at);
    }
    let mut latency = Samples::default();
    while begun.elapsed() < length {
        let count = latency.len();
        let stamp = count.to_string();
        let asked = Instant::now();
        let answer = match ask {
            Ask::Get => {
                get(
                    &mut api,
                    &format!("{}/map-{}", maps("some"), (client + count) % SOME),
                )
                .await?
            }
            Ask::ListSome => get(&mut api, &maps("some")).await?,
            Ask::ListAll => get(&mut api, &maps("many")).await?,
            Ask::ListByLabel => {
                let label = (client + count) % LABELS;
                get(
                    &mut api,
                    &format!("{}?labelSelector=part%3Dp{label}", maps("many")),
                )
                .await?
            }
            Ask::Create => {
                let body = map(&format!("{name}-{count}"), None, "");
                api.must(Method::POST, &written, body).await?
            }
            Ask::Update => {
                api.must(Method::PUT, &own, map(&name, Some(&at), &stamp))
                    .await?
            }
            Ask::Apply => api.apply(&own, map(&name, None, &stamp)).await?,
        };
        latency.push(asked.elapsed());
        if ask == Ask::Update {
            resource_version(&answer)
                .context("no resourceVersion")?
                .clone_into(&mut at);
        }
    }
    Ok(latency)
}

async fn get(api: &mut Connection, path: &str) -> Result<Bytes> {
    api.must(Method::GET, path, Bytes::new()).await
}
