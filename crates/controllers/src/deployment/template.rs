//! Versions of a pod template: when two are the same, and the hash that names one.

use k8s_openapi::api::core::v1::PodTemplateSpec;
use serde_json::Value;

/// The label (and selector term) that keeps the pods of two versions apart.
pub(crate) const HASH_LABEL: &str = "pod-template-hash";

/// Whether two templates make the same pods.
pub(crate) fn is_same(a: &PodTemplateSpec, b: &PodTemplateSpec) -> bool {
    canonical(a) == canonical(b)
}

/// A short name for a version of a template. `collisions` makes it another one.
///
/// The value is ours alone: versions are found again by comparing templates, never by their hash, so that ReplicaSets
/// made by another implementation are found as well.
pub(crate) fn hash(template: &PodTemplateSpec, collisions: i32) -> String {
    let mut text = canonical(template).to_string();
    if collisions != 0 {
        text += &collisions.to_string();
    }
    let fnv1a = text.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    // Letters that cannot spell a bad word, as for all generated names of Kubernetes.
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let digits = fnv1a.to_string();
    let letters = digits.bytes();
    letters
        .map(|d| char::from(ALPHABET[usize::from(d) % ALPHABET.len()]))
        .collect()
}

/// The template without its hash label and without what is empty.
fn canonical(template: &PodTemplateSpec) -> Value {
    let mut template = template.clone();
    if let Some(labels) = template.metadata.as_mut().and_then(|m| m.labels.as_mut()) {
        labels.remove(HASH_LABEL);
    }
    let mut value = serde_json::to_value(template).unwrap_or_default();
    strip_empty(&mut value);
    value
}

pub(crate) fn strip_empty(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(strip_empty);
            fields.retain(|_, v| !is_empty(v));
        }
        Value::Array(items) => items.iter_mut().for_each(strip_empty),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn template(json: Value) -> PodTemplateSpec {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn the_hash_label_and_empty_fields_do_not_make_a_version() {
        let a = template(
            json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "x"}]}}),
        );
        let b = template(
            json!({"metadata": {"labels": {"app": "web", HASH_LABEL: "x"}, "annotations": {}},
            "spec": {"containers": [{"name": "c", "image": "x", "resources": {}}], "securityContext": {}}}),
        );
        let c = template(
            json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "y"}]}}),
        );
        assert!(is_same(&a, &b) && !is_same(&a, &c));
        assert_eq!(hash(&a, 0), hash(&b, 0));
        assert_ne!(hash(&a, 0), hash(&a, 1));
        assert_ne!(hash(&a, 0), hash(&c, 0));
    }
}
