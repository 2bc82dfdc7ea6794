//! Jobs: pods that run to completion, each counted once.
//!
//! A pod of a Job carries a finalizer. It falls only after the pod's uid stands in the Job's status
//! (`uncountedTerminatedPods`), and the uid leaves the status only after the finalizer has fallen: whoever deletes
//! pods, and wherever this controller is killed, no end of a pod is lost or counted twice.

mod act;
mod backoff;
mod failure_policy;
mod indexes;
mod observe;
mod plan;
mod track;
mod view;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cedge_informer::{Cache, Key, Next, Object, Queue, Recorder, Selector};
use cedge_tasks::clock;
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;

use crate::claim::{Claimer, still_there};
use crate::context::Context;
use crate::error::{Answer as _, Error};
use crate::expectations::Expectations;
use backoff::Record;
use view::View;

const API_VERSION: &str = "batch/v1";
const KIND: &str = "Job";
const FINALIZER: &str = "batch.kubernetes.io/job-tracking";
/// Who manages a Job that does not say otherwise.
const MANAGER: &str = "kubernetes.io/job-controller";
/// Pods end in groups; one look at a group costs less than one at each. As in Kubernetes.
const BATCH: Duration = Duration::from_secs(1);

#[derive(Clone)]
struct Jobs {
    ctx: Context,
    jobs: Cache,
    pods: Cache,
    expectations: Expectations,
    memory: Arc<Mutex<Memory>>,
    recorder: Recorder,
}

/// What is not in the API.
#[derive(Default)]
struct Memory {
    /// Pods whose finalizer has fallen, and whose cached state does not show it yet.
    removed: HashMap<Key, HashSet<String>>,
    /// Failures since the last success.
    backoff: HashMap<Key, Record>,
}

pub(crate) fn start(ctx: &Context) {
    let this = Jobs {
        ctx: ctx.clone(),
        jobs: ctx.informers.of::<Job>(),
        pods: ctx.informers.of::<Pod>(),
        expectations: Expectations::default(),
        memory: Arc::default(),
        recorder: ctx.events.recorder("job-controller"),
    };
    let queue: Queue<Key> = Queue::new("job");
    let orphans: Queue<Key> = Queue::new("job/orphans");
    observe::start(&this, &queue, &orphans);
    let caches = [&this.jobs.clone(), &this.pods.clone()];
    let orphaner = this.clone();
    ctx.work(&queue, &caches, ctx.config.workers, move |key| {
        let this = this.clone();
        async move { Box::pin(this.reconcile(&key)).await }
    });
    ctx.work(&orphans, &caches, 1, move |key| {
        let this = orphaner.clone();
        async move { this.release_orphan(&key).await }
    });
}

impl Jobs {
    async fn reconcile(&self, key: &Key) -> Result<Next, Error> {
        let Some(object) = self.jobs.get_key(key) else {
            self.expectations.forget(key);
            let mut memory = self.memory();
            memory.removed.remove(key);
            memory.backoff.remove(key);
            return Ok(Next::OnChange);
        };
        let job: Job = object.decode()?;
        let spec = job.spec.clone().unwrap_or_default();
        if spec.managed_by.is_some_and(|m| m != MANAGER) || view::is_finished(&job) {
            self.memory().backoff.remove(key);
            return Ok(Next::OnChange);
        }
        let may_act = self.expectations.are_met(key);
        let pods = self.claim(&object, &job).await?;
        let mut view = {
            let memory = self.memory();
            let removed = memory.removed.get(key).cloned().unwrap_or_default();
            let record = memory.backoff.get(key).cloned().unwrap_or_default();
            View::new(job, pods, removed, record, clock::now())
        };

        let finished = view.evaluate();
        let outcome = if let Some(condition) = finished {
            self.stop(&object, &mut view, condition, may_act).await
        } else {
            self.go_on(&object, &mut view, may_act).await
        };
        let tracked = self.track(&object, &mut view).await?;
        if let Some(e) = outcome.failure {
            return Err(e.into());
        }
        Ok(outcome.next.min(view.next()).min(tracked))
    }

    async fn claim(&self, object: &Arc<Object>, job: &Job) -> Result<Vec<Pod>, Error> {
        let selector = match job.spec.as_ref().and_then(|s| s.selector.as_ref()) {
            Some(selector) => Selector::try_from(selector)?,
            None => Selector::nothing(),
        };
        let mut candidates = self.pods.by_owner(object.uid());
        let orphans = self.pods.select(object.namespace(), &selector);
        candidates.extend(orphans.into_iter().filter(|p| p.controller().is_none()));
        if job.spec.as_ref().is_none_or(|s| s.selector.is_none()) {
            return decode(candidates);
        }
        let claimer = Claimer {
            finalizer: Some(FINALIZER),
            ..Claimer::new(object, &selector)
        };
        let client = || self.ctx.client.clone();
        let pods: Api<Pod> = Api::namespaced(client(), object.namespace());
        let jobs: Api<Job> = Api::namespaced(client(), object.namespace());
        let owned = claimer
            .claim(&pods, candidates, still_there(&jobs, object))
            .await?;
        decode(owned)
    }

    /// A pod whose Job is gone or finished: nobody will count it any more, so its finalizer falls.
    async fn release_orphan(&self, key: &Key) -> Result<Next, Error> {
        let Some(pod) = self
            .pods
            .get_key(key)
            .filter(|p| p.has_finalizer(FINALIZER))
        else {
            return Ok(Next::OnChange);
        };
        if !self.is_orphan(&pod)? {
            return Ok(Next::OnChange);
        }
        if let Some(owner) = pod.controller() {
            // The cache may be behind: a Job that it does not have may have just been made.
            let api: Api<Job> = Api::namespaced(self.ctx.client.clone(), &key.namespace);
            let live = crate::error::optional(api.get(&owner.name).await)?;
            let is_owner = |j: &Job| j.metadata.uid.as_deref() == Some(&owner.uid);
            if live.is_some_and(|j| is_owner(&j) && !view::is_finished(&j)) {
                return Ok(Next::OnChange);
            }
        }
        match self.drop_finalizer(&pod.decode()?).await {
            Err(e) if !e.is_not_found() => Err(e.into()),
            _ => Ok(Next::OnChange),
        }
    }

    fn is_orphan(&self, pod: &Object) -> Result<bool, Error> {
        let Some(owner) = pod.controller().filter(|o| *o.kind == *KIND) else {
            return Ok(true);
        };
        let Some(job) = self.jobs.get(pod.namespace(), &owner.name) else {
            return Ok(true);
        };
        Ok(job.uid() != &*owner.uid || view::is_finished(&job.decode()?))
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn decode(objects: Vec<Arc<Object>>) -> Result<Vec<Pod>, Error> {
    let pods = objects.into_iter().map(|o| Ok(o.decode()?));
    pods.collect()
}

/// How acting went.
struct Outcome {
    next: Next,
    failure: Option<kube::Error>,
}

type Time = Timestamp;
