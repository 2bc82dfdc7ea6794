//! What pods use, in the form of the kubelet's summary.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Answer, Refused, json as answer_json};
use crate::Node;

pub(super) async fn summary(node: &Arc<Node>) -> Result<Answer, Refused> {
    let mut pods = Vec::new();
    for pod in node.pods.all() {
        let meta = &pod.metadata;
        let uid = meta.uid.as_deref().unwrap_or_default();
        let seen = node.runtime.seen(uid).await.map_err(Refused::internal)?;
        let mut containers = Vec::new();
        for container in seen.containers.iter().filter(|c| c.is_running()) {
            // It may have ended meanwhile.
            if let Ok(usage) = node.runtime.usage(&container.id).await {
                containers.push(container_stats(&container.name, usage));
            }
        }
        pods.push(json!({
            "podRef": {"name": meta.name, "namespace": meta.namespace, "uid": uid},
            "containers": containers,
        }));
    }
    Ok(answer_json(&json!({
        "node": {"nodeName": node.config.node_name},
        "pods": pods,
    })))
}

fn container_stats(name: &str, usage: cedge_runtime::Usage) -> Value {
    let now = cedge_tasks::clock::now_rfc3339();
    json!({
        "name": name,
        "cpu": {"time": now, "usageCoreNanoSeconds": usage.cpu.as_nanos().to_string().parse::<u64>().unwrap_or(u64::MAX)},
        "memory": {"time": now, "workingSetBytes": usage.memory},
    })
}
