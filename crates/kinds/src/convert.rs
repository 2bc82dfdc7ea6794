//! The same object in another version or group: Events and `HorizontalPodAutoscaler`s have two doors each.

use serde_json::{Value, json};

use crate::read::{Read, child_mut, object_mut, put};
use crate::registry::Kind;

/// Core field and `events.k8s.io` field of the same content.
const EVENT_FIELDS: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("source", "deprecatedSource"),
    ("message", "note"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

/// Annotations in which `autoscaling/v1` keeps what it has no fields for.
const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const CURRENT_METRICS: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";

/// Rewrites an object of kind `from` as `to`, another version of the same kind; sets its `apiVersion`.
pub fn convert(from: &Kind, to: &Kind, object: &mut Value) {
    if from == to {
        return;
    }
    match (from.group, from.version, to.group, to.version) {
        ("events.k8s.io", _, "", _) => rename(object, EVENT_FIELDS.map(|(core, new)| (new, core))),
        ("", _, "events.k8s.io", _) => {
            rename(object, EVENT_FIELDS);
            // There, nothing is said where there is nothing to say.
            for name in ["reportingController", "reportingInstance"] {
                if object.text(name).is_empty() {
                    put(object, name, None);
                }
            }
        }
        ("autoscaling", "v1", "autoscaling", "v2") => hpa_to_v2(object),
        ("autoscaling", "v2", "autoscaling", "v1") => hpa_to_v1(object),
        _ => {}
    }
    put(object, "apiVersion", Some(to.api_version().into()));
}

fn rename(object: &mut Value, names: [(&str, &str); 7]) {
    let Some(map) = object.as_object_mut() else {
        return;
    };
    for (old, new) in names {
        if let Some(value) = map.remove(old) {
            map.insert(new.to_owned(), value);
        }
    }
}

fn hpa_to_v2(object: &mut Value) {
    let mut metrics = take_annotation(object, METRICS)
        .map(|list| map_list(&list, metric_to_v2))
        .unwrap_or_default();
    let spec = child_mut(object, "spec");
    let cpu = spec.int("targetCPUUtilizationPercentage");
    put(spec, "targetCPUUtilizationPercentage", None);
    if let Some(cpu) = cpu {
        metrics.insert(0, cpu_metric("target", "averageUtilization", cpu));
    }
    if !metrics.is_empty() {
        put(spec, "metrics", Some(metrics.into()));
    }
    if let Some(behavior) = take_annotation(object, BEHAVIOR) {
        put(
            child_mut(object, "spec"),
            "behavior",
            Some(rekey(behavior, capital_to_camel)),
        );
    }
    let mut current = take_annotation(object, CURRENT_METRICS)
        .map(|list| map_list(&list, metric_to_v2))
        .unwrap_or_default();
    let conditions = take_annotation(object, CONDITIONS);
    let status = child_mut(object, "status");
    let cpu = status.int("currentCPUUtilizationPercentage");
    put(status, "currentCPUUtilizationPercentage", None);
    if let Some(cpu) = cpu {
        current.insert(0, cpu_metric("current", "averageUtilization", cpu));
    }
    let current = if current.is_empty() {
        Value::Null
    } else {
        current.into()
    };
    put(status, "currentMetrics", Some(current));
    if conditions.is_some() {
        put(status, "conditions", conditions);
    }
}

fn hpa_to_v1(object: &mut Value) {
    let spec = child_mut(object, "spec");
    let (cpu, metrics) = split_cpu(spec.items("metrics"), "target");
    let behavior = spec.get("behavior").cloned();
    put(spec, "metrics", None);
    put(spec, "behavior", None);
    put(spec, "targetCPUUtilizationPercentage", cpu);
    let status = child_mut(object, "status");
    let (cpu, current) = split_cpu(status.items("currentMetrics"), "current");
    let conditions = status.get("conditions").filter(|c| !c.is_null()).cloned();
    put(status, "currentMetrics", None);
    put(status, "conditions", None);
    put(status, "currentCPUUtilizationPercentage", cpu);
    for counter in ["currentReplicas", "desiredReplicas"] {
        object_mut(status).entry(counter).or_insert(0.into());
    }
    set_annotation(object, METRICS, list_or_nothing(metrics));
    set_annotation(object, CURRENT_METRICS, list_or_nothing(current));
    set_annotation(object, CONDITIONS, conditions);
    set_annotation(
        object,
        BEHAVIOR,
        behavior.map(|b| rekey(b, camel_to_capital)),
    );
}

fn cpu_metric(side: &str, field: &str, percent: i64) -> Value {
    let mut amount = json!({field: percent});
    if side == "target" {
        amount["type"] = "Utilization".into();
    }
    json!({"type": "Resource", "resource": {"name": "cpu", side: amount}})
}

/// The first metric that is plainly "CPU in percent" has a field in v1; the rest goes to an annotation.
fn split_cpu(metrics: &[Value], side: &str) -> (Option<Value>, Vec<Value>) {
    let mut cpu = None;
    let mut rest = Vec::new();
    for metric in metrics {
        let percent = metric
            .field("resource")
            .field(side)
            .get("averageUtilization");
        let is_cpu = metric.text("type") == "Resource" && metric["resource"].text("name") == "cpu";
        match percent {
            Some(percent) if is_cpu && cpu.is_none() && !percent.is_null() => {
                cpu = Some(percent.clone());
            }
            _ => rest.push(metric_to_v1(metric)),
        }
    }
    (cpu, rest)
}

/// Names of a metric's amount in v2 (side, field) and in v1, per type of metric.
const AMOUNTS: [(&str, &str, &str, &str, &str); 12] = [
    (
        "Resource",
        "target",
        "averageUtilization",
        "resource",
        "targetAverageUtilization",
    ),
    (
        "Resource",
        "target",
        "averageValue",
        "resource",
        "targetAverageValue",
    ),
    (
        "Resource",
        "current",
        "averageUtilization",
        "resource",
        "currentAverageUtilization",
    ),
    (
        "Resource",
        "current",
        "averageValue",
        "resource",
        "currentAverageValue",
    ),
    (
        "Pods",
        "target",
        "averageValue",
        "pods",
        "targetAverageValue",
    ),
    (
        "Pods",
        "current",
        "averageValue",
        "pods",
        "currentAverageValue",
    ),
    ("Object", "target", "value", "object", "targetValue"),
    ("Object", "current", "value", "object", "currentValue"),
    ("External", "target", "value", "external", "targetValue"),
    (
        "External",
        "target",
        "averageValue",
        "external",
        "targetAverageValue",
    ),
    ("External", "current", "value", "external", "currentValue"),
    (
        "External",
        "current",
        "averageValue",
        "external",
        "currentAverageValue",
    ),
];

fn metric_to_v1(metric: &Value) -> Value {
    let kind = metric.text("type");
    let Some((_, _, _, place, _)) = AMOUNTS.iter().find(|a| a.0 == kind) else {
        return metric.clone();
    };
    let source = metric.field(place);
    let mut out = json!({});
    put(&mut out, "name", source.get("name").cloned());
    let named = source.field("metric");
    put(&mut out, "metricName", named.get("name").cloned());
    let selector = if kind == "External" {
        "metricSelector"
    } else {
        "selector"
    };
    put(&mut out, selector, named.get("selector").cloned());
    put(&mut out, "target", source.get("describedObject").cloned());
    for (_, side, field, _, old) in AMOUNTS.iter().filter(|a| a.0 == kind) {
        if let Some(amount) = source.field(side).get(*field) {
            put(&mut out, old, Some(amount.clone()));
        }
    }
    json!({"type": kind, *place: out})
}

fn metric_to_v2(metric: &Value) -> Value {
    let kind = metric.text("type");
    let Some((_, _, _, place, _)) = AMOUNTS.iter().find(|a| a.0 == kind) else {
        return metric.clone();
    };
    let source = metric.field(place);
    let mut out = json!({});
    put(&mut out, "name", source.get("name").cloned());
    put(&mut out, "describedObject", source.get("target").cloned());
    if let Some(name) = source.get("metricName") {
        let mut named = json!({"name": name});
        let selector = source
            .get("metricSelector")
            .or_else(|| source.get("selector"));
        put(&mut named, "selector", selector.cloned());
        put(&mut out, "metric", Some(named));
    }
    for (_, side, field, _, old) in AMOUNTS.iter().filter(|a| a.0 == kind) {
        let Some(amount) = source.get(*old) else {
            continue;
        };
        let place = child_mut(&mut out, side);
        put(place, field, Some(amount.clone()));
        if *side == "target" {
            let shape = match *field {
                "averageUtilization" => "Utilization",
                "averageValue" => "AverageValue",
                _ => "Value",
            };
            put(place, "type", Some(shape.into()));
        }
    }
    json!({"type": kind, *place: out})
}

fn map_list(list: &Value, f: fn(&Value) -> Value) -> Vec<Value> {
    list.as_array().into_iter().flatten().map(f).collect()
}

fn list_or_nothing(list: Vec<Value>) -> Option<Value> {
    if list.is_empty() {
        None
    } else {
        Some(list.into())
    }
}

/// Behavior is kept in an annotation with the field names that Go gives it: `ScaleUp`.
fn rekey(value: Value, f: fn(&str) -> String) -> Value {
    match value {
        Value::Object(map) => {
            Value::Object(map.into_iter().map(|(k, v)| (f(&k), rekey(v, f))).collect())
        }
        Value::Array(items) => items.into_iter().map(|v| rekey(v, f)).collect(),
        other => other,
    }
}

fn camel_to_capital(name: &str) -> String {
    change_first(name, char::to_ascii_uppercase)
}

fn capital_to_camel(name: &str) -> String {
    change_first(name, char::to_ascii_lowercase)
}

fn change_first(name: &str, f: fn(&char) -> char) -> String {
    let mut chars = name.chars();
    let first = chars.next();
    first.map(|c| f(&c)).into_iter().chain(chars).collect()
}

fn take_annotation(object: &mut Value, name: &str) -> Option<Value> {
    let annotations = object.get_mut("metadata")?.get_mut("annotations")?;
    let text = annotations.as_object_mut()?.remove(name)?;
    if annotations
        .as_object()
        .is_some_and(serde_json::Map::is_empty)
    {
        put(&mut object["metadata"], "annotations", None);
    }
    serde_json::from_str(text.as_str()?).ok()
}

fn set_annotation(object: &mut Value, name: &str, value: Option<Value>) {
    let Some(value) = value else { return };
    let annotations = child_mut(child_mut(object, "metadata"), "annotations");
    put(annotations, name, Some(value.to_string().into()));
}

#[cfg(test)]
mod tests {
    use super::convert;
    use crate::registry::of;
    use serde_json::json;

    #[test]
    fn an_event_reads_the_same_through_both_doors() {
        let (core, new) = (
            of("", "v1", "Event").unwrap(),
            of("events.k8s.io", "v1", "Event").unwrap(),
        );
        let original = json!({
            "apiVersion": "v1", "kind": "Event", "reason": "Started", "message": "m", "count": 2,
            "involvedObject": {"kind": "Pod"}, "source": {"component": "c"}, "reportingComponent": "r",
        });
        let mut event = original.clone();
        convert(core, new, &mut event);
        assert_eq!(event["apiVersion"], "events.k8s.io/v1");
        assert_eq!(event["note"], "m");
        assert_eq!(event["reportingController"], "r");
        convert(new, core, &mut event);
        assert_eq!(event, original);
    }

    #[test]
    fn an_autoscaler_survives_the_way_to_v1_and_back() {
        let (v1, v2) = (
            of("autoscaling", "v1", "HorizontalPodAutoscaler").unwrap(),
            of("autoscaling", "v2", "HorizontalPodAutoscaler").unwrap(),
        );
        let original = json!({
            "apiVersion": "autoscaling/v2",
            "metadata": {"name": "a"},
            "spec": {"metrics": [
                {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}},
                {"type": "Pods", "pods": {"metric": {"name": "q"}, "target": {"type": "AverageValue", "averageValue": "5"}}},
            ]},
            "status": {"currentMetrics": null, "currentReplicas": 0, "desiredReplicas": 1},
        });
        let mut hpa = original.clone();
        convert(v2, v1, &mut hpa);
        assert_eq!(hpa["spec"]["targetCPUUtilizationPercentage"], 60);
        assert!(hpa["spec"].get("metrics").is_none());
        convert(v1, v2, &mut hpa);
        assert_eq!(hpa, original);
    }
}
