//! Evicts pods from nodes with taints of effect `NoExecute` that they do not tolerate, or no longer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cedge_informer::{Cache, Change, Key, Next, Object, Queue, Recorder};
use k8s_openapi::api::core::v1::{Node, Pod, Taint, Toleration};
use tokio::time::Instant;

use crate::context::Context;
use crate::error::Error;
use crate::{nodes, pods};

#[derive(Clone)]
struct Evictor {
    ctx: Context,
    pods: Cache,
    nodes: Cache,
    since: Arc<Mutex<Since>>,
    recorder: Recorder,
}

/// Since when a pod, of this identity, is on a node with such a taint, as seen here.
type Since = HashMap<Key, (Box<str>, Instant)>;

/// How long a pod may stay.
#[derive(Debug, PartialEq, Eq)]
enum Stay {
    ForEver,
    For(Duration),
    No,
}

pub(crate) fn start(ctx: &Context) {
    let this = Evictor {
        ctx: ctx.clone(),
        pods: ctx.informers.of::<Pod>(),
        nodes: ctx.informers.of::<Node>(),
        since: Arc::default(),
        recorder: ctx.events.recorder("taint-eviction-controller"),
    };
    pods::index_by_node(&this.pods);
    let queue: Queue<Key> = Queue::new("taint-eviction");
    this.pods.subscribe({
        let queue = queue.clone();
        move |change| queue.add(change.object().key().clone())
    });
    this.nodes.subscribe({
        let (queue, pods) = (queue.clone(), this.pods.clone());
        move |change| {
            let before = change.old().map(|o| evicting(o)).unwrap_or_default();
            if matches!(change, Change::Deleted(_)) || before == evicting(change.object()) {
                return;
            }
            for pod in pods.by_index(pods::BY_NODE, change.object().name()) {
                queue.add(pod.key().clone());
            }
        }
    });
    let caches = [&this.pods.clone(), &this.nodes.clone()];
    ctx.work(&queue, &caches, ctx.config.workers, move |key| {
        let this = this.clone();
        async move { Box::pin(this.reconcile(&key)).await }
    });
}

impl Evictor {
    async fn reconcile(&self, key: &Key) -> Result<Next, Error> {
        let Some(object) = self.pods.get_key(key).filter(|p| !p.is_deleting()) else {
            self.forget(key);
            return Ok(Next::OnChange);
        };
        let pod: Pod = object.decode()?;
        let node = self.nodes.get("", pods::node_name(&pod));
        let taints = node.map(|n| evicting(&n)).unwrap_or_default();
        if taints.is_empty() {
            if self.forget(key) {
                let text = format!("Cancelling deletion of Pod {key}");
                self.recorder
                    .normal(object.reference(), "TaintManagerEviction", text);
            }
            return Ok(Next::OnChange);
        }
        let tolerations = pod.spec.as_ref().and_then(|s| s.tolerations.clone());
        let wait = match stay(&taints, &tolerations.unwrap_or_default()) {
            Stay::ForEver => {
                self.forget(key);
                return Ok(Next::OnChange);
            }
            Stay::For(limit) => limit.saturating_sub(self.tainted_for(key, object.uid())),
            Stay::No => Duration::ZERO,
        };
        if !wait.is_zero() {
            return Ok(Next::After(wait));
        }
        self.evict(&object, &pod).await?;
        Ok(Next::OnChange)
    }

    async fn evict(&self, object: &Object, pod: &Pod) -> Result<(), Error> {
        let text = format!("Marking for deletion Pod {}", object.key());
        self.recorder
            .normal(object.reference(), "TaintManagerEviction", text);
        let (reason, message) = (
            "DeletionByTaintManager",
            "Taint manager: deleting due to NoExecute taint",
        );
        pods::mark_disrupted(&self.ctx.client, object, pod, reason, message, false).await?;
        pods::delete(&self.ctx.client, object, None).await
    }

    /// How long this pod has been on a node with such a taint; begins to count with the first call.
    fn tainted_for(&self, key: &Key, uid: &str) -> Duration {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = since
            .entry(key.clone())
            .or_insert_with(|| (uid.into(), Instant::now()));
        if *entry.0 != *uid {
            *entry = (uid.into(), Instant::now());
        }
        entry.1.elapsed()
    }

    fn forget(&self, key: &Key) -> bool {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        since.remove(key).is_some()
    }
}

fn evicting(node: &Object) -> Vec<Taint> {
    let Ok(node) = node.decode::<Node>() else {
        return Vec::new();
    };
    let taints = nodes::taints(&node).iter();
    taints
        .filter(|t| t.effect == "NoExecute")
        .cloned()
        .collect()
}

/// Each taint must be tolerated; the shortest of the tolerations that do so counts.
fn stay(taints: &[Taint], tolerations: &[Toleration]) -> Stay {
    let mut shortest: Option<i64> = None;
    for taint in taints {
        let mut covering = tolerations
            .iter()
            .filter(|t| nodes::tolerates(t, taint))
            .peekable();
        if covering.peek().is_none() {
            return Stay::No;
        }
        let limit = covering.filter_map(|t| t.toleration_seconds).min();
        shortest = match (shortest, limit) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
    match shortest {
        None => Stay::ForEver,
        Some(seconds) => match u64::try_from(seconds) {
            Ok(0) | Err(_) => Stay::No,
            Ok(seconds) => Stay::For(Duration::from_secs(seconds)),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_shortest_toleration_that_covers_a_taint_counts() {
        let taint = |key: &str| -> Taint {
            serde_json::from_value(json!({"key": key, "effect": "NoExecute"})).unwrap()
        };
        let toleration = |key: &str, seconds: Option<i64>| -> Toleration {
            serde_json::from_value(
                json!({"key": key, "operator": "Exists", "tolerationSeconds": seconds}),
            )
            .unwrap()
        };
        for (taints, tolerations, expected) in [
            (vec![taint("a")], vec![], Stay::No),
            (vec![taint("a")], vec![toleration("a", None)], Stay::ForEver),
            (
                vec![taint("a")],
                vec![toleration("a", Some(300)), toleration("a", Some(5))],
                Stay::For(Duration::from_secs(5)),
            ),
            (
                vec![taint("a"), taint("b")],
                vec![toleration("a", Some(5))],
                Stay::No,
            ),
            (
                vec![taint("a"), taint("b")],
                vec![toleration("a", None), toleration("b", Some(7))],
                Stay::For(Duration::from_secs(7)),
            ),
            (vec![taint("a")], vec![toleration("a", Some(0))], Stay::No),
        ] {
            assert_eq!(
                stay(&taints, &tolerations),
                expected,
                "{taints:?} {tolerations:?}"
            );
        }
    }
}
