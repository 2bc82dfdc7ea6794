//! The ten kinds of a storm: nine that are built in, of several groups, and one that is not.

use serde_json::{Value, json};

use crate::history::{Key, Seen};

/// The namespace of a storm.
pub const NAMESPACE: &str = "storm";
/// Which write made a state.
const TAG: &str = "storm.example.com/tag";
/// Which call created an object.
const SEED: &str = "storm.example.com/seed";

/// One kind.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// `v1` or `GROUP/VERSION`.
    pub api_version: &'static str,
    /// Its name.
    pub kind: &'static str,
    /// Its name in paths.
    pub plural: &'static str,
}

/// All of them.
pub const KINDS: [Kind; 10] = [
    kind("v1", "ConfigMap", "configmaps"),
    kind("v1", "Secret", "secrets"),
    kind("v1", "Service", "services"),
    kind("v1", "ServiceAccount", "serviceaccounts"),
    kind("v1", "PodTemplate", "podtemplates"),
    kind("apps/v1", "Deployment", "deployments"),
    kind("batch/v1", "CronJob", "cronjobs"),
    kind("coordination.k8s.io/v1", "Lease", "leases"),
    kind("rbac.authorization.k8s.io/v1", "Role", "roles"),
    kind("storm.example.com/v1", "Squall", "squalls"),
];

const fn kind(api_version: &'static str, kind: &'static str, plural: &'static str) -> Kind {
    Kind {
        api_version,
        kind,
        plural,
    }
}

/// The definition of the kind that is not built in.
#[must_use]
pub fn definition() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "squalls.storm.example.com"},
        "spec": {
            "group": "storm.example.com", "scope": "Namespaced",
            "names": {"plural": "squalls", "singular": "squall", "kind": "Squall", "listKind": "SquallList"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "properties": {"spec": {
                    "type": "object", "properties": {"force": {"type": "integer", "default": 7}},
                    "x-kubernetes-validations": [{"rule": "self.force <= 12"}],
                }},
            }}}],
        },
    })
}

/// The path of a kind's objects.
#[must_use]
pub fn path_of(kind: usize) -> String {
    let Kind {
        api_version,
        plural,
        ..
    } = KINDS[kind];
    let root = if api_version.contains('/') {
        "/apis"
    } else {
        "/api"
    };
    format!("{root}/{api_version}/namespaces/{NAMESPACE}/{plural}")
}

/// The path of an object.
#[must_use]
pub fn path(key: Key) -> String {
    format!("{}/o-{}", path_of(key.kind), key.index)
}

/// The number of an object of this name; others than ours have none.
#[must_use]
pub fn index(name: &str) -> Option<u32> {
    name.strip_prefix("o-")?.parse().ok()
}

/// A whole object, to be created or applied; its seed is its tag.
#[must_use]
pub fn object(key: Key, tag: u64, is_seed: bool) -> Value {
    let kind = KINDS[key.kind];
    let pod = json!({"containers": [{"name": "c", "image": "i"}]});
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": pod});
    let mut object = match kind.kind {
        "ConfigMap" => {
            json!({"data": {"filler": "0123456789".repeat(usize::try_from(tag % 97).unwrap_or(0))}})
        }
        "Secret" => json!({"data": {"password": "c3Rvcm0="}}),
        "Service" => json!({"spec": {"ports": [{"port": 80}], "selector": {"a": "b"}}}),
        "PodTemplate" => json!({"template": template}),
        "Deployment" => {
            json!({"spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}})
        }
        "CronJob" => {
            json!({"spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": {"spec":
            {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}}}}})
        }
        "Lease" => json!({"spec": {"holderIdentity": "storm"}}),
        "Role" => json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}),
        "Squall" => json!({"spec": {"force": tag % 13}}),
        _ => json!({}),
    };
    object["apiVersion"] = json!(kind.api_version);
    object["kind"] = json!(kind.kind);
    object["metadata"] = json!({
        "name": format!("o-{}", key.index), "annotations": {TAG: tag.to_string()},
    });
    if is_seed {
        object["metadata"]["annotations"][SEED] = json!(tag.to_string());
    }
    object
}

/// Puts the tag of another write on an object that was read.
pub fn retag(object: &mut Value, tag: u64) {
    object["metadata"]["annotations"][TAG] = json!(tag.to_string());
}

/// A merge patch that does nothing but that.
#[must_use]
pub fn patch(tag: u64) -> Value {
    json!({"metadata": {"annotations": {TAG: tag.to_string()}}})
}

/// The state that an object shows; `None` if it is no object of a storm.
#[must_use]
pub fn seen(object: &Value) -> Option<(u32, Seen)> {
    let metadata = &object["metadata"];
    let number = |name| metadata["annotations"][name].as_str()?.parse().ok();
    let seen = Seen {
        revision: revision(object)?,
        uid: metadata["uid"].as_str()?.to_owned(),
        tag: number(TAG)?,
        seed: number(SEED),
    };
    Some((index(metadata["name"].as_str()?)?, seen))
}

/// The resource version of an object or of a list.
#[must_use]
pub fn revision(object: &Value) -> Option<u64> {
    object["metadata"]["resourceVersion"].as_str()?.parse().ok()
}

/// The items of a list: numbers and resource versions of those that are of the storm.
#[must_use]
pub fn items(list: &Value) -> Vec<(u32, u64)> {
    let items = list["items"].as_array().map_or(&[][..], Vec::as_slice);
    let item = |object: &Value| {
        Some((
            index(object["metadata"]["name"].as_str()?)?,
            revision(object)?,
        ))
    };
    items.iter().filter_map(item).collect()
}
