//! What a write may change: which half is reset, when the generation rises, what a kind adds by itself.
//!
//! Deletion stamps, uid, resource version and creation time are the API server's; it sets them before it calls
//! [`prepare_create`].

use serde_json::{Map, Value, json};

use crate::read::{Read, child_mut, object_mut, put};
use crate::registry::{Generation, Kind};

mod job;
mod pod;
mod service;

pub(crate) use pod::quality_of_service;

/// Makes an object ready to be stored for the first time.
///
/// `now` is the time of the request in RFC 3339 (seconds), for kinds that stamp their first status.
pub fn prepare_create(kind: &Kind, new: &mut Value, now: &str) {
    if kind.subresource("status").is_some() && !kind.is("", "Node") {
        reset_status(kind, new, None);
    }
    if let Generation::Parts { starts: true, .. } = kind.generation {
        put(child_mut(new, "metadata"), "generation", Some(1.into()));
    }
    match (kind.group, kind.kind) {
        ("", "Pod") => pod::create(new),
        ("", "Namespace") => create_namespace(new),
        ("", "PersistentVolume") => {
            new["status"] = json!({"phase": "Pending", "lastPhaseTransitionTime": now});
        }
        ("", "PersistentVolumeClaim") => data_sources(new),
        ("", "ServiceAccount") => secret_names_only(new),
        ("batch", "Job") => job::create(new),
        ("apps", "DaemonSet") => template_generation(new, None),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => stored_versions(new),
        _ => {}
    }
}

/// Makes an object ready to replace `old`, written to the resource itself or to one of its subresources.
pub fn prepare_update(kind: &Kind, subresource: Option<&str>, new: &mut Value, old: &Value) {
    let generation = old["metadata"].get("generation").cloned();
    put(child_mut(new, "metadata"), "generation", generation);
    match subresource {
        None => update_main(kind, new, old),
        Some("status") => update_status(kind, new, old),
        Some("approval") => update_approval(new, old),
        Some("finalize") => put(new, "status", old.get("status").cloned()),
        Some("ephemeralcontainers") => pod::update_ephemeral(new, old),
        Some("resize") => pod::update_resize(new, old),
        Some(_) => {}
    }
    let spec_may_change = matches!(subresource, None | Some("ephemeralcontainers" | "resize"));
    if spec_may_change {
        raise_generation(kind, new, old);
    }
}

fn update_main(kind: &Kind, new: &mut Value, old: &Value) {
    if kind.subresource("status").is_some() {
        reset_status(kind, new, old.get("status"));
    }
    match (kind.group, kind.kind) {
        ("", "Namespace") => {
            let finalizers = old["spec"].get("finalizers").cloned();
            put(child_mut(new, "spec"), "finalizers", finalizers);
        }
        ("", "Secret") if new.text("type").is_empty() => {
            put(new, "type", old.get("type").cloned());
        }
        ("", "Service") => service::update(new, old),
        ("", "Pod") => pod::update(new, old),
        ("", "PersistentVolumeClaim") => data_sources(new),
        ("", "ServiceAccount") => secret_names_only(new),
        ("apps", "DaemonSet") => template_generation(new, Some(old)),
        ("certificates.k8s.io", "CertificateSigningRequest") => {
            put(new, "spec", old.get("spec").cloned());
        }
        ("apiextensions.k8s.io", "CustomResourceDefinition") => stored_versions(new),
        _ => {}
    }
}

/// Everything but the status is taken from `old`, as far as the kind's own rule says.
fn update_status(kind: &Kind, new: &mut Value, old: &Value) {
    put(new, "spec", old.get("spec").cloned());
    let keep: &[&str] = match (kind.group, kind.kind) {
        ("", "Pod") => &["ownerReferences"],
        ("apps", "Deployment") => &["labels"],
        ("apiregistration.k8s.io", "APIService") => {
            &["labels", "annotations", "finalizers", "ownerReferences"]
        }
        (
            "networking.k8s.io"
            | "resource.k8s.io"
            | "storage.k8s.io"
            | "admissionregistration.k8s.io"
            | "storagemigration.k8s.io",
            _,
        ) if !matches!(kind.kind, "Ingress") => STATUS_KEEPS,
        ("certificates.k8s.io", "PodCertificateRequest") => STATUS_KEEPS,
        ("flowcontrol.apiserver.k8s.io", _) => STATUS_KEEPS,
        _ => &[],
    };
    let meta = child_mut(new, "metadata");
    for name in keep {
        put(meta, name, old["metadata"].get(*name).cloned());
    }
    if kind.is("", "Pod") {
        pod::update_status(new, old);
    }
}

/// What a write to `status` must not change in the metadata of newer kinds.
const STATUS_KEEPS: &[&str] = &[
    "labels",
    "annotations",
    "finalizers",
    "ownerReferences",
    "generateName",
    "selfLink",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
];

/// An approval writes conditions only.
fn update_approval(new: &mut Value, old: &Value) {
    let conditions = new["status"].get("conditions").cloned();
    put(new, "spec", old.get("spec").cloned());
    put(new, "status", old.get("status").cloned());
    put(child_mut(new, "status"), "conditions", conditions);
}

fn reset_status(kind: &Kind, new: &mut Value, old: Option<&Value>) {
    let status = match old {
        Some(status) => status.clone(),
        None => first_status(kind),
    };
    put(new, "status", Some(status));
}

/// What the zero status of a kind looks like on the wire.
fn first_status(kind: &Kind) -> Value {
    match (kind.group, kind.kind) {
        ("", "Namespace") => json!({"phase": "Active"}),
        ("", "Pod") => json!({"phase": "Pending"}),
        ("", "PersistentVolumeClaim") => json!({"phase": "Pending"}),
        ("", "ReplicationController") | ("apps", "ReplicaSet") => json!({"replicas": 0}),
        ("", "Service") | ("networking.k8s.io", "Ingress") => json!({"loadBalancer": {}}),
        ("apps", "StatefulSet") => json!({"replicas": 0, "availableReplicas": 0}),
        ("apps", "DaemonSet") => json!({
            "currentNumberScheduled": 0,
            "desiredNumberScheduled": 0,
            "numberMisscheduled": 0,
            "numberReady": 0,
        }),
        ("autoscaling", "HorizontalPodAutoscaler") => {
            json!({"currentMetrics": null, "desiredReplicas": 0})
        }
        ("policy", "PodDisruptionBudget") => json!({
            "currentHealthy": 0,
            "desiredHealthy": 0,
            "disruptionsAllowed": 0,
            "expectedPods": 0,
        }),
        ("storage.k8s.io", "VolumeAttachment") => json!({"attached": false}),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => json!({
            "acceptedNames": {"plural": "", "kind": ""},
            "conditions": null,
            "storedVersions": null,
        }),
        _ => Value::Object(Map::new()),
    }
}

fn raise_generation(kind: &Kind, new: &mut Value, old: &Value) {
    let Generation::Parts { parts, .. } = &kind.generation else {
        return;
    };
    let changed = parts.iter().any(|part| match *part {
        "*" => changed_beside_metadata(new, old),
        "labels" | "annotations" => !same(new["metadata"].field(part), old["metadata"].field(part)),
        part => !same(new.field(part), old.field(part)),
    });
    if changed {
        let generation = old["metadata"].int("generation").unwrap_or(0) + 1;
        put(
            child_mut(new, "metadata"),
            "generation",
            Some(generation.into()),
        );
    }
}

fn changed_beside_metadata(new: &Value, old: &Value) -> bool {
    let names = new.as_object().into_iter().chain(old.as_object());
    names
        .flat_map(Map::keys)
        .filter(|name| !matches!(name.as_str(), "metadata" | "apiVersion" | "kind"))
        .any(|name| !same(new.field(name), old.field(name)))
}

/// Equality in which an empty list, an empty map and null are the same as nothing.
#[must_use]
pub fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(x), Value::Object(y)) => {
            x.iter()
                .all(|(k, v)| same(v, y.get(k).unwrap_or(&Value::Null)))
                && y.iter()
                    .all(|(k, v)| x.contains_key(k) || same(&Value::Null, v))
        }
        (Value::Array(x), Value::Array(y)) => {
            x.len() == y.len() && x.iter().zip(y).all(|(a, b)| same(a, b))
        }
        _ => a == b || (is_nothing(a) && is_nothing(b)),
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

fn create_namespace(new: &mut Value) {
    let spec = child_mut(new, "spec");
    let finalizers = object_mut(spec)
        .entry("finalizers")
        .or_insert_with(|| json!([]));
    if !finalizers.is_array() {
        *finalizers = json!([]);
    }
    if let Some(list) = finalizers.as_array_mut()
        && !list.iter().any(|f| f == "kubernetes")
    {
        list.push("kubernetes".into());
    }
}

/// A claim's `dataSource` and `dataSourceRef` say the same thing if only one is given and it has no namespace.
fn data_sources(new: &mut Value) {
    let Some(spec) = new.get_mut("spec") else {
        return;
    };
    match (spec.has("dataSource"), spec.has("dataSourceRef")) {
        (true, false) => {
            let source = spec["dataSource"].clone();
            put(spec, "dataSourceRef", Some(source));
        }
        (false, true) if spec["dataSourceRef"].text("namespace").is_empty() => {
            let mut source = spec["dataSourceRef"].clone();
            put(&mut source, "namespace", None);
            let known = matches!(
                (source.text("apiGroup"), source.text("kind")),
                ("", "PersistentVolumeClaim") | ("snapshot.storage.k8s.io", "VolumeSnapshot")
            );
            if known {
                put(spec, "dataSource", Some(source));
            }
        }
        _ => {}
    }
}

/// A service account names its secrets by name alone.
fn secret_names_only(new: &mut Value) {
    let Some(secrets) = new.get_mut("secrets").and_then(Value::as_array_mut) else {
        return;
    };
    for secret in secrets {
        let name = secret.text("name").to_owned();
        *secret = if name.is_empty() {
            json!({})
        } else {
            json!({"name": name})
        };
    }
}

/// The old counter of a `DaemonSet`'s templates lives in an annotation in `apps/v1`.
fn template_generation(new: &mut Value, old: Option<&Value>) {
    const ANNOTATION: &str = "deprecated.daemonset.template.generation";
    let count = match old {
        None => new["metadata"]["annotations"]
            .text(ANNOTATION)
            .parse::<i64>()
            .ok()
            .filter(|count| *count > 0)
            .unwrap_or(1),
        Some(old) => {
            let before = old["metadata"]["annotations"]
                .text(ANNOTATION)
                .parse::<i64>()
                .unwrap_or(0);
            let changed = !same(new.at("spec.template"), old.at("spec.template"));
            before + i64::from(changed)
        }
    };
    let annotations = child_mut(child_mut(new, "metadata"), "annotations");
    put(annotations, ANNOTATION, Some(count.to_string().into()));
}

fn stored_versions(new: &mut Value) {
    let storage = new
        .at("spec")
        .items("versions")
        .iter()
        .find(|version| version.flag("storage"))
        .map(|version| version.text("name").to_owned());
    let Some(name) = storage else { return };
    let status = child_mut(new, "status");
    let stored = child_mut(status, "storedVersions");
    if !stored.is_array() {
        *stored = json!([]);
    }
    if let Some(list) = stored.as_array_mut()
        && !list.iter().any(|v| v == name.as_str())
    {
        list.push(name.into());
    }
}

#[cfg(test)]
mod tests;
