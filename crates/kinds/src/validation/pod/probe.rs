//! Probes and hooks.

use serde_json::Value;

use crate::error::Errors;
use crate::formats;
use crate::path::Path;
use crate::read::Read;
use crate::validation::numbers::{non_negative, one_of, port};

/// Rules of a container's hooks and probes.
pub(super) fn lifecycle_and_probes(
    container: &Value,
    spec: &Value,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    let lifecycle = path.child("lifecycle");
    for hook in ["postStart", "preStop"] {
        let action = container.field("lifecycle").field(hook);
        if action.is_object() {
            handler(action, spec, &lifecycle.child(hook), errors);
        }
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let probe = container.field(name);
        if probe.is_object() {
            validate(probe, name, spec, &path.child(name), errors);
        }
    }
}

fn validate(probe: &Value, name: &str, spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    handler(probe, spec, path, errors);
    non_negative(
        probe,
        &[
            "initialDelaySeconds",
            "timeoutSeconds",
            "periodSeconds",
            "successThreshold",
            "failureThreshold",
        ],
        path,
        errors,
    );
    let grace = probe.int("terminationGracePeriodSeconds");
    if let Some(seconds) = grace.filter(|s| *s <= 0) {
        let detail = "must be greater than 0";
        errors.invalid(
            &path.child("terminationGracePeriodSeconds"),
            seconds,
            detail,
        );
    }
    if name == "readinessProbe" {
        if let Some(seconds) = grace {
            let detail = "must not be set for readinessProbes";
            errors.invalid(
                &path.child("terminationGracePeriodSeconds"),
                seconds,
                detail,
            );
        }
        return;
    }
    let threshold = probe.int("successThreshold").unwrap_or(0);
    if threshold != 1 {
        errors.invalid(&path.child("successThreshold"), threshold, "must be 1");
    }
}

fn handler(action: &Value, spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let kinds = ["exec", "httpGet", "tcpSocket", "grpc", "sleep"];
    let mut given = kinds.iter().filter(|kind| action.has(kind));
    let Some(first) = given.next() else {
        return errors.required(path, "must specify a handler type");
    };
    let place = path.child(first);
    let body = action.field(first);
    match *first {
        "exec" => {
            if body.items("command").is_empty() {
                errors.required(&place.child("command"), "");
            }
        }
        "httpGet" => http_get(body, &place, errors),
        "sleep" => sleep(body, spec, &place, errors),
        _ => port(body.field("port"), &place.child("port"), errors),
    }
    for more in given {
        errors.forbidden(
            &path.child(more),
            "may not specify more than 1 handler type",
        );
    }
}

fn http_get(action: &Value, path: &Path<'_>, errors: &mut Errors) {
    if action.text("path").is_empty() {
        errors.required(&path.child("path"), "");
    }
    port(action.field("port"), &path.child("port"), errors);
    let scheme = action.text("scheme");
    if scheme.is_empty() {
        errors.not_supported(&path.child("scheme"), scheme, &["HTTP", "HTTPS"]);
    } else {
        one_of(scheme, &["HTTP", "HTTPS"], &path.child("scheme"), errors);
    }
    for header in action.items("httpHeaders") {
        let name = header.text("name");
        errors.invalid_all(&path.child("httpHeaders"), name, formats::header_name(name));
    }
}

fn sleep(action: &Value, spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let seconds = action.int("seconds").unwrap_or(0);
    let grace = spec.int("terminationGracePeriodSeconds").unwrap_or(30);
    if seconds < 0 || seconds > grace {
        let detail = format!(
            "must be non-negative and less than terminationGracePeriodSeconds ({grace}). Enable AllowPodLifecycleSleepActionZeroValue feature gate for zero sleep."
        );
        errors.invalid(path, seconds, detail);
    }
}
