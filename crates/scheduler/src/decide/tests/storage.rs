//! Where pods may be because of their volumes.

use cedge_informer::Object;
use kube::api::ApiResource;

use super::*;
use crate::volumes::{Claim, Class, Volume, read_limits};

fn object(value: &Value) -> Object {
    let resource = ApiResource::erase::<k8s_openapi::api::core::v1::Pod>(&());
    Object::from_json(&resource, value.to_string().as_bytes()).unwrap()
}

fn merged(mut base: Value, change: Value) -> Object {
    merge(&mut base, change);
    object(&base)
}

fn claim(world: &mut World, name: &str, change: Value) {
    let base = json!({
        "metadata": { "name": name, "namespace": "default", "uid": name },
        "spec": { "storageClassName": "local", "accessModes": ["ReadWriteOnce"],
            "resources": { "requests": { "storage": "1Gi" } } },
    });
    let claim = Claim::read(&merged(base, change)).unwrap();
    world
        .volumes
        .claims
        .insert(Key::new("default", name), claim);
}

fn volume(world: &mut World, name: &str, node: &str, change: Value) {
    let base = json!({
        "metadata": { "name": name, "uid": name },
        "spec": { "storageClassName": "local", "accessModes": ["ReadWriteOnce"],
            "capacity": { "storage": "2Gi" },
            "nodeAffinity": { "required": { "nodeSelectorTerms": [{ "matchExpressions": [
                { "key": "kubernetes.io/hostname", "operator": "In", "values": [node] },
            ] }] } } },
        "status": { "phase": "Available" },
    });
    let volume = Volume::read(&merged(base, change)).unwrap();
    world.volumes.volumes.insert(name.to_owned(), volume);
}

fn class(world: &mut World, name: &str, provisioner: &str, change: Value) {
    let base = json!({
        "metadata": { "name": name, "uid": name }, "provisioner": provisioner,
        "volumeBindingMode": "WaitForFirstConsumer",
    });
    let class = Class::read(&merged(base, change)).unwrap();
    world.volumes.classes.insert(name.to_owned(), class);
}

fn two_nodes() -> World {
    let mut world = world([node("a", json!({})), node("b", json!({}))]);
    class(
        &mut world,
        "local",
        "kubernetes.io/no-provisioner",
        json!({}),
    );
    world
}

fn using(claims: &[&str]) -> Pod {
    let volume = |c: &&str| json!({ "name": c, "persistentVolumeClaim": { "claimName": c } });
    let volumes: Vec<Value> = claims.iter().map(volume).collect();
    pod(json!({ "containers": [{}], "volumes": volumes }))
}

fn chosen_for(claims: &[&str], world: &World) -> Chosen {
    decide_for(&using(claims), world, 0).unwrap()
}

fn message(claims: &[&str], world: &World) -> String {
    filtered(&decide_for(&using(claims), world, 0).unwrap_err().message)
}

#[test]
fn claims_that_are_missing_or_not_bound_are_named() {
    let mut world = two_nodes();
    let none = "0/2 nodes are available: persistentvolumeclaim \"data\" not found. not found";
    assert_eq!(message(&["data"], &world), none);
    claim(
        &mut world,
        "data",
        json!({ "spec": { "storageClassName": "quick" } }),
    );
    let unbound =
        "0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found";
    assert_eq!(message(&["data"], &world), unbound);
    claim(
        &mut world,
        "data",
        json!({ "metadata": { "deletionTimestamp": "2026-11-23T10:00:00Z" } }),
    );
    let going =
        "0/2 nodes are available: persistentvolumeclaim \"data\" is being deleted. not found";
    assert_eq!(message(&["data"], &world), going);
    claim(
        &mut world,
        "data",
        json!({ "spec": { "volumeName": "v" }, "status": { "phase": "Lost" } }),
    );
    let lost = "0/2 nodes are available: persistentvolumeclaim \"data\" bound to non-existent persistentvolume \"v\". not found";
    assert_eq!(message(&["data"], &world), lost);
}

#[test]
fn a_bound_volume_says_where_its_pod_runs() {
    let mut world = two_nodes();
    let bound = json!({
        "metadata": { "annotations": { "pv.kubernetes.io/bind-completed": "yes" } },
        "spec": { "volumeName": "v" },
    });
    claim(&mut world, "data", bound);
    let gone = "0/2 nodes are available: 2 node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s).";
    assert_eq!(message(&["data"], &world), gone);
    volume(&mut world, "v", "b", json!({}));
    assert_eq!(&*chosen_for(&["data"], &world).node, "b");
    assert!(chosen_for(&["data"], &world).bindings.is_empty());
    volume(&mut world, "v", "c", json!({}));
    let elsewhere =
        "0/2 nodes are available: 2 node(s) didn't match PersistentVolume's node affinity.";
    assert_eq!(message(&["data"], &world), elsewhere);
}

#[test]
fn a_waiting_claim_gets_the_smallest_free_volume_that_suffices() {
    let mut world = two_nodes();
    claim(&mut world, "data", json!({}));
    let none =
        "0/2 nodes are available: 2 node(s) didn't find available persistent volumes to bind.";
    assert_eq!(message(&["data"], &world), none);
    volume(
        &mut world,
        "tiny",
        "a",
        json!({ "spec": { "capacity": { "storage": "1Mi" } } }),
    );
    volume(
        &mut world,
        "taken",
        "a",
        json!({ "spec": { "claimRef": { "name": "other", "namespace": "default" } } }),
    );
    volume(
        &mut world,
        "used",
        "a",
        json!({ "status": { "phase": "Released" } }),
    );
    volume(
        &mut world,
        "foreign",
        "a",
        json!({ "spec": { "storageClassName": "quick" } }),
    );
    assert_eq!(message(&["data"], &world), none);
    volume(
        &mut world,
        "large",
        "b",
        json!({ "spec": { "capacity": { "storage": "9Gi" } } }),
    );
    volume(&mut world, "small", "b", json!({}));
    let chosen = chosen_for(&["data"], &world);
    assert_eq!(&*chosen.node, "b");
    assert_eq!(
        chosen.bindings.given,
        [("small".to_owned(), Key::new("default", "data"))]
    );
    // What was promised is not given twice.
    claim(&mut world, "more", json!({}));
    world.volumes.assume(&chosen.bindings, &chosen.node);
    let second = chosen_for(&["more"], &world);
    assert_eq!(second.bindings.given[0].0, "large");
    world.volumes.assume(&second.bindings, &second.node);
    claim(&mut world, "third", json!({}));
    assert_eq!(message(&["third"], &world), none);
}

#[test]
fn a_claim_for_which_a_volume_is_made_names_the_node() {
    let mut world = two_nodes();
    let only_b = json!({ "allowedTopologies": [{ "matchLabelExpressions": [
        { "key": "kubernetes.io/hostname", "values": ["b"] },
    ] }] });
    class(&mut world, "local", "acme.io/disk", only_b);
    claim(&mut world, "data", json!({}));
    let chosen = chosen_for(&["data"], &world);
    assert_eq!(&*chosen.node, "b");
    assert_eq!(chosen.bindings.made, [Key::new("default", "data")]);
    let named =
        json!({ "metadata": { "annotations": { "volume.kubernetes.io/selected-node": "a" } } });
    claim(&mut world, "data", named);
    class(&mut world, "local", "acme.io/disk", json!({}));
    assert_eq!(&*chosen_for(&["data"], &world).node, "a");
}

#[test]
fn a_claim_for_one_pod_only_is_used_by_one() {
    let mut world = two_nodes();
    let bound = json!({
        "metadata": { "annotations": { "pv.kubernetes.io/bind-completed": "yes" } },
        "spec": { "volumeName": "v", "accessModes": ["ReadWriteOncePod"] },
    });
    claim(&mut world, "data", bound);
    volume(&mut world, "v", "a", json!({}));
    let mut first = using(&["data"]);
    first.spec.priority = Some(1);
    put(&mut world, "a", "first", &first);
    let held = "0/2 nodes are available: 2 node(s) unavailable due to PersistentVolumeClaim with \
                ReadWriteOncePod access mode already in-use by another pod.";
    assert_eq!(message(&["data"], &world), held);
    let mut vital = using(&["data"]);
    vital.spec.priority = Some(2);
    let unfit = decide_for(&vital, &world, 0).unwrap_err();
    assert_eq!(
        unfit.preemption.unwrap().victims.len(),
        1,
        "{}",
        unfit.message
    );
}

#[test]
fn a_node_attaches_no_more_volumes_than_its_driver_can() {
    let mut world = world([node("a", json!({}))]);
    let of = |volume: &str| {
        json!({
            "metadata": { "annotations": { "pv.kubernetes.io/bind-completed": "yes" } },
            "spec": { "volumeName": volume },
        })
    };
    for name in ["one", "two"] {
        claim(&mut world, name, of(name));
        let csi = json!({ "spec": { "csi": { "driver": "acme.io/disk", "volumeHandle": name } } });
        volume(&mut world, name, "a", csi);
    }
    let limits = json!({ "metadata": { "name": "a", "uid": "a" }, "spec": { "drivers": [
        { "name": "acme.io/disk", "nodeID": "a", "allocatable": { "count": 1 } },
    ] } });
    let limits = read_limits(&object(&limits)).unwrap();
    world.volumes.limits.insert("a".to_owned(), limits);
    put(&mut world, "a", "first", &using(&["one"]));
    let full = "0/1 nodes are available: 1 node(s) exceed max volume count.";
    assert_eq!(message(&["two"], &world), full);
    // The same volume once more is not one more.
    assert!(decide_for(&using(&["one"]), &world, 0).is_ok());
}
