//! Counts pods that have ended: first into the status, then their finalizers fall, then into the counters.

use std::collections::HashSet;

use cedge_informer::{Next, Object};
use futures::future::join_all;
use k8s_openapi::api::batch::v1::{Job, JobCondition};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use serde_json::json;

use super::act::count_of;
use super::failure_policy::{Meaning, meaning};
use super::view::{View, number};
use super::{Jobs, indexes};
use crate::error::{Answer as _, Error};
use crate::{conditions, patch, pods, update};

/// Pods counted in one go: keeps the list in the status under 20 KB, as in Kubernetes.
const BATCH: usize = 500;

impl Jobs {
    /// Returns when to look again.
    pub(super) async fn track(&self, object: &Object, view: &mut View) -> Result<Next, Error> {
        let mut with_finalizer = view.uids_with_finalizer();
        view.settle(&with_finalizer);
        let (ended, all) = view.count_ends();
        view.tell_interim();

        // The uids are durable before the finalizers fall.
        let mut revision = object.revision().to_owned();
        self.write_status(object, view, &mut revision).await?;
        let record = view.record.clone();
        self.memory().backoff.insert(object.key().clone(), record);

        let failed = self.release(object, &ended, &mut with_finalizer).await;
        view.settle(&with_finalizer);
        let told = if all && failed.is_none() {
            view.tell_final()
        } else {
            None
        };
        self.write_status(object, view, &mut revision).await?;
        if let Some(condition) = told {
            self.tell(object, view, condition);
        }
        match failed {
            Some(e) => Err(e.into()),
            None if all => Ok(Next::OnChange),
            None => Err(Error::Wait("more pods are to be counted".to_owned())),
        }
    }

    async fn release(
        &self,
        object: &Object,
        ended: &[Pod],
        with_finalizer: &mut HashSet<String>,
    ) -> Option<kube::Error> {
        // Noted before the write: the watch may be faster than the answer.
        let uids = ended.iter().map(|p| pods::uid(p).to_owned());
        self.memory()
            .removed
            .entry(object.key().clone())
            .or_default()
            .extend(uids);
        let results = join_all(ended.iter().map(|p| self.drop_finalizer(p))).await;
        let mut failure = None;
        for (pod, result) in ended.iter().zip(results) {
            match result {
                Err(e) if !e.is_not_found() => {
                    if let Some(uids) = self.memory().removed.get_mut(object.key()) {
                        uids.remove(pods::uid(pod));
                    }
                    failure = Some(e);
                }
                _ => _ = with_finalizer.remove(pods::uid(pod)),
            }
        }
        failure
    }

    /// Writes what differs; `revision` is the one the write is for, and becomes the one it made.
    async fn write_status(
        &self,
        object: &Object,
        view: &mut View,
        revision: &mut String,
    ) -> Result<(), Error> {
        // An empty list is no list: servers that do not drop it would show it.
        if let Some(uncounted) = &mut view.status.uncounted_terminated_pods {
            for list in [&mut uncounted.succeeded, &mut uncounted.failed] {
                *list = list.take().filter(|uids| !uids.is_empty());
            }
        }
        if view.old == view.status {
            return Ok(());
        }
        let read = object.decode::<Job>()?.status.unwrap_or_default();
        let mut change = json!({ "metadata": { "resourceVersion": *revision } });
        if let Some(difference) = patch::difference(&json!(read), &json!(view.status)) {
            change["status"] = difference;
        }
        let whole = update::changed(object, &change)?;
        let api: Api<Job> = Api::namespaced(self.ctx.client.clone(), object.namespace());
        let written: Job = Box::pin(update::put(&api, Some("status"), whole)).await?;
        *revision = written.metadata.resource_version.unwrap_or_default();
        view.old = view.status.clone();
        Ok(())
    }

    fn tell(&self, object: &Object, view: &View, condition: JobCondition) {
        let about = object.reference();
        if condition.type_ == "Complete" {
            if view
                .completions()
                .is_some_and(|c| view.status.succeeded.unwrap_or(0) > c)
            {
                let text = "Too many succeeded pods running after completion count reached";
                self.recorder
                    .warning(about.clone(), "TooManySucceededPods", text);
            }
            self.recorder.normal(about, "Completed", "Job completed");
            return;
        }
        let reason = match condition.reason.as_deref() {
            Some("BackoffLimitExceeded") => "BackoffLimitExceeded",
            Some("DeadlineExceeded") => "DeadlineExceeded",
            Some("PodFailurePolicy") => "PodFailurePolicy",
            _ => "Failed",
        };
        let text = condition.message.unwrap_or_default();
        self.recorder.warning(about, reason, text);
    }
}

impl View {
    fn uids_with_finalizer(&self) -> HashSet<String> {
        let tracked = self.pods.iter().filter(|p| self.is_tracked(p));
        tracked.map(|p| pods::uid(p).to_owned()).collect()
    }

    /// Moves pods whose finalizer has fallen from the list of uids to the counters.
    fn settle(&mut self, with_finalizer: &HashSet<String>) {
        let uncounted = self
            .status
            .uncounted_terminated_pods
            .get_or_insert_default();
        let settle = |list: &mut Option<Vec<String>>| {
            let list = list.get_or_insert_default();
            let before = list.len();
            list.retain(|uid| with_finalizer.contains(uid));
            number(before - list.len())
        };
        let succeeded = settle(&mut uncounted.succeeded);
        let failed = settle(&mut uncounted.failed);
        let status = &mut self.status;
        status.succeeded = count_of(status.succeeded.unwrap_or(0) + succeeded);
        status.failed = count_of(status.failed.unwrap_or(0) + failed);
    }

    /// Writes down who has ended; returns the pods whose finalizers may fall, and whether these are all.
    fn count_ends(&mut self) -> (Vec<Pod>, bool) {
        let mut done = self.counted_indexes();
        let failed_target = self
            .finished
            .as_ref()
            .is_some_and(|c| c.type_ != "SuccessCriteriaMet");
        let (mut ended, mut counted, mut all) = (Vec::new(), 0, true);
        for pod in &self.pods {
            if !self.is_tracked(pod) {
                continue;
            }
            let (failed, uid) = (self.is_failed(pod), pods::uid(pod).to_owned());
            let succeeded = pods::phase(pod) == "Succeeded";
            if !(self.deleting || self.finished.is_some() || succeeded || failed) {
                continue;
            }
            ended.push(pod.clone());
            let uncounted = self
                .status
                .uncounted_terminated_pods
                .get_or_insert_default();
            let failures = uncounted.failed.get_or_insert_default();
            let successes = uncounted.succeeded.get_or_insert_default();
            let is_indexed = self.spec.completion_mode.as_deref() == Some("Indexed");
            let limit = self.spec.completions.unwrap_or(0);
            let index = indexes::of(pod).filter(|i| *i < limit);
            let counts = !is_indexed || index.is_some();
            if succeeded && !failures.contains(&uid) {
                match index.filter(|_| is_indexed) {
                    Some(index) => counted += usize::from(done.insert(index)),
                    None if counts && !successes.contains(&uid) => {
                        successes.push(uid);
                        counted += 1;
                    }
                    None => {}
                }
            } else if (failed || failed_target) && counts && !failures.contains(&uid) {
                let policy = self.spec.pod_failure_policy.as_ref();
                if meaning(policy, pod) != Meaning::Ignore {
                    failures.push(uid);
                    counted += 1;
                }
            }
            if counted >= BATCH {
                all = false;
                break;
            }
        }
        if self.is_indexed() {
            self.status.succeeded = count_of(number(done.len()));
            self.status.completed_indexes = Some(indexes::format(&done)).filter(|t| !t.is_empty());
        }
        (ended, all)
    }

    /// Before finalizers fall, the verdict is durable: a restart must not come to another one from fewer pods.
    fn tell_interim(&mut self) {
        if let Some(condition) = &self.finished {
            let known = conditions::find(self.status.conditions.as_ref(), &condition.type_);
            if known.is_none() {
                conditions::set(&mut self.status.conditions, condition.clone());
            }
        }
    }

    /// `Complete` or `Failed`, once every pod is counted and has stopped.
    fn tell_final(&mut self) -> Option<JobCondition> {
        let verdict = self.finished.clone()?;
        let waits = !self.uncounted(true).is_empty() || !self.uncounted(false).is_empty();
        if waits || self.status.terminating.unwrap_or(0) > 0 {
            return None;
        }
        let is_success = verdict.type_ == "SuccessCriteriaMet";
        let kind = if is_success { "Complete" } else { "Failed" };
        let reason = verdict.reason.unwrap_or_default();
        let text = verdict.message.unwrap_or_default();
        let condition = self.condition(kind, &reason, &text);
        conditions::set(&mut self.status.conditions, condition.clone());
        if is_success {
            self.status.completion_time = condition.last_transition_time.clone();
        }
        Some(condition)
    }
}

/// A status as it is written: used by tests.
#[cfg(test)]
pub(super) fn counted(view: &mut View) -> (k8s_openapi::api::batch::v1::JobStatus, usize) {
    let mut with = view.uids_with_finalizer();
    view.settle(&with);
    let (ended, _) = view.count_ends();
    view.tell_interim();
    let first = view.status.clone();
    for pod in &ended {
        with.remove(pods::uid(pod));
    }
    view.settle(&with);
    view.tell_final();
    (first, ended.len())
}
