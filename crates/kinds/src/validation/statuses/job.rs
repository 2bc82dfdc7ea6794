//! The status of a Job: what it counts, and which conditions go together. Most rules look only at what a write changes,
//! so that a status that was wrong before can still be mended.

use std::collections::HashSet;

use serde_json::Value;

use crate::error::{ErrorKind, Errors, quote};
use crate::path::Path;
use crate::read::Read;
use crate::strategy::same;
use crate::validation::numbers::non_negative;

/// A Job before or after the write.
struct Job<'a> {
    spec: &'a Value,
    status: &'a Value,
}

// === impl Job ===

impl<'a> Job<'a> {
    fn of(job: &'a Value) -> Self {
        Self {
            spec: job.field("spec"),
            status: job.field("status"),
        }
    }

    fn is(&self, condition: &str) -> bool {
        let mut conditions = self.status.items("conditions").iter();
        conditions.any(|c| c.text("type") == condition && c.text("status") == "True")
    }

    fn finished(&self) -> bool {
        self.is("Complete") || self.is("Failed")
    }

    fn count(&self, name: &str) -> i64 {
        self.status.int(name).unwrap_or(0)
    }

    fn indexed(&self) -> bool {
        self.spec.text("completionMode") == "Indexed"
    }
}

pub(super) fn validate(new: &Value, old: &Value, errors: &mut Errors) {
    let (new, old) = (Job::of(new), Job::of(old));
    counts(&new, &old, errors);
    conditions(&new, &old, errors);
    times(&new, &old, errors);
    when_finished(&new, &old, errors);
    indexes(&new, &old, errors);
    kept(&new, &old, errors);
}

fn changed(new: &Job<'_>, old: &Job<'_>, name: &str) -> bool {
    !same(new.status.field(name), old.status.field(name))
}

fn turned(new: &Job<'_>, old: &Job<'_>, condition: &str) -> bool {
    new.is(condition) != old.is(condition)
}

fn counts(new: &Job<'_>, old: &Job<'_>, errors: &mut Errors) {
    let path = Path::root("status");
    let numbers = ["active", "succeeded", "failed", "ready", "terminating"];
    non_negative(new.status, &numbers, &path, errors);
    let place = path.child("uncountedTerminatedPods");
    let uncounted = new.status.field("uncountedTerminatedPods");
    let mut seen = HashSet::new();
    for list in ["succeeded", "failed"] {
        let place = place.child(list);
        for (i, uid) in uncounted.items(list).iter().enumerate() {
            let uid = uid.as_str().unwrap_or_default();
            if uid.is_empty() {
                errors.invalid(&place.index(i), uid, "must not be empty");
            } else if !seen.insert(uid) {
                errors.duplicate(&place.index(i), uid);
            }
        }
    }
    let looked_at = changed(new, old, "ready") || changed(new, old, "active");
    if looked_at && new.status.has("ready") && new.count("ready") > new.count("active") {
        let detail = "cannot set more ready pods than active";
        errors.invalid(&path.child("ready"), new.count("ready"), detail);
    }
    if new.count("failed") < old.count("failed") {
        let detail = "cannot decrease the failed counter";
        errors.invalid(&path.child("failed"), new.count("failed"), detail);
    }
    let elastic = new.indexed() && new.spec.int("completions") == new.spec.int("parallelism");
    if !elastic && new.count("succeeded") < old.count("succeeded") {
        let detail = "cannot decrease the succeeded counter";
        errors.invalid(&path.child("succeeded"), new.count("succeeded"), detail);
    }
}

fn conditions(new: &Job<'_>, old: &Job<'_>, errors: &mut Errors) {
    let path = Path::root("status");
    let place = path.child("conditions");
    let mut wrong = |detail: &str| errors.add(ErrorKind::Invalid, &place, None, detail);
    let turned = |condition| turned(new, old, condition);
    let complete = turned("Complete");
    if (complete || turned("Failed")) && new.is("Complete") && new.is("Failed") {
        wrong("cannot set Complete=True and Failed=true conditions");
    }
    if (complete || turned("FailureTarget")) && new.is("Complete") && new.is("FailureTarget") {
        wrong("cannot set Complete=True and FailureTarget=true conditions");
    }
    let failing = turned("Failed") || changed(new, old, "failedIndexes");
    if failing && new.is("Failed") && !new.is("FailureTarget") {
        wrong("cannot set Failed=True condition without the FailureTarget=true condition");
    }
    let met = new.is("SuccessCriteriaMet");
    if (complete || turned("SuccessCriteriaMet")) && new.is("Complete") && !met {
        wrong("cannot set Complete=True condition without the SuccessCriteriaMet=true condition");
    }
    if met && new.is("Failed") {
        wrong("cannot set SuccessCriteriaMet=True and Failed=true conditions");
    }
    if met && new.is("FailureTarget") {
        wrong("cannot set SuccessCriteriaMet=True and FailureTarget=true conditions");
    }
    if new.spec.has("successPolicy") && !met && new.is("Complete") {
        wrong("cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True");
    }
    for condition in ["Failed", "Complete", "FailureTarget"] {
        if old.is(condition) && !new.is(condition) {
            wrong(&format!(
                "cannot disable the terminal {condition}=True condition"
            ));
        }
    }
    if old.is("SuccessCriteriaMet") && !met {
        wrong("cannot disable the SuccessCriteriaMet=True condition");
    }
    if old.is("Complete") && !old.is("SuccessCriteriaMet") && met {
        wrong("cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions");
    }
}

fn times(new: &Job<'_>, old: &Job<'_>, errors: &mut Errors) {
    let path = Path::root("status");
    let place = path.child("completionTime");
    let (start, end) = (
        new.status.text("startTime"),
        new.status.text("completionTime"),
    );
    let ended = changed(new, old, "completionTime");
    if turned(new, old, "Complete") || ended {
        if !end.is_empty() && !new.is("Complete") {
            let detail = "cannot set completionTime when there is no Complete=True condition";
            errors.invalid(&place, end, detail);
        }
        if end.is_empty() && new.is("Complete") {
            errors.required(&place, "completionTime is required for Complete jobs");
        }
    }
    // RFC 3339 to the second in UTC sorts as the times do.
    let backwards = !start.is_empty() && !end.is_empty() && end < start;
    if (ended || changed(new, old, "startTime")) && backwards {
        errors.invalid(&place, end, "must be equal to or after `startTime`");
    }
}

fn when_finished(new: &Job<'_>, old: &Job<'_>, errors: &mut Errors) {
    if !new.finished() {
        return;
    }
    let path = Path::root("status");
    let turned = new.finished() != old.finished();
    let looked_at = |name| turned || changed(new, old, name);
    if looked_at("active") && new.count("active") > 0 {
        let detail = "active>0 is invalid for finished job";
        errors.invalid(&path.child("active"), new.count("active"), detail);
    }
    let nothing_to_do = new.spec.flag("suspend") && new.spec.int("completions") == Some(0);
    if looked_at("startTime") && !nothing_to_do && !new.status.has("startTime") {
        let detail = "startTime is required for finished job";
        errors.required(&path.child("startTime"), detail);
    }
    let uncounted = new.status.field("uncountedTerminatedPods");
    let some = ["failed", "succeeded"]
        .iter()
        .any(|list| !uncounted.items(list).is_empty());
    if looked_at("uncountedTerminatedPods") && some {
        let place = path.child("uncountedTerminatedPods");
        errors.invalid(&place, uncounted.clone(), "must be empty for finished job");
    }
    if looked_at("terminating") && new.count("terminating") > 0 {
        let detail = "terminating>0 is invalid for finished job";
        errors.invalid(&path.child("terminating"), new.count("terminating"), detail);
    }
}

fn indexes(new: &Job<'_>, old: &Job<'_>, errors: &mut Errors) {
    let path = Path::root("status");
    let completions = new.spec.int("completions");
    let done = new.status.text("completedIndexes");
    let place = path.child("completedIndexes");
    if changed(new, old, "completedIndexes") {
        if let Some(Err(why)) = completions.map(|n| intervals(done, n)) {
            let detail = format!("error parsing completedIndexes: {why}");
            errors.invalid(&place, done, detail);
        }
        if !done.is_empty() && !new.indexed() {
            let detail = "cannot set non-empty completedIndexes when non-indexed completion mode";
            errors.invalid(&place, done, detail);
        }
    }
    let Some(failed) = new.status.field("failedIndexes").as_str() else {
        return;
    };
    let place = path.child("failedIndexes");
    let per_index = new.spec.has("backoffLimitPerIndex");
    let failed_changed = changed(new, old, "failedIndexes");
    if failed_changed
        && per_index
        && let Some(Err(why)) = completions.map(|n| intervals(failed, n))
    {
        let detail = format!("error parsing failedIndexes: {why}");
        errors.invalid(&place, failed, detail);
    }
    if failed_changed && !per_index {
        let detail = "cannot set non-null failedIndexes when backoffLimitPerIndex is null";
        errors.invalid(&place, failed, detail);
    }
}

/// What stays as it was.
fn kept(new: &Job<'_>, old: &Job<'_>, errors: &mut Errors) {
    let path = Path::root("status");
    let (end, before) = (
        new.status.text("completionTime"),
        old.status.text("completionTime"),
    );
    if !end.is_empty() && !before.is_empty() && end != before {
        errors.invalid(&path.child("completionTime"), end, "field is immutable");
    }
    let suspended = |job: &Job<'_>, wanted: &str| {
        let mut conditions = job.status.items("conditions").iter();
        conditions.any(|c| c.text("type") == "Suspended" && c.text("status") == wanted)
    };
    let resuming = suspended(old, "True") && suspended(new, "False");
    let moved = old.status.has("startTime") && changed(new, old, "startTime");
    if moved && !resuming && !new.spec.flag("suspend") {
        let shown = new.status.field("startTime").clone();
        let detail = "field is immutable for unsuspended job once set";
        errors.invalid(&path.child("startTime"), shown, detail);
    }
}

/// Reads `1,3-5`: numbers and intervals that rise, below `completions`.
fn intervals(text: &str, completions: i64) -> Result<(), String> {
    let mut last: Option<i64> = None;
    for interval in text.split(',').filter(|_| !text.is_empty()) {
        let limits: Vec<&str> = interval.split('-').collect();
        if limits.len() > 2 {
            return Err(format!(
                "the fragment {} violates the requirement that an index interval can have at most two parts separated by '-'",
                quote(interval)
            ));
        }
        for limit in limits {
            let index: i64 = limit.parse().map_err(|_| {
                format!(
                    "cannot convert string to integer for index: {}",
                    quote(limit)
                )
            })?;
            if index >= completions {
                return Err(format!("too large index: {}", quote(limit)));
            }
            if let Some(last) = last.filter(|last| *last >= index) {
                return Err(format!(
                    "non-increasing order, previous: {last}, current: {index}"
                ));
            }
            last = Some(index);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn indexes_rise_and_stay_below_the_completions() {
        assert_eq!(intervals("", 3), Ok(()));
        assert_eq!(intervals("0,2-4", 5), Ok(()));
        let check = |text, wanted: &str| assert_eq!(intervals(text, 5).unwrap_err(), wanted);
        check("1,x", "cannot convert string to integer for index: \"x\"");
        check("5", "too large index: \"5\"");
        check("3,1", "non-increasing order, previous: 3, current: 1");
    }

    #[test]
    fn a_job_ends_once_and_with_its_time() {
        let running = json!({"spec": {}, "status": {"startTime": "2020-01-01T00:00:00Z"}});
        let mut done = running.clone();
        done["status"]["conditions"] = json!([
            {"type": "SuccessCriteriaMet", "status": "True"}, {"type": "Complete", "status": "True"}]);
        let mut errors = Errors::new();
        validate(&done, &running, &mut errors);
        let texts: Vec<String> = errors.0.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            ["status.completionTime: Required value: completionTime is required for Complete jobs"]
        );
        done["status"]["completionTime"] = json!("2020-01-02T00:00:00Z");
        let mut errors = Errors::new();
        validate(&done, &running, &mut errors);
        assert!(errors.is_empty());
        validate(&running, &done, &mut errors);
        assert_eq!(errors.0.len(), 2);
    }
}
