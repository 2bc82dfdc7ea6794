//! What a budget allows. Pure.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::policy::v1::{
    PodDisruptionBudget, PodDisruptionBudgetSpec, PodDisruptionBudgetStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::pods;

/// How long an eviction that was allowed may take to be seen, as in Kubernetes. Times here are the API server's.
const DELETION_TIMEOUT: SignedDuration = SignedDuration::from_secs(2 * 60);
const CONDITION: &str = "DisruptionAllowed";

pub(super) struct View<'a> {
    pub(super) budget: &'a PodDisruptionBudget,
    pub(super) spec: &'a PodDisruptionBudgetSpec,
    pub(super) pods: &'a [Pod],
    /// How many pods there ought to be.
    pub(super) expected: i32,
    pub(super) now: Timestamp,
}

/// Whether the owners of the pods must be asked how many there ought to be.
pub(super) fn needs_scale(spec: &PodDisruptionBudgetSpec) -> bool {
    spec.max_unavailable.is_some() || matches!(spec.min_available, Some(IntOrString::String(_)))
}

impl View<'_> {
    /// The new status, and when to look again if nothing happens.
    pub(super) fn status(&self) -> (PodDisruptionBudgetStatus, Option<Duration>) {
        let disrupted = self.disrupted();
        let first = disrupted
            .values()
            .filter_map(|t| t.0.checked_add(DELETION_TIMEOUT).ok())
            .min();
        let recheck = first.map(|at| {
            let left = Duration::try_from(at.duration_since(self.now));
            left.unwrap_or(Duration::ZERO).max(Duration::from_millis(1))
        });
        let healthy = self.pods.iter().filter(|pod| {
            !pods::is_deleting(pod)
                && !disrupted.contains_key(pods::name(pod))
                && pods::is_ready(pod)
        });
        let healthy = i32::try_from(healthy.count()).unwrap_or(i32::MAX);
        let desired = self.desired();
        let allowed = if self.expected <= 0 {
            0
        } else {
            (healthy - desired).max(0)
        };
        let generation = self.budget.metadata.generation;
        let old = self.budget.status.clone().unwrap_or_default();
        let reason = if allowed > 0 {
            "SufficientPods"
        } else {
            "InsufficientPods"
        };
        let condition = Condition {
            type_: CONDITION.to_owned(),
            status: if allowed > 0 { "True" } else { "False" }.to_owned(),
            reason: reason.to_owned(),
            message: String::new(),
            observed_generation: generation.filter(|g| *g > 0),
            last_transition_time: Time(self.now),
        };
        let status = PodDisruptionBudgetStatus {
            current_healthy: Some(healthy),
            desired_healthy: Some(desired),
            expected_pods: Some(self.expected),
            disruptions_allowed: Some(allowed),
            disrupted_pods: Some(disrupted).filter(|d| !d.is_empty()),
            observed_generation: generation,
            conditions: Some(with(old.conditions, condition)),
        };
        (status, recheck)
    }

    fn desired(&self) -> i32 {
        if let Some(most) = &self.spec.max_unavailable {
            return (self.expected - scaled(most, self.expected)).max(0);
        }
        let least = self.spec.min_available.as_ref();
        least.map_or(0, |least| scaled(least, self.expected))
    }

    /// Evictions that were allowed and are not seen yet.
    fn disrupted(&self) -> BTreeMap<String, Time> {
        self.noted()
            .filter(|(_, at)| !self.is_overdue(at))
            .map(|(name, at)| (name.to_owned(), at.clone()))
            .collect()
    }

    /// Pods whose eviction was allowed and that stayed nevertheless.
    pub(super) fn not_deleted(&self) -> Vec<&str> {
        let overdue = self.noted().filter(|(_, at)| self.is_overdue(at));
        overdue.map(|(name, _)| name).collect()
    }

    fn noted(&self) -> impl Iterator<Item = (&str, &Time)> {
        let noted = self
            .budget
            .status
            .as_ref()
            .and_then(|s| s.disrupted_pods.as_ref());
        let pods = self.pods.iter().filter(|pod| !pods::is_deleting(pod));
        pods.filter_map(move |pod| {
            let (name, at) = noted?.get_key_value(pods::name(pod))?;
            Some((name.as_str(), at))
        })
    }

    fn is_overdue(&self, noted: &Time) -> bool {
        noted
            .0
            .checked_add(DELETION_TIMEOUT)
            .is_ok_and(|at| at < self.now)
    }
}

/// The status of a budget that cannot be computed: nothing is allowed.
pub(super) fn failed(
    budget: &PodDisruptionBudget,
    why: &str,
    now: Timestamp,
) -> PodDisruptionBudgetStatus {
    let old = budget.status.clone().unwrap_or_default();
    let condition = Condition {
        type_: CONDITION.to_owned(),
        status: "False".to_owned(),
        reason: "SyncFailed".to_owned(),
        message: why.to_owned(),
        observed_generation: old.observed_generation.filter(|g| *g > 0),
        last_transition_time: Time(now),
    };
    PodDisruptionBudgetStatus {
        disruptions_allowed: Some(0),
        conditions: Some(with(old.conditions.clone(), condition)),
        ..old
    }
}

/// The time of a condition changes with its status only.
fn with(old: Option<Vec<Condition>>, mut new: Condition) -> Vec<Condition> {
    let mut list = old.unwrap_or_default();
    match list.iter_mut().find(|c| c.type_ == new.type_) {
        Some(before) => {
            if before.status == new.status {
                new.last_transition_time = before.last_transition_time.clone();
            }
            *before = new;
        }
        None => list.push(new),
    }
    list
}

/// A number, or a share of `total`, rounded up.
fn scaled(value: &IntOrString, total: i32) -> i32 {
    match value {
        IntOrString::Int(n) => *n,
        IntOrString::String(s) => {
            let percent: i64 = s.trim_end_matches('%').parse().unwrap_or(0);
            let hundredfold = percent * i64::from(total.max(0));
            i32::try_from((hundredfold + 99) / 100).unwrap_or(i32::MAX)
        }
    }
}
