//! What every cluster begins with: the roles and bindings of Kubernetes 1.37, as its API server writes them at its first
//! start. The data (`data/bootstrap.jsonl`, one object a line, so that a change of version reads well) is Kubernetes', under
//! the Apache License 2.0. It is kept as text: 84 KB of the file, read once and never resident.

use serde_json::{Map, Value};

const OBJECTS: &str = include_str!("../data/bootstrap.jsonl");
/// An object that says `false` here belongs to its administrator: it is left as it is.
const AUTOUPDATE: &str = "rbac.authorization.kubernetes.io/autoupdate";

/// The objects: cluster roles, cluster role bindings, roles, role bindings. The namespaced ones lie in `kube-system` and
/// `kube-public`.
///
/// # Panics
/// Never: a test reads all of them.
pub fn objects() -> impl Iterator<Item = Value> {
    OBJECTS
        .lines()
        .map(|line| serde_json::from_str(line).expect("the bootstrap objects are JSON"))
}

/// What must be written so that `existing` allows at least what `wanted` does; `None` if it does already. What an
/// administrator added stays; what was taken away comes back, unless the object opts out.
#[must_use]
pub fn reconcile(existing: &Value, wanted: &Value) -> Option<Value> {
    if existing["metadata"]["annotations"][AUTOUPDATE] == "false" {
        return None;
    }
    let mut updated = existing.clone();
    for map in ["labels", "annotations"] {
        add_keys(&mut updated, &wanted["metadata"][map], map);
    }
    if wanted.get("aggregationRule").is_some() {
        // Its rules are those that it selects; the selection is what is reconciled.
        let selectors = &wanted["aggregationRule"]["clusterRoleSelectors"];
        let at = &mut updated["aggregationRule"]["clusterRoleSelectors"];
        add_items(at, selectors);
    } else if let Some(rules) = wanted.get("rules") {
        add_rules(&mut updated, rules);
    }
    if let Some(subjects) = wanted.get("subjects") {
        add_items(&mut updated["subjects"], subjects);
    }
    (updated != *existing).then_some(updated)
}

fn add_rules(updated: &mut Value, wanted: &Value) {
    let read = |rules: &Value| {
        serde_json::from_value::<Option<Vec<crate::Rule>>>(rules.clone())
            .ok()
            .flatten()
            .unwrap_or_default()
    };
    let missing = crate::escalation::missing(&read(&updated["rules"]), &read(wanted));
    let missing = serde_json::to_value(missing).unwrap_or_default();
    if missing.as_array().is_some_and(|m| !m.is_empty()) {
        add_items(&mut updated["rules"], &missing);
    }
}

fn add_keys(updated: &mut Value, wanted: &Value, map: &str) {
    let Some(wanted) = wanted.as_object() else {
        return;
    };
    let at = &mut updated["metadata"][map];
    if !at.is_object() {
        *at = Value::Object(Map::new());
    }
    for (key, value) in wanted {
        at[key] = value.clone();
    }
}

fn add_items(at: &mut Value, wanted: &Value) {
    if !at.is_array() {
        *at = Value::Array(Vec::new());
    }
    let (Some(at), Some(wanted)) = (at.as_array_mut(), wanted.as_array()) else {
        return;
    };
    for item in wanted {
        if !at.contains(item) {
            at.push(item.clone());
        }
    }
}
