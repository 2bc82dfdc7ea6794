//! Which pods go first when there are too many.

use std::cmp::Ordering;
use std::collections::HashMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;

use super::{condition, is_active, is_ready, node_name, phase, uid};

const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// Sorts pods so that the ones whose loss hurts least come first. `related` are all pods of the same workload (for a
/// ReplicaSet of a Deployment, those of its other ReplicaSets too): a node that has many of them is relieved first.
pub(crate) fn rank_for_deletion(pods: &mut [Pod], related: &[Pod], now: Timestamp) {
    let mut on_node: HashMap<&str, usize> = HashMap::new();
    for pod in related.iter().filter(|p| is_active(p)) {
        *on_node.entry(node_name(pod)).or_default() += 1;
    }
    let crowd = |pod: &Pod| on_node.get(node_name(pod)).copied().unwrap_or(0);
    pods.sort_by(|a, b| compare(a, b, &crowd, now));
}

fn compare(a: &Pod, b: &Pod, crowd: &impl Fn(&Pod) -> usize, now: Timestamp) -> Ordering {
    let assigned = |p: &Pod| !node_name(p).is_empty();
    assigned(a)
        .cmp(&assigned(b))
        .then_with(|| phase_order(a).cmp(&phase_order(b)))
        .then_with(|| is_ready(a).cmp(&is_ready(b)))
        .then_with(|| deletion_cost(a).cmp(&deletion_cost(b)))
        .then_with(|| crowd(b).cmp(&crowd(a)))
        .then_with(|| younger_first(ready_since(a), ready_since(b), a, b, now))
        .then_with(|| restarts(b).cmp(&restarts(a)))
        .then_with(|| younger_first(created(a), created(b), a, b, now))
}

fn phase_order(pod: &Pod) -> u8 {
    match phase(pod) {
        "Pending" => 0,
        "Unknown" => 1,
        _ => 2,
    }
}

fn deletion_cost(pod: &Pod) -> i32 {
    let annotations = pod.metadata.annotations.as_ref();
    annotations
        .and_then(|a| a.get(DELETION_COST))
        .and_then(|c| c.parse().ok())
        .unwrap_or(0)
}

fn ready_since(pod: &Pod) -> Option<Timestamp> {
    let ready = condition(pod, "Ready").filter(|c| c.status == "True")?;
    Some(ready.last_transition_time.as_ref()?.0)
}

fn created(pod: &Pod) -> Option<Timestamp> {
    Some(pod.metadata.creation_timestamp.as_ref()?.0)
}

fn restarts(pod: &Pod) -> i32 {
    let status = pod.status.as_ref();
    let containers = status.and_then(|s| s.container_statuses.as_ref());
    let counts = containers.into_iter().flatten().map(|c| c.restart_count);
    counts.max().unwrap_or(0)
}

/// Ages count by their order of magnitude; within one, the uid decides, so that it is not always the newest that goes
/// (which would concentrate the survivors on the oldest nodes).
fn younger_first(
    a: Option<Timestamp>,
    b: Option<Timestamp>,
    pod_a: &Pod,
    pod_b: &Pod,
    now: Timestamp,
) -> Ordering {
    let (Some(a), Some(b)) = (a, b) else {
        return a.is_some().cmp(&b.is_some());
    };
    if a == b {
        return Ordering::Equal;
    }
    let magnitude = |t: Timestamp| {
        let age = now.duration_since(t).as_nanos();
        u128::try_from(age).ok().and_then(u128::checked_ilog2)
    };
    magnitude(a)
        .cmp(&magnitude(b))
        .then_with(|| uid(pod_a).cmp(uid(pod_b)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(name: &str, node: &str, phase: &str, ready: bool, age: i64, cost: i32) -> Pod {
        let at = Timestamp::from_second(1_000_000 - age).unwrap();
        serde_json::from_value(json!({
            "metadata": {"name": name, "uid": name, "creationTimestamp": at, "annotations": {DELETION_COST: cost.to_string()}},
            "spec": {"nodeName": node, "containers": []},
            "status": {"phase": phase, "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }, "lastTransitionTime": at}]},
        }))
        .unwrap()
    }

    #[test]
    fn the_least_useful_pods_come_first() {
        let mut pods = vec![
            pod("old", "n1", "Running", true, 100_000, 0),
            pod("young", "n1", "Running", true, 10, 0),
            pod("lonely", "n2", "Running", true, 10, 0),
            pod("dear", "n1", "Running", true, 1, 5),
            pod("unready", "n1", "Running", false, 50, 9),
            pod("pending", "n1", "Pending", false, 50, 9),
            pod("homeless", "", "Pending", false, 50, 9),
        ];
        let related = pods.clone();
        rank_for_deletion(
            &mut pods,
            &related,
            Timestamp::from_second(1_000_000).unwrap(),
        );
        let names: Vec<&str> = pods.iter().map(super::super::name).collect();
        assert_eq!(
            names,
            [
                "homeless", "pending", "unready", "young", "old", "lonely", "dear"
            ]
        );
    }
}
