//! Lists that are sets or maps hold nothing twice.

use std::collections::HashMap;

use serde_json::{Map, Value};

use cedge_kinds::error::Errors;
use cedge_kinds::path::Path;

use crate::node::Node;

/// Duplicates in every `set` and `map` list below `value`.
pub fn validate_lists(value: &Value, node: &Node, path: &Path<'_>, errors: &mut Errors) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                if let Some(property) = node.properties.get(name) {
                    validate_lists(value, property, &path.child(name), errors);
                } else if let Some(node) = node.member(name) {
                    validate_lists(value, node, &path.key(name), errors);
                }
            }
        }
        Value::Array(items) => {
            match node.list_type.as_str() {
                "set" => duplicates(items, items, path, errors),
                "map" => validate_map(items, node, path, errors),
                _ => {}
            }
            if let Some(node) = node.items.as_deref() {
                for (i, item) in items.iter().enumerate() {
                    validate_lists(item, node, &path.index(i), errors);
                }
            }
        }
        _ => {}
    }
}

fn validate_map(items: &[Value], node: &Node, path: &Path<'_>, errors: &mut Errors) {
    for (i, item) in items.iter().enumerate() {
        if !item.is_object() && !item.is_null() {
            let detail = "must be an object for an array of list-type map";
            errors.invalid(&path.index(i), item.clone(), detail);
            return;
        }
    }
    let keys: Vec<Value> = items.iter().map(|item| key_of(item, node)).collect();
    duplicates(&keys, &keys, path, errors);
}

/// The key fields of an item of a `map` list.
pub(crate) fn key_of(item: &Value, node: &Node) -> Value {
    let fields: Map<String, Value> = node
        .list_keys
        .iter()
        .filter_map(|name| item.get(name).map(|value| (name.clone(), value.clone())))
        .collect();
    Value::Object(fields)
}

/// The second occurrence of each value is reported; later ones are not.
fn duplicates(items: &[Value], shown: &[Value], path: &Path<'_>, errors: &mut Errors) {
    let mut seen: HashMap<String, usize> = HashMap::new();
    for (i, item) in items.iter().enumerate() {
        let times = seen.entry(item.to_string()).or_insert(0);
        *times += 1;
        if *times == 2 {
            errors.duplicate(&path.index(i), shown[i].clone());
        }
    }
}
