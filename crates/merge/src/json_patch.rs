//! JSON patch (RFC 6902), with the liberties of the library that Kubernetes uses: `replace` creates a missing key of
//! an object, negative indices count from the end, and nothing but its errors is strict.

mod pointer;

use serde_json::Value;

use crate::depth::{self, DEPTH_MAX};
use crate::error::PatchError;
use crate::json_patch::pointer::{Container, find};

/// As many operations as Kubernetes allows.
pub const OPERATIONS_MAX: usize = 10_000;
/// As many bytes as all `copy` operations of a patch may add; three megabytes, as much as a request may have.
const COPY_BYTES_MAX: usize = 3 << 20;

/// Applies a list of operations.
///
/// # Errors
/// The patch is malformed or has too many operations, or one of them does not fit; the document is unchanged then.
pub fn json_patch(doc: &Value, patch: &Value) -> Result<Value, PatchError> {
    let operations = operations(patch)?;
    let mut out = doc.clone();
    let mut copied = 0;
    for operation in operations {
        perform(&mut out, operation, &mut copied).map_err(PatchError::Unprocessable)?;
    }
    Ok(out)
}

fn operations(patch: &Value) -> Result<&[Value], PatchError> {
    let malformed = |value: &Value, to: &str| {
        let kind = match value {
            Value::Object(_) => "object",
            Value::Array(_) => "array",
            Value::String(_) => "string",
            Value::Number(_) => "number",
            Value::Bool(_) | Value::Null => "bool",
        };
        PatchError::BadRequest(format!(
            "error decoding patch: json: cannot unmarshal {kind} into Go value of type {to}"
        ))
    };
    let operations = match patch {
        Value::Array(operations) => operations.as_slice(),
        Value::Null => &[],
        other => return Err(malformed(other, "[]handlers.jsonPatchOp")),
    };
    if operations.len() > OPERATIONS_MAX {
        return Err(PatchError::TooLarge(format!(
            "The allowed maximum operations in a JSON patch is {OPERATIONS_MAX}, got {}",
            operations.len()
        )));
    }
    match operations
        .iter()
        .find(|op| !op.is_object() && !op.is_null())
    {
        Some(other) => Err(malformed(other, "handlers.jsonPatchOp")),
        None => Ok(operations),
    }
}

fn perform(doc: &mut Value, operation: &Value, copied: &mut usize) -> Result<(), String> {
    let kind = operation
        .get("op")
        .and_then(Value::as_str)
        .unwrap_or("unknown");
    match kind {
        "add" => add(doc, operation),
        "remove" => remove(doc, operation),
        "replace" => replace(doc, operation),
        "move" => relocate(doc, operation),
        "test" => test(doc, operation),
        "copy" => copy(doc, operation, copied),
        other => Err(format!("Unexpected kind: {other}")),
    }
}

fn text<'o>(operation: &'o Value, key: &str) -> Option<&'o str> {
    operation.get(key).and_then(Value::as_str)
}

fn value(operation: &Value) -> Value {
    operation.get("value").cloned().unwrap_or(Value::Null)
}

fn add(doc: &mut Value, operation: &Value) -> Result<(), String> {
    let path = text(operation, "path")
        .ok_or_else(|| "add operation failed to decode path: missing value".to_owned())?;
    let missing =
        || format!("add operation does not apply: doc is missing path: \"{path}\": missing value");
    let (container, key) = find(doc, path).ok_or_else(missing)?;
    put(container, path, &key, value(operation))
        .map_err(|error| format!("error in add for path: '{path}': {error}"))
}

/// Adds a value where the document does not become too deep.
fn put(mut container: Container<'_>, path: &str, key: &str, value: Value) -> Result<(), String> {
    let level = path.matches('/').count();
    if !depth::is_within(&value, DEPTH_MAX.saturating_sub(level)) {
        return Err("exceeded max depth".to_owned());
    }
    container.add(key, value)
}

fn remove(doc: &mut Value, operation: &Value) -> Result<(), String> {
    let path = text(operation, "path")
        .ok_or_else(|| "remove operation failed to decode path: missing value".to_owned())?;
    let missing = || {
        format!("remove operation does not apply: doc is missing path: \"{path}\": missing value")
    };
    let (mut container, key) = find(doc, path).ok_or_else(missing)?;
    container
        .remove(&key)
        .map(drop)
        .map_err(|error| format!("error in remove for path: '{path}': {error}"))
}

fn replace(doc: &mut Value, operation: &Value) -> Result<(), String> {
    let path = text(operation, "path").ok_or_else(|| {
        "replace operation failed to decode path: operation missing path field: missing value"
            .to_owned()
    })?;
    let value = value(operation);
    if path.is_empty() {
        if !value.is_object() && !value.is_array() {
            return Err("replace operation value must be object or array".to_owned());
        }
        if !depth::is_within(&value, DEPTH_MAX) {
            return Err("exceeded max depth".to_owned());
        }
        *doc = value;
        return Ok(());
    }
    let missing = |what: &str| {
        format!("replace operation does not apply: doc is missing {what}: {path}: missing value")
    };
    let (mut container, key) = find(doc, path).ok_or_else(|| missing("path"))?;
    container.get(&key).map_err(|_| missing("key"))?;
    if !depth::is_within(&value, DEPTH_MAX.saturating_sub(path.matches('/').count())) {
        return Err("exceeded max depth".to_owned());
    }
    container
        .set(&key, value)
        .map_err(|error| format!("error in remove for path: '{path}': {error}"))
}

fn relocate(doc: &mut Value, operation: &Value) -> Result<(), String> {
    let from = text(operation, "from").ok_or_else(|| {
        "move operation failed to decode from: operation, missing from field: missing value"
            .to_owned()
    })?;
    let missing = || {
        format!("move operation does not apply: doc is missing from path: {from}: missing value")
    };
    let (mut container, key) = find(doc, from).ok_or_else(missing)?;
    let value = container
        .remove(&key)
        .map_err(|error| format!("error in move for path: '{key}': {error}"))?;
    let path = text(operation, "path").ok_or_else(|| {
        "move operation failed to decode path: operation missing path field: missing value"
            .to_owned()
    })?;
    let missing = || {
        format!(
            "move operation does not apply: doc is missing destination path: {path}: missing value"
        )
    };
    let (container, key) = find(doc, path).ok_or_else(missing)?;
    put(container, path, &key, value)
        .map_err(|error| format!("error in move for path: '{path}': {error}"))
}

fn test(doc: &mut Value, operation: &Value) -> Result<(), String> {
    let path = text(operation, "path").ok_or_else(|| {
        "test operation failed to decode path: operation missing path field: missing value"
            .to_owned()
    })?;
    let wanted = value(operation);
    let failed = || format!("testing value {path} failed: test failed");
    if path.is_empty() {
        return if same(doc, &wanted) {
            Ok(())
        } else {
            Err(failed())
        };
    }
    let missing =
        || format!("test operation does not apply: is missing path: {path}: missing value");
    let (container, key) = find(doc, path).ok_or_else(missing)?;
    let found = container
        .get(&key)
        .map_err(|error| format!("error in test for path: '{path}': {error}"))?;
    if same(found.unwrap_or(&Value::Null), &wanted) {
        Ok(())
    } else {
        Err(failed())
    }
}

fn copy(doc: &mut Value, operation: &Value, copied: &mut usize) -> Result<(), String> {
    let from = text(operation, "from").ok_or_else(|| {
        "copy operation failed to decode from: operation, missing from field: missing value"
            .to_owned()
    })?;
    let missing = || {
        format!("copy operation does not apply: doc is missing from path: {from}: missing value")
    };
    let (container, key) = find(doc, from).ok_or_else(missing)?;
    let found = container
        .get(&key)
        .map_err(|error| format!("error in copy for from: '{from}': {error}"))?;
    let value = found.cloned().unwrap_or(Value::Null);
    let path = text(operation, "path")
        .ok_or_else(|| "copy operation failed to decode path: missing value".to_owned())?;
    let missing = || {
        format!(
            "copy operation does not apply: doc is missing destination path: {path}: missing value"
        )
    };
    let (container, key) = find(doc, path).ok_or_else(missing)?;
    *copied += value.to_string().len();
    if *copied > COPY_BYTES_MAX {
        return Err(format!(
            "unable to complete the copy, the accumulated size increase of copy is {copied}, exceeding the limit {COPY_BYTES_MAX}"
        ));
    }
    put(container, path, &key, value)
        .map_err(|error| format!("error while adding value during copy: {error}"))
}

/// Equality of JSON: `1` and `1.0` are one number.
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            a == b || (a.as_f64() == b.as_f64() && (a.is_f64() || b.is_f64()))
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        (a, b) => a == b,
    }
}

#[cfg(test)]
mod tests;
