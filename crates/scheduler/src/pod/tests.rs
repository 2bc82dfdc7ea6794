use serde_json::{Value, json};

use super::*;

#[expect(clippy::needless_pass_by_value, reason = "most callers have a literal")]
fn pod(spec: Value) -> Pod {
    serde_json::from_value(json!({ "metadata": { "name": "p" }, "spec": spec })).unwrap()
}

fn container(cpu: &str, memory: &str) -> Value {
    json!({ "resources": { "requests": { "cpu": cpu, "memory": memory } } })
}

fn sidecar(cpu: &str, memory: &str) -> Value {
    let mut container = container(cpu, memory);
    container["restartPolicy"] = "Always".into();
    container
}

const MI: i64 = 1 << 20;

#[test]
fn requests_count_as_in_kubernetes() {
    let cases = [
        ("nothing", json!({ "containers": [{}] }), 0, 0),
        (
            "containers together",
            json!({ "containers": [container("100m", "10Mi"), container("1", "20Mi")] }),
            1100,
            30,
        ),
        (
            "an init container that asks for more",
            json!({ "containers": [container("100m", "10Mi")], "initContainers": [container("500m", "5Mi")] }),
            500,
            10,
        ),
        (
            "a sidecar stays",
            json!({ "containers": [container("100m", "10Mi")], "initContainers": [sidecar("200m", "5Mi")] }),
            300,
            15,
        ),
        (
            "an init container runs beside the sidecars before it",
            json!({
                "containers": [container("100m", "10Mi")],
                "initContainers": [container("350m", "1Mi"), sidecar("200m", "5Mi"), container("300m", "1Mi")],
            }),
            500,
            15,
        ),
        (
            "overhead comes on top",
            json!({ "containers": [container("100m", "10Mi")], "overhead": { "cpu": "50m", "memory": "1Mi" } }),
            150,
            11,
        ),
        (
            "what the pod asks for as a whole counts instead",
            json!({ "containers": [container("100m", "10Mi")], "resources": { "requests": { "cpu": "2" } } }),
            2000,
            10,
        ),
    ];
    for (name, spec, milli_cpu, memory) in cases {
        let resources = pod(spec).requests().resources;
        assert_eq!(
            (resources.milli_cpu, resources.memory / MI),
            (milli_cpu, memory),
            "{name}"
        );
    }
}

#[test]
fn containers_that_say_nothing_count_as_usual_ones_when_nodes_are_compared() {
    let spec = json!({ "containers": [{}, container("1", "10Mi")] });
    let scored = pod(spec).requests().scored;
    assert_eq!((scored.milli_cpu, scored.memory / MI), (1100, 210));
}

#[test]
fn only_pods_for_this_scheduler_are_placed() {
    for (spec, wanted) in [
        (json!({}), true),
        (json!({ "schedulerName": "default-scheduler" }), true),
        (json!({ "schedulerName": "another" }), false),
        (json!({ "nodeName": "n" }), false),
        (
            json!({ "schedulingGates": [{ "name": "acme.io/wait" }] }),
            false,
        ),
        (json!({ "schedulingGates": [] }), true),
    ] {
        assert_eq!(pod(spec.clone()).wants_node(), wanted, "{spec}");
    }
}

#[test]
fn lists_that_are_null_are_read_as_absent() {
    let spec = json!({ "containers": [{ "ports": null, "resources": null }], "tolerations": null });
    assert!(pod(spec).host_ports().is_empty());
}
