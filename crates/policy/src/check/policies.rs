//! Policies and their bindings.

use std::collections::HashSet;

use cedge_crd::cel::RESERVED;
use cedge_kinds::error::Errors;
use cedge_kinds::formats;
use cedge_kinds::path::Path;
use cedge_kinds::read::Read;
use cedge_kinds::validation::selector;
use serde_json::Value;

use super::{conditions, expression, rule, selectors, word};
use crate::undeclared::Names;

const ANNOTATIONS_MAX: usize = 20;
const ANNOTATION_EXPRESSION_MAX: usize = 5 * 1024;

pub(super) fn validating(policy: &Value, errors: &mut Errors) {
    let (spec, path) = (policy.field("spec"), Path::root("spec"));
    let mut names = begin(spec, &path, errors);
    constraints(spec, &path, errors);
    let place = path.child("matchConditions");
    conditions(spec.items("matchConditions"), names.params, &place, errors);
    variables(spec, &mut names, &path, errors);
    let validations = spec.items("validations");
    let annotations = spec.items("auditAnnotations");
    if validations.is_empty() && annotations.is_empty() {
        let detail = "validations or auditAnnotations must contain at least one item";
        errors.required(&path.child("validations"), detail);
        errors.required(&path.child("auditAnnotations"), detail);
        return;
    }
    for (i, one) in validations.iter().enumerate() {
        validation(one, &names, &path.child("validations").index(i), errors);
    }
    let name = policy.at("metadata.name").as_str().unwrap_or_default();
    audit(
        annotations,
        name,
        &names,
        &path.child("auditAnnotations"),
        errors,
    );
}

pub(super) fn mutating(policy: &Value, errors: &mut Errors) {
    let (spec, path) = (policy.field("spec"), Path::root("spec"));
    let mut names = begin(spec, &path, errors);
    names.variables.get_or_insert_default();
    constraints(spec, &path, errors);
    let rules = spec.field("matchConstraints").items("resourceRules");
    let place = path.child("matchConstraints.resourceRules.operations");
    changeable(rules, &place, errors);
    let place = path.child("matchConditions");
    conditions(spec.items("matchConditions"), names.params, &place, errors);
    variables(spec, &mut names, &path, errors);
    names.makes = true;
    let mutations = spec.items("mutations");
    if mutations.is_empty() {
        let detail = "mutations must contain at least one item";
        errors.required(&path.child("mutations"), detail);
    }
    for (i, one) in mutations.iter().enumerate() {
        mutation(one, &names, &path.child("mutations").index(i), errors);
    }
    if spec.text("reinvocationPolicy").is_empty() {
        errors.required(&path.child("reinvocationPolicy"), "");
    } else {
        word(
            spec,
            "reinvocationPolicy",
            &["IfNeeded", "Never"],
            &path,
            errors,
        );
    }
}

/// The failure policy and the kind of the parameters; the names that expressions may use.
fn begin<'a>(spec: &'a Value, path: &Path<'_>, errors: &mut Errors) -> Names<'a> {
    if spec.has("failurePolicy") {
        word(spec, "failurePolicy", &["Fail", "Ignore"], path, errors);
    } else {
        errors.required(&path.child("failurePolicy"), "");
    }
    if spec.has("paramKind") {
        param_kind(spec.field("paramKind"), &path.child("paramKind"), errors);
    }
    Names {
        params: spec.has("paramKind"),
        authorizer: true,
        makes: false,
        variables: (!spec.items("variables").is_empty()).then(Vec::new),
    }
}

fn constraints(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let place = path.child("matchConstraints");
    let constraints = spec.field("matchConstraints");
    if !constraints.is_object() {
        return errors.required(&place, "");
    }
    match_resources(constraints, &place, errors);
    if constraints.items("resourceRules").is_empty() {
        errors.required(&place.child("resourceRules"), "");
    }
}

fn match_resources(constraints: &Value, path: &Path<'_>, errors: &mut Errors) {
    if constraints.has("matchPolicy") {
        word(
            constraints,
            "matchPolicy",
            &["Equivalent", "Exact"],
            path,
            errors,
        );
    } else {
        errors.required(&path.child("matchPolicy"), "");
    }
    selectors(constraints, true, path, errors);
    for field in ["resourceRules", "excludeResourceRules"] {
        for (i, named) in constraints.items(field).iter().enumerate() {
            let list = path.child(field);
            let at = list.index(i);
            let mut seen = HashSet::new();
            for (n, name) in named.items("resourceNames").iter().enumerate() {
                let name = name.as_str().unwrap_or_default();
                let names = at.child("resourceNames");
                let place = names.index(n);
                errors.invalid_all(&place, name, formats::path_segment(name));
                if !seen.insert(name) {
                    errors.duplicate(&place, name);
                }
            }
            rule(named, &at, errors);
        }
    }
}

/// Only what makes or changes an object can be changed itself.
fn changeable(rules: &[Value], path: &Path<'_>, errors: &mut Errors) {
    const KNOWN: [&str; 4] = ["*", "CONNECT", "CREATE", "UPDATE"];
    for operation in rules.iter().flat_map(|rule| rule.items("operations")) {
        let operation = operation.as_str().unwrap_or_default();
        if !KNOWN.contains(&operation) {
            errors.not_supported(path, operation, &KNOWN);
        }
    }
}

fn param_kind(kind: &Value, path: &Path<'_>, errors: &mut Errors) {
    let version = kind.text("apiVersion");
    let place = path.child("apiVersion");
    match version.matches('/').count() {
        _ if version.is_empty() => errors.required(&place, ""),
        0 | 1 => {
            let (group, short) = version.split_once('/').unwrap_or(("", version));
            let wrong = formats::dns_subdomain(group);
            if !group.is_empty() && !wrong.is_empty() {
                errors.invalid(&place, group, wrong.join(","));
            }
            let wrong = formats::dns1035_label(short);
            if short.is_empty() {
                errors.invalid(&place, version, "version must be specified");
            } else if !wrong.is_empty() {
                errors.invalid(&place, short, wrong.join(","));
            }
        }
        _ => {
            let detail = format!("unexpected GroupVersion string: {version}");
            errors.invalid(&place, version, detail);
        }
    }
    let name = kind.text("kind");
    let wrong = formats::dns1035_label(&name.to_lowercase());
    if name.is_empty() {
        errors.required(&path.child("kind"), "");
    } else if !wrong.is_empty() {
        let detail = format!(
            "may have mixed case, but should otherwise match: {}",
            wrong.join(",")
        );
        errors.invalid(&path.child("kind"), name, detail);
    }
}

/// Each variable may use those before it.
fn variables<'a>(spec: &'a Value, names: &mut Names<'a>, path: &Path<'_>, errors: &mut Errors) {
    let list = path.child("variables");
    for (i, variable) in spec.items("variables").iter().enumerate() {
        let at = list.index(i);
        let name = variable.text("name");
        let first = name.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic());
        let signs = name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric());
        if name.trim().is_empty() {
            errors.required(&at.child("name"), "name is not specified");
        } else if !first || !signs || RESERVED.contains(&name) {
            errors.invalid(&at.child("name"), name, "must be a valid CEL identifier");
        }
        match variable.text("expression") {
            text if text.trim().is_empty() => {
                errors.required(&at.child("expression"), "expression is not specified");
            }
            text => expression(text, names, &[], &at.child("expression"), errors),
        }
        names.variables.get_or_insert_default().push(name);
    }
}

fn validation(one: &Value, names: &Names<'_>, at: &Path<'_>, errors: &mut Errors) {
    match one.text("expression") {
        text if text.trim().is_empty() => {
            errors.required(&at.child("expression"), "expression is not specified");
        }
        text => expression(text, names, &["bool"], &at.child("expression"), errors),
    }
    let message = one.text("messageExpression");
    if !message.is_empty() {
        let place = at.child("messageExpression");
        if message.trim().is_empty() {
            errors.invalid(&place, message, "must be non-empty if specified");
        } else {
            let names = Names {
                authorizer: false,
                ..names.clone()
            };
            expression(message, &names, &["string"], &place, errors);
        }
    }
    let message = one.text("message");
    if !message.is_empty() && message.trim().is_empty() {
        errors.invalid(
            &at.child("message"),
            message,
            "must be non-empty if specified",
        );
    } else if message.trim().contains(['\n', '\r']) {
        errors.invalid(
            &at.child("message"),
            message,
            "must not contain line breaks",
        );
    }
    word(
        one,
        "reason",
        &["Forbidden", "Invalid", "RequestEntityTooLarge"],
        at,
        errors,
    );
}

fn audit(
    annotations: &[Value],
    policy: &str,
    names: &Names<'_>,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    if annotations.len() > ANNOTATIONS_MAX {
        let detail = format!("must not have more than {ANNOTATIONS_MAX} auditAnnotations");
        errors.invalid(path, annotations.to_vec(), detail);
    }
    let mut seen = HashSet::new();
    for (i, annotation) in annotations.iter().enumerate() {
        let at = path.index(i);
        let key = annotation.text("key");
        if policy.is_empty() {
            errors.invalid(&at.child("key"), key, "requires metadata.name be non-empty");
        } else {
            let whole = format!("{policy}/{key}");
            errors.invalid_all(&at.child("key"), &whole, formats::label_key(&whole));
        }
        let text = annotation.text("valueExpression").trim();
        let place = at.child("valueExpression");
        if text.is_empty() {
            errors.required(&place, "valueExpression is not specified");
        } else if text.len() > ANNOTATION_EXPRESSION_MAX {
            let detail = format!("must not exceed {ANNOTATION_EXPRESSION_MAX} bytes in length");
            errors.required(&place, &detail);
        } else {
            expression(text, names, &["string", "null_type"], &place, errors);
        }
        if !seen.insert(key) {
            errors.duplicate(&at.child("key"), key);
        }
    }
}

fn mutation(one: &Value, names: &Names<'_>, at: &Path<'_>, errors: &mut Errors) {
    let (wanted, other) = match one.text("patchType") {
        "" => return errors.required(&at.child("patchType"), ""),
        "JSONPatch" => ("jsonPatch", "applyConfiguration"),
        "ApplyConfiguration" => ("applyConfiguration", "jsonPatch"),
        unknown => {
            let known = ["ApplyConfiguration", "JSONPatch"];
            return errors.not_supported(&at.child("patchType"), unknown, &known);
        }
    };
    let kind = one.text("patchType");
    let part = at.child(wanted);
    let place = part.child("expression");
    if one.has(wanted) {
        match one.field(wanted).text("expression").trim() {
            "" => errors.required(&place, ""),
            text => expression(text, names, &[], &place, errors),
        }
    } else {
        let detail = format!("must be specified when patchType is {kind}");
        errors.required(&part, &detail);
    }
    if one.has(other) {
        let detail = format!("must not be specified when patchType is {kind}");
        errors.invalid(&at.child(other), format!("{{{other}}}"), detail);
    }
}

pub(super) fn binding(binding: &Value, validating: bool, errors: &mut Errors) {
    let (spec, path) = (binding.field("spec"), Path::root("spec"));
    let name = spec.text("policyName");
    let place = path.child("policyName");
    if name.is_empty() {
        errors.required(&place, "");
    } else {
        errors.invalid_all(&place, name, formats::dns_subdomain(name));
    }
    if spec.field("paramRef").is_object() {
        param_ref(spec.field("paramRef"), &path.child("paramRef"), errors);
    }
    let matched = spec.field("matchResources");
    if matched.is_object() {
        match_resources(matched, &path.child("matchResources"), errors);
        if !validating {
            let place = path.child("matchResources.resourceRules.operations");
            changeable(matched.items("resourceRules"), &place, errors);
        }
    }
    if validating {
        actions(
            spec.items("validationActions"),
            &path.child("validationActions"),
            errors,
        );
    }
}

fn param_ref(reference: &Value, path: &Path<'_>, errors: &mut Errors) {
    const ONE: &str = "name and selector are mutually exclusive";
    let name = reference.text("name");
    let selected = reference.has("selector");
    if !name.is_empty() {
        errors.invalid_all(&path.child("name"), name, formats::path_segment(name));
        if selected {
            errors.forbidden(&path.child("name"), ONE);
        }
    }
    if selected {
        selector::validate(reference.field("selector"), &path.child("selector"), errors);
        if !name.is_empty() {
            errors.forbidden(&path.child("selector"), ONE);
        }
    }
    if name.is_empty() && !selected {
        errors.required(path, "one of name or selector must be specified");
    }
    if reference.text("parameterNotFoundAction").is_empty() {
        errors.required(&path.child("parameterNotFoundAction"), "");
    } else {
        let known = ["Deny", "Allow"];
        word(reference, "parameterNotFoundAction", &known, path, errors);
    }
}

fn actions(actions: &[Value], path: &Path<'_>, errors: &mut Errors) {
    const KNOWN: [&str; 3] = ["Audit", "Deny", "Warn"];
    let mut seen = HashSet::new();
    for (i, action) in actions.iter().enumerate() {
        let action = action.as_str().unwrap_or_default();
        if !KNOWN.contains(&action) {
            errors.not_supported(&path.index(i), action, &KNOWN);
        }
        if !seen.insert(action) {
            errors.duplicate(&path.index(i), action);
        }
    }
    if seen.contains("Deny") && seen.contains("Warn") {
        let detail = "must not contain both Deny and Warn (repeating the same validation failure information in the API \
                      response and headers serves no purpose)";
        errors.invalid(path, actions.to_vec(), detail);
    }
    if seen.is_empty() {
        errors.required(path, "");
    }
}
