//! Pods that nobody else cleans up: those of vanished nodes, those in deletion that never had a node, those of nodes
//! that an operator has declared out of service, and the oldest finished ones when there are too many.

use std::sync::Arc;

use cedge_informer::{Cache, Change, Key, Next, Object, Queue};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::Api;

use crate::context::Context;
use crate::error::Error;
use crate::{nodes, pods};

const FINISHED: &str = "finished";
const REASON: &str = "DeletionByPodGC";

#[derive(Clone)]
struct Collector {
    ctx: Context,
    pods: Cache,
    nodes: Cache,
}

/// Why a pod is taken away.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Case {
    Fine,
    /// Bound to a node that is not there.
    Orphaned,
    /// In deletion, and no node will ever confirm it.
    Unscheduled,
    /// In deletion on a node that is declared dead.
    OutOfService,
}

pub(crate) fn start(ctx: &Context) {
    let this = Collector {
        ctx: ctx.clone(),
        pods: ctx.informers.of::<Pod>(),
        nodes: ctx.informers.of::<Node>(),
    };
    pods::index_by_node(&this.pods);
    this.pods.index(FINISHED, |pod| {
        let finished = pod.decode::<Pod>().is_ok_and(|p| pods::is_terminal(&p));
        finished.then(String::new).into_iter().collect()
    });
    let queue: Queue<Key> = Queue::new("pod-gc");
    let surplus: Queue<()> = Queue::new("pod-gc/finished");
    this.pods.subscribe({
        let (queue, surplus, quarantine) = (queue.clone(), surplus.clone(), ctx.clone());
        move |change| {
            if let Change::Added(pod) | Change::Updated { new: pod, .. } = change {
                // A node may be seen after its pods; the time to wait is the same as for one that vanished.
                queue.add_after(
                    pod.key().clone(),
                    quarantine.config.vanished_node_quarantine,
                );
                if pod.is_deleting() {
                    queue.add(pod.key().clone());
                }
                surplus.add(());
            }
        }
    });
    this.nodes.subscribe({
        let (this, queue) = (this.clone(), queue.clone());
        move |change| this.observe_node(change, &queue)
    });
    let caches = [&this.pods.clone(), &this.nodes.clone()];
    let counter = this.clone();
    ctx.work(&queue, &caches, 2, move |key| {
        let this = this.clone();
        async move { Box::pin(this.reconcile(&key)).await }
    });
    ctx.work(&surplus, &caches, 1, move |()| {
        let this = counter.clone();
        async move { this.cut_finished().await }
    });
}

impl Collector {
    fn observe_node(&self, change: &Change, queue: &Queue<Key>) {
        let node = change.object();
        let wait = match change {
            Change::Deleted(_) => self.ctx.config.vanished_node_quarantine,
            Change::Updated { .. } if is_out_of_service(node) => std::time::Duration::ZERO,
            Change::Added(_) | Change::Updated { .. } => return,
        };
        for pod in self.pods.by_index(pods::BY_NODE, node.name()) {
            queue.add_after(pod.key().clone(), wait);
        }
    }

    async fn reconcile(&self, key: &Key) -> Result<Next, Error> {
        let Some(object) = self.pods.get_key(key) else {
            return Ok(Next::OnChange);
        };
        let pod: Pod = object.decode()?;
        let node = self.nodes.get("", pods::node_name(&pod));
        let case = judge(&pod, node.as_ref());
        let message = match case {
            Case::Fine => return Ok(Next::OnChange),
            Case::Unscheduled => {
                return pods::delete(&self.ctx.client, &object, Some(0))
                    .await
                    .map(|()| Next::OnChange);
            }
            Case::OutOfService => "PodGC: node is out of service",
            Case::Orphaned => {
                // The cache may be behind, and a pod that runs must never be taken for lost.
                let api: Api<Node> = Api::all(self.ctx.client.clone());
                if api.get_metadata_opt(pods::node_name(&pod)).await?.is_some() {
                    return Ok(Next::After(self.ctx.config.vanished_node_quarantine));
                }
                "PodGC: node no longer exists"
            }
        };
        tracing::info!(pod = %key, node = pods::node_name(&pod), message, "pod is collected");
        if !pods::is_terminal(&pod) {
            let client = &self.ctx.client;
            pods::mark_disrupted(client, &object, &pod, REASON, message, true).await?;
        }
        pods::delete(&self.ctx.client, &object, Some(0)).await?;
        Ok(Next::OnChange)
    }

    async fn cut_finished(&self) -> Result<Next, Error> {
        let mut finished = self.pods.by_index(FINISHED, "");
        let surplus = finished
            .len()
            .saturating_sub(self.ctx.config.terminated_pods_max);
        finished.sort_by_key(|p| p.created());
        for pod in finished.iter().take(surplus) {
            pods::delete(&self.ctx.client, pod, Some(0)).await?;
        }
        Ok(Next::OnChange)
    }
}

fn judge(pod: &Pod, node: Option<&Arc<Object>>) -> Case {
    let deleting = pods::is_deleting(pod);
    match (pods::node_name(pod), node) {
        ("", _) if deleting => Case::Unscheduled,
        ("", _) => Case::Fine,
        (_, None) => Case::Orphaned,
        (_, Some(node)) if deleting && is_out_of_service(node) => Case::OutOfService,
        (_, Some(_)) => Case::Fine,
    }
}

/// Declared so, and really silent: a node that still reports stops its pods by itself.
fn is_out_of_service(node: &Object) -> bool {
    node.decode::<Node>().is_ok_and(|node| {
        let taints = nodes::taints(&node);
        taints.iter().any(|t| t.key == nodes::OUT_OF_SERVICE)
            && nodes::condition(&node, "Ready") != Some("True")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_pods_that_nobody_else_will_end_are_taken() {
        let node = |taint: &str, ready: &str| {
            let json = json!({"metadata": {"name": "n"}, "spec": {"taints": [{"key": taint, "effect": "NoExecute"}]},
                "status": {"conditions": [{"type": "Ready", "status": ready}]}});
            let resource = kube::api::ApiResource::erase::<Node>(&());
            Some(Arc::new(
                Object::from_json(&resource, json.to_string().as_bytes()).unwrap(),
            ))
        };
        let pod = |node: &str, deleted: Option<&str>| -> Pod {
            serde_json::from_value(json!({"metadata": {"deletionTimestamp": deleted}, "spec": {"containers": [], "nodeName": node}})).unwrap()
        };
        let now = Some("2026-11-23T00:00:00Z");
        for (pod, node, expected) in [
            (pod("", None), None, Case::Fine),
            (pod("", now), None, Case::Unscheduled),
            (pod("n", None), None, Case::Orphaned),
            (pod("n", None), node("other", "False"), Case::Fine),
            (pod("n", now), node("other", "False"), Case::Fine),
            (
                pod("n", now),
                node(nodes::OUT_OF_SERVICE, "Unknown"),
                Case::OutOfService,
            ),
            (
                pod("n", now),
                node(nodes::OUT_OF_SERVICE, "True"),
                Case::Fine,
            ),
            (
                pod("n", None),
                node(nodes::OUT_OF_SERVICE, "Unknown"),
                Case::Fine,
            ),
        ] {
            assert_eq!(judge(&pod, node.as_ref()), expected);
        }
    }
}
