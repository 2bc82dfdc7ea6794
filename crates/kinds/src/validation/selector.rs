//! `LabelSelector`s: well formed, and whether they match.

use serde_json::Value;

use crate::error::Errors;
use crate::formats;
use crate::path::Path;
use crate::read::Read;
use crate::validation::metadata;

/// Rules of a `LabelSelector`; an absent one has none.
pub fn validate(selector: &Value, path: &Path<'_>, errors: &mut Errors) {
    if !selector.is_object() {
        return;
    }
    metadata::labels(
        selector.field("matchLabels"),
        &path.child("matchLabels"),
        errors,
    );
    let expressions = path.child("matchExpressions");
    for (i, requirement) in selector.items("matchExpressions").iter().enumerate() {
        validate_requirement(requirement, &expressions.index(i), errors);
    }
}

fn validate_requirement(requirement: &Value, path: &Path<'_>, errors: &mut Errors) {
    let operator = requirement.text("operator");
    let values = requirement.items("values");
    let values_path = path.child("values");
    match operator {
        "In" | "NotIn" => {
            if values.is_empty() {
                let detail = "must be specified when `operator` is 'In' or 'NotIn'";
                errors.required(&values_path, detail);
            }
        }
        "Exists" | "DoesNotExist" => {
            if !values.is_empty() {
                let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                errors.forbidden(&values_path, detail);
            }
        }
        _ => errors.invalid(
            &path.child("operator"),
            operator,
            "not a valid selector operator",
        ),
    }
    let key = requirement.text("key");
    errors.invalid_all(&path.child("key"), key, formats::label_key(key));
    for (i, value) in values.iter().filter_map(Value::as_str).enumerate() {
        errors.invalid_all(&values_path.index(i), value, formats::label_value(value));
    }
}

/// Whether a selector is written but selects everything.
#[must_use]
pub fn is_empty(selector: &Value) -> bool {
    selector.entries("matchLabels").next().is_none()
        && selector.items("matchExpressions").is_empty()
}

/// Whether a selector can be read at all.
#[must_use]
pub fn is_readable(selector: &Value) -> bool {
    let mut errors = Errors::new();
    validate(selector, &Path::root(""), &mut errors);
    errors.is_empty()
}

/// Whether labels match. An absent selector matches nothing, an empty one everything.
#[must_use]
pub fn matches(selector: &Value, labels: &Value) -> bool {
    if !selector.is_object() {
        return false;
    }
    let wanted = selector
        .entries("matchLabels")
        .all(|(key, value)| labels.get(key) == Some(value));
    wanted
        && selector
            .items("matchExpressions")
            .iter()
            .all(|requirement| {
                let label = labels.get(requirement.text("key"));
                let listed = label.is_some_and(|label| requirement.items("values").contains(label));
                match requirement.text("operator") {
                    "In" => listed,
                    "NotIn" => !listed,
                    "Exists" => label.is_some(),
                    "DoesNotExist" => label.is_none(),
                    _ => false,
                }
            })
}
