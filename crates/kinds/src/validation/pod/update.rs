//! What may change in a Pod that is there.

use serde_json::{Value, json};

use super::placement::tolerations;
use super::validate_metadata_and_spec;
use crate::error::Errors;
use crate::formats::range_error;
use crate::path::Path;
use crate::read::{Read, put};
use crate::strategy::same;
use crate::validation::metadata;

const UPDATABLE: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// Rules of the change from `old` to `new`, written to the pod itself.
pub(in crate::validation) fn validate_update(new: &Value, old: &Value, errors: &mut Errors) {
    validate_metadata_and_spec(new, errors);
    let path = Path::root("spec");
    let (spec, before) = (new.field("spec"), old.field("spec"));
    for list in ["containers", "initContainers"] {
        if !containers(
            spec.items(list),
            before.items(list),
            &path.child(list),
            errors,
        ) {
            return;
        }
    }
    if !deadline(spec, before, &path, errors) {
        return;
    }
    added_tolerations(spec, before, &path.child("tolerations"), errors);
    deleted_gates(spec, before, &path.child("schedulingGates"), errors);
    if !same(spec, before) && !same(&munged(spec, before), before) {
        errors.forbidden(&path, UPDATABLE);
    }
}

fn containers(new: &[Value], old: &[Value], path: &Path<'_>, errors: &mut Errors) -> bool {
    if new.len() != old.len() {
        errors.forbidden(path, "pod updates may not add or remove containers");
        return false;
    }
    for (i, container) in new.iter().enumerate() {
        let at = path.index(i);
        let image = container.text("image");
        if image.is_empty() {
            errors.required(&at.child("image"), "");
        }
        if image.trim() != image {
            let detail = "must not have leading or trailing whitespace";
            errors.invalid(&at.child("image"), image, detail);
        }
    }
    true
}

fn deadline(spec: &Value, before: &Value, path: &Path<'_>, errors: &mut Errors) -> bool {
    let place = path.child("activeDeadlineSeconds");
    match (
        spec.int("activeDeadlineSeconds"),
        before.int("activeDeadlineSeconds"),
    ) {
        (Some(new), _) if !(0..=i64::from(i32::MAX)).contains(&new) => {
            errors.invalid(&place, new, range_error(0, i64::from(i32::MAX)));
            false
        }
        (Some(new), Some(old)) if old < new => {
            errors.invalid(&place, new, "must be less than or equal to previous value");
            false
        }
        (None, Some(_)) => {
            let detail = "must not update from a positive integer to nil value";
            errors.invalid(&place, Value::Null, detail);
            true
        }
        _ => true,
    }
}

fn added_tolerations(spec: &Value, before: &Value, path: &Path<'_>, errors: &mut Errors) {
    let bare = |toleration: &Value| {
        let mut bare = toleration.clone();
        put(&mut bare, "tolerationSeconds", None);
        bare
    };
    let new: Vec<Value> = spec.items("tolerations").iter().map(bare).collect();
    if !before
        .items("tolerations")
        .iter()
        .all(|old| new.contains(&bare(old)))
    {
        let detail = "existing toleration can not be modified except its tolerationSeconds";
        return errors.forbidden(path, detail);
    }
    tolerations(spec.items("tolerations"), path, errors);
}

fn deleted_gates(spec: &Value, before: &Value, path: &Path<'_>, errors: &mut Errors) {
    let old = before.items("schedulingGates");
    for (i, gate) in spec.items("schedulingGates").iter().enumerate() {
        if !old.contains(gate) {
            let detail = "only deletion is allowed, but found new scheduling gate";
            let shown = format!("{detail} '{}'", gate.text("name"));
            errors.forbidden(&path.index(i), shown);
        }
    }
}

/// The new spec with everything that may change put back.
fn munged(spec: &Value, before: &Value) -> Value {
    let mut munged = spec.clone();
    for list in ["containers", "initContainers"] {
        let containers = munged.get_mut(list).and_then(Value::as_array_mut);
        for (container, old) in containers.into_iter().flatten().zip(before.items(list)) {
            put(container, "image", old.get("image").cloned());
        }
    }
    for name in ["activeDeadlineSeconds", "schedulingGates", "tolerations"] {
        put(&mut munged, name, before.get(name).cloned());
    }
    let grace = "terminationGracePeriodSeconds";
    if before.int(grace).is_some_and(|s| s < 0) && munged.int(grace) == Some(1) {
        put(&mut munged, grace, before.get(grace).cloned());
    }
    if !before.items("schedulingGates").is_empty() {
        // While it waits at a gate, a pod's place may still be narrowed.
        put(
            &mut munged,
            "nodeSelector",
            before.get("nodeSelector").cloned(),
        );
        if munged.has("affinity") {
            let old = before.field("affinity").get("nodeAffinity").cloned();
            put(&mut munged["affinity"], "nodeAffinity", old);
        }
    }
    munged
}

/// Rules of a write to a pod's status.
pub(in crate::validation) fn validate_status_update(new: &Value, old: &Value, errors: &mut Errors) {
    let path = Path::root("status");
    let (status, before) = (new.field("status"), old.field("status"));
    let conditions = path.child("conditions");
    for (i, condition) in status.items("conditions").iter().enumerate() {
        if condition.int("observedGeneration").is_some_and(|g| g < 0) {
            let at = conditions.index(i);
            let shown = condition.int("observedGeneration").unwrap_or(0);
            errors.invalid(
                &at.child("observedGeneration"),
                shown,
                "must be a non-negative integer",
            );
        }
    }
    let (class, old_class) = (status.field("qosClass"), before.field("qosClass"));
    metadata::immutable(class, old_class, &path.child("qosClass"), errors);
    let nominated = status.text("nominatedNodeName");
    let bound = !old.at("spec").text("nodeName").is_empty();
    if bound && !nominated.is_empty() && nominated != before.text("nominatedNodeName") {
        let detail = "may not be set on pods that are already bound to a node";
        errors.forbidden(&path.child("nominatedNodeName"), detail);
    }
    let place = path.child("podIPs");
    let ips = status.items("podIPs");
    let wrong = errors.0.len();
    for (i, ip) in ips.iter().enumerate() {
        super::placement::ip(ip.text("ip"), &place.index(i), errors);
    }
    if wrong == errors.0.len() && !one_of_a_family(ips) {
        let shown: Vec<Value> = ips.iter().map(|ip| json!({"IP": ip.text("ip")})).collect();
        let detail = "may specify no more than one IP for each IP family";
        errors.invalid(&place, shown, detail);
    }
}

fn one_of_a_family(ips: &[Value]) -> bool {
    let v6 = ips.iter().filter(|ip| ip.text("ip").contains(':')).count();
    v6 <= 1 && ips.len() - v6 <= 1
}
