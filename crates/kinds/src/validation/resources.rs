//! Requests and limits.

use serde_json::Value;

use super::NOT_NEGATIVE;
use crate::error::Errors;
use crate::formats;
use crate::path::Path;
use crate::quantity::Quantity;
use crate::read::Read;

/// Resource names without a domain that mean something somewhere.
const STANDARD: &[&str] = &[
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "persistentvolumeclaims",
    "configmaps",
    "services.nodeports",
    "services.loadbalancers",
    "storage",
    "requests.storage",
];

/// Whether quotas can limit a resource of this name, beside counts of objects.
pub(super) fn is_standard_quota(name: &str) -> bool {
    name != "storage" && STANDARD.contains(&name)
}

/// Rules of a container's (or pod's) `resources`.
pub(super) fn validate(resources: &Value, path: &Path<'_>, errors: &mut Errors) {
    let (limits, requests) = (path.child("limits"), path.child("requests"));
    for (name, amount) in resources.entries("limits") {
        one(name, amount, &limits.key(name), errors);
    }
    for (name, amount) in resources.entries("requests") {
        one(name, amount, &requests.key(name), errors);
        against_limit(name, amount, resources.field("limits"), path, errors);
    }
    let names = || {
        resources
            .entries("limits")
            .chain(resources.entries("requests"))
    };
    let plain = names().any(|(name, _)| matches!(name, "cpu" | "memory"));
    if !plain && names().any(|(name, _)| is_huge_page(name)) {
        errors.forbidden(path, "HugePages require cpu or memory");
    }
}

/// A request is at most its limit; what cannot be shared is exactly its limit.
fn against_limit(name: &str, amount: &Value, limits: &Value, path: &Path<'_>, errors: &mut Errors) {
    let request = quantity(amount);
    let shared = may_overcommit(name);
    let Some(limit) = limits.get(name) else {
        if !shared {
            let detail = "Limit must be set for non overcommitable resources";
            errors.required(&path.child("limits"), detail);
        }
        return;
    };
    let limit = quantity(limit);
    let place = path.child("requests");
    if request != limit && !shared {
        let detail = format!("must be equal to {name} limit of {limit}");
        errors.invalid(&place, request.to_string(), detail);
    } else if request > limit {
        let detail = format!("must be less than or equal to {name} limit of {limit}");
        errors.invalid(&place, request.to_string(), detail);
    }
}

fn one(name: &str, amount: &Value, path: &Path<'_>, errors: &mut Errors) {
    name_of_container_resource(name, path, errors);
    amount_of(name, amount, path, errors);
}

/// An amount is not negative, and whole where there are no halves.
pub(super) fn amount_of(name: &str, amount: &Value, path: &Path<'_>, errors: &mut Errors) {
    let amount = quantity(amount);
    if amount.is_negative() {
        errors.invalid(path, amount.to_string(), NOT_NEGATIVE);
    }
    if is_whole(name) && amount.millis() % 1000 != 0 {
        errors.invalid(path, amount.to_string(), "must be an integer");
    }
}

/// Names that a quota or limit range may speak of.
pub(super) fn name_of_resource(name: &str, path: &Path<'_>, errors: &mut Errors) -> bool {
    let wrong = formats::label_key(name);
    let fine = wrong.is_empty();
    errors.invalid_all(path, name, wrong);
    if fine && !name.contains('/') && !STANDARD.contains(&name) && !is_huge_page(name) {
        let detail = "must be a standard resource type or fully qualified";
        errors.invalid(path, name, detail);
    }
    fine
}

/// Names that a quota counts.
pub(super) fn name_for_quota(name: &str, path: &Path<'_>, errors: &mut Errors) {
    let known = STANDARD.contains(&name)
        || is_huge_page(name)
        || name.starts_with("requests.hugepages-")
        || name.starts_with("count/");
    if !known && !name.contains('/') && formats::label_key(name).is_empty() {
        errors.invalid(path, name, "must be a standard resource for quota");
    }
}

fn name_of_container_resource(name: &str, path: &Path<'_>, errors: &mut Errors) {
    name_of_resource(name, path, errors);
    if !name.contains('/') {
        let known = matches!(name, "cpu" | "memory" | "ephemeral-storage") || is_huge_page(name);
        if !known {
            errors.invalid(path, name, "must be a standard resource for containers");
        }
    } else if !is_native(name) && !is_extended(name) {
        errors.invalid(path, name, "doesn't follow extended resource name standard");
    }
}

fn is_huge_page(name: &str) -> bool {
    name.starts_with("hugepages-")
}

fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

fn is_extended(name: &str) -> bool {
    !is_native(name)
        && !name.starts_with("requests.")
        && formats::label_key(&format!("requests.{name}")).is_empty()
}

fn may_overcommit(name: &str) -> bool {
    is_native(name) && !is_huge_page(name)
}

fn is_whole(name: &str) -> bool {
    const WHOLE: &[&str] = &[
        "pods",
        "resourcequotas",
        "services",
        "replicationcontrollers",
        "secrets",
        "configmaps",
        "persistentvolumeclaims",
        "services.nodeports",
        "services.loadbalancers",
    ];
    WHOLE.contains(&name) || is_extended(name)
}

pub(super) fn quantity(value: &Value) -> Quantity {
    Quantity::from_json(value).unwrap_or(Quantity::ZERO)
}
