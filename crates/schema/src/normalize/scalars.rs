//! Canonical forms of scalars.

use serde_json::Value;

use super::amount;
use crate::types::Scalar;

/// What stands for a scalar that is not set and written all the same.
pub(super) fn unset(scalar: Scalar) -> Value {
    match scalar {
        Scalar::String => Value::from(""),
        Scalar::Integer | Scalar::Number | Scalar::IntOrString => Value::from(0),
        Scalar::Boolean => Value::from(false),
        Scalar::Quantity => Value::from("0"),
        Scalar::Duration => Value::from("0s"),
        Scalar::Bytes | Scalar::Time | Scalar::MicroTime | Scalar::Any | Scalar::Raw => Value::Null,
    }
}

/// Rewrites a scalar in its canonical form; what is not understood stays.
pub(super) fn canonical(scalar: Scalar, value: &mut Value) {
    match (scalar, &*value) {
        (Scalar::Quantity, Value::String(text)) => {
            if let Some(text) = amount::canonical(text.trim()) {
                *value = text.into();
            }
        }
        (Scalar::Quantity, Value::Number(number)) => {
            if let Some(text) = amount::canonical(&number.to_string()) {
                *value = text.into();
            }
        }
        (Scalar::Time, Value::String(text)) => {
            if let Some(text) = time(text, 20, "%Y-%m-%dT%H:%M:%SZ") {
                *value = text.into();
            }
        }
        (Scalar::MicroTime, Value::String(text)) => {
            if let Some(text) = time(text, 27, "%Y-%m-%dT%H:%M:%S.%6fZ") {
                *value = text.into();
            }
        }
        _ => {}
    }
}

/// A time in UTC; nothing if it is in that form already (by far the most) or is none.
fn time(text: &str, len: usize, format: &str) -> Option<String> {
    if text.len() == len && text.ends_with('Z') {
        return None;
    }
    let time: jiff::Timestamp = text.parse().ok()?;
    Some(time.strftime(format).to_string())
}
