//! What a schema may say that an absent value becomes.

use serde_json::Value;

use cedge_kinds::error::Errors;
use cedge_kinds::path::Path;
use cedge_kinds::read::Read;

use crate::node::{Additional, Node};
use crate::object;

/// A default must itself be valid, and must not hold what the schema does not know.
pub(super) fn validate(
    node: &Node,
    schema: &Value,
    root: bool,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    if let Some(default) = &node.default {
        let place = path.child("default");
        let mut pruned = default.clone();
        let removed = object::prune(&mut pruned, &unrooted(node));
        if removed.is_empty() {
            let name = place.to_string();
            for mut error in object::validate_schema(default, None, node, "") {
                error.field = if error.field == "<nil>" {
                    name.clone()
                } else {
                    format!("{name}.{}", error.field)
                };
                errors.0.push(error);
            }
        } else {
            let detail = "must not have unknown fields";
            errors.invalid(&place, default.clone(), detail);
        }
    }
    let properties = path.child("properties");
    for (name, property) in &node.properties {
        let meta = root && matches!(name.as_str(), "metadata" | "kind" | "apiVersion");
        if !meta {
            validate(
                property,
                &schema["properties"][name],
                false,
                &properties.key(name),
                errors,
            );
        }
    }
    if let Some(items) = node.items.as_deref() {
        validate(
            items,
            schema.field("items"),
            false,
            &path.child("items"),
            errors,
        );
    }
    if let Additional::Schema(inner) = &node.additional {
        let place = path.child("additionalProperties");
        validate(
            inner,
            schema.field("additionalProperties"),
            false,
            &place,
            errors,
        );
    }
}

/// A schema whose root is no object of its own, so that nothing is spared from pruning.
fn unrooted(node: &Node) -> Node {
    let mut inner = node.clone();
    inner.default = None;
    inner
}
