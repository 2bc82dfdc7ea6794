//! What a new pod gets: service account, priority, runtime class, tolerations.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::api::Api;
use crate::call::Call;
use crate::meta;
use crate::status::{Error, Result};

/// How long a pod may stay on a node that is not ready or cut off, unless it says otherwise.
const TOLERATION_SECONDS: i64 = 300;
/// A new namespace's default account is made a moment after it; a new pod waits for it as long as in Kubernetes.
const ACCOUNT_WAIT: Duration = Duration::from_millis(150);
const ACCOUNT_ATTEMPTS: usize = 10;

pub(super) async fn on_create(api: &Api, call: &Call, pod: &mut Value) -> Result<()> {
    if pod["metadata"]["annotations"]["kubernetes.io/config.mirror"].is_string() {
        return Ok(());
    }
    service_account(api, call, pod).await?;
    runtime_class(api, call, pod).await?;
    priority(api, call, pod).await?;
    tolerations(pod);
    Ok(())
}

fn refuse(call: &Call, pod: &Value, why: String) -> Error {
    Error::Forbidden(call.resource.about(meta::name(pod)), why)
}

async fn service_account(api: &Api, call: &Call, pod: &mut Value) -> Result<()> {
    let spec = meta::fields(pod, "spec");
    let text = |v: Option<&Value>| v.and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut name = text(spec.get("serviceAccountName"));
    if name.is_empty() {
        name = text(spec.get("serviceAccount"));
    }
    if name.is_empty() {
        name = "default".into();
    }
    spec.insert("serviceAccountName".into(), json!(name));
    spec.insert("serviceAccount".into(), json!(name));
    if !api.config.require_service_accounts {
        return Ok(());
    }
    let path = format!("{}/{name}", meta::namespace(pod));
    let attempts = if name == "default" {
        ACCOUNT_ATTEMPTS
    } else {
        1
    };
    for attempt in 1..=attempts {
        if let Some(account) = api.read("", "serviceaccounts", &path).await? {
            pull_secrets(pod, &account);
            return Ok(());
        }
        if attempt < attempts {
            tokio::time::sleep(ACCOUNT_WAIT).await;
        }
    }
    let why =
        format!("error looking up service account {path}: serviceaccount \"{name}\" not found");
    Err(refuse(call, pod, why))
}

fn pull_secrets(pod: &mut Value, account: &Value) {
    let spec = meta::fields(pod, "spec");
    let has = |v: Option<&Value>| v.and_then(Value::as_array).is_some_and(|a| !a.is_empty());
    if !has(spec.get("imagePullSecrets")) && has(account.get("imagePullSecrets")) {
        spec.insert(
            "imagePullSecrets".into(),
            account["imagePullSecrets"].clone(),
        );
    }
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
        return Err(refuse(call, pod, why));
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
                return Err(refuse(call, pod, why));
            }
            own[key] = value.clone();
        }
    }
    for toleration in class["scheduling"]["tolerations"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let own = list(spec, "tolerations");
        if !own.contains(toleration) {
            own.push(toleration.clone());
        }
    }
    Ok(())
}

fn text(value: Option<&Value>) -> &str {
    value.and_then(Value::as_str).unwrap_or_default()
}

async fn priority(api: &Api, call: &Call, pod: &mut Value) -> Result<()> {
    api.cache.fresh().await?;
    let classes = api.cache.kind("scheduling.k8s.io", "priorityclasses");
    let name = text(pod["spec"].get("priorityClassName")).to_owned();
    let class = if name.is_empty() {
        let everything = crate::selector::Filter::default();
        let all = classes.list(&everything, None, 0, 0).objects;
        let all: Vec<Value> = all.iter().filter_map(|o| o.value().ok()).collect();
        let defaults = all.into_iter().filter(|c| c["globalDefault"] == true);
        defaults.min_by_key(|c| c["value"].as_i64())
    } else {
        let Some(class) = classes.get(&name) else {
            let why = format!("no PriorityClass with name {name} was found");
            return Err(refuse(call, pod, why));
        };
        Some(class.value()?)
    };
    let (value, policy) = match &class {
        None => (0, "PreemptLowerPriority".to_owned()),
        Some(class) => (
            class["value"].as_i64().unwrap_or(0),
            class["preemptionPolicy"]
                .as_str()
                .unwrap_or("PreemptLowerPriority")
                .to_owned(),
        ),
    };
    let given = pod["spec"]["priority"].as_i64();
    if given.is_some_and(|g| g != value) {
        let why = format!(
            "the integer value of priority ({}) must not be provided in pod spec; priority admission controller computed \
             {value} from the given PriorityClass name",
            given.unwrap_or(0)
        );
        return Err(refuse(call, pod, why));
    }
    let spec = meta::fields(pod, "spec");
    if let (true, Some(class)) = (name.is_empty(), &class) {
        spec.insert("priorityClassName".into(), json!(meta::name(class)));
    }
    spec.insert("priority".into(), json!(value));
    spec.entry("preemptionPolicy")
        .or_insert_with(|| json!(policy));
    Ok(())
}

fn tolerations(pod: &mut Value) {
    let spec = meta::fields(pod, "spec");
    for key in [
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
    ] {
        let own = list(spec, "tolerations");
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

fn list<'a>(fields: &'a mut Map<String, Value>, name: &str) -> &'a mut Vec<Value> {
    let slot = fields.entry(name).or_insert_with(|| json!([]));
    if !slot.is_array() {
        *slot = json!([]);
    }
    slot.as_array_mut().expect("it was made one just now")
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
