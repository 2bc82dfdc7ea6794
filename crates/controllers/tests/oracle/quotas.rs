//! Quotas: what is used is counted, and falls when something goes.

use serde_json::json;

use crate::world::{World, run};

#[test]
fn a_quota_counts_what_is_there_and_forgets_what_goes() {
    run(async |world: &World| {
        world.namespace("quotas").await;
        let secrets = world.api("v1", "Secret", "secrets", "quotas");
        secrets
            .create(json!({"metadata": {"name": "before"}}))
            .await;
        let quotas = world.api("v1", "ResourceQuota", "resourcequotas", "quotas");
        let hard = json!({"pods": "2", "requests.cpu": "1", "secrets": "5", "count/configmaps": "9",
            "count/deployments.apps": "1", "services.nodeports": "1"});
        quotas
            .create(json!({"metadata": {"name": "q"}, "spec": {"hard": hard}}))
            .await;
        let counted = quotas.until("q", |q| q["status"]["hard"] == hard).await;
        assert_eq!(
            counted["status"]["used"],
            json!({"pods": "0", "requests.cpu": "0", "secrets": "1", "count/configmaps": "1",
                "count/deployments.apps": "0", "services.nodeports": "0"})
        );
        let pods = world.pods("quotas");
        let pod = |name: &str| {
            json!({"metadata": {"name": name}, "spec": {"terminationGracePeriodSeconds": 0, "containers": [
                {"name": "c", "image": "a", "resources": {"requests": {"cpu": "300m"}}}]}})
        };
        pods.create(pod("a")).await;
        pods.create(pod("b")).await;
        let used = |n: &'static str, cpu: &'static str| {
            move |q: &serde_json::Value| {
                q["status"]["used"]["pods"] == n && q["status"]["used"]["requests.cpu"] == cpu
            }
        };
        quotas.until("q", used("2", "600m")).await;
        pods.0.delete("a", &Default::default()).await.unwrap();
        secrets
            .0
            .delete("before", &Default::default())
            .await
            .unwrap();
        quotas.until("q", used("1", "300m")).await;
        quotas
            .until("q", |q| q["status"]["used"]["secrets"] == "0")
            .await;
        quotas
            .patch(
                "q",
                json!({"spec": {"hard": {"secrets": null, "pods": "3"}}}),
            )
            .await;
        let changed = quotas
            .until("q", |q| q["status"]["hard"]["pods"] == "3")
            .await;
        assert!(
            changed["status"]["used"]["secrets"].is_null(),
            "{changed:#}"
        );
    });
}
