//! What happens to a Pod at its writes: quality of service, gates, and which part a subresource may touch.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::STATUS_KEEPS;
use crate::quantity::Quantity;
use crate::read::{Read, child_mut, put};

/// The first status, and selectors completed from the pod's own labels.
pub(super) fn create(pod: &mut Value) {
    let class = quality_of_service(pod.field("spec"));
    let gated = !pod["spec"].items("schedulingGates").is_empty();
    let status = child_mut(pod, "status");
    put(status, "qosClass", Some(class.into()));
    if gated {
        let condition = json!({
            "type": "PodScheduled",
            "status": "False",
            "lastProbeTime": null,
            "lastTransitionTime": null,
            "reason": "SchedulingGated",
            "message": "Scheduling is blocked due to non-empty scheduling gates",
        });
        put(status, "conditions", Some(json!([condition])));
    }
    complete_selectors(pod);
}

/// Pod-level resources that an unaware client left out stay.
pub(super) fn update(new: &mut Value, old: &Value) {
    if !new["spec"].has("resources") && old["spec"].has("resources") {
        let kept = old["spec"].get("resources").cloned();
        put(child_mut(new, "spec"), "resources", kept);
    }
}

/// A status write must not lose what the API server itself put there.
pub(super) fn update_status(new: &mut Value, old: &Value) {
    let was_deleted = old["metadata"].get("deletionTimestamp").cloned();
    put(child_mut(new, "metadata"), "deletionTimestamp", was_deleted);
    let status = child_mut(new, "status");
    for name in [
        "qosClass",
        "resourceClaimStatuses",
        "extendedResourceClaimStatus",
        "observedGeneration",
    ] {
        if !status.has(name) && old["status"].has(name) {
            put(status, name, old["status"].get(name).cloned());
        }
    }
    keep_observed_generations(status, old.field("status"));
}

/// A condition written without `observedGeneration` keeps the one of the old condition of its type.
fn keep_observed_generations(status: &mut Value, old: &Value) {
    let mut known: HashMap<&str, Vec<&Value>> = HashMap::new();
    for condition in old.items("conditions") {
        let generation = condition.field("observedGeneration");
        known
            .entry(condition.text("type"))
            .or_default()
            .push(generation);
    }
    let conditions = status.get_mut("conditions").and_then(Value::as_array_mut);
    for condition in conditions.into_iter().flatten() {
        let Some(generations) = known.get_mut(condition.text("type")) else {
            continue;
        };
        if generations.is_empty() {
            continue;
        }
        let generation = generations.remove(0);
        if !condition.has("observedGeneration") && !generation.is_null() {
            put(condition, "observedGeneration", Some(generation.clone()));
        }
    }
}

/// Only the list of ephemeral containers is taken.
pub(super) fn update_ephemeral(new: &mut Value, old: &Value) {
    let containers = new["spec"].get("ephemeralContainers").cloned();
    keep_all_but_spec(new, old);
    put(new, "spec", old.get("spec").cloned());
    put(child_mut(new, "spec"), "ephemeralContainers", containers);
}

/// Only resources and resize policies are taken; another set of containers is left for validation to refuse.
pub(super) fn update_resize(new: &mut Value, old: &Value) {
    let lists = ["containers", "initContainers"];
    let same_names = lists.iter().all(|list| {
        let (a, b) = (new["spec"].items(list), old["spec"].items(list));
        a.len() == b.len()
            && a.iter()
                .zip(b)
                .all(|(a, b)| a.text("name") == b.text("name"))
    });
    if !same_names {
        return;
    }
    let asked = new.field("spec").clone();
    keep_all_but_spec(new, old);
    put(new, "spec", old.get("spec").cloned());
    let spec = child_mut(new, "spec");
    let pod_level = asked
        .get("resources")
        .or(old["spec"].get("resources"))
        .cloned();
    put(spec, "resources", pod_level);
    for list in lists {
        let containers = spec.get_mut(list).and_then(Value::as_array_mut);
        for (container, asked) in containers.into_iter().flatten().zip(asked.items(list)) {
            for name in ["resources", "resizePolicy"] {
                put(container, name, asked.get(name).cloned());
            }
        }
    }
}

fn keep_all_but_spec(new: &mut Value, old: &Value) {
    put(new, "status", old.get("status").cloned());
    let meta = child_mut(new, "metadata");
    for name in STATUS_KEEPS {
        put(meta, name, old["metadata"].get(*name).cloned());
    }
}

/// `Guaranteed`, `Burstable` or `BestEffort`.
pub(crate) fn quality_of_service(spec: &Value) -> &'static str {
    let pod_level = spec.field("resources");
    if pod_level.entries("requests").next().is_some()
        || pod_level.entries("limits").next().is_some()
    {
        return class_of(pod_level);
    }
    let containers = spec
        .items("initContainers")
        .iter()
        .chain(spec.items("containers"));
    joined(containers.map(|container| class_of(container.field("resources"))))
}

fn class_of(resources: &Value) -> &'static str {
    joined(["cpu", "memory"].into_iter().map(|name| {
        let amount =
            |list| Quantity::from_json(resources.field(list).field(name)).unwrap_or(Quantity::ZERO);
        let (request, limit) = (amount("requests"), amount("limits"));
        if request != limit {
            "Burstable"
        } else if request.is_zero() {
            "BestEffort"
        } else {
            "Guaranteed"
        }
    }))
}

/// All alike, or `Burstable`.
fn joined(mut classes: impl Iterator<Item = &'static str>) -> &'static str {
    let Some(first) = classes.next() else {
        return "BestEffort";
    };
    if classes.all(|class| class == first) {
        first
    } else {
        "Burstable"
    }
}

/// `matchLabelKeys` and `mismatchLabelKeys` become part of the selectors beside them.
fn complete_selectors(pod: &mut Value) {
    let labels = pod["metadata"].field("labels").clone();
    let Some(spec) = pod.get_mut("spec") else {
        return;
    };
    for constraint in list_mut(spec, "topologySpreadConstraints") {
        complete(constraint, &labels);
    }
    let Some(affinity) = spec.get_mut("affinity") else {
        return;
    };
    for side in ["podAffinity", "podAntiAffinity"] {
        let Some(side) = affinity.get_mut(side) else {
            continue;
        };
        for term in list_mut(side, "preferredDuringSchedulingIgnoredDuringExecution") {
            if let Some(term) = term.get_mut("podAffinityTerm") {
                complete(term, &labels);
            }
        }
        for term in list_mut(side, "requiredDuringSchedulingIgnoredDuringExecution") {
            complete(term, &labels);
        }
    }
}

fn complete(term: &mut Value, labels: &Value) {
    if !term.has("labelSelector") {
        return;
    }
    let mut added = Vec::new();
    for (keys, operator) in [("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")] {
        for key in term.items(keys).iter().filter_map(Value::as_str) {
            if let Some(value) = labels.get(key) {
                added.push(json!({"key": key, "operator": operator, "values": [value]}));
            }
        }
    }
    if added.is_empty() {
        return;
    }
    let expressions = child_mut(child_mut(term, "labelSelector"), "matchExpressions");
    match expressions.as_array_mut() {
        Some(list) => list.extend(added),
        None => *expressions = Value::Array(added),
    }
}

fn list_mut<'a>(value: &'a mut Value, name: &str) -> impl Iterator<Item = &'a mut Value> {
    value
        .get_mut(name)
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
}
