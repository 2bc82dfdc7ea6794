//! Limit ranges and quotas.

use std::collections::BTreeSet;

use serde_json::Value;

use super::resources;
use crate::error::Errors;
use crate::formats;
use crate::path::Path;
use crate::read::Read;

pub(super) fn limit_range(new: &Value, errors: &mut Errors) {
    let spec = Path::root("spec");
    let limits = spec.child("limits");
    let mut seen = BTreeSet::new();
    for (i, item) in new["spec"].items("limits").iter().enumerate() {
        let at = limits.index(i);
        let kind = item.text("type");
        limit_type(kind, &at.child("type"), errors);
        if !seen.insert(kind) {
            errors.duplicate(&at.child("type"), kind);
        }
        let mut names = BTreeSet::new();
        for list in [
            "max",
            "min",
            "default",
            "defaultRequest",
            "maxLimitRequestRatio",
        ] {
            let place = at.child(list);
            if kind == "Pod" && list.starts_with("default") {
                if item.entries(list).next().is_some() {
                    errors.forbidden(&place, "may not be specified when `type` is 'Pod'");
                }
                continue;
            }
            for (name, _) in item.entries(list) {
                resources::name_of_resource(name, &place.key(name), errors);
                names.insert(name);
            }
        }
        let storage = |list: &str| item.field(list).has("storage");
        if kind == "PersistentVolumeClaim" && !storage("min") && !storage("max") {
            let detail =
                "either minimum or maximum storage value is required, but neither was provided";
            errors.required(&at.child("limits"), detail);
        }
        for name in names {
            bounds(item, name, &at, errors);
        }
    }
}

fn limit_type(kind: &str, path: &Path<'_>, errors: &mut Errors) {
    let wrong = formats::label_key(kind);
    let fine = wrong.is_empty();
    errors.invalid_all(path, kind, wrong);
    let known = ["Container", "Pod", "PersistentVolumeClaim"].contains(&kind);
    if fine && !known && !kind.contains('/') {
        errors.invalid(
            path,
            kind,
            "must be a standard limit type or fully qualified",
        );
    }
}

/// What a limit range says of one resource must not contradict itself.
fn bounds(item: &Value, name: &str, at: &Path<'_>, errors: &mut Errors) {
    /// The smaller, the larger, where the error is shown and with which of the two values.
    const ORDERS: [(&str, &str, &str, &str); 6] = [
        ("min", "max", "min", "min"),
        ("min", "defaultRequest", "defaultRequest", "defaultRequest"),
        ("defaultRequest", "max", "defaultRequest", "defaultRequest"),
        (
            "defaultRequest",
            "default",
            "defaultRequest",
            "defaultRequest",
        ),
        ("min", "default", "default", "min"),
        ("default", "max", "default", "max"),
    ];
    let value = |list: &str| item.field(list).get(name).map(resources::quantity);
    let word = |list: &'static str, other: &str| match (list, other) {
        ("defaultRequest", _) => "default request",
        ("default", "defaultRequest") => "default limit",
        _ => list,
    };
    for (low, high, place, shown) in ORDERS {
        let (Some(less), Some(more)) = (value(low), value(high)) else {
            continue;
        };
        if less > more {
            let (low_word, high_word) = (word(low, high), word(high, low));
            let detail =
                format!("{low_word} value {less} is greater than {high_word} value {more}");
            let shown = if shown == low { less } else { more };
            errors.invalid(&at.child(place).key(name), shown.to_string(), detail);
        }
    }
    if let Some(ratio) = value("maxLimitRequestRatio").filter(|ratio| ratio.millis() < 1000) {
        let place = at.child("maxLimitRequestRatio");
        let detail = format!("ratio {ratio} is less than 1");
        errors.invalid(&place.key(name), ratio.to_string(), detail);
    }
}

pub(super) fn quota(new: &Value, errors: &mut Errors) {
    let spec = Path::root("spec");
    let hard = spec.child("hard");
    for (name, amount) in new["spec"].entries("hard") {
        let place = hard.key(name);
        if resources::name_of_resource(name, &place, errors) {
            resources::amount_of(name, amount, &place, errors);
        }
        resources::name_for_quota(name, &place, errors);
    }
    quota_scopes(new.field("spec"), &spec.child("scopes"), errors);
}

/// Scopes that are known, and count what the quota limits.
fn quota_scopes(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    const OF_PODS: [&str; 5] = [
        "Terminating",
        "NotTerminating",
        "NotBestEffort",
        "PriorityClass",
        "CrossNamespacePodAffinity",
    ];
    let shown = spec.field("scopes");
    let scopes: Vec<&str> = spec
        .items("scopes")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    for scope in &scopes {
        let counts: &[&str] = match *scope {
            "BestEffort" => &["pods"],
            "VolumeAttributesClass" => &["persistentvolumeclaims", "requests.storage"],
            scope if OF_PODS.contains(&scope) => QUOTA_OF_PODS,
            _ => {
                errors.invalid(path, shown.clone(), "unsupported scope");
                continue;
            }
        };
        for (name, _) in spec.entries("hard") {
            if resources::is_standard_quota(name) && !counts.contains(&name) {
                errors.invalid(path, shown.clone(), "unsupported scope applied to resource");
            }
        }
    }
    for (one, other) in [
        ("BestEffort", "NotBestEffort"),
        ("Terminating", "NotTerminating"),
    ] {
        if scopes.contains(&one) && scopes.contains(&other) {
            errors.invalid(path, shown.clone(), "conflicting scopes");
        }
    }
}

/// What a quota of pods can limit.
const QUOTA_OF_PODS: &[&str] = &[
    "pods",
    "cpu",
    "memory",
    "limits.cpu",
    "limits.memory",
    "requests.cpu",
    "requests.memory",
];
