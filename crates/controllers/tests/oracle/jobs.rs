//! Jobs.

use serde_json::{Value, json};

use crate::world::{World, condition, run};

fn job(name: &str, outcome: Option<&str>, spec: &Value) -> Value {
    let mut job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {"template": {
        "metadata": {"labels": outcome.map_or(json!({}), |o| json!({ "outcome": o }))},
        "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "containers": [{"name": "c", "image": "a"}]}}}});
    for (key, value) in spec.as_object().unwrap() {
        job["spec"][key] = value.clone();
    }
    job
}

fn is(object: &Value, kind: &str) -> bool {
    condition(object, kind).is_some_and(|c| c["status"] == "True")
}

#[test]
fn jobs_end_as_their_pods_and_limits_say() {
    run(async |world: &World| {
        world.namespace("jobs").await;
        let jobs = world.api("batch/v1", "Job", "jobs", "jobs");
        let fine = json!({"completions": 5, "parallelism": 2});
        jobs.create(job("fine", Some("succeed"), &fine)).await;
        let indexed = json!({"completions": 3, "parallelism": 3, "completionMode": "Indexed"});
        jobs.create(job("indexed", Some("succeed"), &indexed)).await;
        jobs.create(job("broken", Some("1"), &json!({"backoffLimit": 0})))
            .await;
        let policy = json!({"backoffLimit": 9, "podFailurePolicy": {"rules": [
            {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}]}});
        jobs.create(job("policy", Some("42"), &policy)).await;
        let short = json!({"activeDeadlineSeconds": 1});
        jobs.create(job("late", None, &short)).await;

        let done = jobs.until("fine", |j| is(j, "Complete")).await;
        assert_eq!(done["status"]["succeeded"], 5);
        assert_eq!(done["status"]["uncountedTerminatedPods"], json!({}));
        assert!(is(&done, "SuccessCriteriaMet") && !done["status"]["completionTime"].is_null());
        let done = jobs.until("indexed", |j| is(j, "Complete")).await;
        assert_eq!(done["status"]["completedIndexes"], "0-2");
        for (name, reason) in [
            ("broken", "BackoffLimitExceeded"),
            ("policy", "PodFailurePolicy"),
            ("late", "DeadlineExceeded"),
        ] {
            let failed = jobs.until(name, |j| is(j, "Failed")).await;
            assert_eq!(condition(&failed, "Failed").unwrap()["reason"], reason);
            assert_eq!(
                condition(&failed, "FailureTarget").unwrap()["reason"],
                reason
            );
            assert_eq!(failed["status"]["failed"], 1, "{name}");
        }
        let pods = world.pods("jobs").list().await;
        assert!(pods.iter().all(|p| p["metadata"]["finalizers"].is_null()));
    });
}

#[test]
fn a_job_is_suspended_resumed_and_deleted_after_its_time() {
    run(async |world: &World| {
        world.namespace("suspend").await;
        let jobs = world.api("batch/v1", "Job", "jobs", "suspend");
        let pods = world.pods("suspend");
        jobs.create(job("j", None, &json!({"ttlSecondsAfterFinished": 1})))
            .await;
        jobs.until("j", |j| j["status"]["ready"] == 1).await;
        jobs.patch("j", json!({"spec": {"suspend": true}})).await;
        jobs.until("j", |j| {
            is(j, "Suspended") && j["status"]["active"].is_null()
        })
        .await;
        pods.until_all("no pods", <[Value]>::is_empty).await;
        jobs.patch("j", json!({"spec": {"suspend": false}})).await;
        let running = pods
            .until_all("a pod", |p| {
                p.len() == 1 && p[0]["status"]["phase"] == "Running"
            })
            .await;
        let name = running[0]["metadata"]["name"].as_str().unwrap();
        pods.patch(
            name,
            json!({"metadata": {"labels": {"outcome": "succeed"}}}),
        )
        .await;
        jobs.until_gone("j").await;
        pods.until_all("no pods", <[Value]>::is_empty).await;
    });
}

#[test]
fn a_pod_that_is_deleted_is_counted_once_and_replaced() {
    run(async |world: &World| {
        world.namespace("deleted").await;
        let jobs = world.api("batch/v1", "Job", "jobs", "deleted");
        let pods = world.pods("deleted");
        jobs.create(job("j", None, &json!({"backoffLimit": 3})))
            .await;
        let first = pods
            .until_all("a pod", |p| {
                p.len() == 1 && p[0]["status"]["phase"] == "Running"
            })
            .await;
        let name = first[0]["metadata"]["name"].as_str().unwrap();
        pods.0.delete(name, &Default::default()).await.unwrap();
        pods.until_gone(name).await;
        let counted = jobs.until("j", |j| j["status"]["failed"] == 1).await;
        assert_eq!(counted["status"]["uncountedTerminatedPods"], json!({}));
        // After the back-off of ten seconds.
        jobs.until("j", |j| {
            j["status"]["ready"] == 1 && j["status"]["failed"] == 1
        })
        .await;
    });
}
