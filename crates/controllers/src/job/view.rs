//! A Job and its pods, as read. Pure.

use std::collections::HashSet;

use k8s_openapi::api::batch::v1::{Job, JobCondition, JobSpec, JobStatus};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time as ApiTime;

use super::failure_policy::{Meaning, meaning};
use super::indexes::{self, Indexes};
use super::{FINALIZER, Record, Time};
use crate::{conditions, pods};

pub(super) struct View {
    pub(super) spec: JobSpec,
    /// As read; what is written is the difference to it.
    pub(super) old: JobStatus,
    pub(super) status: JobStatus,
    pub(super) pods: Vec<Pod>,
    pub(super) deleting: bool,
    /// Pods whose finalizer has fallen already.
    removed: HashSet<String>,
    pub(super) record: Record,
    /// Done, as evaluated in this round.
    pub(super) finished: Option<JobCondition>,
    pub(super) now: Time,
}

pub(super) fn is_finished(job: &Job) -> bool {
    let conditions = job.status.as_ref().and_then(|s| s.conditions.as_ref());
    conditions::is_true(conditions, "Complete") || conditions::is_true(conditions, "Failed")
}

impl View {
    pub(super) fn new(
        job: Job,
        pods: Vec<Pod>,
        removed: HashSet<String>,
        record: Record,
        now: Time,
    ) -> Self {
        let status = job.status.unwrap_or_default();
        let mut view = Self {
            spec: job.spec.unwrap_or_default(),
            old: status.clone(),
            status,
            pods,
            deleting: job.metadata.deletion_timestamp.is_some(),
            removed,
            record,
            finished: None,
            now,
        };
        view.pods
            .sort_by_key(|p| (indexes::of(p), pods::name(p).to_owned()));
        if view.status.start_time.is_none() && !view.is_suspended() {
            view.status.start_time = Some(ApiTime(now));
        }
        let uncounted = view
            .status
            .uncounted_terminated_pods
            .get_or_insert_default();
        uncounted.succeeded.get_or_insert_default();
        uncounted.failed.get_or_insert_default();
        let (succeeded, failed) = (view.new_ends(true), view.new_ends(false));
        view.record = view.record.clone().with(&succeeded, &failed, now);
        view
    }

    pub(super) fn is_indexed(&self) -> bool {
        self.spec.completion_mode.as_deref() == Some("Indexed")
    }

    pub(super) fn is_suspended(&self) -> bool {
        self.spec.suspend == Some(true)
    }

    pub(super) fn completions(&self) -> Option<i32> {
        self.spec.completions
    }

    pub(super) fn parallelism(&self) -> i32 {
        self.spec.parallelism.unwrap_or(1)
    }

    /// Pods in deletion are replaced only when they have failed for good.
    pub(super) fn replaces_failed_only(&self) -> bool {
        self.spec.pod_replacement_policy.as_deref() == Some("Failed")
    }

    pub(super) fn active(&self) -> Vec<Pod> {
        let active = self.pods.iter().filter(|p| pods::is_active(p));
        active.cloned().collect()
    }

    pub(super) fn terminating(&self) -> i32 {
        number(self.pods.iter().filter(|p| pods::is_terminating(p)).count())
    }

    /// A pod that nobody will see succeed. One in deletion counts as well: its node may be gone for good.
    pub(super) fn is_failed(&self, pod: &Pod) -> bool {
        let deleted = pods::is_deleting(pod) && pods::phase(pod) != "Succeeded";
        pods::phase(pod) == "Failed" || (deleted && !self.replaces_failed_only())
    }

    /// Whether its end is still to be counted.
    pub(super) fn is_tracked(&self, pod: &Pod) -> bool {
        let finalizers = pod.metadata.finalizers.iter().flatten();
        !self.removed.contains(pods::uid(pod)) && finalizers.into_iter().any(|f| f == FINALIZER)
    }

    /// An index that counts: always `Some` where there are no indexes.
    pub(super) fn valid_index(&self, pod: &Pod) -> Option<i32> {
        if !self.is_indexed() {
            return Some(0);
        }
        indexes::of(pod).filter(|i| *i < self.completions().unwrap_or(0))
    }

    pub(super) fn uncounted(&self, succeeded: bool) -> &[String] {
        let uncounted = self.status.uncounted_terminated_pods.as_ref();
        let list = uncounted.and_then(|u| {
            if succeeded {
                u.succeeded.as_ref()
            } else {
                u.failed.as_ref()
            }
        });
        list.map_or(&[], Vec::as_slice)
    }

    /// Pods that ended and do not stand in the status yet.
    pub(super) fn new_ends(&self, succeeded: bool) -> Vec<&Pod> {
        let new = self.pods.iter().filter(|p| {
            let ended = if succeeded {
                pods::phase(p) == "Succeeded"
            } else {
                self.is_failed(p)
            };
            let known = self.uncounted(succeeded).iter().any(|u| u == pods::uid(p));
            ended && !known && self.is_tracked(p) && self.valid_index(p).is_some()
        });
        new.collect()
    }

    /// Indexes that have succeeded: those in the status, and those of pods that are to be counted.
    pub(super) fn succeeded_indexes(&self) -> Indexes {
        let mut done = self.counted_indexes();
        let new = self
            .pods
            .iter()
            .filter(|p| pods::phase(p) == "Succeeded" && self.is_tracked(p));
        done.extend(new.filter_map(|p| self.valid_index(p)));
        done
    }

    pub(super) fn counted_indexes(&self) -> Indexes {
        let text = self.old.completed_indexes.as_deref().unwrap_or("");
        indexes::parse(text, self.completions().unwrap_or(0))
    }

    /// Successes so far, those not yet in the counters included.
    pub(super) fn succeeded(&self) -> i32 {
        if self.is_indexed() {
            return number(self.succeeded_indexes().len());
        }
        let counted = self.old.succeeded.unwrap_or(0);
        counted + number(self.new_ends(true).len() + self.uncounted(true).len())
    }

    /// Failures so far, without those that the policy ignores.
    pub(super) fn failed(&self) -> i32 {
        let policy = self.spec.pod_failure_policy.as_ref();
        let new = self.new_ends(false).into_iter();
        let new = new
            .filter(|p| meaning(policy, p) != Meaning::Ignore)
            .count();
        self.old.failed.unwrap_or(0) + number(new + self.uncounted(false).len())
    }
}

pub(super) fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
