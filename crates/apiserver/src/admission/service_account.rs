//! The account of a new pod, and the volume from which its containers take the account's token.

use std::time::Duration;

use serde_json::{Value, json};

use crate::api::Api;
use crate::call::Call;
use crate::meta;
use crate::status::Result;
use crate::verbs::create::random_signs;

/// A new namespace's default account is made a moment after it; a new pod waits for it as long as in Kubernetes.
const ACCOUNT_WAIT: Duration = Duration::from_millis(150);
const ACCOUNT_ATTEMPTS: usize = 10;
const DEFAULT: &str = "default";
/// Where every in-cluster client looks for its token.
const PLACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const VOLUME: &str = "kube-api-access-";
/// Seconds that tell this token from those that were asked for: it is worth more than it says (`subresource/token.rs`).
pub(crate) const WARN_SECONDS: i64 = 3607;

pub(super) async fn on_create(api: &Api, call: &Call, pod: &mut Value) -> Result<()> {
    let spec = meta::fields(pod, "spec");
    let names = ["serviceAccountName", "serviceAccount"];
    let mut given = names.iter().filter_map(|field| spec.get(*field)?.as_str());
    let name = given.find(|n| !n.is_empty());
    let name = name.unwrap_or(DEFAULT).to_owned();
    for field in names {
        spec.insert(field.into(), json!(name));
    }
    if !api.config.require_service_accounts {
        return Ok(());
    }
    let path = format!("{}/{name}", meta::namespace(pod));
    let attempts = if name == DEFAULT { ACCOUNT_ATTEMPTS } else { 1 };
    for attempt in 1..=attempts {
        if let Some(account) = api.read("", "serviceaccounts", &path).await? {
            if wants_token(pod, &account) {
                mount_token(pod);
            }
            pull_secrets(pod, &account);
            return Ok(());
        }
        if attempt < attempts {
            tokio::time::sleep(ACCOUNT_WAIT).await;
        }
    }
    let why =
        format!("error looking up service account {path}: serviceaccount \"{name}\" not found");
    Err(super::forbidden_new(call, pod, why))
}

fn pull_secrets(pod: &mut Value, account: &Value) {
    let spec = meta::fields(pod, "spec");
    let has = |v: Option<&Value>| v.and_then(Value::as_array).is_some_and(|a| !a.is_empty());
    if !has(spec.get("imagePullSecrets")) && has(account.get("imagePullSecrets")) {
        let own = account["imagePullSecrets"].clone();
        spec.insert("imagePullSecrets".into(), own);
    }
}

/// The pod's word counts, then the account's.
fn wants_token(pod: &Value, account: &Value) -> bool {
    let own = pod["spec"]["automountServiceAccountToken"].as_bool();
    own.or(account["automountServiceAccountToken"].as_bool())
        .unwrap_or(true)
}

/// Mounts the volume in every container that has nothing in its place.
fn mount_token(pod: &mut Value) {
    let volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
    let mut names = volumes.filter_map(|v| v["name"].as_str());
    let present = names.find(|n| n.starts_with(VOLUME)).map(ToOwned::to_owned);
    let name = match &present {
        Some(name) => name.clone(),
        None => format!("{VOLUME}{}", random_signs()),
    };
    let mut needed = false;
    for list in ["initContainers", "containers"] {
        let containers = pod["spec"].get_mut(list).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            if !container.is_object() {
                continue;
            }
            let fields = container.as_object_mut().expect("it is an object");
            let mounts = super::list(fields, "volumeMounts");
            if mounts.iter().all(|m| m["mountPath"] != PLACE) {
                mounts.push(json!({"name": name, "readOnly": true, "mountPath": PLACE}));
                needed = true;
            }
        }
    }
    if needed && present.is_none() {
        let spec = meta::fields(pod, "spec");
        super::list(spec, "volumes").push(json!({"name": name, "projected": {
            "defaultMode": 420,
            "sources": [
                {"serviceAccountToken": {"path": "token", "expirationSeconds": WARN_SECONDS}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {"downwardAPI": {"items": [{"path": "namespace",
                    "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}},
            ],
        }}));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_container_without_something_in_its_place_gets_the_token() {
        let mut pod = json!({"spec": {"initContainers": [{"name": "i"}], "containers": [
            {"name": "a"}, {"name": "b", "volumeMounts": [{"name": "own", "mountPath": PLACE}]}]}});
        mount_token(&mut pod);
        let spec = &pod["spec"];
        let volume = spec["volumes"][0]["name"].as_str().unwrap();
        assert!(volume.starts_with(VOLUME) && volume.len() == VOLUME.len() + 5);
        assert_eq!(spec["initContainers"][0]["volumeMounts"][0]["name"], volume);
        assert_eq!(spec["containers"][0]["volumeMounts"][0]["name"], volume);
        assert_eq!(spec["containers"][1]["volumeMounts"][0]["name"], "own");
        let before = pod.clone();
        mount_token(&mut pod);
        assert_eq!(pod, before);
    }

    #[test]
    fn the_pods_word_counts_before_the_accounts() {
        let pod = |word: Value| json!({"spec": {"automountServiceAccountToken": word}});
        let account = json!({"automountServiceAccountToken": false});
        assert!(wants_token(&pod(json!(true)), &account));
        assert!(!wants_token(&pod(Value::Null), &account));
        assert!(wants_token(&pod(Value::Null), &json!({})));
    }
}
