//! Fields that the schema has a default for are filled in.

use serde_json::Value;

use crate::node::{Additional, Node};

/// Fills in defaults at every level that is there.
pub fn default(value: &mut Value, node: &Node) {
    match value {
        Value::Object(map) => {
            for (name, property) in &node.properties {
                let Some(default) = &property.default else {
                    continue;
                };
                let missing = map
                    .get(name)
                    .is_none_or(|value| value.is_null() && !property.nullable);
                if missing {
                    map.insert(name.clone(), default.clone());
                }
            }
            for (name, value) in map.iter_mut() {
                if let Some(property) = node.properties.get(name) {
                    default(value, property);
                } else if let Additional::Schema(schema) = &node.additional {
                    default_one(value, schema);
                }
            }
        }
        Value::Array(items) => {
            if let Some(node) = node.items.as_deref() {
                for item in items {
                    default_one(item, node);
                }
            }
        }
        _ => {}
    }
}

fn default_one(value: &mut Value, node: &Node) {
    if value.is_null()
        && !node.nullable
        && let Some(default) = &node.default
    {
        *value = default.clone();
    }
    default(value, node);
}

/// Nulls that may not be, and that have no default, count as absent.
pub fn drop_nulls(value: &mut Value, node: Option<&Node>) {
    match value {
        Value::Object(map) => map.retain(|name, value| {
            let member = node.and_then(|node| node.member(name));
            if value.is_null() && member.is_some_and(|m| !m.nullable && m.default.is_none()) {
                return false;
            }
            drop_nulls(value, member);
            true
        }),
        Value::Array(items) => {
            let node = node.and_then(|node| node.items.as_deref());
            for item in items {
                drop_nulls(item, node);
            }
        }
        _ => {}
    }
}
