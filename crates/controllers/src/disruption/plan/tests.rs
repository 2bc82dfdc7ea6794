use serde_json::{Value, json};

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn pods(ready: usize, all: usize) -> Vec<Pod> {
    let pods = (0..all).map(|i| {
        let word = if i < ready { "True" } else { "False" };
        json!({"metadata": {"name": format!("p{i}")}, "status": {"conditions": [{"type": "Ready", "status": word}]}})
    });
    pods.map(|p| serde_json::from_value(p).unwrap()).collect()
}

fn allowed(spec: Value, ready: usize, all: usize, expected: i32) -> (i32, i32) {
    let budget: PodDisruptionBudget =
        serde_json::from_value(json!({"metadata": {"generation": 2}, "spec": spec})).unwrap();
    let view = View {
        spec: budget.spec.as_ref().unwrap(),
        budget: &budget,
        pods: &pods(ready, all),
        expected,
        now: at(0),
    };
    let (status, _) = view.status();
    assert_eq!(status.observed_generation, Some(2));
    (
        status.desired_healthy.unwrap(),
        status.disruptions_allowed.unwrap(),
    )
}

#[test]
fn numbers_and_shares_say_how_many_must_stay() {
    assert_eq!(allowed(json!({"minAvailable": 2}), 3, 3, 3), (2, 1));
    assert_eq!(allowed(json!({"minAvailable": "50%"}), 3, 3, 3), (2, 1));
    assert_eq!(allowed(json!({"maxUnavailable": 1}), 3, 3, 3), (2, 1));
    assert_eq!(allowed(json!({"maxUnavailable": "34%"}), 2, 3, 3), (1, 1));
    assert_eq!(allowed(json!({"maxUnavailable": 5}), 3, 3, 3), (0, 3));
    assert_eq!(allowed(json!({"maxUnavailable": 1}), 1, 3, 3), (2, 0));
    assert_eq!(
        allowed(json!({"minAvailable": 0}), 0, 0, 0),
        (0, 0),
        "no pods, no evictions"
    );
}

#[test]
fn an_eviction_that_was_allowed_counts_until_it_is_seen_or_overdue() {
    let budget = |stamp: &str| -> PodDisruptionBudget {
        serde_json::from_value(json!({"spec": {"minAvailable": 1}, "status": {
            "disruptedPods": {"p0": stamp, "gone": stamp},
            "currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0}}))
        .unwrap()
    };
    let check = |budget: &PodDisruptionBudget| {
        let pods = pods(3, 3);
        let view = View {
            spec: budget.spec.as_ref().unwrap(),
            budget,
            pods: &pods,
            expected: 3,
            now: at(130),
        };
        let (status, recheck) = view.status();
        let noted = status
            .disrupted_pods
            .unwrap_or_default()
            .into_keys()
            .collect::<Vec<_>>();
        let late = view.not_deleted().len();
        (status.current_healthy.unwrap(), noted, recheck, late)
    };
    let fresh = check(&budget("1970-01-01T00:01:10Z"));
    assert_eq!(
        fresh,
        (2, vec!["p0".to_owned()], Some(Duration::from_secs(60)), 0)
    );
    let overdue = check(&budget("1970-01-01T00:00:00Z"));
    assert_eq!(overdue, (3, vec![], None, 1));
}

#[test]
fn what_cannot_be_computed_allows_nothing_and_says_why() {
    let budget: PodDisruptionBudget = serde_json::from_value(json!({"status": {
        "currentHealthy": 3, "desiredHealthy": 1, "disruptionsAllowed": 2, "expectedPods": 3}}))
    .unwrap();
    let status = failed(&budget, "found no controllers for pod \"p\"", at(1));
    assert_eq!(status.current_healthy, Some(3));
    assert_eq!(status.disruptions_allowed, Some(0));
    let condition = &status.conditions.unwrap()[0];
    assert_eq!(condition.reason, "SyncFailed");
    assert_eq!(condition.message, "found no controllers for pod \"p\"");
}
