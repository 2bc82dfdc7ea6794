//! A Deployment of a hundred pods, from apply to the last of them bound. The nodes are only objects: nothing runs.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use cedge_benches::api::Connection;
use cedge_benches::{Rounds, ratio, table};
use http::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use crate::Plan;
use crate::sides::{Side, Sides};

const PODS: usize = 100;
const NODES: usize = 10;
const LIMIT: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(100);
const ALL_PODS: &str = "/api/v1/namespaces/default/pods";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

pub(crate) async fn compare(sides: &Sides, plan: &Plan) -> Result<()> {
    let both = sides.both()?;
    let mut took = [Rounds::default(), Rounds::default()];
    for side in &both {
        nodes(&mut side.target.connect().await?).await?;
    }
    for round in 0..plan.rounds {
        for (side, took) in both.iter().zip(&mut took) {
            took.push(once(side, round).await?);
        }
    }
    let [ours, theirs] = &took;
    let mut all = table(&["side", "ms", "ours against it"]);
    all.add_row(["ours".to_owned(), ours.to_string(), String::new()]);
    all.add_row([
        "Kubernetes".to_owned(),
        theirs.to_string(),
        ratio(ours.against(theirs)),
    ]);
    println!(
        "A Deployment of {PODS} pods on {NODES} nodes, from apply to all bound (Kubernetes' controller manager with its \
         default of 20 requests a second)\n\n{all}\n"
    );
    Ok(())
}

/// Nodes that say that they are ready, and are not heard of afterwards.
async fn nodes(api: &mut Connection) -> Result<()> {
    for number in 0..NODES {
        let name = format!("bench-{number}");
        let node = json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": name } });
        api.must(Method::POST, "/api/v1/nodes", node.to_string())
            .await?;
        let resources = json!({ "cpu": "64", "memory": "256Gi", "pods": "1000" });
        let ready = json!({ "type": "Ready", "status": "True", "reason": "Bench" });
        let status = json!({ "status": {
            "capacity": resources, "allocatable": resources, "conditions": [ready],
        } });
        let path = format!("/api/v1/nodes/{name}/status");
        api.must(Method::PATCH, &path, status.to_string()).await?;
    }
    for number in 0..NODES {
        let path = format!("/api/v1/nodes/bench-{number}");
        until(|| async {
            let mut api = api.clone();
            let node = api.get(&path).await?.context("the node is gone")?;
            let taints = node["spec"]["taints"].as_array().map_or(0, Vec::len);
            Ok(taints == 0)
        })
        .await
        .context("a node keeps its taint")?;
    }
    Ok(())
}

async fn once(side: &Side, round: u64) -> Result<f64> {
    let mut api = side.target.connect().await?;
    let name = format!("web-{round}");
    let labels = json!({ "app": name });
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name },
        "spec": {
            "replicas": PODS, "selector": { "matchLabels": labels },
            "template": { "metadata": { "labels": labels }, "spec": {
                "terminationGracePeriodSeconds": 0,
                "containers": [{ "name": "main", "image": "web", "resources": { "requests": { "cpu": "100m" } } }],
            } },
        },
    });
    let selector = format!("labelSelector=app%3D{name}");
    let mut lines = api.clone().watch_from_now(ALL_PODS, &selector).await?;
    let begun = Instant::now();
    let path = format!("{DEPLOYMENTS}/{name}");
    api.apply(&path, deployment.to_string()).await?;
    let mut bound = BTreeSet::new();
    while bound.len() < PODS {
        let line = timeout(LIMIT, lines.next())
            .await
            .context("pods are not bound")??;
        let event: Value = serde_json::from_slice(&line.context("a watch ended")?)?;
        let pod = &event["object"];
        if pod["spec"]["nodeName"].is_string() {
            bound.insert(pod["metadata"]["name"].to_string());
        }
    }
    let took = begun.elapsed().as_secs_f64() * 1000.0;
    api.must(Method::DELETE, &path, Bytes::new()).await?;
    until(|| async {
        let mut api = api.clone();
        let left = api.get(&format!("{ALL_PODS}?limit=1&{selector}")).await?;
        Ok(left.is_some_and(|l| l["items"].as_array().is_none_or(Vec::is_empty)))
    })
    .await
    .context("pods do not go")?;
    Ok(took)
}

async fn until<F: Future<Output = Result<bool>>>(is: impl Fn() -> F) -> Result<()> {
    let begun = Instant::now();
    while !is().await? {
        if begun.elapsed() > LIMIT {
            bail!("it took too long");
        }
        sleep(LOOK).await;
    }
    Ok(())
}
