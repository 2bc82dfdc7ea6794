//! A Job's selector and the labels that tie its pods to it.

use serde_json::Value;

use crate::read::{Read, child_mut, object_mut, put};

/// Labels that carry the Job's name, old and new.
const NAME_LABELS: [&str; 2] = ["job-name", "batch.kubernetes.io/job-name"];
/// Labels that carry the Job's uid, old and new; the last one is selected on.
const UID_LABELS: [&str; 2] = ["controller-uid", "batch.kubernetes.io/controller-uid"];

/// Unless the user selects by hand, a Job selects the pods that carry its uid. Conflicts are left to validation.
pub(super) fn create(job: &mut Value) {
    if job.at("spec").flag("manualSelector") {
        return;
    }
    let name = job["metadata"].text("name").to_owned();
    let uid = job["metadata"].text("uid").to_owned();
    let spec = child_mut(job, "spec");
    let template = child_mut(spec, "template");
    let labels = object_mut(child_mut(child_mut(template, "metadata"), "labels"));
    for key in NAME_LABELS {
        labels.entry(key).or_insert_with(|| name.clone().into());
    }
    for key in UID_LABELS {
        labels.entry(key).or_insert_with(|| uid.clone().into());
    }
    let shared = Value::Object(labels.clone());
    let selector = child_mut(child_mut(spec, "selector"), "matchLabels");
    object_mut(selector)
        .entry(UID_LABELS[1])
        .or_insert_with(|| uid.into());
    if job["metadata"].entries("labels").next().is_none() {
        put(child_mut(job, "metadata"), "labels", Some(shared));
    }
}
