//! The parameters of requests, with Kubernetes' descriptions (`data/parameters.json`, under the Apache License 2.0).

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

static ALL: LazyLock<Map<String, Value>> = LazyLock::new(|| {
    let text = include_str!("../../data/parameters.json");
    serde_json::from_str(text).expect("a test reads the parameters")
});

/// Of lists and watches.
pub(super) const LIST: &[&str] = &[
    "allowWatchBookmarks",
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "timeoutSeconds",
    "watch",
];
/// Of create and update.
pub(super) const WRITE: &[&str] = &["dryRun", "fieldManager", "fieldValidation"];
/// Of patch.
pub(super) const PATCH: &[&str] = &["dryRun", "fieldManagerOfPatch", "fieldValidation", "force"];
/// Of delete.
pub(super) const DELETE: &[&str] = &[
    "dryRun",
    "gracePeriodSeconds",
    "orphanDependents",
    "propagationPolicy",
];
/// Of the deletion of a collection.
pub(super) const DELETE_COLLECTION: &[&str] = &[
    "continue",
    "dryRun",
    "fieldSelector",
    "gracePeriodSeconds",
    "labelSelector",
    "limit",
    "orphanDependents",
    "propagationPolicy",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "timeoutSeconds",
];

/// These, by name.
pub(super) fn common(names: &[&str]) -> Vec<Value> {
    names
        .iter()
        .map(|name| ALL["common"][name].clone())
        .collect()
}

/// Those of a subresource that has its own (`log`, `exec`, …).
pub(super) fn of_subresource(name: &str) -> Vec<Value> {
    let own = ALL.get(name).and_then(Value::as_array);
    own.filter(|_| name != "common")
        .cloned()
        .unwrap_or_default()
}

/// The name in the path.
pub(super) fn name_of(kind: &str) -> Value {
    json!({
        "name": "name",
        "in": "path",
        "description": format!("name of the {kind}"),
        "required": true,
        "schema": {"type": "string", "uniqueItems": true},
    })
}
