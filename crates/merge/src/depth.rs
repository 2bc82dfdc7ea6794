//! How deep a value is nested, and how deep one may be.

use serde_json::Value;

/// The deepest nesting that a patch may make: what a parser of stored objects still reads (128), with room for the
/// objects around them in lists and events.
pub const DEPTH_MAX: usize = 120;

/// Whether a value is nested at most `allowed` levels. Never looks deeper than that.
pub(crate) fn is_within(value: &Value, allowed: usize) -> bool {
    match value {
        Value::Array(items) => allowed > 0 && items.iter().all(|item| is_within(item, allowed - 1)),
        Value::Object(object) => {
            allowed > 0 && object.values().all(|value| is_within(value, allowed - 1))
        }
        _ => true,
    }
}
