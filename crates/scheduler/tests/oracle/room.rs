//! Room, ports, taints, labels: what a node has and says.

use serde_json::json;

use crate::world::{World, asking, run};

#[test]
fn a_pod_waits_for_room_and_says_so() {
    run(async |world: &'static World| {
        let place = world.place("room").await;
        place.node("small", json!({})).await;
        place.create("first", asking("1500m")).await;
        assert_eq!(place.node_of("first").await, "small");
        place.create("second", asking("1")).await;
        assert_eq!(
            place.why("second", "Insufficient").await,
            "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: \
             1 No preemption victims found for incoming pod."
        );
        place.create("giant", asking("3")).await;
        assert_eq!(
            place.why("giant", "Insufficient").await,
            "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: \
             1 Preemption is not helpful for scheduling."
        );
        place.pods.delete("first").await;
        assert_eq!(place.node_of("second").await, "small");
        let large = json!({ "status": {
            "capacity": { "cpu": "8" }, "allocatable": { "cpu": "8" },
        } });
        place.node("large", large).await;
        assert_eq!(place.node_of("giant").await, "large");
    });
}

#[test]
fn extended_resources_and_overhead_count() {
    run(async |world: &'static World| {
        let place = world.place("devices").await;
        let camera = json!({ "status": {
            "capacity": { "acme.io/camera": "1" }, "allocatable": { "acme.io/camera": "1" },
        } });
        place.node("plain", json!({})).await;
        place.node("camera", camera).await;
        let wants = json!({ "containers": [{ "name": "c", "image": "x",
            "resources": { "limits": { "acme.io/camera": "1" } } }] });
        place.create("first", wants.clone()).await;
        assert_eq!(place.node_of("first").await, "camera");
        place.create("second", wants).await;
        assert_eq!(
            place.why("second", "Insufficient").await,
            "0/2 nodes are available: 2 Insufficient acme.io/camera. preemption: 0/2 nodes are available: \
             1 No preemption victims found for incoming pod, 1 Preemption is not helpful for scheduling."
        );
        place
            .everywhere("node.k8s.io/v1", "RuntimeClass", "runtimeclasses")
            .create(
                json!({ "metadata": { "name": "devices-heavy" }, "handler": "heavy",
                "overhead": { "podFixed": { "cpu": "1500m" } } }),
            )
            .await;
        let mut heavy = asking("1");
        heavy["runtimeClassName"] = "devices-heavy".into();
        let heavy = place.create("heavy", heavy).await;
        assert_eq!(heavy["spec"]["overhead"]["cpu"], "1500m");
        assert_eq!(
            place.why("heavy", "Insufficient").await,
            "0/2 nodes are available: 2 Insufficient cpu. preemption: 0/2 nodes are available: \
             2 Preemption is not helpful for scheduling."
        );
    });
}

#[test]
fn a_port_of_a_node_is_given_once() {
    run(async |world: &'static World| {
        let place = world.place("ports").await;
        place.node("n", json!({})).await;
        let wants = |port: i32, protocol: &str| {
            json!({ "containers": [{ "name": "c", "image": "x", "ports": [
                { "containerPort": 80, "hostPort": port, "protocol": protocol },
            ] }] })
        };
        place.create("first", wants(8080, "TCP")).await;
        place.node_of("first").await;
        place.create("second", wants(8080, "TCP")).await;
        place.create("udp", wants(8080, "UDP")).await;
        place.create("other", wants(8081, "TCP")).await;
        place.node_of("udp").await;
        place.node_of("other").await;
        assert_eq!(
            place.why("second", "ports").await,
            "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports. \
             preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."
        );
        place.pods.delete("first").await;
        place.node_of("second").await;
    });
}

#[test]
fn taints_cordons_and_affinity_to_nodes_are_kept() {
    run(async |world: &'static World| {
        let place = world.place("taints").await;
        let taint = json!([{ "key": "line", "value": "a", "effect": "NoSchedule" }]);
        place
            .node("tainted", json!({ "spec": { "taints": taint } }))
            .await;
        place
            .node("cordoned", json!({ "spec": { "unschedulable": true } }))
            .await;
        let mut picky = json!({});
        picky["affinity"] = json!({ "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{ "matchExpressions": [
                { "key": "disk", "operator": "In", "values": ["ssd"] },
            ] }],
        } } });
        place.create("any", json!({})).await;
        assert_eq!(
            place.why("any", "taint").await,
            "0/2 nodes are available: 1 node(s) had untolerated taint(s), 1 node(s) were unschedulable. \
             preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling."
        );
        place.create("picky", picky).await;
        place.why("picky", "available").await;
        let tolerant = json!({ "tolerations": [{ "key": "line", "operator": "Exists" }] });
        place.create("tolerant", tolerant).await;
        assert_eq!(place.node_of("tolerant").await, "tainted");
        place
            .nodes
            .patch(
                "taints-cordoned",
                json!({ "spec": { "unschedulable": null, "taints": null } }),
            )
            .await;
        assert_eq!(place.node_of("any").await, "cordoned");
        let ssd = json!({ "metadata": { "labels": { "disk": "ssd" } } });
        place.nodes.patch("taints-cordoned", ssd).await;
        assert_eq!(place.node_of("picky").await, "cordoned");
    });
}

#[test]
fn the_emptier_node_and_the_one_with_the_image_win() {
    run(async |world: &'static World| {
        let place = world.place("scores").await;
        place.node("full", json!({})).await;
        place.create("first", asking("1")).await;
        place.node_of("first").await;
        place.node("empty", json!({})).await;
        place.create("second", asking("100m")).await;
        assert_eq!(place.node_of("second").await, "empty");
        let images = json!({ "status": { "images": [
            { "names": ["acme.io/big:1"], "sizeBytes": 1_000_000_000 },
        ] } });
        place.node("image", images).await;
        place.node("bare", json!({})).await;
        for n in 0..2 {
            let big = json!({ "containers": [{ "name": "c", "image": "acme.io/big:1" }] });
            let name = format!("big-{n}");
            place.create(&name, big).await;
            assert_eq!(place.node_of(&name).await, "image");
        }
    });
}
