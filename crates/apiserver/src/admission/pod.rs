//! What a new pod gets: limits, service account, priority, runtime class, tolerations.

use serde_json::{Value, json};

use crate::api::Api;
use crate::call::Call;
use crate::meta;
use crate::status::Result;

/// How long a pod may stay on a node that is not ready or cut off, unless it says otherwise.
const TOLERATION_SECONDS: i64 = 300;
pub(super) async fn on_create(api: &Api, call: &Call, pod: &mut Value) -> Result<()> {
    super::limit_range::complete(api, pod).await?;
    // A mirror pod is what its node runs anyway.
    if !pod["metadata"]["annotations"]["kubernetes.io/config.mirror"].is_string() {
        super::service_account::on_create(api, call, pod).await?;
    }
    super::priority::on_create(api, call, pod).await?;
    tolerations(pod);
    runtime_class(api, call, pod).await
}

/// A pod keeps the tolerations that every pod has, also where its list is replaced.
pub(super) fn on_update(pod: &mut Value) {
    tolerations(pod);
}

async fn runtime_class(api: &Api, call: &Call, pod: &mut Value) -> Result<()> {
    let Some(name) = pod["spec"]["runtimeClassName"]
        .as_str()
        .map(ToOwned::to_owned)
    else {
        return Ok(());
    };
    let class = api.read("node.k8s.io", "runtimeclasses", &name).await?;
    let Some(class) = class else {
        let why = format!("pod rejected: RuntimeClass \"{name}\" not found");
        return Err(super::forbidden_new(call, pod, why));
    };
    let spec = meta::fields(pod, "spec");
    if let Some(overhead) = class["overhead"]["podFixed"].as_object() {
        spec.insert("overhead".into(), json!(overhead));
    }
    if let Some(selector) = class["scheduling"]["nodeSelector"].as_object() {
        let own = spec.entry("nodeSelector").or_insert_with(|| json!({}));
        for (key, value) in selector {
            if own.get(key).is_some_and(|v| v != value) {
                let why = format!(
                    "pod rejected: conflict: runtimeClass.scheduling.nodeSelector[{key}] = {}; pod.spec.nodeSelector[{key}] = {}",
                    text(Some(value)),
                    text(own.get(key))
                );
                return Err(super::forbidden_new(call, pod, why));
            }
            own[key] = value.clone();
        }
    }
    for toleration in class["scheduling"]["tolerations"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let own = super::list(spec, "tolerations");
        if !own.contains(toleration) {
            own.push(toleration.clone());
        }
    }
    Ok(())
}

fn text(value: Option<&Value>) -> &str {
    value.and_then(Value::as_str).unwrap_or_default()
}

fn tolerations(pod: &mut Value) {
    let spec = meta::fields(pod, "spec");
    for key in [
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
    ] {
        let own = super::list(spec, "tolerations");
        if !own.iter().any(|t| tolerates(t, key)) {
            own.push(json!({
                "key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": TOLERATION_SECONDS,
            }));
        }
    }
}

/// A toleration without a key is for every taint.
fn tolerates(toleration: &Value, key: &str) -> bool {
    matches!(text(toleration.get("effect")), "" | "NoExecute")
        && (text(toleration.get("key")).is_empty() || text(toleration.get("key")) == key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_leaves_a_dead_node_after_five_minutes_unless_it_says_otherwise() {
        let mut pod = json!({"spec": {"tolerations": [
            {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5},
        ]}});
        tolerations(&mut pod);
        let list = pod["spec"]["tolerations"].as_array().unwrap();
        assert_eq!(list.len(), 2);
        assert_eq!(list[1]["key"], "node.kubernetes.io/not-ready");
        assert_eq!(list[1]["tolerationSeconds"], 300);
        let mut all = json!({"spec": {"tolerations": [{"operator": "Exists"}]}});
        tolerations(&mut all);
        assert_eq!(all["spec"]["tolerations"].as_array().unwrap().len(), 1);
    }
}
