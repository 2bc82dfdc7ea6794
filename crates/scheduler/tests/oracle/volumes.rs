//! Pods with claims. Whoever binds claims is played by the tests.

use serde_json::{Value, json};

use crate::world::{Place, World, run};

fn using(claim: &str) -> Value {
    json!({ "volumes": [{ "name": "data", "persistentVolumeClaim": { "claimName": claim } }] })
}

async fn class(place: &Place, name: &str, provisioner: &str, mode: &str) -> String {
    let name = format!("{}-{name}", place.name);
    place
        .everywhere("storage.k8s.io/v1", "StorageClass", "storageclasses")
        .create(
            json!({ "metadata": { "name": name }, "provisioner": provisioner,
            "volumeBindingMode": mode }),
        )
        .await;
    name
}

fn claims(place: &Place) -> cedge_testkit::Objects {
    place.objects("v1", "PersistentVolumeClaim", "persistentvolumeclaims")
}

fn volumes(place: &Place) -> cedge_testkit::Objects {
    place.everywhere("v1", "PersistentVolume", "persistentvolumes")
}

async fn claim(place: &Place, name: &str, class: &str, change: Value) {
    let mut claim = json!({ "metadata": { "name": name }, "spec": {
        "storageClassName": class, "accessModes": ["ReadWriteOnce"],
        "resources": { "requests": { "storage": "1Gi" } } } });
    crate::world::merge(&mut claim, change);
    claims(place).create(claim).await;
}

/// A volume on one node; `size` in Gi.
async fn volume(place: &Place, name: &str, class: &str, node: &str, size: u32) -> String {
    let name = format!("{}-{name}", place.name);
    let node = format!("{}-{node}", place.name);
    let all = volumes(place);
    all.create(json!({ "metadata": { "name": name }, "spec": {
        "storageClassName": class, "accessModes": ["ReadWriteOnce"],
        "capacity": { "storage": format!("{size}Gi") }, "hostPath": { "path": "/data" },
        "nodeAffinity": { "required": { "nodeSelectorTerms": [{ "matchExpressions": [
            { "key": "kubernetes.io/hostname", "operator": "In", "values": [node] },
        ] }] } } } }))
    .await;
    all.patch_status(&name, json!({ "status": { "phase": "Available" } }))
        .await;
    name
}

/// What whoever binds claims writes in the end.
async fn bind(place: &Place, name: &str, volume: &str) {
    let bound = claims(place).get(name).await;
    let uid = &bound["metadata"]["uid"];
    let reference = json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "namespace": place.name, "name": name, "uid": uid });
    let change = json!({ "spec": { "claimRef": reference } });
    volumes(place).patch(volume, change).await;
    let phase = json!({ "status": { "phase": "Bound" } });
    volumes(place).patch_status(volume, phase.clone()).await;
    let change = json!({
        "metadata": { "annotations": { "pv.kubernetes.io/bind-completed": "yes" } },
        "spec": { "volumeName": volume },
    });
    claims(place).patch(name, change).await;
    claims(place).patch_status(name, phase).await;
}

#[test]
fn a_pod_waits_for_its_claim_to_be_there_and_bound() {
    run(async |world: &'static World| {
        let place = world.place("claims").await;
        place.node("a", json!({})).await;
        place.node("b", json!({})).await;
        place.create("pod", using("data")).await;
        assert_eq!(
            place.why("pod", "data").await,
            "0/2 nodes are available: persistentvolumeclaim \"data\" not found. not found"
        );
        let now = class(&place, "now", "acme.io/disk", "Immediate").await;
        claim(&place, "data", &now, json!({})).await;
        assert_eq!(
            place.why("pod", "immediate").await,
            "0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found"
        );
        let volume = volume(&place, "v", &now, "b", 1).await;
        bind(&place, "data", &volume).await;
        assert_eq!(place.node_of("pod").await, "b");
    });
}

#[test]
fn a_volume_on_another_node_is_no_volume() {
    run(async |world: &'static World| {
        let place = world.place("elsewhere").await;
        place.node("a", json!({})).await;
        let now = class(&place, "now", "acme.io/disk", "Immediate").await;
        let volume = volume(&place, "v", &now, "b", 1).await;
        claim(&place, "data", &now, json!({})).await;
        bind(&place, "data", &volume).await;
        place.create("pod", using("data")).await;
        assert_eq!(
            place.why("pod", "affinity").await,
            "0/1 nodes are available: 1 node(s) didn't match PersistentVolume's node affinity. preemption: \
             0/1 nodes are available: 1 Preemption is not helpful for scheduling."
        );
        place.node("b", json!({})).await;
        assert_eq!(place.node_of("pod").await, "b");
    });
}

#[test]
fn a_claim_that_waits_gets_the_smallest_volume_on_a_node_where_its_pod_fits() {
    run(async |world: &'static World| {
        let place = world.place("static").await;
        place.node("a", json!({})).await;
        place.node("b", json!({})).await;
        let later = class(
            &place,
            "later",
            "kubernetes.io/no-provisioner",
            "WaitForFirstConsumer",
        )
        .await;
        claim(&place, "data", &later, json!({})).await;
        place.create("pod", using("data")).await;
        assert_eq!(
            place.why("pod", "volumes").await,
            "0/2 nodes are available: 2 node(s) didn't find available persistent volumes to bind. preemption: \
             0/2 nodes are available: 2 Preemption is not helpful for scheduling."
        );
        volume(&place, "large", &later, "b", 9).await;
        let reserved = |name: &'static str| move |v: &Value| v["spec"]["claimRef"]["name"] == name;
        let all = volumes(&place);
        let given = all.until("static-large", reserved("data")).await;
        let note = &given["metadata"]["annotations"]["pv.kubernetes.io/bound-by-controller"];
        assert_eq!(note, "yes");
        assert!(
            place.pods.get("pod").await["spec"]["nodeName"].is_null(),
            "not bound yet"
        );
        bind(&place, "data", "static-large").await;
        assert_eq!(place.node_of("pod").await, "b");

        volume(&place, "huge", &later, "a", 9).await;
        volume(&place, "small", &later, "a", 2).await;
        claim(&place, "more", &later, json!({})).await;
        place.create("second", using("more")).await;
        all.until("static-small", reserved("more")).await;
        bind(&place, "more", "static-small").await;
        assert_eq!(place.node_of("second").await, "a");
        assert!(all.get("static-huge").await["spec"]["claimRef"].is_null());
    });
}

#[test]
fn a_node_is_named_for_a_volume_that_is_to_be_made_there() {
    run(async |world: &'static World| {
        let place = world.place("dynamic").await;
        place.node("a", json!({})).await;
        let later = class(&place, "later", "acme.io/disk", "WaitForFirstConsumer").await;
        claim(&place, "data", &later, json!({})).await;
        place.create("pod", using("data")).await;
        let named = |c: &Value| {
            c["metadata"]["annotations"]["volume.kubernetes.io/selected-node"] == "dynamic-a"
        };
        claims(&place).until("data", named).await;
        assert!(place.pods.get("pod").await["spec"]["nodeName"].is_null());
        let made = volume(&place, "made", &later, "a", 1).await;
        bind(&place, "data", &made).await;
        assert_eq!(place.node_of("pod").await, "a");
    });
}

#[test]
fn a_claim_for_one_pod_only_is_used_by_one() {
    run(async |world: &'static World| {
        let place = world.place("exclusive").await;
        place.node("a", json!({})).await;
        let now = class(&place, "now", "acme.io/disk", "Immediate").await;
        let volume = volume(&place, "v", &now, "a", 1).await;
        let modes = json!({ "spec": { "accessModes": ["ReadWriteOncePod"] } });
        claim(&place, "data", &now, modes).await;
        bind(&place, "data", &volume).await;
        place.create("first", using("data")).await;
        place.node_of("first").await;
        place.create("second", using("data")).await;
        let why = place.why("second", "ReadWriteOncePod").await;
        assert_eq!(
            why,
            "0/1 nodes are available: 1 node(s) unavailable due to PersistentVolumeClaim with \
             ReadWriteOncePod access mode already in-use by another pod. preemption: 0/1 nodes are available: \
             1 No preemption victims found for incoming pod."
        );
        place.pods.delete("first").await;
        assert_eq!(place.node_of("second").await, "a");
    });
}
