//! A value against its schema, with the words of Kubernetes' OpenAPI validator.
//!
//! What did not change is not judged again on an update, so that an object that was valid under an older schema can
//! still be edited ("ratcheting").

use std::collections::HashMap;

use serde_json::{Map, Number, Value};

use cedge_kinds::error::{ErrorKind, FieldError};

use super::lists;
use crate::node::{Additional, Node};

mod alternatives;
mod found;
mod scalars;

use alternatives::judge_alternatives;
use found::{Found, too_many};
use scalars::{judge_choices, judge_number, judge_text};

/// What is wrong with `value`. `prefix` is the path of the value in the object (`status`), empty for the object.
#[must_use]
pub fn validate_schema(
    value: &Value,
    old: Option<&Value>,
    node: &Node,
    prefix: &str,
) -> Vec<FieldError> {
    let mut found = Found::default();
    if old.is_some_and(|old| old == value) {
        return Vec::new();
    }
    judge(value, old, node, "", &mut found);
    let mut seen = std::collections::HashSet::new();
    found
        .issues
        .into_iter()
        .filter(|issue| seen.insert(issue.message.clone()))
        .map(|issue| issue.into_error(prefix))
        .collect()
}

fn judge(value: &Value, old: Option<&Value>, node: &Node, path: &str, found: &mut Found) {
    found.matches += 1;
    let right_type = judge_type(value, node, path, found);
    if value.is_null() {
        judge_choices(value, node, path, found);
        return;
    }
    found.matches += usize::from(right_type);
    judge_alternatives(value, node, path, found);
    match value {
        Value::String(text) => judge_text(text, node, path, found),
        Value::Number(number) => judge_number(number, node, path, found),
        Value::Array(items) => judge_list(items, old, node, path, found),
        _ => {}
    }
    judge_choices(value, node, path, found);
    if let Value::Object(map) = value {
        judge_object(map, old, node, path, found);
    }
}

fn judge_type(value: &Value, node: &Node, path: &str, found: &mut Found) -> bool {
    let wanted = if node.int_or_string {
        "integer,string"
    } else {
        node.kind.as_str()
    };
    let got = type_of(value);
    let right = match value {
        Value::Null => node.nullable || wanted.is_empty(),
        _ if wanted.is_empty() => true,
        Value::String(_)
            if !node.format.is_empty() && !wanted.contains("integer") && wanted != "number" =>
        {
            true
        }
        Value::Number(n) if wanted.contains("integer") => is_whole(n),
        Value::Number(_) => wanted == "number",
        _ => wanted.split(',').any(|w| w == got),
    };
    if !right {
        found.wrong_type(path, wanted, got);
    }
    right
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn is_whole(number: &Number) -> bool {
    !number.is_f64()
        || number
            .as_f64()
            .is_some_and(|f| f.fract() == 0.0 && f.is_finite())
}

fn judge_list(items: &[Value], old: Option<&Value>, node: &Node, path: &str, found: &mut Found) {
    found.matches += 1;
    if let Some(item_node) = node.items.as_deref() {
        let correlated = Correlated::new(old, node);
        for (i, item) in items.iter().enumerate() {
            let before = correlated.get(item);
            if before != Some(item) {
                judge(item, before, item_node, &format!("{path}[{i}]"), found);
            }
        }
    }
    let size = items.len() as u64;
    if let Some(min) = node.bounds.min_items.filter(|min| size < *min) {
        found.invalid(
            path,
            size.into(),
            &format!("should have at least {min} items"),
        );
    }
    if let Some(max) = node.bounds.max_items.filter(|max| size > *max) {
        too_many(path, size, max, "items", found);
    }
}

/// Old items of a `map` list by their keys; other lists have no lasting items.
struct Correlated<'a> {
    node: &'a Node,
    items: HashMap<String, &'a Value>,
}

impl<'a> Correlated<'a> {
    fn new(old: Option<&'a Value>, node: &'a Node) -> Self {
        let old = old
            .and_then(Value::as_array)
            .filter(|_| node.list_type == "map");
        let items = old
            .into_iter()
            .flatten()
            .map(|item| (lists::key_of(item, node).to_string(), item))
            .collect();
        Self { node, items }
    }

    fn get(&self, item: &Value) -> Option<&'a Value> {
        if self.items.is_empty() {
            return None;
        }
        self.items
            .get(&lists::key_of(item, self.node).to_string())
            .copied()
    }
}

fn judge_object(
    map: &Map<String, Value>,
    old: Option<&Value>,
    node: &Node,
    path: &str,
    found: &mut Found,
) {
    let size = map.len() as u64;
    if let Some(min) = node.bounds.min_properties.filter(|min| size < *min) {
        found.invalid(
            path,
            size.into(),
            &format!("should have at least {min} properties"),
        );
    }
    if let Some(max) = node.bounds.max_properties.filter(|max| size > *max) {
        too_many(path, size, max, "properties", found);
    }
    for (name, value) in map {
        if node.properties.contains_key(name) {
            continue;
        }
        match &node.additional {
            Additional::Any(false) => {
                let message = format!("{path}.{name} in body is a forbidden property");
                found.add(
                    &format!("{path}.{name}"),
                    ErrorKind::Invalid,
                    Some("".into()),
                    message.clone(),
                    message,
                );
            }
            Additional::Schema(schema) => {
                judge_member(value, old, name, schema, &format!("{path}.{name}"), found);
            }
            Additional::Any(true) | Additional::Unset => {}
        }
    }
    for (name, property) in &node.properties {
        if let Some(value) = map.get(name) {
            let below = if path.is_empty() {
                name.clone()
            } else {
                format!("{path}.{name}")
            };
            judge_member(value, old, name, property, &below, found);
        }
    }
    for name in node.required.iter().filter(|name| !map.contains_key(*name)) {
        let below = format!("{path}.{name}");
        let message = format!("{below} in body is required");
        found.add(&below, ErrorKind::Required, None, String::new(), message);
    }
}

fn judge_member(
    value: &Value,
    old: Option<&Value>,
    name: &str,
    node: &Node,
    path: &str,
    found: &mut Found,
) {
    let before = old.and_then(|old| old.get(name));
    if before != Some(value) {
        judge(value, before, node, path, found);
    }
}
