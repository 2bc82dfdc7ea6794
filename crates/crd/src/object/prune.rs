//! Fields that the schema does not know are dropped.

use serde_json::{Map, Value};

use crate::node::{Additional, Node};

/// Removes unknown fields of a custom object; `apiVersion`, `kind` and `metadata` at its root stay.
/// Returns the paths of what was removed, sorted (for strict field validation).
pub fn prune(object: &mut Value, schema: &Node) -> Vec<String> {
    let mut removed = Vec::new();
    walk(object, Some(schema), true, "", &mut removed);
    removed.sort_unstable();
    removed
}

fn is_type_meta(name: &str) -> bool {
    matches!(name, "apiVersion" | "kind" | "metadata")
}

fn walk(value: &mut Value, node: Option<&Node>, root: bool, path: &str, removed: &mut Vec<String>) {
    if let Some(node) = node
        && node.preserve
    {
        keep(value, node, root, path, removed);
        return;
    }
    match value {
        Value::Object(map) => walk_object(map, node, root, path, removed),
        Value::Array(items) => {
            let node = node.and_then(|n| n.items.as_deref());
            for (i, item) in items.iter_mut().enumerate() {
                walk(item, node, false, &format!("{path}[{i}]"), removed);
            }
        }
        _ => {}
    }
}

fn walk_object(
    map: &mut Map<String, Value>,
    node: Option<&Node>,
    root: bool,
    path: &str,
    removed: &mut Vec<String>,
) {
    map.retain(|name, value| {
        let below = child(path, name);
        let Some(node) = node else {
            removed.push(below);
            return false;
        };
        if (root || node.embedded) && is_type_meta(name) {
            return true;
        }
        match (node.properties.get(name), &node.additional) {
            (Some(property), _) => walk(value, Some(property), false, &below, removed),
            (None, Additional::Schema(schema)) => walk(value, Some(schema), false, &below, removed),
            (None, Additional::Any(_)) => walk(value, None, false, &below, removed),
            (None, Additional::Unset) => {
                removed.push(below);
                return false;
            }
        }
        true
    });
}

/// Below `preserve`, only what the schema does describe is pruned further.
fn keep(value: &mut Value, node: &Node, root: bool, path: &str, removed: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map.iter_mut() {
                if (root || node.embedded) && is_type_meta(name) {
                    continue;
                }
                match (node.properties.get(name), &node.additional) {
                    (Some(property), _) => {
                        walk(value, Some(property), false, &child(path, name), removed);
                    }
                    (None, Additional::Schema(schema)) => {
                        walk(value, Some(schema), false, &child(path, name), removed);
                    }
                    (None, Additional::Any(_) | Additional::Unset) => {}
                }
            }
        }
        Value::Array(items) => {
            let Some(node) = node.items.as_deref() else {
                return;
            };
            for (i, item) in items.iter_mut().enumerate() {
                keep(item, node, false, &format!("{path}[{i}]"), removed);
            }
        }
        _ => {}
    }
}

fn child(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}
