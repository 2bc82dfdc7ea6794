//! Webhook configurations.

use std::collections::HashSet;

use cedge_kinds::error::Errors;
use cedge_kinds::formats;
use cedge_kinds::path::Path;
use cedge_kinds::read::Read;
use serde_json::Value;

use super::{conditions, rule, selectors, word};

pub(super) fn check(object: &Value, mutating: bool, errors: &mut Errors) {
    let path = Path::root("webhooks");
    let mut names = HashSet::new();
    for (i, hook) in object.items("webhooks").iter().enumerate() {
        let at = path.index(i);
        webhook(hook, mutating, &at, errors);
        versions(hook, &at.child("admissionReviewVersions"), errors);
        let name = hook.text("name");
        if !name.is_empty() && !names.insert(name) {
            errors.duplicate(&at.child("name"), name);
        }
    }
}

fn webhook(hook: &Value, mutating: bool, at: &Path<'_>, errors: &mut Errors) {
    qualified(hook.text("name"), &at.child("name"), errors);
    for (i, wanted) in hook.items("rules").iter().enumerate() {
        rule(wanted, &at.child("rules").index(i), errors);
    }
    word(hook, "failurePolicy", &["Fail", "Ignore"], at, errors);
    word(hook, "matchPolicy", &["Equivalent", "Exact"], at, errors);
    let effects = hook.text("sideEffects");
    if effects.is_empty() {
        let detail = "must specify one of None, NoneOnDryRun";
        errors.required(&at.child("sideEffects"), detail);
    } else if !matches!(effects, "None" | "NoneOnDryRun") {
        errors.not_supported(&at.child("sideEffects"), effects, &["None", "NoneOnDryRun"]);
    }
    if let Some(seconds) = hook.int("timeoutSeconds").filter(|s| !(1..=30).contains(s)) {
        let detail = "the timeout value must be between 1 and 30 seconds";
        errors.invalid(&at.child("timeoutSeconds"), seconds, detail);
    }
    selectors(hook, false, at, errors);
    if mutating {
        let known = ["IfNeeded", "Never"];
        word(hook, "reinvocationPolicy", &known, at, errors);
    }
    client(
        hook.field("clientConfig"),
        &at.child("clientConfig"),
        errors,
    );
    let place = at.child("matchConditions");
    conditions(hook.items("matchConditions"), false, &place, errors);
}

fn qualified(name: &str, path: &Path<'_>, errors: &mut Errors) {
    if name.is_empty() {
        return errors.required(path, "");
    }
    let wrong = formats::dns_subdomain(name);
    if !wrong.is_empty() {
        errors.invalid(path, name, wrong.join(","));
    } else if name.split('.').count() < 3 {
        let detail = "should be a domain with at least three segments separated by dots";
        errors.invalid(path, name, detail);
    }
}

/// Where the webhook is.
fn client(config: &Value, path: &Path<'_>, errors: &mut Errors) {
    if config.has("url") == config.has("service") {
        let detail = "exactly one of url or service is required";
        errors.required(path, detail);
    } else if config.has("url") {
        url(config.text("url"), &path.child("url"), errors);
    } else {
        service(config.field("service"), &path.child("service"), errors);
    }
}

fn url(text: &str, path: &Path<'_>, errors: &mut Errors) {
    const FORM: &str = "; desired format: https://host[/path]";
    let Some((scheme, rest)) = text.split_once("://") else {
        let detail = format!("host must be specified{FORM}");
        errors.required(path, "");
        return errors.invalid(path, text, detail);
    };
    if scheme != "https" {
        let detail = format!("'https' is the only allowed URL scheme{FORM}");
        errors.invalid(path, scheme, detail);
    }
    let (host, after) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (user, host) = match host.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, host),
    };
    if host.is_empty() {
        errors.invalid(path, host, format!("host must be specified{FORM}"));
    }
    if let Some(user) = user {
        errors.invalid(path, user, "user information is not permitted in the URL");
    }
    if let Some((_, fragment)) = after.split_once('#') {
        errors.invalid(path, fragment, "fragments are not permitted in the URL");
    }
    let before = after.split('#').next().unwrap_or_default();
    if let Some((_, query)) = before.split_once('?') {
        let detail = "query parameters are not permitted in the URL";
        errors.invalid(path, query, detail);
    }
}

fn service(service: &Value, path: &Path<'_>, errors: &mut Errors) {
    for field in ["name", "namespace"] {
        if service.text(field).is_empty() {
            errors.required(&path.child(field), "");
        }
    }
    let port = service.int("port").unwrap_or(443);
    if !(1..=65535).contains(&port) {
        let detail = format!(
            "port is not valid: {}",
            formats::port_number(port).join(",")
        );
        errors.invalid(&path.child("port"), port, detail);
    }
    let text = service.text("path");
    if text.is_empty() || text == "/" {
        return;
    }
    let place = path.child("path");
    if !text.starts_with('/') {
        errors.invalid(&place, text, "must start with a '/'");
    }
    // Whatever the first sign is, it counts as the slash.
    let steps = text.char_indices().nth(1).map_or("", |(at, _)| &text[at..]);
    let steps = steps.strip_suffix('/').unwrap_or(steps);
    for (i, step) in steps.split('/').enumerate() {
        if step.is_empty() {
            errors.invalid(&place, text, format!("segment[{i}] may not be empty"));
            continue;
        }
        for wrong in formats::dns_subdomain(step) {
            errors.invalid(&place, text, format!("segment[{i}]: {wrong}"));
        }
    }
}

fn versions(hook: &Value, path: &Path<'_>, errors: &mut Errors) {
    let versions = hook.items("admissionReviewVersions");
    if versions.is_empty() {
        return errors.required(path, "must specify one of v1, v1beta1");
    }
    let mut seen = HashSet::new();
    for (i, version) in versions.iter().enumerate() {
        let version = version.as_str().unwrap_or_default();
        if seen.insert(version) {
            errors.invalid_all(&path.index(i), version, formats::dns1035_label(version));
        } else {
            errors.invalid(&path.index(i), version, "duplicate version");
        }
    }
    if !seen.contains("v1") && !seen.contains("v1beta1") {
        let detail = "must include at least one of v1, v1beta1";
        errors.invalid(path, versions.to_vec(), detail);
    }
}
