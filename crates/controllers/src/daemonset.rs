//! DaemonSets: one pod on each node that the template tolerates and selects.

mod act;
mod history;
mod plan;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cedge_informer::{Cache, Change, Key, Next, Object, Queue, Recorder, Selector};
use cedge_tasks::clock;
use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::Api;
use tokio::time::Instant;

use crate::claim::{Claimer, still_there};
use crate::context::{Context, controller_key, feed};
use crate::error::Error;
use crate::expectations::Expectations;
use crate::update;
use plan::View;

const API_VERSION: &str = "apps/v1";
const KIND: &str = "DaemonSet";

#[derive(Clone)]
struct DaemonSets {
    ctx: Context,
    sets: Cache,
    pods: Cache,
    nodes: Cache,
    revisions: Cache,
    expectations: Expectations,
    /// When a failed pod of a set on a node may be replaced again, and how long the next wait is.
    backoff: Arc<Mutex<HashMap<(Key, String), Wait>>>,
    recorder: Recorder,
}

#[derive(Clone, Copy)]
struct Wait {
    until: Instant,
    step: std::time::Duration,
}

pub(crate) fn start(ctx: &Context) {
    let this = DaemonSets {
        ctx: ctx.clone(),
        sets: ctx.informers.of::<DaemonSet>(),
        pods: ctx.informers.of::<Pod>(),
        nodes: ctx.informers.of::<Node>(),
        revisions: ctx.informers.of::<ControllerRevision>(),
        expectations: Expectations::default(),
        backoff: Arc::default(),
        recorder: ctx.events.recorder("daemonset-controller"),
    };
    let queue: Queue<Key> = Queue::new("daemonset");
    feed(&this.sets, &queue);
    this.pods.subscribe({
        let (this, queue) = (this.clone(), queue.clone());
        move |change| this.observe_pod(change, &queue)
    });
    this.nodes.subscribe({
        let (sets, queue) = (this.sets.clone(), queue.clone());
        move |change| {
            if concerns(change) {
                for set in sets.list() {
                    queue.add(set.key().clone());
                }
            }
        }
    });
    this.revisions.subscribe({
        let queue = queue.clone();
        move |change| {
            if let Some(key) = controller_key(change.object(), API_VERSION, KIND) {
                queue.add(key);
            }
        }
    });
    let caches = [
        &this.sets.clone(),
        &this.pods.clone(),
        &this.nodes.clone(),
        &this.revisions.clone(),
    ];
    ctx.work(&queue, &caches, 2, move |key| {
        let this = this.clone();
        async move { Box::pin(this.reconcile(&key)).await }
    });
}

/// Heartbeats change nodes all the time; only labels and taints matter here.
fn concerns(change: &Change) -> bool {
    let Some(old) = change.old() else {
        return true;
    };
    let new = change.object();
    let taints = |o: &Object| {
        o.decode::<Node>()
            .ok()
            .and_then(|n| n.spec)
            .and_then(|s| s.taints)
    };
    old.labels() != new.labels() || taints(old) != taints(new)
}

impl DaemonSets {
    fn observe_pod(&self, change: &Change, queue: &Queue<Key>) {
        let pod = change.object();
        if let Some(key) = controller_key(pod, API_VERSION, KIND) {
            if matches!(change, Change::Deleted(_)) || pod.is_deleting() {
                self.expectations.deleted(&key, pod.uid());
            } else if change.old().is_none() {
                self.expectations.created(&key);
            }
            queue.add(key);
        } else if pod.controller().is_none() && !pod.labels().is_empty() && !pod.is_deleting() {
            for set in self.sets.namespace(pod.namespace()) {
                let Ok(set_) = set.decode::<DaemonSet>() else {
                    continue;
                };
                if Selector::try_from(&set_.spec.selector).is_ok_and(|s| s.matches(pod.labels())) {
                    queue.add(set.key().clone());
                }
            }
        }
    }

    async fn reconcile(&self, key: &Key) -> Result<Next, Error> {
        let Some(object) = self.sets.get_key(key) else {
            self.expectations.forget(key);
            self.waits().retain(|(k, _), _| k != key);
            return Ok(Next::OnChange);
        };
        let set: DaemonSet = object.decode()?;
        let selector = Selector::try_from(&set.spec.selector)?;
        if selector.is_everything() {
            let text = "This daemon set is selecting all pods. A non-empty selector is required.";
            self.recorder
                .warning(object.reference(), "SelectingAll", text);
            return Ok(Next::OnChange);
        }
        if object.is_deleting() {
            return Ok(Next::OnChange);
        }
        let hash = self.keep_history(&object, &set, &selector).await?;
        let pods = self.claim(&object, &selector).await?;
        let nodes: Result<Vec<Node>, _> = self.nodes.list().iter().map(|n| n.decode()).collect();
        let view = View::new(set, nodes?, pods, hash, clock::now());

        let mut next = view.next();
        let mut acted = Ok(());
        if self.expectations.are_met(key) {
            let plan = view.plan();
            let (waits, done) = self.act(&object, &view, plan).await;
            next = next.min(waits);
            acted = done;
        }
        let api: Api<DaemonSet> = Api::namespaced(self.ctx.client.clone(), &key.namespace);
        let old = view.set.status.clone().unwrap_or_default();
        update::status(&api, &object, &old, &view.status()).await?;
        acted?;
        Ok(next)
    }

    async fn claim(&self, object: &Arc<Object>, selector: &Selector) -> Result<Vec<Pod>, Error> {
        let mut candidates = self.pods.by_owner(object.uid());
        let orphans = self.pods.select(object.namespace(), selector);
        candidates.extend(orphans.into_iter().filter(|p| p.controller().is_none()));
        let claimer = Claimer::new(object, selector);
        let client = || self.ctx.client.clone();
        let pods: Api<Pod> = Api::namespaced(client(), object.namespace());
        let sets: Api<DaemonSet> = Api::namespaced(client(), object.namespace());
        let owned = claimer
            .claim(&pods, candidates, still_there(&sets, object))
            .await?;
        let pods: Result<Vec<Pod>, _> = owned.iter().map(|p| p.decode()).collect();
        Ok(pods?)
    }

    fn waits(&self) -> MutexGuard<'_, HashMap<(Key, String), Wait>> {
        self.backoff.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
