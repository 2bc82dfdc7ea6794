//! Gates, and pods that are for other schedulers.

use cedge_testkit::condition;
use serde_json::json;

use crate::world::{World, run};

#[test]
fn a_gate_holds_a_pod_until_it_is_lifted() {
    run(async |world: &'static World| {
        let place = world.place("gates").await;
        place.node("n", json!({})).await;
        let gate = json!({ "schedulingGates": [{ "name": "acme.io/wait" }] });
        let gated = place.create("gated", gate).await;
        let why = condition(&gated, "PodScheduled").unwrap();
        assert_eq!(why["status"], "False");
        assert_eq!(why["reason"], "SchedulingGated");
        place.create("free", json!({})).await;
        assert_eq!(place.node_of("free").await, "n");
        let held = place.pods.get("gated").await;
        assert!(held["spec"]["nodeName"].is_null());
        let lifted = json!({ "spec": { "schedulingGates": null } });
        place.pods.patch("gated", lifted).await;
        assert_eq!(place.node_of("gated").await, "n");
        let bound = place.pods.get("gated").await;
        let scheduled = condition(&bound, "PodScheduled").unwrap();
        assert_eq!(scheduled["status"], "True");
    });
}

#[test]
fn a_pod_for_another_scheduler_is_left_alone() {
    run(async |world: &'static World| {
        let place = world.place("others").await;
        place.node("n", json!({})).await;
        place
            .create("theirs", json!({ "schedulerName": "acme" }))
            .await;
        place.create("ours", json!({})).await;
        place.node_of("ours").await;
        let theirs = place.pods.get("theirs").await;
        assert!(theirs["spec"]["nodeName"].is_null());
        assert!(condition(&theirs, "PodScheduled").is_none());
    });
}
