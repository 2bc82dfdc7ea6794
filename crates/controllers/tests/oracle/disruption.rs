//! Disruption budgets: what the API server may evict.

use serde_json::{Value, json};

use crate::world::{World, condition, run};

async fn evict(world: &World, pod: &str) -> Result<(), kube::Error> {
    let path = format!("/api/v1/namespaces/disruption/pods/{pod}/eviction");
    let body = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}});
    let request = http::Request::post(path)
        .header("content-type", "application/json")
        .body(body.to_string().into_bytes())
        .unwrap();
    world.client.request_text(request).await.map(|_| ())
}

#[test]
fn an_eviction_is_allowed_again_once_another_pod_is_ready() {
    run(async |world: &World| {
        world.namespace("disruption").await;
        let deployments = world.api("apps/v1", "Deployment", "deployments", "disruption");
        let template = json!({"metadata": {"labels": {"app": "d"}}, "spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "c", "image": "a"}]}});
        deployments.create(json!({"metadata": {"name": "d"}, "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "d"}}, "template": template}})).await;
        let budgets = world.api(
            "policy/v1",
            "PodDisruptionBudget",
            "poddisruptionbudgets",
            "disruption",
        );
        budgets.create(json!({"metadata": {"name": "b"}, "spec": {"maxUnavailable": "30%", "selector": {"matchLabels": {"app": "d"}}}})).await;
        let allows = |n: i64| {
            move |b: &Value| {
                let s = &b["status"];
                s["disruptionsAllowed"] == n
                    && s["observedGeneration"] == b["metadata"]["generation"]
                    && s["expectedPods"] == 3
            }
        };
        let ready = budgets.until("b", allows(1)).await;
        assert_eq!(ready["status"]["desiredHealthy"], 2);
        let told = condition(&ready, "DisruptionAllowed").unwrap();
        assert_eq!(
            (&told["status"], &told["reason"]),
            (&json!("True"), &json!("SufficientPods"))
        );

        let pods = world.pods("disruption");
        let first = pods.list().await[0]["metadata"]["name"]
            .as_str()
            .unwrap()
            .to_owned();
        evict(world, &first).await.unwrap();
        pods.until_gone(&first).await;
        budgets
            .until("b", |b| {
                allows(1)(b) && b["status"]["disruptedPods"].is_null()
            })
            .await;

        // What owns these pods has no scale, so shares of it cannot be told; the budget allows nothing.
        let maps = world.api("v1", "ConfigMap", "configmaps", "disruption");
        let owner = maps.create(json!({"metadata": {"name": "owner"}})).await;
        let owner = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"], "controller": true}]);
        pods.create(
            json!({"metadata": {"name": "odd", "labels": {"app": "j"}, "ownerReferences": owner},
            "spec": {"containers": [{"name": "c", "image": "a"}]}}),
        )
        .await;
        budgets.create(json!({"metadata": {"name": "j"}, "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "j"}}}})).await;
        let failed = budgets
            .until("j", |b| {
                condition(b, "DisruptionAllowed").is_some_and(|c| c["reason"] == "SyncFailed")
            })
            .await;
        assert_eq!(
            condition(&failed, "DisruptionAllowed").unwrap()["message"],
            "configmaps does not implement the scale subresource"
        );
    });
}
