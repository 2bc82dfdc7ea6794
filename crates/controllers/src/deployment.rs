//! Deployments: a template rolled out through ReplicaSets, one per version of it.
//!
//! Before: a user, or `deploy`, wrote the Deployment. After: `replicaset` makes the pods.

mod act;
mod plan;
pub(crate) mod template;

use std::sync::Arc;

use cedge_informer::{Cache, Change, Key, Next, Object, Queue, Recorder, Selector};
use cedge_tasks::clock;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;

use crate::claim::{Claimer, still_there};
use crate::context::{Context, controller_key, feed};
use crate::error::Error;
use crate::pods;
use plan::{Set, Step, View};

const API_VERSION: &str = "apps/v1";
const KIND: &str = "Deployment";

#[derive(Clone)]
struct Deployments {
    ctx: Context,
    deployments: Cache,
    sets: Cache,
    pods: Cache,
    recorder: Recorder,
}

pub(crate) fn start(ctx: &Context) {
    let this = Deployments {
        ctx: ctx.clone(),
        deployments: ctx.informers.of::<Deployment>(),
        sets: ctx.informers.of::<ReplicaSet>(),
        pods: ctx.informers.of::<Pod>(),
        recorder: ctx.events.recorder("deployment-controller"),
    };
    let queue: Queue<Key> = Queue::new("deployment");
    feed(&this.deployments, &queue);
    this.sets.subscribe({
        let (queue, deployments) = (queue.clone(), this.deployments.clone());
        move |change| observe_set(change, &queue, &deployments)
    });
    this.pods.subscribe({
        let (queue, sets) = (queue.clone(), this.sets.clone());
        move |change| observe_pod(change, &queue, &sets)
    });
    let caches = [
        &this.deployments.clone(),
        &this.sets.clone(),
        &this.pods.clone(),
    ];
    ctx.work(&queue, &caches, ctx.config.workers, move |key| {
        let this = this.clone();
        async move { Box::pin(this.reconcile(&key)).await }
    });
}

fn observe_set(change: &Change, queue: &Queue<Key>, deployments: &Cache) {
    let set = change.object();
    for object in [Some(set), change.old()].into_iter().flatten() {
        if let Some(key) = controller_key(object, API_VERSION, KIND) {
            queue.add(key);
        }
    }
    if set.controller().is_none() && !set.labels().is_empty() {
        for deployment in deployments.namespace(set.namespace()) {
            if selector_of(&deployment).is_ok_and(|(_, s)| s.matches(set.labels())) {
                queue.add(deployment.key().clone());
            }
        }
    }
}

/// Recreate waits until the last old pod has stopped; nobody else tells it.
fn observe_pod(change: &Change, queue: &Queue<Key>, sets: &Cache) {
    let pod = change.object();
    let ended = matches!(change, Change::Deleted(_))
        || change.old().is_some_and(|old| {
            let terminal = |o: &Object| o.decode::<Pod>().is_ok_and(|p| pods::is_terminal(&p));
            !terminal(old) && terminal(pod)
        });
    if ended
        && let Some(key) = controller_key(pod, API_VERSION, "ReplicaSet")
        && let Some(set) = sets.get_key(&key)
        && let Some(deployment) = controller_key(&set, API_VERSION, KIND)
    {
        queue.add(deployment);
    }
}

fn selector_of(object: &Object) -> Result<(Deployment, Selector), Error> {
    let deployment: Deployment = object.decode()?;
    let selector = Selector::try_from(&deployment.spec.selector)?;
    Ok((deployment, selector))
}

// === impl Deployments ===

impl Deployments {
    async fn reconcile(&self, key: &Key) -> Result<Next, Error> {
        let Some(object) = self.deployments.get_key(key) else {
            return Ok(Next::OnChange);
        };
        let (deployment, selector) = selector_of(&object)?;
        if selector.is_everything() {
            let text = "This deployment is selecting all pods. A non-empty selector is required.";
            self.recorder
                .warning(object.reference(), "SelectingAll", text);
            return Ok(Next::OnChange);
        }
        let sets = self.claim(&object, &selector).await?;
        let mut view = View::new(deployment, sets, clock::now());
        if view.is_recreate() {
            view.old_pods_run = self.old_pods_run(&view)?;
        }

        let step = view.plan();
        view.say_found();
        let acted = if object.is_deleting() {
            Ok(())
        } else {
            self.act(&object, &mut view, step).await
        };

        let status = view.status();
        let numbered = acted.is_ok();
        self.write_status(&object, &view, &status, numbered).await?;
        acted?;
        Ok(view.next(&status))
    }

    async fn claim(
        &self,
        object: &Arc<Object>,
        selector: &Selector,
    ) -> Result<Vec<(Arc<Object>, ReplicaSet)>, Error> {
        let mut candidates = self.sets.by_owner(object.uid());
        let orphans = self.sets.select(object.namespace(), selector);
        candidates.extend(orphans.into_iter().filter(|s| s.controller().is_none()));
        let claimer = Claimer::new(object, selector);
        let client = || self.ctx.client.clone();
        let sets: Api<ReplicaSet> = Api::namespaced(client(), object.namespace());
        let deployments: Api<Deployment> = Api::namespaced(client(), object.namespace());
        let owned = claimer
            .claim(&sets, candidates, still_there(&deployments, object))
            .await?;
        let decoded = owned.into_iter().map(|o| {
            let set: ReplicaSet = o.decode()?;
            Ok((o, set))
        });
        decoded.collect()
    }

    /// Whether a pod of an old version may still run.
    fn old_pods_run(&self, view: &View) -> Result<bool, Error> {
        for set in view.old() {
            if set.status_replicas() > 0 {
                return Ok(true);
            }
            for pod in self.pods.by_owner(set.object.uid()) {
                if !pods::is_terminal(&pod.decode::<Pod>()?) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    async fn act(&self, object: &Object, view: &mut View, step: Step) -> Result<(), Error> {
        if !view.touches_new(&step) {
            self.annotate(view).await?;
        }
        match step {
            Step::Create { replicas } => self.create(object, view, replicas).await?,
            Step::Scale(scales) => {
                for (index, replicas) in scales {
                    self.scale(object, view, index, replicas).await?;
                }
            }
            Step::Nothing => {}
        }
        for set in view.surplus_history() {
            self.forget(&set.object).await?;
        }
        Ok(())
    }

    fn tell_scaled(&self, object: &Object, set: &Set, from: i32, to: i32) {
        let way = if to > from { "up" } else { "down" };
        let name = set.object.name();
        let text = format!("Scaled {way} replica set {name} from {from} to {to}");
        self.recorder
            .normal(object.reference(), "ScalingReplicaSet", text);
    }
}
