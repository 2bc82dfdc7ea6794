//! Autoscalers on metrics that a server of the user's own brings: of pods, of an object, of something outside.

use std::sync::Arc;

use cedge_tasks::clock;
use cedge_testkit::{Asked, Outside};
use http::StatusCode;
use serde_json::{Value, json};

use crate::world::{Objects, World, condition, run};

const CUSTOM: &str = "/apis/custom.metrics.k8s.io/v1beta2";
const EXTERNAL: &str = "/apis/external.metrics.k8s.io/v1beta1";

/// What an adapter of a monitoring system answers: 20 in each pod's queue, 90 hits of a Service, a depth of 15 and 25.
fn answer(pods: &[String], asked: &Asked) -> (StatusCode, Value) {
    // Go writes the star of all pods as an escape.
    let path = asked.target.split('?').next().unwrap_or_default();
    let path = path.replace("%2A", "*");
    let values = |items: Vec<Value>| json!({"kind": "MetricValueList", "apiVersion": "custom.metrics.k8s.io/v1beta2", "items": items});
    let of = |kind: &str, name: &str, metric: &str, value: &str| {
        json!({"describedObject": {"kind": kind, "namespace": "measured", "name": name, "apiVersion": "/v1"},
            "metric": {"name": metric}, "timestamp": clock::now_rfc3339(), "windowSeconds": 60, "value": value})
    };
    let found = if path == CUSTOM || path == EXTERNAL {
        let version = path.trim_start_matches("/apis/");
        let kinds = ["pods/queue", "services/hits", "depth"].map(|name| {
            json!({"name": name, "singularName": "", "namespaced": true, "kind": "MetricValueList", "verbs": ["get"]})
        });
        json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": kinds})
    } else if path == format!("{CUSTOM}/namespaces/measured/pods/*/queue") {
        values(
            pods.iter()
                .map(|pod| of("Pod", pod, "queue", "20"))
                .collect(),
        )
    } else if path == format!("{CUSTOM}/namespaces/measured/services/adapter/hits") {
        values(vec![of("Service", "adapter", "hits", "90")])
    } else if path == format!("{EXTERNAL}/namespaces/measured/depth") {
        let items = ["15", "25"].map(|value| {
            json!({"metricName": "depth", "metricLabels": {}, "timestamp": clock::now_rfc3339(), "value": value})
        });
        json!({"kind": "ExternalMetricValueList", "apiVersion": "external.metrics.k8s.io/v1beta1", "items": items})
    } else {
        return (StatusCode::NOT_FOUND, json!({}));
    };
    (StatusCode::OK, found)
}

/// Puts the adapter behind the API server, as its chart would.
async fn register(world: &World, adapter: &Outside) {
    let services = world.api("v1", "Service", "services", "measured");
    let outside = json!({"type": "ExternalName", "externalName": "localhost"});
    services
        .create(json!({"metadata": {"name": "adapter"}, "spec": outside}))
        .await;
    let kinds = world.api("apiregistration.k8s.io/v1", "APIService", "apiservices", "");
    for (group, version) in [
        ("custom.metrics.k8s.io", "v1beta2"),
        ("external.metrics.k8s.io", "v1beta1"),
    ] {
        let name = format!("{version}.{group}");
        let service =
            json!({"name": "adapter", "namespace": "measured", "port": adapter.address.port()});
        kinds
            .create(json!({"metadata": {"name": name}, "spec": {"group": group, "version": version,
                "groupPriorityMinimum": 100, "versionPriority": 100, "caBundle": adapter.bundle, "service": service}}))
            .await;
        kinds
            .until(&name, |k| {
                condition(k, "Available").is_some_and(|c| c["status"] == "True")
            })
            .await;
    }
}

/// A Deployment of one pod, and its autoscaler.
async fn scaled(world: &World, scalers: &Objects, name: &str, metric: Value) {
    let deployments = world.api("apps/v1", "Deployment", "deployments", "measured");
    let template = json!({"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": "a"}]}});
    deployments
        .create(json!({"metadata": {"name": name}, "spec": {"selector": {"matchLabels": {"app": name}}, "template": template}}))
        .await;
    deployments
        .until(name, |d| d["status"]["readyReplicas"] == 1)
        .await;
    scalers
        .create(
            json!({"metadata": {"name": name}, "spec": {"maxReplicas": 5, "metrics": [metric],
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}}}),
        )
        .await;
}

/// Waits until an autoscaler wants so many, for what it was told, and still does when it has them.
async fn wants(scalers: &Objects, name: &str, replicas: i64, current: Value) {
    let current = json!([current]);
    let seen = scalers
        .until(name, |h| {
            let status = &h["status"];
            status["desiredReplicas"] == replicas
                && status["currentReplicas"] == replicas
                && status["currentMetrics"] == current
        })
        .await;
    let active = condition(&seen, "ScalingActive").unwrap();
    assert_eq!(
        (&active["status"], &active["reason"]),
        (&json!("True"), &json!("ValidMetricFound"))
    );
}

#[test]
fn an_autoscaler_follows_the_metrics_that_an_adapter_serves() {
    run(async |world: &World| {
        world.namespace("measured").await;
        let pods = world.pods("measured");
        let scalers = world.api(
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            "horizontalpodautoscalers",
            "measured",
        );
        let queues: Arc<std::sync::Mutex<Vec<String>>> = Arc::default();
        let known = queues.clone();
        let adapter = Outside::start(&["adapter.measured.svc"], move |asked| {
            answer(&known.lock().unwrap(), asked)
        })
        .await;
        register(world, &adapter).await;

        let metric = json!({"type": "External", "external": {"metric": {"name": "depth", "selector": {"matchLabels": {"of": "x"}}},
            "target": {"type": "AverageValue", "averageValue": "10"}}});
        scaled(world, &scalers, "outside", metric).await;
        let service = json!({"apiVersion": "v1", "kind": "Service", "name": "adapter"});
        let metric = json!({"type": "Object", "object": {"describedObject": service, "metric": {"name": "hits"},
            "target": {"type": "AverageValue", "averageValue": "30"}}});
        scaled(world, &scalers, "object", metric).await;
        let metric = json!({"type": "Pods", "pods": {"metric": {"name": "queue"},
            "target": {"type": "AverageValue", "averageValue": "10"}}});
        scaled(world, &scalers, "pods", metric).await;
        let of_pods = pods.list().await.into_iter();
        *queues.lock().unwrap() = of_pods
            .filter(|p| p["metadata"]["labels"]["app"] == "pods")
            .map(|p| p["metadata"]["name"].as_str().unwrap().to_owned())
            .collect();

        wants(&scalers, "outside", 4, json!({"type": "External", "external": {
            "metric": {"name": "depth", "selector": {"matchLabels": {"of": "x"}}}, "current": {"averageValue": "10"}}})).await;
        wants(
            &scalers,
            "object",
            3,
            json!({"type": "Object", "object": {"describedObject": service,
            "metric": {"name": "hits"}, "current": {"averageValue": "30"}}}),
        )
        .await;
        // The second pod measures nothing yet: what is missing holds the count where it is.
        wants(&scalers, "pods", 2, json!({"type": "Pods", "pods": {"metric": {"name": "queue"}, "current": {"averageValue": "20"}}})).await;
        let asked = adapter.asked();
        let told = |path: &str, query: &str| {
            asked
                .iter()
                .any(|a| a.target.starts_with(path) && a.target.contains(query))
        };
        assert!(told(EXTERNAL, "labelSelector=of%3Dx"));
        assert!(told(CUSTOM, "labelSelector=app%3Dpods"));
    });
}
