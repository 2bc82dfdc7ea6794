//! Autoscalers, where nothing measures: bounds hold, and the object says why it does no more.

use serde_json::{Value, json};

use crate::world::{World, condition, run};

#[test]
fn an_autoscaler_keeps_to_its_bounds_and_says_what_it_lacks() {
    run(async |world: &World| {
        world.namespace("scaling").await;
        let deployments = world.api("apps/v1", "Deployment", "deployments", "scaling");
        let template = json!({"metadata": {"labels": {"app": "s"}}, "spec": {"containers": [{"name": "c", "image": "a", "resources": {"requests": {"cpu": "100m"}}}]}});
        deployments.create(json!({"metadata": {"name": "s"}, "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "s"}}, "template": template}})).await;
        let scalers = world.api(
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            "horizontalpodautoscalers",
            "scaling",
        );
        let scaler = |name: &str, target: &str| {
            json!({"metadata": {"name": name}, "spec": {"minReplicas": 2, "maxReplicas": 4,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target},
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}]}})
        };
        scalers.create(scaler("s", "s")).await;
        deployments.until("s", |d| d["spec"]["replicas"] == 2).await;
        let is = |kind: &'static str, reason: &'static str| {
            move |h: &Value| condition(h, kind).is_some_and(|c| c["reason"] == reason)
        };
        let scaled = scalers
            .until("s", is("AbleToScale", "SucceededRescale"))
            .await;
        assert_eq!(scaled["status"]["desiredReplicas"], 2);
        let blind = scalers
            .until("s", is("ScalingActive", "FailedGetResourceMetric"))
            .await;
        let message = condition(&blind, "ScalingActive").unwrap()["message"]
            .as_str()
            .unwrap()
            .to_owned();
        // A real API server knows no metrics without an extension server; ours does, and has seen no pod run here.
        let cause = message
            .strip_prefix(
                "the HPA was unable to compute the replica count: failed to get cpu utilization: unable to get metrics \
                for resource cpu: ",
            )
            .unwrap_or_else(|| panic!("{message}"));
        assert!(
            cause.starts_with("unable to fetch metrics from resource metrics API: ")
                || cause == "no metrics returned from resource metrics API",
            "{cause}"
        );
        scalers.create(scaler("nothing", "none")).await;
        let lost = scalers
            .until("nothing", is("AbleToScale", "FailedGetScale"))
            .await;
        assert_eq!(
            condition(&lost, "AbleToScale").unwrap()["message"],
            "the HPA controller was unable to get the target's current scale: deployments.apps \"none\" not found"
        );
    });
}
