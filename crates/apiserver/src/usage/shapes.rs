//! The forms of the group: from what a node says of itself to the objects of `metrics.k8s.io`.

use cedge_discovery::CustomResource;
use serde_json::{Value, json};

use super::{GROUP, VERSION};
use crate::meta;

/// What discovery tells of the group.
pub(crate) fn resources() -> [CustomResource; 2] {
    [
        ("NodeMetrics", "nodes", false),
        ("PodMetrics", "pods", true),
    ]
    .map(|(kind, plural, namespaced)| CustomResource {
        group: GROUP.into(),
        version: VERSION.into(),
        kind: kind.into(),
        plural: plural.into(),
        namespaced,
        schema: Some(schema(namespaced)),
        told_only: true,
        ..CustomResource::default()
    })
}

fn schema(pod: bool) -> Value {
    let usage = json!({
        "type": "object", "description": "Amounts by resource: cpu and memory.",
        "additionalProperties": {"type": "string"},
    });
    let mut properties = json!({
        "apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"},
        "timestamp": {"type": "string", "format": "date-time", "description": "The end of what was measured."},
        "window": {"type": "string", "description": "How long it was measured."},
    });
    if pod {
        properties["containers"] = json!({"type": "array", "description": "What each container uses.",
            "items": {"type": "object", "properties": {"name": {"type": "string"}, "usage": usage}}});
    } else {
        properties["usage"] = usage;
    }
    json!({"type": "object", "description": "What is used, measured when asked for.", "properties": properties})
}

pub(super) fn node(object: &Value, said: &Value) -> Option<Value> {
    let about = &said["node"];
    let mut metrics = head("NodeMetrics", object, about)?;
    metrics["usage"] = usage(about)?;
    Some(metrics)
}

pub(super) fn pod(object: &Value, said: &Value) -> Option<Value> {
    let pods = said["pods"].as_array()?;
    let about = pods
        .iter()
        .find(|p| p["podRef"]["uid"] == meta::uid(object))?;
    let mut metrics = head("PodMetrics", object, about)?;
    let containers = about["containers"].as_array()?.iter();
    let containers = containers.map(|c| Some(json!({"name": c["name"], "usage": usage(c)?})));
    let containers: Vec<Value> = containers.collect::<Option<_>>()?;
    if containers.is_empty() {
        return None;
    }
    metrics["containers"] = json!(containers);
    Some(metrics)
}

fn head(kind: &str, object: &Value, about: &Value) -> Option<Value> {
    let time = about["cpu"]["time"].as_str()?;
    let mut metadata = json!({"name": meta::name(object), "creationTimestamp": time});
    for field in ["namespace", "labels"] {
        if let Some(value) = object["metadata"].get(field) {
            metadata[field] = value.clone();
        }
    }
    let millis = about["cpu"]["windowMilliseconds"].as_u64().unwrap_or(0);
    Some(json!({
        "kind": kind, "apiVersion": format!("{GROUP}/{VERSION}"), "metadata": metadata,
        "timestamp": time, "window": span(millis),
    }))
}

/// A span as Go writes it.
fn span(millis: u64) -> String {
    match (millis / 1000, millis % 1000) {
        (0, rest) => format!("{rest}ms"),
        (seconds, 0) => format!("{seconds}s"),
        (seconds, rest) => {
            let rest = format!("{rest:03}");
            format!("{seconds}.{}s", rest.trim_end_matches('0'))
        }
    }
}

fn usage(about: &Value) -> Option<Value> {
    let cpu = about["cpu"]["usageNanoCores"].as_u64()?;
    let memory = about["memory"]["workingSetBytes"].as_u64()?;
    let cpu = if cpu == 0 {
        "0".to_owned()
    } else {
        format!("{cpu}n")
    };
    Some(json!({"cpu": cpu, "memory": format!("{}Ki", memory / 1024)}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_node_says_becomes_metrics() {
        let stats = |n: u64| {
            json!({"cpu": {"time": "2026-11-23T08:00:00Z", "usageNanoCores": n, "windowMilliseconds": 1500},
                "memory": {"workingSetBytes": 4_194_304}})
        };
        let mut container = stats(250_000_000);
        container["name"] = json!("c");
        let mut said = json!({"node": stats(3), "pods": [stats(250_000_000)]});
        said["pods"][0]["podRef"] = json!({"uid": "u"});
        said["pods"][0]["containers"] = json!([container]);
        let object =
            json!({"metadata": {"name": "p", "namespace": "a", "uid": "u", "labels": {"x": "y"}}});
        let metrics = pod(&object, &said).unwrap();
        assert_eq!(
            metrics["containers"][0]["usage"],
            json!({"cpu": "250000000n", "memory": "4096Ki"})
        );
        assert_eq!(metrics["window"], "1.5s");
        assert_eq!(metrics["metadata"]["labels"], json!({"x": "y"}));
        let other = json!({"metadata": {"name": "q", "uid": "v"}});
        assert_eq!(pod(&other, &said), None);
        assert_eq!(node(&other, &said).unwrap()["usage"]["cpu"], "3n");
    }
}
