//! A node whose link is down for too long: the cluster is told that nothing is heard of it, so that its pods can be run
//! elsewhere. Every flavor's own controllers do the rest: they taint a node whose `Ready` is `Unknown`.
//!
//! Only a link that was seen to go down counts. A hub that has just started knows nothing of nodes that are not there
//! yet; their leases run out as in any Kubernetes.

use std::time::Duration;

use cedge_informer::{Change, Object, Queue};
use cedge_link::Closed;
use cedge_tasks::clock;
use k8s_openapi::api::core::v1::Node;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::keeper::Due;
use super::{MANAGER, NodeState, Nodes, api_writes};

/// How long a node may be without a link before it counts as lost; 10 s. A pod with a toleration of 2 s then runs
/// elsewhere within 15 s. A node says something every 5/9 of it, so one word that is late does no harm.
pub const NODE_GRACE: Duration = Duration::from_secs(10);
/// How long a node whose link was given up as silent has to dial again: it may be this machine that stood still.
const DIAL_AGAIN: Duration = Duration::from_secs(1);
/// What a node says of itself, and nobody knows any more.
const CONDITIONS: [&str; 4] = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"];

/// Follows a node's link. When it comes up, everything that the node said is due: the cluster may have written otherwise
/// meanwhile.
pub(super) async fn watch(node: NodeState, grace: Duration, due: Queue<Due>) {
    let mut sessions = node.session.subscribe();
    loop {
        let session = sessions.borrow_and_update().clone();
        let Some(session) = session else {
            if sessions.changed().await.is_err() {
                return;
            }
            continue;
        };
        due.add(Due::Node);
        for line in node.tables.pod_status.iter() {
            due.add(Due::PodStatus(line.key));
        }
        let reason = session.closed().await;
        tracing::info!(node = node.name, ?reason, "link of a node is down");
        let wait = match reason {
            // It has been silent for as long as the grace already.
            Closed::Silent => DIAL_AGAIN,
            Closed::Lost(_) | Closed::Refused(_) | Closed::Local => grace,
        };
        tokio::select! {
            biased;
            // May be dropped: the value is looked at again above.
            changed = sessions.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(wait) => {
                due.add(Due::Lost);
                if sessions.changed().await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Says in the Node that nothing is heard of it.
pub(super) async fn declare(nodes: &Nodes, node: &NodeState) -> Result<(), api_writes::Error> {
    if node.is_connected() {
        return Ok(());
    }
    let api: Api<Node> = Api::all(nodes.client.clone());
    let what = format!("the status of Node {}", node.name);
    let found = api.get_opt(&node.name).await;
    let Some(found) = found.map_err(api_writes::refused(&what))? else {
        return Ok(());
    };
    let known = found.status.and_then(|s| s.conditions).unwrap_or_default();
    let now = clock::now_rfc3339();
    let unknown: Vec<Value> = known
        .iter()
        .filter(|c| CONDITIONS.contains(&c.type_.as_str()) && c.status != "Unknown")
        .map(|c| {
            json!({
                "type": c.type_, "status": "Unknown", "reason": "NodeStatusUnknown", "lastTransitionTime": now,
                "message": "The node has no link to this cluster; its pods may still run there.",
            })
        })
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    tracing::warn!(node = node.name, "nothing is heard of a node");
    let params = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let status = json!({ "status": { "conditions": unknown } });
    match api
        .patch_status(&node.name, &params, &Patch::Strategic(status))
        .await
    {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        other => other.map(drop).map_err(api_writes::refused(&what)),
    }
}

/// Whether somebody, such as the cluster's own controllers for a node that was lost, took a pod's readiness away.
pub(super) fn became_unready(change: &Change) -> bool {
    change.old().is_some_and(|old| is_ready(old)) && !is_ready(change.object())
}

fn is_ready(object: &Object) -> bool {
    let pod: Option<Conditions> = object.decode().ok();
    let conditions = pod.map(|pod| pod.status.conditions).unwrap_or_default();
    conditions
        .iter()
        .any(|c| c.kind == "Ready" && c.status == "True")
}

/// The part of a Pod that this needs.
#[derive(serde::Deserialize)]
struct Conditions {
    #[serde(default)]
    status: OfStatus,
}

#[derive(Default, serde::Deserialize)]
struct OfStatus {
    #[serde(default)]
    conditions: Vec<Condition>,
}

#[derive(serde::Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}

/// The key of a pod in the tables of its node.
pub(super) fn line_of(pod: &Object) -> String {
    format!("{}/{}/{}", pod.namespace(), pod.name(), pod.uid())
}

/// What a node said before it was lost must not make its pods ready again.
pub(super) fn keep_readiness(now: &Value, said: &mut Value) {
    let of = |c: &&Value| c["type"] == "Ready";
    let known = now["conditions"].as_array().into_iter().flatten().find(of);
    let said = said.get_mut("conditions").and_then(Value::as_array_mut);
    let said = said.into_iter().flatten();
    for condition in said.filter(|c| c["type"] == "Ready") {
        if let Some(known) = known.filter(|k| k["status"] != "True") {
            condition.clone_from(known);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_lost_node_said_makes_no_pod_ready_again() {
        let ready = |status| json!({ "conditions": [{ "type": "Initialized", "status": "True" }, { "type": "Ready", "status": status }] });
        for (now, said, kept) in [
            (ready("False"), ready("True"), ready("False")),
            (ready("True"), ready("True"), ready("True")),
            (ready("True"), ready("False"), ready("False")),
            (json!({}), ready("True"), ready("True")),
            (ready("False"), json!({}), json!({})),
        ] {
            let mut written = said.clone();
            keep_readiness(&now, &mut written);
            assert_eq!(written, kept, "{now} {said}");
        }
    }
}
