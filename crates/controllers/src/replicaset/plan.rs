//! Decides: how many pods to make or delete, which, and what the status says. Pure.

use cedge_informer::{Next, Selector};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{ReplicaSet, ReplicaSetCondition, ReplicaSetStatus};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::conditions;
use crate::pods::{self, Available};

/// Pods made or deleted in one go, as in Kubernetes.
const BURST: usize = 500;

#[derive(Debug, PartialEq)]
pub(super) enum Manage {
    Nothing,
    Create(usize),
    Delete(Vec<Pod>),
}

/// What was found and done.
pub(super) struct Outcome<'a> {
    pub(super) active: &'a [Pod],
    pub(super) terminating: usize,
    pub(super) failure: Option<String>,
}

pub(super) fn manage(
    set: &ReplicaSet,
    mut active: Vec<Pod>,
    related: &[Pod],
    now: Timestamp,
) -> Manage {
    let wanted = wanted(set);
    if active.len() < wanted {
        return Manage::Create((wanted - active.len()).min(BURST));
    }
    let surplus = (active.len() - wanted).min(BURST);
    if surplus == 0 {
        return Manage::Nothing;
    }
    pods::rank_for_deletion(&mut active, related, now);
    active.truncate(surplus);
    Manage::Delete(active)
}

pub(super) fn status(set: &ReplicaSet, outcome: &Outcome<'_>, now: Timestamp) -> ReplicaSetStatus {
    let spec = set.spec.clone();
    let template = spec.template.unwrap_or_default().metadata;
    let labels = Selector::from(&template.and_then(|m| m.labels).unwrap_or_default());
    let min_ready = spec.min_ready_seconds.unwrap_or(0);
    let count = |f: &dyn Fn(&&Pod) -> bool| number(outcome.active.iter().filter(f).count());
    let old = set.status.clone().unwrap_or_default();
    ReplicaSetStatus {
        replicas: number(outcome.active.len()),
        fully_labeled_replicas: some(count(&|p| labels.matches_map(p.metadata.labels.as_ref()))),
        ready_replicas: some(count(&|p| pods::is_ready(p))),
        available_replicas: some(count(&|p| {
            pods::available(p, min_ready, now) == Available::Yes
        })),
        terminating_replicas: Some(number(outcome.terminating)),
        observed_generation: set.metadata.generation,
        conditions: failure_condition(set, outcome, old.conditions, now),
    }
}

fn failure_condition(
    set: &ReplicaSet,
    outcome: &Outcome<'_>,
    mut old: Option<Vec<ReplicaSetCondition>>,
    now: Timestamp,
) -> Option<Vec<ReplicaSetCondition>> {
    const FAILURE: &str = "ReplicaFailure";
    match &outcome.failure {
        None => conditions::remove(&mut old, FAILURE),
        Some(_) if conditions::find(old.as_ref(), FAILURE).is_some() => {}
        Some(text) => {
            let reason = if outcome.active.len() < wanted(set) {
                "FailedCreate"
            } else {
                "FailedDelete"
            };
            let condition = ReplicaSetCondition {
                type_: Some(FAILURE.to_owned()),
                status: Some("True".to_owned()),
                reason: Some(reason.to_owned()),
                message: Some(text.clone()),
                last_transition_time: Some(Time(now)),
            };
            conditions::set(&mut old, condition);
        }
    }
    old
}

/// When the first pod that is ready will have been so long enough.
pub(super) fn next(set: &ReplicaSet, active: &[Pod], now: Timestamp) -> Next {
    let min_ready = set.spec.min_ready_seconds;
    let waits =
        active
            .iter()
            .filter_map(|p| match pods::available(p, min_ready.unwrap_or(0), now) {
                Available::After(left) => Some(left),
                Available::Yes | Available::No => None,
            });
    waits.min().map_or(Next::OnChange, Next::After)
}

fn wanted(set: &ReplicaSet) -> usize {
    let replicas = set.spec.replicas.unwrap_or(1);
    usize::try_from(replicas).unwrap_or(0)
}

fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// Zero is left out, as Go's `omitempty` does.
fn some(count: i32) -> Option<i32> {
    (count != 0).then_some(count)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn set(replicas: i32, min_ready: i32) -> ReplicaSet {
        serde_json::from_value(json!({
            "metadata": {"name": "web", "generation": 4},
            "spec": {"replicas": replicas, "minReadySeconds": min_ready, "selector": {"matchLabels": {"app": "web"}},
                "template": {"metadata": {"labels": {"app": "web", "v": "1"}}}},
        }))
        .unwrap()
    }

    fn pod(name: &str, version: &str, ready_for: Option<i64>) -> Pod {
        let since = Timestamp::from_second(1000 - ready_for.unwrap_or(0)).unwrap();
        let ready = if ready_for.is_some() { "True" } else { "False" };
        serde_json::from_value(json!({
            "metadata": {"name": name, "uid": name, "labels": {"app": "web", "v": version}},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ready, "lastTransitionTime": since}]},
        }))
        .unwrap()
    }

    fn now() -> Timestamp {
        Timestamp::from_second(1000).unwrap()
    }

    #[test]
    fn the_difference_is_made_or_deleted() {
        let pods = vec![pod("a", "1", Some(9)), pod("b", "1", None)];
        for (replicas, expected) in [
            (2, Manage::Nothing),
            (5, Manage::Create(3)),
            (900, Manage::Create(500)),
            (1, Manage::Delete(vec![pods[1].clone()])),
        ] {
            assert_eq!(
                manage(&set(replicas, 0), pods.clone(), &pods, now()),
                expected
            );
        }
    }

    #[test]
    fn the_status_counts_ready_available_and_labelled_pods() {
        let set = set(3, 10);
        let active = [
            pod("a", "1", Some(30)),
            pod("b", "0", Some(4)),
            pod("c", "1", None),
        ];
        let outcome = Outcome {
            active: &active,
            terminating: 1,
            failure: Some("no".into()),
        };
        let status = status(&set, &outcome, now());
        assert_eq!(status.replicas, 3);
        assert_eq!(status.ready_replicas, Some(2));
        assert_eq!(status.available_replicas, Some(1));
        assert_eq!(status.fully_labeled_replicas, Some(2));
        assert_eq!(status.terminating_replicas, Some(1));
        assert_eq!(status.observed_generation, Some(4));
        let reason = status.conditions.unwrap()[0].reason.clone();
        assert_eq!(reason.as_deref(), Some("FailedDelete"));
        assert_eq!(
            next(&set, &active, now()),
            Next::After(Duration::from_secs(6))
        );
    }
}
