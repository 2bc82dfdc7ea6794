//! How long nodes may believe what they know of objects: longer the more nodes there are. An annotation says so to each.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cedge_informer::{Cache, Change, Key, Next, Queue};
use k8s_openapi::api::core::v1::Node;
use kube::Api;
use serde_json::json;

use crate::context::Context;
use crate::error::{Answer as _, Error};
use crate::patch;

const ANNOTATION: &str = "node.alpha.kubernetes.io/ttl";
/// From how many nodes, up to how many, how many seconds; as in Kubernetes. Steps overlap, so that a cluster that changes a
/// little does not write to all of its nodes.
const STEPS: [(usize, usize, u32); 5] = [
    (0, 100, 0),
    (90, 500, 15),
    (450, 1000, 30),
    (900, 2000, 60),
    (1800, usize::MAX, 300),
];

#[derive(Clone)]
struct Nodes {
    ctx: Context,
    nodes: Cache,
    step: Arc<AtomicUsize>,
}

pub(crate) fn start(ctx: &Context) {
    let this = Nodes {
        ctx: ctx.clone(),
        nodes: ctx.informers.of::<Node>(),
        step: Arc::default(),
    };
    let queue: Queue<Key> = Queue::new("node-ttl");
    this.nodes.subscribe({
        let (this, queue) = (this.clone(), queue.clone());
        move |change| {
            let counted = !matches!(change, Change::Updated { .. });
            if counted && this.moved() {
                for node in this.nodes.list() {
                    queue.add(node.key().clone());
                }
            }
            queue.add(change.object().key().clone());
        }
    });
    let caches = [&this.nodes.clone()];
    ctx.work(&queue, &caches, 1, move |key| {
        let this = this.clone();
        async move { this.reconcile(&key).await }
    });
}

impl Nodes {
    /// Whether the number of nodes is on another step now.
    fn moved(&self) -> bool {
        let before = self.step.load(Ordering::Relaxed);
        let now = step(self.nodes.len(), before);
        self.step.store(now, Ordering::Relaxed);
        now != before
    }

    async fn reconcile(&self, key: &Key) -> Result<Next, Error> {
        let Some(object) = self.nodes.get_key(key) else {
            return Ok(Next::OnChange);
        };
        let wanted = STEPS[self.step.load(Ordering::Relaxed)].2.to_string();
        let value = object.value()?;
        if value["metadata"]["annotations"][ANNOTATION] == *wanted {
            return Ok(Next::OnChange);
        }
        let api: Api<Node> = Api::all(self.ctx.client.clone());
        let patch = json!({"metadata": {"annotations": {ANNOTATION: wanted}}});
        match patch::merge(&api, &object, patch).await {
            Err(Error::Api(e)) if e.is_not_found() => {}
            written => _ = written?,
        }
        Ok(Next::OnChange)
    }
}

fn step(nodes: usize, mut step: usize) -> usize {
    while nodes > STEPS[step].1 && step + 1 < STEPS.len() {
        step += 1;
    }
    while nodes < STEPS[step].0 && step > 0 {
        step -= 1;
    }
    step
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_overlap() {
        assert_eq!(step(100, 0), 0);
        assert_eq!(step(101, 0), 1);
        assert_eq!(step(95, 1), 1);
        assert_eq!(step(89, 1), 0);
        assert_eq!(step(5000, 0), 4);
    }
}
