//! The entries of `x-kubernetes-validations`: what they must say, whether they compile, and what they may cost.

use std::sync::Arc;

use serde_json::Value;

use cedge_kinds::error::Errors;
use cedge_kinds::path::Path;
use cedge_kinds::read::Read;

use crate::cel::check as cel_check;
use crate::cel::types::declared::Declared;
use crate::node::{Additional, Node};

mod costs;

pub(super) use costs::Costs;

const REASONS: &[&str] = &[
    "FieldValueDuplicate",
    "FieldValueForbidden",
    "FieldValueInvalid",
    "FieldValueRequired",
];

/// What is wrong with the entries themselves, before any is compiled.
pub(super) fn validate_entries(schema: &Value, path: &Path<'_>, errors: &mut Errors) {
    let path = path.child("x-kubernetes-validations");
    let breaks = |text: &str| text.contains(['\n', '\r']);
    for (i, entry) in schema.items("x-kubernetes-validations").iter().enumerate() {
        let path = path.index(i);
        let (rule, message) = (entry.text("rule").trim(), entry.text("message"));
        if rule.is_empty() {
            errors.required(&path.child("rule"), "rule is not specified");
        } else if !message.is_empty() && message.trim().is_empty() {
            errors.invalid(
                &path.child("message"),
                message,
                "must be non-empty if specified",
            );
        } else if breaks(message.trim()) {
            errors.invalid(
                &path.child("message"),
                message,
                "must not contain line breaks",
            );
        } else if breaks(rule) && message.trim().is_empty() {
            let detail = "message must be specified if rule contains line breaks";
            errors.required(&path.child("message"), detail);
        }
        let expression = entry.text("messageExpression");
        if !expression.is_empty() && expression.trim().is_empty() {
            let detail = "messageExpression must be non-empty if specified";
            errors.required(&path.child("messageExpression"), detail);
        }
        let reason = entry.text("reason");
        if entry.has("reason") && !REASONS.contains(&reason) {
            errors.not_supported(&path.child("reason"), reason, REASONS);
        }
        field_path(
            entry.text("fieldPath"),
            schema,
            &path.child("fieldPath"),
            errors,
        );
    }
}

fn field_path(text: &str, schema: &Value, path: &Path<'_>, errors: &mut Errors) {
    if text.is_empty() {
        return;
    }
    if text.trim().is_empty() {
        errors.invalid(path, text, "must be non-empty if specified");
    }
    if text.contains(['\n', '\r']) {
        errors.invalid(path, text, "must not contain line breaks");
    }
    let dotted = text.replace("['", ".").replace("']", "");
    if super::fields::resolve(&dotted, schema).is_err() {
        errors.invalid(path, text, "must be a valid path");
    }
}

/// Where a rule stands.
#[derive(Clone, Copy)]
struct Place<'a> {
    /// Whether the object is a resource, which has a name and a kind in any case.
    resource: bool,
    /// The first ancestor whose children cannot be found again in an old object.
    uncorrelated: Option<&'a str>,
    /// How often the value may be there at most, if the schema says.
    count_max: Option<u64>,
}

/// Compiles every rule of a sound schema; the deepest come first, as they are found.
pub(super) fn validate(
    schema: &Value,
    node: &Node,
    path: &Path<'_>,
    costs: &mut Costs,
    errors: &mut Errors,
) {
    let top = Place {
        resource: true,
        uncorrelated: None,
        count_max: Some(1),
    };
    below(schema, node, path, &top, costs, errors);
}

fn below(
    schema: &Value,
    node: &Node,
    path: &Path<'_>,
    place: &Place<'_>,
    costs: &mut Costs,
    errors: &mut Errors,
) {
    if !node.has_rules {
        return;
    }
    let here = path.to_string();
    let inner = |correlated: bool, node: &Node| Place {
        resource: node.embedded,
        uncorrelated: if correlated {
            place.uncorrelated
        } else {
            place.uncorrelated.or(Some(&here))
        },
        count_max: place
            .count_max
            .zip(children_max(schema))
            .map(|(a, b)| a.saturating_mul(b)),
    };
    if let Additional::Schema(value) = &node.additional {
        let additional = schema.field("additionalProperties");
        let path = path.child("additionalProperties");
        below(additional, value, &path, &inner(true, value), costs, errors);
    }
    let properties = path.child("properties");
    let correlated = schema.text("x-kubernetes-map-type") != "atomic";
    for (name, known) in &node.properties {
        let property = &schema["properties"][name];
        let path = properties.key(name);
        below(
            property,
            known,
            &path,
            &inner(correlated, known),
            costs,
            errors,
        );
    }
    if let Some(item) = &node.items {
        let keyed = schema.text("x-kubernetes-list-type") == "map";
        let path = path.child("items");
        below(
            schema.field("items"),
            item,
            &path,
            &inner(keyed, item),
            costs,
            errors,
        );
    }
    own_rules(schema, node, path, place, costs, errors);
}

/// How many children a value has at most for each of the schemas below it; none if there is no limit.
fn children_max(schema: &Value) -> Option<u64> {
    let limit = |name: &str| {
        let limit = schema.int(name)?;
        Some(u64::try_from(limit).unwrap_or(0))
    };
    match schema.text("type") {
        "object" if schema.has("additionalProperties") => limit("maxProperties"),
        "array" => limit("maxItems"),
        _ => Some(1),
    }
}

fn own_rules(
    schema: &Value,
    node: &Node,
    path: &Path<'_>,
    place: &Place<'_>,
    costs: &mut Costs,
    errors: &mut Errors,
) {
    let entries = schema.items("x-kubernetes-validations");
    if entries.is_empty() {
        return;
    }
    let path = path.child("x-kubernetes-validations");
    let Some(declared) = Declared::of(node, place.resource) else {
        return;
    };
    let count = place
        .count_max
        .unwrap_or_else(|| declared.most_in_a_request());
    for (i, (entry, rule)) in entries.iter().zip(&node.rules).enumerate() {
        let path = path.index(i);
        let place_of = path.child("rule");
        let cost = cel_check::rule(rule, &declared);
        let compares = cost.is_ok() && rule.uses_old_self;
        match cost {
            Ok(cost) => {
                costs.rule(cost.saturating_mul(count), &place_of, errors);
                message(entry, &declared, &path, costs, errors);
            }
            Err(wrong) => errors.invalid(&place_of, internal_form(entry), wrong),
        }
        if !compares && entry.has("optionalOldSelf") {
            let detail = "may not be set if oldSelf is not used in rule";
            let flag = entry.flag("optionalOldSelf");
            errors.invalid(&path.child("optionalOldSelf"), flag, detail);
        }
        if let Some(place) = place.uncorrelated.filter(|_| compares) {
            let detail = format!(
                "oldSelf cannot be used on the uncorrelatable portion of the schema within {place}"
            );
            errors.invalid(&place_of, entry.text("rule"), detail);
        }
    }
}

/// Only where the rule itself is sound.
fn message(
    entry: &Value,
    declared: &Arc<Declared>,
    path: &Path<'_>,
    costs: &mut Costs,
    errors: &mut Errors,
) {
    let message = entry.text("messageExpression");
    if message.is_empty() {
        return;
    }
    let path = path.child("messageExpression");
    match cel_check::message(message, entry.flag("optionalOldSelf"), declared) {
        Ok(cost) => costs.message(cost, &path, errors),
        Err(wrong) => errors.invalid(&path, internal_form(entry), wrong),
    }
}

/// A rule as Kubernetes' internal form writes it, for messages that show it whole.
fn internal_form(entry: &Value) -> Value {
    serde_json::json!({
        "Rule": entry.text("rule"),
        "Message": entry.text("message"),
        "MessageExpression": entry.text("messageExpression"),
        "Reason": entry.field("reason"),
        "FieldPath": entry.text("fieldPath"),
        "OptionalOldSelf": entry.field("optionalOldSelf"),
    })
}
