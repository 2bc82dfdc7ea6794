//! Objects inside of objects: their `apiVersion`, `kind` and `metadata` follow the rules of all objects.

use serde_json::Value;

use cedge_kinds::error::Errors;
use cedge_kinds::formats;
use cedge_kinds::path::Path;
use cedge_kinds::read::Read;
use cedge_kinds::validation::metadata;

use crate::node::Node;

/// Rules of every embedded object below `value`.
pub fn validate_embedded(value: &Value, node: &Node, path: &Path<'_>, errors: &mut Errors) {
    match value {
        Value::Object(map) => {
            if node.embedded {
                type_meta(value, path, errors);
            }
            for (name, value) in map {
                if let Some(property) = node.properties.get(name) {
                    validate_embedded(value, property, &path.child(name), errors);
                } else if let Some(node) = node.member(name) {
                    validate_embedded(value, node, &path.key(name), errors);
                }
            }
        }
        Value::Array(items) => {
            if let Some(node) = node.items.as_deref() {
                for (i, item) in items.iter().enumerate() {
                    validate_embedded(item, node, &path.index(i), errors);
                }
            }
        }
        _ => {}
    }
}

fn type_meta(object: &Value, path: &Path<'_>, errors: &mut Errors) {
    for name in ["apiVersion", "kind"] {
        let path = path.child(name);
        match object.get(name) {
            None => errors.required(&path, ""),
            Some(Value::String(text)) if text.is_empty() => {
                errors.invalid(&path, text.as_str(), "must not be empty");
            }
            Some(Value::String(text)) if name == "kind" => {
                let wrong = formats::dns1035_label(&text.to_lowercase());
                if !wrong.is_empty() {
                    let detail = format!(
                        "may have mixed case, but should otherwise match: {}",
                        wrong.join(",")
                    );
                    errors.invalid(&path, text.as_str(), detail);
                }
            }
            Some(Value::String(text)) if text.matches('/').count() > 1 => {
                let detail = format!("unexpected GroupVersion string: {text}");
                errors.invalid(&path, text.as_str(), detail);
            }
            Some(Value::String(_)) => {}
            Some(other) => errors.invalid(&path, other.clone(), "must be a string"),
        }
    }
    let Some(meta) = object.get("metadata").filter(|m| m.is_object()) else {
        return;
    };
    let mut named = meta.clone();
    if named.text("name").is_empty() {
        named["name"] = "fakename".into();
    }
    let namespaced = !named.text("namespace").is_empty();
    let path = path.child("metadata");
    metadata::validate(
        &named,
        namespaced,
        metadata::path_segment_name,
        &path,
        errors,
    );
}

/// Fields of `metadata` that Kubernetes knows; others are dropped wherever metadata stands.
const KNOWN: &[&str] = &[
    "name",
    "generateName",
    "namespace",
    "selfLink",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
    "managedFields",
];

/// Drops unknown fields of `metadata`, at the root and in embedded objects; returns their paths.
pub fn coerce_metadata(object: &mut Value, node: &Node) -> Vec<String> {
    let mut removed = Vec::new();
    coerce(object, node, true, "", &mut removed);
    removed
}

fn coerce(value: &mut Value, node: &Node, root: bool, path: &str, removed: &mut Vec<String>) {
    let below = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        }
    };
    match value {
        Value::Object(map) => {
            for (name, value) in map.iter_mut() {
                if name == "metadata" && (root || node.embedded) {
                    drop_unknown(value, &below(name), removed);
                } else if let Some(node) = node.member(name) {
                    coerce(value, node, false, &below(name), removed);
                }
            }
        }
        Value::Array(items) => {
            if let Some(node) = node.items.as_deref() {
                for (i, item) in items.iter_mut().enumerate() {
                    coerce(item, node, false, &format!("{path}[{i}]"), removed);
                }
            }
        }
        _ => {}
    }
}

/// Fields of the metadata that are not there if they are empty.
const MAY_BE_EMPTY: [&str; 4] = ["annotations", "finalizers", "labels", "ownerReferences"];

fn drop_unknown(meta: &mut Value, path: &str, removed: &mut Vec<String>) {
    let Some(map) = meta.as_object_mut() else {
        return;
    };
    map.retain(|name, value| {
        // What is empty is not written again.
        let empty = value.as_object().is_some_and(serde_json::Map::is_empty)
            || value.as_array().is_some_and(Vec::is_empty);
        if empty && MAY_BE_EMPTY.contains(&name.as_str()) {
            return false;
        }
        let known = KNOWN.contains(&name.as_str());
        if !known {
            removed.push(format!("{path}.{name}"));
        }
        known && !value.is_null()
    });
}
