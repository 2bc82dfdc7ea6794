use serde_json::{Value, json};

use super::*;

fn set(strategy: &Value) -> DaemonSet {
    serde_json::from_value(json!({"metadata": {"name": "d", "generation": 1}, "spec": {
        "selector": {"matchLabels": {"app": "d"}}, "updateStrategy": strategy,
        "template": {"spec": {"containers": [], "nodeSelector": {"run": "yes"}}}}}))
    .unwrap()
}

fn node(name: &str, run: &str, taint: Option<(&str, &str)>) -> Node {
    let taints: Vec<Value> = taint
        .map(|(key, effect)| json!({"key": key, "effect": effect}))
        .into_iter()
        .collect();
    serde_json::from_value(
        json!({"metadata": {"name": name, "labels": {"run": run}}, "spec": {"taints": taints}}),
    )
    .unwrap()
}

/// Bound, or only meant for its node.
fn pod(name: &str, node: &str, hash: &str, phase: &str, ready: bool) -> Pod {
    let ready = if ready { "True" } else { "False" };
    serde_json::from_value(json!({"metadata": {"name": name, "uid": name, "labels": {HASH: hash}},
        "spec": {"containers": [], "nodeName": node}, "status": {"phase": phase, "conditions": [{"type": "Ready", "status": ready}]}}))
    .unwrap()
}

fn view(strategy: &Value, nodes: Vec<Node>, pods: Vec<Pod>) -> View {
    View::new(
        set(strategy),
        nodes,
        pods,
        "new".into(),
        Timestamp::UNIX_EPOCH,
    )
}

fn names(pods: &[Pod]) -> Vec<&str> {
    pods.iter().map(pods::name).collect()
}

#[test]
fn each_node_that_fits_gets_one_pod() {
    let nodes = vec![
        node("empty", "yes", None),
        node("served", "yes", None),
        node("unselected", "no", None),
        node("tainted", "yes", Some(("mine", "NoSchedule"))),
        node("evicting", "yes", Some(("mine", "NoExecute"))),
        node(
            "unreachable",
            "yes",
            Some((nodes::UNREACHABLE, "NoExecute")),
        ),
    ];
    let pods = vec![
        pod("a", "served", "new", "Running", true),
        pod("b", "served", "new", "Running", true),
        pod("c", "unselected", "new", "Running", true),
        pod("d", "tainted", "new", "Running", true),
        pod("e", "evicting", "new", "Running", true),
        pod("f", "unreachable", "new", "Failed", false),
    ];
    let view = view(&json!({"type": "OnDelete"}), nodes, pods);
    let plan = view.plan();
    assert_eq!(plan.create, ["empty"]);
    assert_eq!(names(&plan.delete), ["e", "b", "c"]);
    assert_eq!(names(&plan.failed), ["f"]);
    let status = view.status();
    assert_eq!(status.desired_number_scheduled, 3);
    assert_eq!(status.current_number_scheduled, 2);
    assert_eq!(status.number_misscheduled, 3);
    assert_eq!((status.number_ready, status.number_available), (1, Some(1)));
    assert_eq!(status.number_unavailable, Some(2));
}

#[test]
fn a_pod_that_waits_for_its_node_counts_there() {
    let mut waiting = pod("a", "", "new", "Pending", false);
    waiting.spec.as_mut().unwrap().node_name = None;
    waiting.spec.as_mut().unwrap().affinity = serde_json::from_value(json!({"nodeAffinity":
        {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchFields":
            [{"key": "metadata.name", "operator": "In", "values": ["n"]}]}]}}}))
    .unwrap();
    let there = view(
        &json!({}),
        vec![node("n", "yes", None)],
        vec![waiting.clone()],
    );
    assert_eq!(there.plan(), Plan::default());
    let gone = view(&json!({}), vec![], vec![waiting]);
    assert_eq!(names(&gone.plan().delete), ["a"]);
}

#[test]
fn a_rolling_update_replaces_broken_pods_first_and_then_as_many_as_may_be_missing() {
    let nodes = || {
        ["n1", "n2", "n3", "n4"]
            .map(|n| node(n, "yes", None))
            .to_vec()
    };
    let old = |n: &str, ready| pod(&format!("p-{n}"), n, "old", "Running", ready);
    let all = vec![
        old("n1", true),
        old("n2", false),
        old("n3", true),
        old("n4", true),
    ];
    for (strategy, delete, create) in [
        (json!({"type": "OnDelete"}), vec![], vec![]),
        (
            json!({"rollingUpdate": {"maxUnavailable": 1}}),
            vec!["p-n2"],
            vec![],
        ),
        (
            json!({"rollingUpdate": {"maxUnavailable": "50%"}}),
            vec!["p-n2", "p-n1"],
            vec![],
        ),
        (
            json!({"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}),
            vec![],
            vec!["n2", "n1"],
        ),
    ] {
        let plan = view(&strategy, nodes(), all.clone()).plan();
        assert_eq!(
            (names(&plan.delete), plan.create),
            (
                delete,
                create.iter().map(|n: &&str| (*n).to_owned()).collect()
            ),
            "{strategy}"
        );
    }
    let mut surged = all;
    surged.push(pod("q", "n1", "new", "Running", true));
    let plan = view(
        &json!({"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}),
        nodes(),
        surged,
    )
    .plan();
    assert_eq!(names(&plan.delete), ["p-n1"]);
}
