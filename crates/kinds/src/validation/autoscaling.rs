//! Autoscalers.

use serde_json::Value;

use crate::error::Errors;
use crate::formats;
use crate::path::Path;
use crate::read::Read;

pub(super) fn autoscaler(new: &Value, errors: &mut Errors) {
    let path = Path::root("spec");
    let spec = new.field("spec");
    let (min, max) = (
        spec.int("minReplicas"),
        spec.int("maxReplicas").unwrap_or(0),
    );
    if let Some(min) = min.filter(|min| *min < 0) {
        errors.invalid(&path.child("minReplicas"), min, super::NOT_NEGATIVE);
    }
    let place = path.child("maxReplicas");
    match max {
        0 => errors.required(&place, ""),
        ..0 => errors.invalid(&place, max, "must be greater than or equal to 1"),
        _ => {}
    }
    if min.is_some_and(|min| max < min) {
        errors.invalid(
            &place,
            max,
            "must be greater than or equal to `minReplicas`",
        );
    }
    let target = spec.field("scaleTargetRef");
    let place = path.child("scaleTargetRef");
    for name in ["kind", "name"] {
        match target.text(name) {
            "" => errors.required(&place.child(name), ""),
            text => errors.invalid_all(&place.child(name), text, formats::path_segment(text)),
        }
    }
    if !target.text("apiVersion").contains('/') {
        let detail = "apiVersion must specify API group";
        errors.invalid(
            &place.child("apiVersion"),
            target.text("apiVersion"),
            detail,
        );
    }
    let place = path.child("metrics");
    let from_outside = |metric: &Value| matches!(metric.text("type"), "Object" | "External");
    if min == Some(0) && !spec.items("metrics").iter().any(from_outside) {
        let detail = "must specify at least one Object or External metric to support scaling to zero replicas";
        errors.forbidden(&place, detail);
    }
    for (i, metric) in spec.items("metrics").iter().enumerate() {
        self::metric(metric, &place.index(i), errors);
    }
}

fn metric(metric: &Value, path: &Path<'_>, errors: &mut Errors) {
    const TYPES: [&str; 5] = [
        "ContainerResource",
        "External",
        "Object",
        "Pods",
        "Resource",
    ];
    const PLACES: [&str; 5] = [
        "containerResource",
        "external",
        "object",
        "pods",
        "resource",
    ];
    let kind = metric.text("type");
    if kind.is_empty() {
        errors.required(&path.child("type"), "must specify a metric source type");
    }
    let Some(at) = TYPES.iter().position(|t| *t == kind) else {
        return errors.not_supported(&path.child("type"), kind, &TYPES);
    };
    let place = PLACES[at];
    if !metric.has(place) {
        let detail = format!(
            "must populate information for the given metric source (only {place} is allowed for {kind})"
        );
        let detail = if metric.as_object().is_some_and(|m| m.len() > 1) {
            format!("must populate the given metric source only ({detail})")
        } else {
            "must populate information for the given metric source".to_owned()
        };
        errors.required(&path.child(place), &detail);
    }
}
