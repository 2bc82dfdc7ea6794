//! What a cluster says of itself to its parent, in counters.

use std::time::Duration;

use cedge_api::edgecluster::{MissionCounts, NodeCounts, Resources, SubtreeCounts};
use cedge_api::exchange::ClusterFacts;
use cedge_informer::Cache;
use cedge_propagation::Counts;
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::Client;
use tokio::sync::watch;

/// How often the own API is asked whether it is ready. A watch does not tell: it is silent when nothing changes.
const PROBE_EVERY: Duration = Duration::from_secs(5);
const PROBE_LIMIT: Duration = Duration::from_secs(3);

/// Sums over the nodes of this cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Nodes {
    pub(crate) counts: NodeCounts,
    pub(crate) capacity: Resources,
    pub(crate) allocatable: Resources,
}

pub(crate) fn nodes(cache: &Cache) -> Nodes {
    let mut sums = Nodes::default();
    let mut capacity = [0_i128; 3];
    let mut allocatable = [0_i128; 3];
    for object in cache.list() {
        let Ok(node) = object.decode::<Node>() else {
            continue;
        };
        sums.counts.total += 1;
        let status = node.status.unwrap_or_default();
        let ready = status
            .conditions
            .iter()
            .flatten()
            .any(|c| c.type_ == "Ready" && c.status == "True");
        sums.counts.ready += u32::from(ready);
        add(&mut capacity, status.capacity.as_ref());
        add(&mut allocatable, status.allocatable.as_ref());
    }
    sums.counts.summary = format!("{}/{}", sums.counts.ready, sums.counts.total);
    sums.capacity = write(capacity);
    sums.allocatable = write(allocatable);
    sums
}

type Amounts = std::collections::BTreeMap<String, Quantity>;

/// In thousandths, so that `500m` counts.
fn add(sums: &mut [i128; 3], amounts: Option<&Amounts>) {
    for (sum, name) in sums.iter_mut().zip(["cpu", "memory", "pods"]) {
        if let Some(quantity) = amounts.and_then(|a| a.get(name)) {
            let amount: Result<cedge_kinds::quantity::Quantity, _> = quantity.0.parse();
            *sum += amount.map_or(0, |a| i128::from(a.millis()));
        }
    }
}

fn write(sums: [i128; 3]) -> Resources {
    let text = |milli: i128| {
        if milli % 1000 == 0 {
            (milli / 1000).to_string()
        } else {
            format!("{milli}m")
        }
    };
    Resources {
        cpu: text(sums[0]),
        memory: text(sums[1]),
        pods: text(sums[2]),
    }
}

/// Whether the API is well, as of the last probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiHealth {
    /// Why it is not.
    pub(crate) trouble: Option<String>,
    /// Its version.
    pub(crate) version: String,
}

/// Asks the API, now and then, and tells when the answer changes.
pub(crate) async fn probe(client: Client, health: watch::Sender<ApiHealth>) {
    loop {
        let ask = async {
            // Not its own part: that is ready when the tree is, and does not make the API unwell.
            let ready = http::Request::get("/readyz?exclude=tree")
                .body(Vec::new())
                .map_err(kube::Error::HttpError)?;
            client.request_text(ready).await?;
            client.apiserver_version().await
        };
        let now = match tokio::time::timeout(PROBE_LIMIT, ask).await {
            Ok(Ok(version)) => ApiHealth {
                trouble: None,
                version: version.git_version,
            },
            Ok(Err(error)) => {
                let why = root_cause(&error);
                trouble(&health, format!("its API does not answer: {why}"))
            }
            Err(_) => trouble(&health, "its API does not answer in time".to_owned()),
        };
        health.send_if_modified(|before| {
            let differs = *before != now;
            *before = now;
            differs
        });
        tokio::time::sleep(PROBE_EVERY).await;
    }
}

/// The last word of an error's chain: "connection refused" says more than "client error".
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    while let Some(cause) = deepest.source() {
        deepest = cause;
    }
    deepest.to_string()
}

fn trouble(health: &watch::Sender<ApiHealth>, why: String) -> ApiHealth {
    ApiHealth {
        trouble: Some(why),
        version: health.borrow().version.clone(),
    }
}

/// What stays the same while the process runs.
#[derive(Debug, Clone)]
pub(crate) struct Constant {
    pub(crate) flavor: String,
    pub(crate) labels: std::collections::BTreeMap<String, String>,
}

/// The whole line.
pub(crate) fn facts(
    constant: &Constant,
    health: &ApiHealth,
    nodes: Nodes,
    missions: &Counts,
    subtree: SubtreeCounts,
) -> ClusterFacts {
    let reason = match &health.trouble {
        Some(trouble) => Some(trouble.clone()),
        None if nodes.counts.total > 0 && nodes.counts.ready == 0 => {
            Some("none of its nodes is ready".to_owned())
        }
        None => None,
    };
    ClusterFacts {
        flavor: constant.flavor.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        kubernetes_version: health.version.clone(),
        labels: constant.labels.clone(),
        healthy: reason.is_none(),
        reason,
        nodes: nodes.counts,
        capacity: nodes.capacity,
        allocatable: nodes.allocatable,
        subtree,
        missions: MissionCounts {
            received: missions.received,
            matched: missions.matched,
            ready: missions.ready,
        },
        clock: String::new(),
    }
}
