//! What is wrong with webhook configurations, policies and bindings when they are written.

mod policies;
mod webhooks;

use std::collections::HashSet;

use cedge_kinds::error::{Errors, FieldError};
use cedge_kinds::formats;
use cedge_kinds::path::Path;
use cedge_kinds::read::Read;
use cedge_kinds::validation::selector;
use serde_json::Value;

use crate::undeclared::{Names, mistake};

/// Most match conditions.
const CONDITIONS_MAX: usize = 64;
const OPERATIONS: [&str; 5] = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];

/// The mistakes of an object of the group `admissionregistration.k8s.io` beyond its metadata.
#[must_use]
pub fn validate(kind: &str, object: &Value) -> Vec<FieldError> {
    let mut errors = Errors::new();
    match kind {
        "ValidatingWebhookConfiguration" => webhooks::check(object, false, &mut errors),
        "MutatingWebhookConfiguration" => webhooks::check(object, true, &mut errors),
        "ValidatingAdmissionPolicy" => policies::validating(object, &mut errors),
        "MutatingAdmissionPolicy" => policies::mutating(object, &mut errors),
        "ValidatingAdmissionPolicyBinding" => policies::binding(object, true, &mut errors),
        "MutatingAdmissionPolicyBinding" => policies::binding(object, false, &mut errors),
        _ => {}
    }
    errors.0
}

/// One of a few words, if it is there.
fn word(value: &Value, field: &str, known: &[&str], path: &Path<'_>, errors: &mut Errors) {
    if value.has(field) && !known.contains(&value.text(field)) {
        errors.not_supported(&path.child(field), value.text(field), known);
    }
}

/// A CEL expression that should give one of `wanted`.
fn expression(
    text: &str,
    names: &Names<'_>,
    wanted: &[&str],
    path: &Path<'_>,
    errors: &mut Errors,
) {
    if let Some(wrong) = mistake(text, names, wanted) {
        errors.invalid(path, text, wrong);
    }
}

fn conditions(conditions: &[Value], params: bool, path: &Path<'_>, errors: &mut Errors) {
    if conditions.len() > CONDITIONS_MAX {
        errors.too_many(path, conditions.len(), CONDITIONS_MAX);
    }
    let names = Names {
        params,
        authorizer: true,
        ..Names::default()
    };
    let mut seen = HashSet::new();
    for (i, condition) in conditions.iter().enumerate() {
        let at = path.index(i);
        match condition.text("expression").trim() {
            "" => errors.required(&at.child("expression"), ""),
            text => expression(text, &names, &["bool"], &at.child("expression"), errors),
        }
        match condition.text("name") {
            "" => errors.required(&at.child("name"), ""),
            name => {
                let place = at.child("name");
                errors.invalid_all(&place, name, formats::label_key(name));
                if !seen.insert(name) {
                    errors.duplicate(&place, name);
                }
            }
        }
    }
}

/// Operations, groups, versions and resources of one rule.
fn rule(rule: &Value, path: &Path<'_>, errors: &mut Errors) {
    let operations = rule.items("operations");
    let place = path.child("operations");
    if operations.is_empty() {
        errors.required(&place, "");
    }
    if operations.len() > 1 && operations.iter().any(|o| o == "*") {
        let detail = "if '*' is present, must not specify other operations";
        errors.invalid(&place, operations.to_vec(), detail);
    }
    for (i, operation) in operations.iter().enumerate() {
        let operation = operation.as_str().unwrap_or_default();
        if !OPERATIONS.contains(&operation) {
            errors.not_supported(&place.index(i), operation, &OPERATIONS);
        }
    }
    for (field, what) in [("apiGroups", "groups"), ("apiVersions", "versions")] {
        let place = path.child(field);
        let items = rule.items(field);
        if items.is_empty() {
            errors.required(&place, "");
        }
        if items.len() > 1 && items.iter().any(|i| i == "*") {
            let what = if what == "groups" {
                "API groups"
            } else {
                "API versions"
            };
            let detail = format!("if '*' is present, must not specify other {what}");
            errors.invalid(&place, items.to_vec(), detail);
        }
        if field == "apiVersions" {
            for (i, _) in items.iter().enumerate().filter(|(_, v)| *v == "") {
                errors.required(&place.index(i), "");
            }
        }
    }
    resources(rule, &path.child("resources"), errors);
    word(rule, "scope", &["*", "Cluster", "Namespaced"], path, errors);
}

fn resources(rule: &Value, path: &Path<'_>, errors: &mut Errors) {
    let resources = rule.items("resources");
    if resources.is_empty() {
        errors.required(path, "");
    }
    let mut whole_with_all_parts = HashSet::new();
    let mut parts_of_all = HashSet::new();
    let mut everything = false;
    for (i, resource) in resources.iter().enumerate() {
        let resource = resource.as_str().unwrap_or_default();
        let place = path.index(i);
        if resource.is_empty() {
            errors.required(&place, "");
            continue;
        }
        match resource.split_once('/') {
            _ if resource == "*/*" => everything = true,
            None => {}
            Some((whole, "*")) => {
                whole_with_all_parts.insert(whole);
            }
            Some(("*", part)) => {
                parts_of_all.insert(part);
            }
            Some(_) => {}
        }
        if let Some((whole, part)) = resource.split_once('/') {
            let wide = format!("if '{whole}/*' is present, must not specify {resource}");
            if part != "*" && whole_with_all_parts.contains(whole) {
                errors.invalid(&place, resource, wide);
            } else if whole != "*" && parts_of_all.contains(part) {
                let detail = format!("if '*/{part}' is present, must not specify {resource}");
                errors.invalid(&place, resource, detail);
            }
        }
    }
    if resources.len() > 1 && everything {
        let detail = "if '*/*' is present, must not specify other resources";
        errors.invalid(path, resources.to_vec(), detail);
    }
    let alone = |text: &Value| text.as_str().is_some_and(|t| !t.contains('/') && t != "*");
    if resources.iter().any(|r| r == "*") && resources.iter().any(alone) {
        let detail = "if '*' is present, must not specify other resources without subresources";
        errors.invalid(path, resources.to_vec(), detail);
    }
}

fn selectors(of: &Value, required: bool, path: &Path<'_>, errors: &mut Errors) {
    for field in ["namespaceSelector", "objectSelector"] {
        let place = path.child(field);
        match of.get(field).filter(|s| !s.is_null()) {
            Some(selected) => selector::validate(selected, &place, errors),
            None if required => errors.required(&place, ""),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests;
