//! A `HorizontalPodAutoscaler`'s row: what it measures against what it aims at.

use serde_json::Value;

use super::{View, count};
use crate::read::Read;

/// How many metrics are shown.
const MAX: usize = 2;

pub(super) fn cells(view: &View<'_>) -> Vec<Value> {
    let target = view.spec.field("scaleTargetRef");
    let min = view
        .spec
        .int("minReplicas")
        .map_or("<unset>".to_owned(), |min| min.to_string());
    vec![
        view.name(),
        format!("{}/{}", target.text("kind"), target.text("name")).into(),
        metrics(view).into(),
        min.into(),
        count(view.spec, "maxReplicas"),
        count(view.status, "currentReplicas"),
        view.age(),
    ]
}

fn metrics(view: &View<'_>) -> String {
    let metrics = view.spec.items("metrics");
    if metrics.is_empty() {
        return "<none>".to_owned();
    }
    let current = view.status.items("currentMetrics");
    let list: Vec<String> = metrics
        .iter()
        .enumerate()
        .map(|(i, metric)| one(metric, current.get(i).unwrap_or(&Value::Null)))
        .collect();
    if list.len() > MAX {
        format!("{} + {} more...", list[..MAX].join(", "), list.len() - MAX)
    } else {
        list.join(", ")
    }
}

fn one(metric: &Value, status: &Value) -> String {
    let (place, named) = match metric.text("type") {
        "External" => ("external", false),
        "Pods" => ("pods", false),
        "Object" => ("object", false),
        "Resource" => ("resource", true),
        "ContainerResource" => ("containerResource", true),
        _ => return "<unknown type>".to_owned(),
    };
    let source = metric.field(place);
    let (target, current) = (source.field("target"), status.field(place).field("current"));
    let average = target.has("averageValue");
    let (wanted, unit) = match (average, named) {
        (true, _) => ("averageValue", ""),
        (false, true) => ("averageUtilization", "%"),
        (false, false) => ("value", ""),
    };
    let now = plain(current.field(wanted)).map_or("<unknown>".to_owned(), |v| v + unit);
    let aim = match plain(target.field(wanted)) {
        Some(aim) => aim + unit,
        None if named => "<auto>".to_owned(),
        None => "0".to_owned(),
    };
    if named {
        format!("{}: {now}/{aim}", source.text("name"))
    } else if average && place != "pods" {
        format!("{now}/{aim} (avg)")
    } else {
        format!("{now}/{aim}")
    }
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}
