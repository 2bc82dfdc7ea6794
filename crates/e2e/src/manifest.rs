//! What the tests write.

use serde_json::{Value, json};

/// A Mission with these manifests; `placement` is null for the whole subtree.
#[must_use]
pub fn mission(name: &str, placement: &Value, manifests: &[Value]) -> String {
    let mut spec = json!({ "content": { "manifests": manifests } });
    if !placement.is_null() {
        spec["placement"] = placement.clone();
    }
    json!({
        "apiVersion": "edge.centaurus.io/v1alpha1", "kind": "Mission", "metadata": { "name": name }, "spec": spec,
    })
    .to_string()
}

/// A Deployment of processes that sleep; its pods bear the label `app: NAME`.
#[must_use]
pub fn deployment(name: &str, replicas: u32) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name },
        "spec": {
            "replicas": replicas,
            "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": {
                    "runtimeClassName": "process", "terminationGracePeriodSeconds": 1,
                    "containers": [{
                        "name": "main", "image": "process",
                        "command": ["/bin/sh", "-c", "echo up; exec sleep 100000"],
                    }],
                },
            },
        },
    })
}

/// A Job that ends well.
#[must_use]
pub fn job(name: &str) -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": name },
        "spec": { "template": { "spec": {
            "runtimeClassName": "process", "restartPolicy": "Never",
            "containers": [{ "name": "main", "image": "process", "command": ["true"] }],
        } } },
    })
}

/// A `ConfigMap` with `said: WORD`.
#[must_use]
pub fn config_map(name: &str, word: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": { "said": word },
    })
}

/// As [`deployment`], with each pod's uid in the arguments of its process, where [`crate::processes_of`] finds it. With
/// `seconds` a pod bears a node that is not ready, or not reached, for so long, and not for the usual 300 s.
#[must_use]
pub fn traced(name: &str, replicas: u32, seconds: Option<u32>) -> Value {
    let mut made = deployment(name, replicas);
    let pod = &mut made["spec"]["template"]["spec"];
    pod["containers"][0]["command"] = json!(["/bin/sh", "-c", "sleep 100000; :", "$(POD_UID)"]);
    pod["containers"][0]["env"] = json!([{ "name": "POD_UID", "valueFrom": { "fieldRef": { "fieldPath": "metadata.uid" } } }]);
    if let Some(seconds) = seconds {
        let bears = |key: &str| json!({ "key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds });
        pod["tolerations"] = json!([
            bears("node.kubernetes.io/unreachable"),
            bears("node.kubernetes.io/not-ready")
        ]);
    }
    made
}
