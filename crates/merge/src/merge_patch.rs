//! JSON merge patch (RFC 7396).

use serde_json::{Map, Value};

use crate::depth::{self, DEPTH_MAX};
use crate::error::PatchError;

/// Applies a merge patch: objects are merged, `null` removes, everything else replaces.
///
/// # Errors
/// The patch is no object, or too deep. Kubernetes patches objects only, so a patch that would replace the whole
/// object is refused.
pub fn merge_patch(doc: &Value, patch: &Value) -> Result<Value, PatchError> {
    let Value::Object(changes) = patch else {
        let kind = match patch {
            Value::Array(_) => "array",
            Value::String(_) => "string",
            Value::Number(_) => "number",
            Value::Bool(_) => "bool",
            Value::Null | Value::Object(_) => {
                return Err(PatchError::BadRequest("Invalid JSON Patch".to_owned()));
            }
        };
        return Err(PatchError::BadRequest(format!(
            "error decoding patch: json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"
        )));
    };
    if !depth::is_within(patch, DEPTH_MAX) {
        return Err(PatchError::BadRequest(
            "error decoding patch: exceeded max depth".to_owned(),
        ));
    }
    let mut out = doc.as_object().cloned().unwrap_or_default();
    merge_objects(&mut out, changes);
    Ok(Value::Object(out))
}

fn merge_objects(doc: &mut Map<String, Value>, changes: &Map<String, Value>) {
    for (key, change) in changes {
        match (doc.get_mut(key), change) {
            (_, Value::Null) => {
                doc.remove(key);
            }
            (Some(Value::Object(inner)), Value::Object(change)) => merge_objects(inner, change),
            (_, change) => {
                doc.insert(key.clone(), without_nulls(change));
            }
        }
    }
}

/// A value that is new in the document: its nulls would have removed something and fall away. Items of lists stay.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let pairs = object.iter().filter(|(_, value)| !value.is_null());
            Value::Object(
                pairs
                    .map(|(key, value)| (key.clone(), without_nulls(value)))
                    .collect(),
            )
        }
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        scalar => scalar.clone(),
    }
}

#[cfg(test)]
mod tests;
