//! Decides: whether a Job is over and why, and how many pods it needs now. Pure.

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::time::Duration;

use cedge_informer::Next;
use jiff::SignedDuration;
use k8s_openapi::api::batch::v1::JobCondition;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time as ApiTime;

use super::failure_policy::{Meaning, meaning};
use super::indexes::{self, Indexes};
use super::view::{View, number};
use crate::{conditions, pods};

/// Pods made or deleted in one go, as in Kubernetes.
const BURST: usize = 500;

#[derive(Debug, PartialEq)]
pub(super) enum Manage {
    Nothing,
    /// Make this many pods; with indexes, one for each.
    Create(usize, Vec<i32>),
    Delete(Vec<Pod>),
    Wait(Duration),
}

impl View {
    /// The condition that ends this Job, if one of its limits or aims is reached. Earlier verdicts stand.
    pub(super) fn evaluate(&self) -> Option<JobCondition> {
        let conditions = self.old.conditions.as_ref();
        let earlier = |kind: &str| {
            let found = conditions::find(conditions, kind);
            found.filter(|c| c.status == "True").cloned()
        };
        if let Some(met) = earlier("SuccessCriteriaMet") {
            return Some(met);
        }
        if let Some(target) = earlier("FailureTarget") {
            return Some(target);
        }
        if let Some(text) = self.policy_failure() {
            return Some(self.condition("FailureTarget", "PodFailurePolicy", &text));
        }
        if self.failed() > self.backoff_limit() || self.restarts_too_much() {
            let text = "Job has reached the specified backoff limit";
            return Some(self.condition("FailureTarget", "BackoffLimitExceeded", text));
        }
        if self.time_left() == Some(Duration::ZERO) {
            let text = "Job was active longer than specified deadline";
            return Some(self.condition("FailureTarget", "DeadlineExceeded", text));
        }
        let text = self.success_policy()?;
        Some(self.condition("SuccessCriteriaMet", "SuccessPolicy", &text))
    }

    fn policy_failure(&self) -> Option<String> {
        let policy = self.spec.pod_failure_policy.as_ref()?;
        let failed = self.pods.iter().filter(|p| self.is_failed(p));
        failed
            .filter_map(|p| match meaning(Some(policy), p) {
                Meaning::FailJob(text) => Some(text),
                Meaning::Count | Meaning::Ignore | Meaning::FailIndex => None,
            })
            .next()
    }

    fn backoff_limit(&self) -> i32 {
        self.spec.backoff_limit.unwrap_or(6)
    }

    /// With `restartPolicy: OnFailure` failures are restarts inside the pods.
    fn restarts_too_much(&self) -> bool {
        let template = self.spec.template.spec.as_ref();
        if template.and_then(|s| s.restart_policy.as_deref()) != Some("OnFailure") {
            return false;
        }
        let running = self.pods.iter();
        let running = running.filter(|p| matches!(pods::phase(p), "Running" | "Pending"));
        let containers = running.filter_map(|p| p.status.as_ref()).flat_map(|s| {
            let main = s.container_statuses.iter().flatten();
            main.chain(s.init_container_statuses.iter().flatten())
        });
        let restarts: i32 = containers.map(|c| c.restart_count).sum();
        match self.backoff_limit() {
            0 => restarts > 0,
            limit => restarts >= limit,
        }
    }

    /// What is left of `activeDeadlineSeconds`.
    fn time_left(&self) -> Option<Duration> {
        let limit = self.spec.active_deadline_seconds?;
        let start = self.status.start_time.as_ref()?;
        if self.is_suspended() {
            return None;
        }
        let left = SignedDuration::from_secs(limit) - self.now.duration_since(start.0);
        Some(Duration::try_from(left).unwrap_or(Duration::ZERO))
    }

    fn success_policy(&self) -> Option<String> {
        let policy = self
            .spec
            .success_policy
            .as_ref()
            .filter(|_| self.is_indexed())?;
        let done = self.succeeded_indexes();
        let met = policy.rules.iter().position(|rule| {
            let wanted = rule.succeeded_indexes.as_ref();
            let wanted = wanted.map(|t| indexes::parse(t, self.completions().unwrap_or(0)));
            let (has, all) = match &wanted {
                Some(wanted) => (wanted.intersection(&done).count(), wanted.len()),
                None => (done.len(), usize::MAX),
            };
            let needed = rule
                .succeeded_count
                .map(|c| usize::try_from(c).unwrap_or(0));
            has >= needed.unwrap_or(all)
        })?;
        Some(format!("Matched rules at index {met}"))
    }

    /// What to do about pods, if the Job goes on.
    pub(super) fn manage(&self) -> Manage {
        let active = self.active();
        if self.is_suspended() {
            return delete_some(active);
        }
        let wanted = self.wanted(number(active.len()));
        let surplus = usize::try_from(number(active.len()) - wanted).unwrap_or(0);
        let remove = self.choose(&active, surplus);
        if !remove.is_empty() {
            return delete_some(remove);
        }
        let leaving = if self.replaces_failed_only() {
            self.terminating()
        } else {
            0
        };
        let lacking = usize::try_from(wanted - leaving - number(active.len())).unwrap_or(0);
        let lacking = lacking.min(BURST);
        if lacking == 0 {
            return Manage::Nothing;
        }
        let wait = self.record.wait(self.now);
        if !wait.is_zero() {
            return Manage::Wait(wait);
        }
        if !self.is_indexed() {
            return Manage::Create(lacking, Vec::new());
        }
        let pending = self.pending_indexes(&active, lacking);
        if pending.is_empty() {
            return Manage::Nothing;
        }
        Manage::Create(pending.len(), pending)
    }

    fn wanted(&self, active: i32) -> i32 {
        match self.completions() {
            // Any success is the success of all: what runs may end, nothing new starts.
            None if self.succeeded() > 0 => active,
            None => self.parallelism(),
            Some(completions) => (completions - self.succeeded())
                .min(self.parallelism())
                .max(0),
        }
    }

    /// Pods to delete: with indexes, first those that nobody needs.
    fn choose(&self, active: &[Pod], surplus: usize) -> Vec<Pod> {
        let (mut keep, mut remove): (Vec<Pod>, Vec<Pod>) = (Vec::new(), Vec::new());
        if self.is_indexed() {
            let mut seen = Indexes::new();
            let mut best = active.to_vec();
            best.sort_by_key(|p| (Reverse(worth(p)), p.metadata.creation_timestamp.clone()));
            for pod in best {
                match self.valid_index(&pod) {
                    Some(index) if seen.insert(index) => keep.push(pod),
                    _ => remove.push(pod),
                }
            }
        } else {
            keep = active.to_vec();
        }
        // The least advanced and the youngest go first.
        keep.sort_by_key(|p| (worth(p), Reverse(p.metadata.creation_timestamp.clone())));
        keep.truncate(surplus.saturating_sub(remove.len()));
        remove.extend(keep);
        remove
    }

    fn pending_indexes(&self, active: &[Pod], count: usize) -> Vec<i32> {
        let mut taken = self.succeeded_indexes();
        taken.extend(active.iter().filter_map(indexes::of));
        if self.replaces_failed_only() {
            let leaving = self.pods.iter().filter(|p| pods::is_terminating(p));
            taken.extend(leaving.filter_map(indexes::of));
        }
        let all = 0..self.completions().unwrap_or(0);
        all.filter(|i| !taken.contains(i)).take(count).collect()
    }

    /// Whether the aim is reached, with this many pods still at work.
    pub(super) fn is_complete(&self, active: i32) -> bool {
        active == 0
            && match self.completions() {
                None => self.succeeded() > 0,
                Some(completions) => self.succeeded() >= completions,
            }
    }

    pub(super) fn completions_reached(&self) -> JobCondition {
        let text = "Reached expected number of succeeded pods";
        self.condition("SuccessCriteriaMet", "CompletionsReached", text)
    }

    /// Sets `Suspended` as the spec says; returns the event to tell if that is new.
    pub(super) fn note_suspension(&mut self) -> Option<(&'static str, &'static str)> {
        let current = conditions::find(self.status.conditions.as_ref(), "Suspended");
        let was = current.map(|c| c.status == "True");
        let (status, reason, text, event) = match (self.is_suspended(), was) {
            (true, None | Some(false)) => ("True", "JobSuspended", "Job suspended", "Suspended"),
            (false, Some(true)) => ("False", "JobResumed", "Job resumed", "Resumed"),
            (true, Some(true)) | (false, None | Some(false)) => return None,
        };
        let mut condition = self.condition("Suspended", reason, text);
        status.clone_into(&mut condition.status);
        conditions::set(&mut self.status.conditions, condition);
        // The deadline counts only while the Job is at work.
        self.status.start_time = (!self.is_suspended()).then_some(ApiTime(self.now));
        Some((event, text))
    }

    pub(super) fn condition(&self, kind: &str, reason: &str, message: &str) -> JobCondition {
        JobCondition {
            type_: kind.to_owned(),
            status: "True".to_owned(),
            reason: Some(reason.to_owned()),
            message: Some(message.to_owned()),
            last_probe_time: Some(ApiTime(self.now)),
            last_transition_time: Some(ApiTime(self.now)),
        }
    }

    /// When a limit may be reached without any change.
    pub(super) fn next(&self) -> Next {
        self.time_left()
            .filter(|_| self.finished.is_none())
            .map_or(Next::OnChange, Next::After)
    }
}

fn worth(pod: &Pod) -> (bool, bool, bool) {
    (
        !pods::node_name(pod).is_empty(),
        pods::phase(pod) == "Running",
        pods::is_ready(pod),
    )
}

fn delete_some(mut surplus: Vec<Pod>) -> Manage {
    if surplus.is_empty() {
        return Manage::Nothing;
    }
    surplus.truncate(BURST);
    Manage::Delete(surplus)
}
