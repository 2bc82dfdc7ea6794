//! PodDisruptionBudgets: how many of the pods that one selects may be evicted now. The API server asks before each
//! eviction, and notes it here until the pod is seen to go.

mod owners;
mod plan;
mod stale;

use std::sync::Arc;

use cedge_informer::{Cache, Change, Key, Next, Object, Queue, Recorder, Selector};
use cedge_tasks::clock;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::core::v1::{Pod, ReplicationController};
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use kube::Api;

use crate::context::{Context, feed};
use crate::error::{Answer as _, Error};
use crate::update;
use plan::View;

/// Why a budget cannot be computed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Words(String),
    #[error(transparent)]
    Other(#[from] Error),
}

#[derive(Clone)]
struct Budgets {
    ctx: Context,
    budgets: Cache,
    pods: Cache,
    deployments: Cache,
    sets: Cache,
    stateful: Cache,
    old_sets: Cache,
    recorder: Recorder,
}

pub(crate) fn start(ctx: &Context) {
    let informers = &ctx.informers;
    let this = Budgets {
        ctx: ctx.clone(),
        budgets: informers.of::<PodDisruptionBudget>(),
        pods: informers.of::<Pod>(),
        deployments: informers.of::<Deployment>(),
        sets: informers.of::<ReplicaSet>(),
        stateful: informers.of::<StatefulSet>(),
        old_sets: informers.of::<ReplicationController>(),
        recorder: ctx.events.recorder("controllermanager"),
    };
    let queue: Queue<Key> = Queue::new("disruption");
    feed(&this.budgets, &queue);
    this.pods.subscribe({
        let (this, queue) = (this.clone(), queue.clone());
        move |change| this.observe_pod(change, &queue)
    });
    stale::start(ctx, &this.pods);
    let caches = [
        &this.budgets.clone(),
        &this.pods.clone(),
        &this.deployments.clone(),
        &this.sets.clone(),
        &this.stateful.clone(),
        &this.old_sets.clone(),
    ];
    ctx.work(&queue, &caches, ctx.config.workers, move |key| {
        let this = this.clone();
        async move { Box::pin(this.reconcile(&key)).await }
    });
}

impl Budgets {
    fn observe_pod(&self, change: &Change, queue: &Queue<Key>) {
        let pod = change.object();
        for budget in self.budgets.namespace(pod.namespace()) {
            let Ok(selector) = selector(&budget) else {
                continue;
            };
            let objects = [Some(pod), change.old()];
            if objects
                .into_iter()
                .flatten()
                .any(|o| selector.matches(o.labels()))
            {
                queue.add(budget.key().clone());
            }
        }
    }

    async fn reconcile(&self, key: &Key) -> Result<Next, Error> {
        let Some(object) = self.budgets.get_key(key) else {
            return Ok(Next::OnChange);
        };
        let budget: PodDisruptionBudget = object.decode()?;
        match self.compute(&object, &budget).await {
            Ok(next) => Ok(next),
            Err(Failure::Other(Error::Api(e))) if e.is_conflict() => Err(Error::Api(e)),
            // Evictions wait until it can be computed.
            Err(failure) => {
                let why = failure.to_string();
                tracing::debug!(budget = %key, why, "a disruption budget cannot be computed");
                let status = plan::failed(&budget, &why, clock::now());
                self.write(&object, &budget, &status).await?;
                Err(Error::Wait(why))
            }
        }
    }

    async fn compute(
        &self,
        object: &Object,
        budget: &PodDisruptionBudget,
    ) -> Result<Next, Failure> {
        let spec = budget.spec.clone().unwrap_or_default();
        let pods = self.pods_of(object, &spec)?;
        let expected = if plan::needs_scale(&spec) {
            self.expected(object, &spec, &pods).await.inspect_err(|e| {
                let text = format!("Failed to calculate the number of expected pods: {e}");
                let reason = "CalculateExpectedPodCountFailed";
                self.recorder.warning(object.reference(), reason, text);
            })?
        } else {
            i32::try_from(pods.len()).unwrap_or(i32::MAX)
        };
        let view = View {
            budget,
            spec: &spec,
            pods: &pods,
            expected,
            now: clock::now(),
        };
        for pod in view.not_deleted() {
            let text = format!(
                "Pod was expected by PDB {0}/{0} to be deleted but it wasn't",
                object.namespace()
            );
            if let Some(pod) = self.pods.get(object.namespace(), pod) {
                self.recorder.warning(pod.reference(), "NotDeleted", text);
            }
        }
        let (status, recheck) = view.status();
        self.write(object, budget, &status).await?;
        Ok(recheck.map_or(Next::OnChange, Next::After))
    }

    fn pods_of(
        &self,
        object: &Object,
        spec: &PodDisruptionBudgetSpec,
    ) -> Result<Vec<Pod>, Failure> {
        let selector = match &spec.selector {
            None => Selector::nothing(),
            Some(selector) => Selector::try_from(selector).map_err(|e| {
                let text = format!("Failed to get pods: {e}");
                self.recorder.warning(object.reference(), "NoPods", text);
                Error::from(e)
            })?,
        };
        let selected = self.pods.select(object.namespace(), &selector);
        if selected.is_empty() {
            let text = "No matching pods found";
            self.recorder.normal(object.reference(), "NoPods", text);
        }
        let pods = selected.iter().map(|o| o.decode::<Pod>());
        Ok(pods.collect::<Result<_, _>>().map_err(Error::from)?)
    }

    async fn write(
        &self,
        object: &Object,
        budget: &PodDisruptionBudget,
        status: &k8s_openapi::api::policy::v1::PodDisruptionBudgetStatus,
    ) -> Result<(), Error> {
        let api: Api<PodDisruptionBudget> =
            Api::namespaced(self.ctx.client.clone(), object.namespace());
        let old = budget.status.clone().unwrap_or_default();
        update::status(&api, object, &old, status).await?;
        Ok(())
    }
}

fn selector(budget: &Arc<Object>) -> Result<Selector, Error> {
    let budget: PodDisruptionBudget = budget.decode()?;
    let selector = budget.spec.and_then(|s| s.selector);
    Ok(match selector {
        None => Selector::nothing(),
        Some(selector) => Selector::try_from(&selector)?,
    })
}
