//! Strict field validation: which fields of a value does its type not know?

use std::fmt::Write as _;

use serde_json::Value;

use crate::types::TypeRef;

/// Kubernetes stops listing after this many.
pub const ERRORS_MAX: usize = 100;
/// Values nested deeper are not looked into; no type is that deep.
const DEPTH_MAX: usize = 512;

/// The paths (`spec.containers[0].foo`) of all fields that the type does not know, in the order of keys.
///
/// The text that Kubernetes shows for each is `unknown field "PATH"`. At most [`ERRORS_MAX`] are found.
#[must_use]
pub fn unknown_fields(ty: TypeRef<'_>, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    walk(ty, value, &mut String::new(), 0, &mut found);
    found
}

fn walk(ty: TypeRef<'_>, value: &Value, path: &mut String, depth: usize, found: &mut Vec<String>) {
    if depth > DEPTH_MAX {
        return;
    }
    let length = path.len();
    match value {
        Value::Object(object) if is_object(ty) => {
            for (key, value) in object {
                if found.len() >= ERRORS_MAX {
                    return;
                }
                if length > 0 {
                    path.push('.');
                }
                path.push_str(key);
                match ty.member(key) {
                    Some(member) => walk(member, value, path, depth + 1, found),
                    None if ty.preserves_unknown() => {}
                    None => found.push(path.clone()),
                }
                path.truncate(length);
            }
        }
        Value::Array(items) => {
            let Some(item_type) = ty.item() else {
                return;
            };
            for (at, item) in items.iter().enumerate() {
                let _ = write!(path, "[{at}]");
                walk(item_type, item, path, depth + 1, found);
                path.truncate(length);
            }
        }
        _ => {}
    }
}

fn is_object(ty: TypeRef<'_>) -> bool {
    matches!(ty.shape(), crate::Shape::Object)
}

#[cfg(test)]
mod tests;
