//! What makes pods: Deployments, `ReplicaSet`s, `DaemonSet`s, `StatefulSet`s, `ReplicationController`s.

use serde_json::{Value, json};

use super::numbers::{amount_of, at_most_all, int_or_percent, non_negative};
use super::{NOT_NEGATIVE, metadata, pod, selector};
use crate::error::{Errors, dumped};
use crate::formats;
use crate::path::Path;
use crate::read::{Read, child_mut, put};

const MISMATCH: &str = "`selector` does not match template `labels`";

pub(super) fn deployment(new: &Value, old: Option<&Value>, errors: &mut Errors) {
    let path = Path::root("spec");
    let spec = new.field("spec");
    non_negative(spec, &["replicas"], &path, errors);
    let readable = selector_there(spec, "deployment", &path, errors);
    if readable {
        replica_template(spec, spec.field("selector"), &path, errors);
    }
    deployment_strategy(spec.field("strategy"), &path.child("strategy"), errors);
    non_negative(
        spec,
        &[
            "minReadySeconds",
            "revisionHistoryLimit",
            "progressDeadlineSeconds",
        ],
        &path,
        errors,
    );
    if let Some(seconds) = spec.int("progressDeadlineSeconds")
        && seconds <= spec.int("minReadySeconds").unwrap_or(0)
    {
        let detail = "must be greater than minReadySeconds";
        errors.invalid(&path.child("progressDeadlineSeconds"), seconds, detail);
    }
    immutable_selector(spec, old, &path, errors);
}

fn immutable_selector(spec: &Value, old: Option<&Value>, path: &Path<'_>, errors: &mut Errors) {
    if let Some(old) = old {
        let before = old.at("spec.selector");
        metadata::immutable(
            spec.field("selector"),
            before,
            &path.child("selector"),
            errors,
        );
    }
}

/// A selector must be there, be well formed, and not select everything. Returns whether it can be read.
fn selector_there(spec: &Value, kind: &str, path: &Path<'_>, errors: &mut Errors) -> bool {
    let selector = spec.field("selector");
    let place = path.child("selector");
    if !selector.is_object() {
        errors.required(&place, "");
        return true;
    }
    selector::validate(selector, &place, errors);
    if selector::is_empty(selector) {
        let detail = format!("empty selector is invalid for {kind}");
        errors.invalid(&place, selector.clone(), detail);
    }
    let readable = selector::is_readable(selector);
    if !readable {
        errors.invalid(&place, selector.clone(), "invalid label selector");
    }
    readable
}

fn labels_match(spec: &Value, wanted: &Value, path: &Path<'_>, errors: &mut Errors) {
    let labels = spec.at("template.metadata.labels");
    let selects_all = wanted.is_object() && selector::is_empty(wanted);
    if selects_all || selector::matches(wanted, labels) {
        return;
    }
    let template = path.child("template");
    let meta = template.child("metadata");
    let shown = if labels.is_object() {
        labels.clone()
    } else {
        Value::Null
    };
    errors.invalid(&meta.child("labels"), shown, MISMATCH);
}

/// A template whose pods are always restarted and never end by themselves.
fn replica_template(spec: &Value, wanted: &Value, path: &Path<'_>, errors: &mut Errors) {
    labels_match(spec, wanted, path, errors);
    pod::validate_template(spec.field("template"), &path.child("template"), errors);
    endless(spec, "ReplicaSet", path, errors);
}

fn endless(spec: &Value, kind: &str, path: &Path<'_>, errors: &mut Errors) {
    let template = path.child("template");
    let place = template.child("spec");
    let policy = spec
        .at("template.spec.restartPolicy")
        .as_str()
        .unwrap_or("");
    if policy != "Always" {
        errors.not_supported(&place.child("restartPolicy"), policy, &["Always"]);
    }
    if !spec.at("template.spec.activeDeadlineSeconds").is_null() {
        let detail = format!("activeDeadlineSeconds in {kind} is not Supported");
        errors.forbidden(&place.child("activeDeadlineSeconds"), detail);
    }
}

fn deployment_strategy(strategy: &Value, path: &Path<'_>, errors: &mut Errors) {
    let update = strategy.field("rollingUpdate");
    let place = path.child("rollingUpdate");
    match strategy.text("type") {
        "Recreate" => {
            if update.is_object() {
                let detail = "may not be specified when strategy `type` is 'Recreate'";
                errors.forbidden(&place, detail);
            }
        }
        "RollingUpdate" => {
            if !update.is_object() {
                return errors.required(&place, "this should be defaulted and never be nil");
            }
            let (unavailable, surge) = (update.field("maxUnavailable"), update.field("maxSurge"));
            int_or_percent(unavailable, &place.child("maxUnavailable"), errors);
            int_or_percent(surge, &place.child("maxSurge"), errors);
            if amount_of(unavailable) == 0 && amount_of(surge) == 0 {
                let detail = "may not be 0 when `maxSurge` is 0";
                errors.invalid(&place.child("maxUnavailable"), unavailable.clone(), detail);
            }
            at_most_all(unavailable, &place.child("maxUnavailable"), errors);
        }
        _ => errors.not_supported(path, internal(strategy), &["Recreate", "RollingUpdate"]),
    }
}

/// A strategy as Kubernetes' internal form writes it, for messages that show it whole.
fn internal(strategy: &Value) -> Value {
    json!({"Type": strategy.text("type"), "RollingUpdate": strategy.field("rollingUpdate")})
}

pub(super) fn replica_set(new: &Value, old: Option<&Value>, errors: &mut Errors) {
    let path = Path::root("spec");
    let spec = new.field("spec");
    non_negative(spec, &["replicas", "minReadySeconds"], &path, errors);
    if selector_there(spec, "deployment", &path, errors) {
        replica_template(spec, spec.field("selector"), &path, errors);
    }
    immutable_selector(spec, old, &path, errors);
}

pub(super) fn replication_controller(new: &Value, errors: &mut Errors) {
    let path = Path::root("spec");
    let spec = new.field("spec");
    non_negative(spec, &["minReadySeconds"], &path, errors);
    if spec.entries("selector").next().is_none() {
        errors.required(&path.child("selector"), "");
    }
    match spec.int("replicas") {
        None => errors.required(&path.child("replicas"), ""),
        Some(n @ ..0) => errors.invalid(&path.child("replicas"), n, NOT_NEGATIVE),
        Some(_) => {}
    }
    if spec.has("template") {
        let wanted = json!({"matchLabels": spec.field("selector")});
        replica_template(spec, &wanted, &path, errors);
    } else {
        errors.required(&path.child("template"), "");
    }
}

pub(super) fn daemon_set(new: &Value, old: Option<&Value>, errors: &mut Errors) {
    let path = Path::root("spec");
    let spec = new.field("spec");
    let wanted = spec.field("selector");
    selector::validate(wanted, &path.child("selector"), errors);
    let labels = spec.at("template.metadata.labels");
    if selector::is_readable(wanted) && !selector::matches(wanted, labels) {
        let template = path.child("template");
        let meta = template.child("metadata");
        errors.invalid(&meta.child("labels"), labels.clone(), MISMATCH);
    }
    if wanted.is_object() && selector::is_empty(wanted) {
        let detail = "empty selector is invalid for daemonset";
        errors.invalid(&path.child("selector"), wanted.clone(), detail);
    }
    pod::validate_template(spec.field("template"), &path.child("template"), errors);
    endless(spec, "DaemonSet", &path, errors);
    non_negative(spec, &["minReadySeconds"], &path, errors);
    daemon_strategy(
        spec.field("updateStrategy"),
        &path.child("updateStrategy"),
        errors,
    );
    non_negative(spec, &["revisionHistoryLimit"], &path, errors);
    immutable_selector(spec, old, &path, errors);
}

fn daemon_strategy(strategy: &Value, path: &Path<'_>, errors: &mut Errors) {
    match strategy.text("type") {
        "OnDelete" => {}
        "RollingUpdate" => {
            let update = strategy.field("rollingUpdate");
            let place = path.child("rollingUpdate");
            if !update.is_object() {
                return errors.required(&place, "");
            }
            let (unavailable, surge) = (update.field("maxUnavailable"), update.field("maxSurge"));
            let (at_unavailable, at_surge) =
                (place.child("maxUnavailable"), place.child("maxSurge"));
            int_or_percent(unavailable, &at_unavailable, errors);
            int_or_percent(surge, &at_surge, errors);
            at_most_all(unavailable, &at_unavailable, errors);
            at_most_all(surge, &at_surge, errors);
            match (amount_of(unavailable) != 0, amount_of(surge) != 0) {
                (true, true) => {
                    let detail = "may not be set when maxUnavailable is non-zero";
                    errors.invalid(&at_surge, surge.clone(), detail);
                }
                (false, false) => {
                    errors.required(&at_unavailable, "cannot be 0 when maxSurge is 0");
                }
                _ => {}
            }
        }
        _ => errors.not_supported(path, internal(strategy), &["RollingUpdate", "OnDelete"]),
    }
}

pub(super) fn stateful_set(new: &Value, old: Option<&Value>, errors: &mut Errors) {
    let path = Path::root("spec");
    let spec = new.field("spec");
    match spec.text("podManagementPolicy") {
        "OrderedReady" | "Parallel" => {}
        "" => errors.required(&path.child("podManagementPolicy"), ""),
        other => {
            let detail = "must be 'OrderedReady' or 'Parallel'";
            errors.invalid(&path.child("podManagementPolicy"), other, detail);
        }
    }
    stateful_strategy(
        spec.field("updateStrategy"),
        &path.child("updateStrategy"),
        errors,
    );
    retention(
        spec,
        &path.child("persistentVolumeClaimRetentionPolicy"),
        errors,
    );
    non_negative(spec, &["replicas", "minReadySeconds"], &path, errors);
    let service = spec.text("serviceName");
    if !service.is_empty() {
        errors.invalid_all(
            &path.child("serviceName"),
            service,
            formats::dns_label(service),
        );
    }
    if selector_there(spec, "statefulset", &path, errors) {
        let adjusted = with_claims(spec);
        labels_match(spec, spec.field("selector"), &path, errors);
        pod::validate_template(adjusted.field("template"), &path.child("template"), errors);
    }
    endless(spec, "StatefulSet", &path, errors);
    if let Some(old) = old {
        for name in [
            "selector",
            "volumeClaimTemplates",
            "serviceName",
            "podManagementPolicy",
        ] {
            let before = old.field("spec").field(name);
            metadata::immutable(spec.field(name), before, &path.child(name), errors);
        }
    }
}

/// The spec as its pods get it: with a volume for each claim template, and names of their own.
fn with_claims(spec: &Value) -> Value {
    let mut adjusted = spec.clone();
    let templates: Vec<String> = spec
        .items("volumeClaimTemplates")
        .iter()
        .map(|t| t.field("metadata").text("name").to_owned())
        .collect();
    let inner = child_mut(child_mut(&mut adjusted, "template"), "spec");
    put(inner, "hostname", None);
    put(inner, "subdomain", None);
    let mut volumes: Vec<Value> = templates
        .iter()
        .map(|name| json!({"name": name, "persistentVolumeClaim": {"claimName": name}}))
        .collect();
    let own = inner.items("volumes").iter();
    volumes.extend(
        own.filter(|v| !templates.iter().any(|t| t == v.text("name")))
            .cloned(),
    );
    if !volumes.is_empty() {
        put(inner, "volumes", Some(volumes.into()));
    }
    adjusted
}

fn stateful_strategy(strategy: &Value, path: &Path<'_>, errors: &mut Errors) {
    let update = strategy.field("rollingUpdate");
    let place = path.child("rollingUpdate");
    match strategy.text("type") {
        "" => errors.required(path, ""),
        "OnDelete" => {
            if update.is_object() {
                let detail = "only allowed for updateStrategy 'RollingUpdate'";
                let mut shown = dumped(update, ROLLING);
                // Its default is not set here.
                if shown["Partition"].is_null() {
                    shown["Partition"] = json!(0);
                }
                errors.invalid(&place, shown, detail);
            }
        }
        "RollingUpdate" => {
            non_negative(update, &["partition"], &place, errors);
            let unavailable = update.field("maxUnavailable");
            if !unavailable.is_null() {
                let at = place.child("maxUnavailable");
                int_or_percent(unavailable, &at, errors);
                if amount_of(unavailable) == 0 {
                    errors.invalid(&at, unavailable.clone(), "cannot be 0");
                }
                at_most_all(unavailable, &at, errors);
            }
        }
        _ => {
            let detail = "must be 'RollingUpdate' or 'OnDelete'";
            let shown = dumped(
                strategy,
                &[("RollingUpdate", "rollingUpdate"), ("Type", "type")],
            );
            errors.invalid(path, shown, detail);
        }
    }
}

/// The fields of a rolling update, as a message shows them.
const ROLLING: &[(&str, &str)] = &[
    ("MaxUnavailable", "maxUnavailable"),
    ("Partition", "partition"),
];

fn retention(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let policy = spec.field("persistentVolumeClaimRetentionPolicy");
    for name in ["whenDeleted", "whenScaled"] {
        let text = policy.text(name);
        if policy.is_object() && !matches!(text, "Retain" | "Delete") {
            errors.not_supported(&path.child(name), text, &["Retain", "Delete"]);
        }
    }
}
