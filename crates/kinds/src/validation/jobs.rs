//! Jobs and `CronJob`s.

use serde_json::Value;

use super::numbers::{non_negative, one_of};
use super::{metadata, pod, selector};
use crate::cron;
use crate::error::{Errors, quote};
use crate::path::Path;
use crate::read::{Read, put};

const MISMATCH: &str = "`selector` does not match template `labels`";
const PARALLELISM_INDEXED: i64 = 100_000;

pub(super) fn job(new: &Value, old: Option<&Value>, errors: &mut Errors) {
    let path = Path::root("spec");
    let spec = new.field("spec");
    if old.is_none() {
        generated_selector(new, errors);
    }
    job_spec(spec, &path, errors);
    let wanted = spec.field("selector");
    if wanted.is_object() {
        selector::validate(wanted, &path.child("selector"), errors);
    } else {
        errors.required(&path.child("selector"), "");
    }
    let labels = spec.at("template.metadata.labels");
    if selector::is_readable(wanted) && !selector::matches(wanted, labels) {
        let template = path.child("template");
        let meta = template.child("metadata");
        let shown = match labels {
            Value::Null => serde_json::json!({}),
            labels => labels.clone(),
        };
        errors.invalid(&meta.child("labels"), shown, MISMATCH);
    }
    if let Some(old) = old {
        job_update(spec, old.field("spec"), &path, errors);
    }
}

/// Labels that the Job itself sets may be written, but not otherwise.
fn generated_selector(job: &Value, errors: &mut Errors) {
    let generated = job.at("spec.selector");
    if job.at("spec").flag("manualSelector") || generated.is_null() {
        return;
    }
    let path = Path::root("spec");
    let labels = job.at("spec.template.metadata.labels");
    let place = path.child("template");
    let meta = place.child("metadata");
    let labels_path = meta.child("labels");
    let expected = [
        (
            "batch.kubernetes.io/controller-uid",
            job["metadata"].text("uid"),
        ),
        ("controller-uid", job["metadata"].text("uid")),
        ("batch.kubernetes.io/job-name", job["metadata"].text("name")),
        ("job-name", job["metadata"].text("name")),
    ];
    for (key, value) in expected {
        match labels.get(key).and_then(Value::as_str) {
            None => errors.required(&labels_path.key(key), &format!("must be {}", quote(value))),
            Some(found) if found != value => {
                let detail = format!("must be {}", quote(value));
                errors.invalid(&labels_path, labels.clone(), detail);
            }
            Some(_) => {}
        }
    }
    let wanted: serde_json::Map<String, Value> = expected
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).into()))
        .collect();
    if !selector::matches(generated, &Value::Object(wanted)) {
        errors.invalid(
            &path.child("selector"),
            generated.clone(),
            "`selector` not auto-generated",
        );
    }
}

fn job_spec(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    non_negative(
        spec,
        &[
            "parallelism",
            "completions",
            "activeDeadlineSeconds",
            "backoffLimit",
            "ttlSecondsAfterFinished",
            "backoffLimitPerIndex",
            "maxFailedIndexes",
        ],
        path,
        errors,
    );
    if spec.has("maxFailedIndexes") && !spec.has("backoffLimitPerIndex") {
        errors.required(
            &path.child("backoffLimitPerIndex"),
            "when maxFailedIndexes is specified",
        );
    }
    completion_mode(spec, path, errors);
    let policy = spec.text("podReplacementPolicy");
    let known: &[&str] = if spec.has("podFailurePolicy") {
        &["Failed"]
    } else {
        &["Failed", "TerminatingOrFailed"]
    };
    if !policy.is_empty() && !known.contains(&policy) {
        errors.not_supported(&path.child("podReplacementPolicy"), policy, known);
    }
    pod::validate_template(spec.field("template"), &path.child("template"), errors);
    restart_policy(spec, path, errors);
}

fn completion_mode(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let mode = spec.text("completionMode");
    if !matches!(mode, "" | "NonIndexed" | "Indexed") {
        let known = ["NonIndexed", "Indexed"];
        errors.not_supported(&path.child("completionMode"), mode, &known);
    }
    if mode == "Indexed" {
        if !spec.has("completions") {
            errors.required(
                &path.child("completions"),
                "when completion mode is Indexed",
            );
        }
        if let Some(n) = spec.int("parallelism").filter(|n| *n > PARALLELISM_INDEXED) {
            let detail = "must be less than or equal to 100000 when completion mode is Indexed";
            errors.invalid(&path.child("parallelism"), n, detail);
        }
        return;
    }
    for name in ["backoffLimitPerIndex", "maxFailedIndexes"] {
        if let Some(n) = spec.int(name) {
            errors.invalid(&path.child(name), n, "requires indexed completion mode");
        }
    }
    if spec.has("successPolicy") {
        let shown = spec.field("successPolicy").clone();
        errors.invalid(
            &path.child("successPolicy"),
            shown,
            "requires indexed completion mode",
        );
    }
}

fn restart_policy(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let template = path.child("template");
    let inner = template.child("spec");
    let place = inner.child("restartPolicy");
    match spec
        .at("template.spec.restartPolicy")
        .as_str()
        .unwrap_or("")
    {
        "" | "Always" => errors.required(&place, "valid values: \"OnFailure\", \"Never\""),
        "Never" => {}
        "OnFailure" => {
            if spec.has("podFailurePolicy") {
                let detail = "only \"Never\" is supported when podFailurePolicy is specified";
                errors.invalid(&place, "OnFailure", detail);
            }
        }
        other => errors.not_supported(&place, other, &["OnFailure", "Never"]),
    }
}

fn job_update(spec: &Value, before: &Value, path: &Path<'_>, errors: &mut Errors) {
    let mut fixed = vec![
        "selector",
        "completionMode",
        "podFailurePolicy",
        "backoffLimitPerIndex",
        "managedBy",
        "successPolicy",
    ];
    let indexed = spec.text("completionMode") == "Indexed";
    if indexed {
        let (completions, parallelism) = (spec.int("completions"), spec.int("parallelism"));
        if completions != before.int("completions") && completions != parallelism {
            let detail = "can only be modified in tandem with spec.parallelism";
            let shown = spec.field("completions").clone();
            errors.invalid(&path.child("completions"), shown, detail);
        }
    } else {
        fixed.insert(0, "completions");
    }
    for name in fixed {
        metadata::immutable(
            spec.field(name),
            before.field(name),
            &path.child(name),
            errors,
        );
    }
    let mut old = before.field("template").clone();
    if before.flag("suspend") {
        // A suspended Job's pods may still be sent elsewhere.
        let inner = spec.at("template.spec");
        for name in ["affinity", "nodeSelector", "tolerations", "schedulingGates"] {
            put(&mut old["spec"], name, inner.get(name).cloned());
        }
        for name in ["labels", "annotations"] {
            put(
                &mut old["metadata"],
                name,
                spec.at("template.metadata").get(name).cloned(),
            );
        }
    }
    metadata::immutable(
        spec.field("template"),
        &old,
        &path.child("template"),
        errors,
    );
}

pub(super) fn cron_job(new: &Value, old: Option<&Value>, errors: &mut Errors) {
    let path = Path::root("spec");
    let spec = new.field("spec");
    let schedule = spec.text("schedule");
    let place = path.child("schedule");
    if schedule.is_empty() {
        errors.required(&place, "");
    } else {
        if let Err(wrong) = cron::Schedule::parse(schedule) {
            errors.invalid(&place, schedule, wrong);
        }
        if schedule.contains("TZ") {
            let detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
            errors.invalid(&place, schedule, detail);
        }
    }
    non_negative(spec, &["startingDeadlineSeconds"], &path, errors);
    time_zone(spec, &path.child("timeZone"), errors);
    let policies = ["Allow", "Forbid", "Replace"];
    one_of(
        spec.text("concurrencyPolicy"),
        &policies,
        &path.child("concurrencyPolicy"),
        errors,
    );
    let template = spec.at("jobTemplate.spec");
    let job_template = path.child("jobTemplate");
    let inner = job_template.child("spec");
    job_spec(template, &inner, errors);
    if template.has("selector") {
        let shown = template.field("selector").clone();
        errors.invalid(
            &inner.child("selector"),
            shown,
            "`selector` will be auto-generated",
        );
    }
    if template.flag("manualSelector") {
        errors.not_supported(&inner.child("manualSelector"), true, &["nil", "false"]);
    }
    non_negative(
        spec,
        &["successfulJobsHistoryLimit", "failedJobsHistoryLimit"],
        &path,
        errors,
    );
    let name = new["metadata"].text("name");
    if old.is_none() && name.len() > 52 {
        let meta = Path::root("metadata");
        errors.invalid(
            &meta.child("name"),
            name,
            "must be no more than 52 characters",
        );
    }
}

fn time_zone(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let Some(zone) = spec.field("timeZone").as_str() else {
        return;
    };
    if zone.is_empty() {
        errors.invalid(path, zone, "timeZone must be nil or non-empty string");
    } else if zone.eq_ignore_ascii_case("local") {
        let detail =
            "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones";
        errors.invalid(path, zone, detail);
    } else if cron::time_zone(zone).is_none() {
        errors.invalid(path, zone, format!("unknown time zone {zone}"));
    }
}
