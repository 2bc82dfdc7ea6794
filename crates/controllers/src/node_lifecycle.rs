//! Which nodes are heard of. A silent one is said to be `Unknown` and tainted, so that nothing is scheduled to it and
//! its pods are evicted when their toleration ends.
//!
//! Silence is measured by this machine's monotonic clock since the last sign of life was *seen* here (a renewed lease, a
//! new heartbeat in the status): what the node's clock says does not count. When no node at all is heard of, it
//! is more likely that we are cut off than that all have died: then nothing is evicted.

mod evict;
mod plan;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cedge_informer::{Cache, Change, Key, Next, Object, Queue, Recorder};
use cedge_tasks::clock;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Node, ObjectReference, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Api;
use serde_json::json;
use tokio::time::Instant;

use crate::context::Context;
use crate::error::{Answer as _, Error, optional};
use crate::{nodes, patch, pods};
use plan::Sign;

pub(crate) use evict::start as start_eviction;

const LEASES: &str = "kube-node-lease";

#[derive(Clone)]
struct Nodes {
    ctx: Context,
    nodes: Cache,
    pods: Cache,
    leases: Cache,
    queue: Queue<Key>,
    health: Arc<Mutex<HashMap<Key, Health>>>,
    recorder: Recorder,
}

/// What was seen of a node.
struct Health {
    uid: Box<str>,
    last: Instant,
    sign: Sign,
}

pub(crate) fn start(ctx: &Context) {
    let this = Nodes {
        ctx: ctx.clone(),
        nodes: ctx.informers.of::<Node>(),
        pods: ctx.informers.of::<Pod>(),
        leases: ctx.informers.of::<Lease>(),
        queue: Queue::new("node-lifecycle"),
        health: Arc::default(),
        recorder: ctx.events.recorder("node-controller"),
    };
    pods::index_by_node(&this.pods);
    this.nodes.subscribe({
        let this = this.clone();
        move |change| this.observe_node(change)
    });
    this.leases.subscribe({
        let this = this.clone();
        move |change| this.observe_lease(change)
    });
    let caches = [
        &this.nodes.clone(),
        &this.pods.clone(),
        &this.leases.clone(),
    ];
    let queue = this.queue.clone();
    ctx.work(&queue, &caches, ctx.config.workers, move |key| {
        let this = this.clone();
        async move { Box::pin(this.reconcile(&key)).await }
    });
}

impl Nodes {
    fn observe_node(&self, change: &Change) {
        let object = change.object();
        let key = object.key().clone();
        if matches!(change, Change::Deleted(_)) {
            self.health().remove(&key);
            let name = object.name();
            let text = format!("Node {name} event: Removing Node {name} from Controller");
            self.recorder.normal(about(object), "RemovingNode", text);
        } else if let Ok(node) = object.decode::<Node>() {
            if !self.health().contains_key(&key) {
                let name = object.name();
                let text = format!("Node {name} event: Registered Node {name} in Controller");
                self.recorder.normal(about(object), "RegisteredNode", text);
            }
            self.see(&key, object.uid(), Sign::of_node(&node));
            // A lease that was listed before its node is no news when the node is judged.
            let lease = self.leases.decode::<Lease>(LEASES, object.name());
            if let Ok(Some(lease)) = lease {
                self.see(&key, object.uid(), Sign::of_lease(&lease));
            }
        }
        if readiness(Some(object)) == readiness(change.old()) && change.old().is_some() {
            self.queue.add(key);
            return;
        }
        // Whether any node is heard of may have changed, and that concerns all.
        for node in self.nodes.list() {
            self.queue.add(node.key().clone());
        }
    }

    fn observe_lease(&self, change: &Change) {
        let object = change.object();
        if object.namespace() != LEASES || matches!(change, Change::Deleted(_)) {
            return;
        }
        let key = Key::new("", object.name());
        if let Some(node) = self.nodes.get_key(&key)
            && let Ok(lease) = object.decode::<Lease>()
        {
            self.see(&key, node.uid(), Sign::of_lease(&lease));
        }
    }

    /// A sign of life counts if it is another one than the last of its kind.
    fn see(&self, key: &Key, uid: &str, sign: Sign) {
        let mut health = self.health();
        let now = Instant::now();
        match health.get_mut(key).filter(|h| *h.uid == *uid) {
            Some(h) => {
                if h.sign.take(&sign) {
                    h.last = now;
                }
            }
            None => {
                let (uid, last) = (uid.into(), now);
                health.insert(key.clone(), Health { uid, last, sign });
            }
        }
    }

    async fn reconcile(&self, key: &Key) -> Result<Next, Error> {
        let Some(object) = self.nodes.get_key(key) else {
            return Ok(Next::OnChange);
        };
        let node: Node = object.decode()?;
        self.label(&object).await?;
        let has_reported = nodes::condition(&node, "Ready").is_some();
        let grace = if has_reported {
            self.ctx.config.node_grace
        } else {
            self.ctx.config.node_startup_grace
        };
        let silent = self.health().get(key).map(|h| h.last.elapsed());
        let silent = silent.unwrap_or_default();
        if let Some(left) = grace.checked_sub(silent).filter(|left| !left.is_zero()) {
            self.taint(&object, &node).await?;
            self.mark_pods(key, &node).await?;
            return Ok(Next::After(left));
        }
        if nodes::condition(&node, "Ready") == Some("Unknown") {
            self.taint(&object, &node).await?;
            self.mark_pods(key, &node).await?;
            return Ok(Next::OnChange);
        }
        if self.has_lived_meanwhile(key, &object).await? {
            return Ok(Next::After(grace));
        }
        self.declare_unknown(&object, &node).await?;
        Ok(Next::OnChange)
    }

    /// Our cache may be what is silent: the API is asked before anything is said about the node.
    async fn has_lived_meanwhile(&self, key: &Key, node: &Object) -> Result<bool, Error> {
        let api: Api<Lease> = Api::namespaced(self.ctx.client.clone(), LEASES);
        let Some(lease) = optional(api.get(&key.name).await)? else {
            return Ok(false);
        };
        let before = self.health().get(key).map(|h| h.last);
        self.see(key, node.uid(), Sign::of_lease(&lease));
        Ok(self.health().get(key).map(|h| h.last) != before)
    }

    async fn declare_unknown(&self, object: &Object, node: &Node) -> Result<(), Error> {
        tracing::info!(node = object.name(), "node is silent");
        let old = node.status.clone().unwrap_or_default();
        let mut new = old.clone();
        new.conditions = Some(plan::unknown(node, clock::now()));
        let api: Api<Node> = Api::all(self.ctx.client.clone());
        patch::status(&api, object, &old, &new).await?;
        let text = format!("Node {} status is now: NodeNotReady", object.name());
        self.recorder.normal(about(object), "NodeNotReady", text);
        Ok(())
    }

    async fn taint(&self, object: &Object, node: &Node) -> Result<(), Error> {
        let all_silent = self.are_all_silent();
        let Some(taints) = plan::taints(node, all_silent, clock::now()) else {
            return Ok(());
        };
        let api: Api<Node> = Api::all(self.ctx.client.clone());
        let patch = json!({ "spec": { "taints": patch::list(&taints) } });
        patch::merge(&api, object, patch).await?;
        Ok(())
    }

    /// Says machine and system under the names from before they were stable, too.
    async fn label(&self, object: &Object) -> Result<(), Error> {
        let labels = object.labels();
        let mut missing = serde_json::Map::new();
        for word in ["os", "arch"] {
            let old = format!("beta.kubernetes.io/{word}");
            let value = labels.get(&format!("kubernetes.io/{word}"));
            if let Some(value) = value.filter(|v| labels.get(&old) != Some(*v)) {
                missing.insert(old, json!(value));
            }
        }
        if !missing.is_empty() {
            let api: Api<Node> = Api::all(self.ctx.client.clone());
            patch::merge(&api, object, json!({ "metadata": { "labels": missing } })).await?;
        }
        Ok(())
    }

    /// Whether there are nodes, and not one of them is ready.
    fn are_all_silent(&self) -> bool {
        let nodes = self.nodes.list();
        let mut counting = nodes
            .iter()
            .filter(|n| n.labels().get(plan::EXCLUDED).is_none());
        !nodes.is_empty() && counting.all(|n| readiness(Some(n)).as_deref() != Some("True"))
    }

    /// Pods of a node that is not ready serve nobody: without this, Services would still send to them.
    async fn mark_pods(&self, key: &Key, node: &Node) -> Result<(), Error> {
        if matches!(nodes::condition(node, "Ready"), None | Some("True")) {
            return Ok(());
        }
        for object in self.pods.by_index(pods::BY_NODE, &key.name) {
            let pod: Pod = object.decode()?;
            if !pods::is_ready(&pod) {
                continue;
            }
            let old = pod.status.unwrap_or_default();
            let mut new = old.clone();
            for condition in new.conditions.iter_mut().flatten() {
                if condition.type_ == "Ready" {
                    condition.status = "False".to_owned();
                    condition.last_transition_time = Some(Time(clock::now()));
                }
            }
            let api: Api<Pod> = Api::namespaced(self.ctx.client.clone(), object.namespace());
            match patch::status(&api, &object, &old, &new).await {
                Err(Error::Api(e)) if e.is_not_found() => {}
                written => _ = written?,
            }
            let about = object.reference();
            self.recorder
                .warning(about, "NodeNotReady", "Node is not ready");
        }
        Ok(())
    }

    fn health(&self) -> MutexGuard<'_, HashMap<Key, Health>> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn readiness(node: Option<&Arc<Object>>) -> Option<String> {
    let node: Node = node?.decode().ok()?;
    nodes::condition(&node, "Ready").map(str::to_owned)
}

/// Events on nodes carry the name as uid, where kubectl looks for them.
fn about(node: &Object) -> ObjectReference {
    ObjectReference {
        uid: Some(node.name().to_owned()),
        ..node.reference()
    }
}
