mod preempt;
mod spread;
mod storage;

use serde_json::{Value, json};

use super::*;
use crate::node::Placed;
use cedge_informer::Key;

#[expect(clippy::needless_pass_by_value, reason = "most callers have a literal")]
fn pod(spec: Value) -> Pod {
    let meta = json!({
        "name": "p", "namespace": "default", "uid": "u", "labels": { "app": "web" },
        "ownerReferences": [{
            "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "owner",
            "controller": true,
        }],
    });
    serde_json::from_value(json!({ "metadata": meta, "spec": spec })).unwrap()
}

fn asking(cpu: &str, memory: &str) -> Value {
    json!({ "containers": [{ "resources": { "requests": { "cpu": cpu, "memory": memory } } }] })
}

/// A node of 2 CPUs, 4 GiB and 10 pods, with what `change` adds.
fn node(name: &str, change: Value) -> Node {
    let mut node = json!({
        "metadata": { "name": name, "labels": { "kubernetes.io/hostname": name } },
        "spec": {},
        "status": { "allocatable": {
            "cpu": "2", "memory": "4Gi", "pods": "10", "ephemeral-storage": "10Gi", "acme.io/camera": "1",
        } },
    });
    merge(&mut node, change);
    serde_json::from_value(node).unwrap()
}

fn merge(into: &mut Value, change: Value) {
    match (into, change) {
        (Value::Object(into), Value::Object(change)) => {
            for (key, value) in change {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, change) => *into = change,
    }
}

fn world(nodes: impl IntoIterator<Item = Node>) -> World {
    let mut world = World::default();
    for node in nodes {
        let name: Arc<str> = node.name.as_str().into();
        let place = world.places.entry(name).or_default();
        place.node = Some(Arc::new(node));
    }
    world
}

fn put(world: &mut World, node: &str, name: &str, pod: &Pod) {
    let placed = Placed::new(pod, pod.spec.priority.unwrap_or(0));
    for claim in &placed.claims {
        let claim = Key::new("default", claim);
        *world.users.entry(claim).or_default() += 1;
    }
    let place = world.places.get_mut(node).unwrap();
    place.put(Key::new("default", name), Arc::new(placed));
}

/// A message without what is said about preemption.
fn filtered(message: &str) -> String {
    message.split(" preemption: ").next().unwrap().to_owned()
}

/// What is decided for a pod whose like are all pods of the application `web`.
fn decide_for(pod: &Pod, world: &World, turn: usize) -> Result<Chosen, Unfit> {
    let key = Key::new("default", "p");
    let like = Selector::from(&BTreeMap::from([("app".to_owned(), "web".to_owned())]));
    let wish = Wish {
        key: &key,
        pod,
        placed: Arc::new(Placed::new(pod, pod.spec.priority.unwrap_or(0))),
        like: pod.metadata.owner_references.is_some().then_some(&like),
    };
    decide(&wish, world, turn)
}

fn decided(spec: Value, world: &World) -> Result<String, String> {
    let decision = decide_for(&pod(spec), world, 0);
    decision
        .map(|chosen| chosen.node.to_string())
        .map_err(|unfit| filtered(&unfit.message))
}

fn refused(spec: Value, world: &World, message: &str) {
    assert_eq!(decided(spec, world), Err(message.to_owned()));
}

#[test]
fn without_nodes_it_says_so() {
    let message = "no nodes available to schedule pods";
    refused(json!({}), &World::default(), message);
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn every_refusal_reads_as_in_kubernetes() {
    let taint = |effect: &str| json!({ "spec": { "taints": [{ "key": "line", "value": "a", "effect": effect }] } });
    let tolerant = |toleration: Value| json!({ "tolerations": [toleration] });
    let named = |names: &[&str]| {
        json!({ "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{ "matchFields": [
                { "key": "metadata.name", "operator": "In", "values": names },
            ] }],
        } } } })
    };
    let untolerated = "0/1 nodes are available: 1 node(s) had untolerated taint(s).";
    let elsewhere = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.";
    let cases: Vec<(Value, Value, Result<&str, &str>)> = vec![
        (json!({}), json!({}), Ok("n")),
        (json!({}), taint("NoSchedule"), Err(untolerated)),
        (json!({}), taint("NoExecute"), Err(untolerated)),
        (json!({}), taint("PreferNoSchedule"), Ok("n")),
        (
            tolerant(json!({ "operator": "Exists" })),
            taint("NoExecute"),
            Ok("n"),
        ),
        (
            tolerant(json!({ "key": "line", "value": "a" })),
            taint("NoSchedule"),
            Ok("n"),
        ),
        (
            tolerant(json!({ "key": "line", "value": "b" })),
            taint("NoSchedule"),
            Err(untolerated),
        ),
        (
            tolerant(json!({ "key": "line", "operator": "Exists", "effect": "NoExecute" })),
            taint("NoSchedule"),
            Err(untolerated),
        ),
        (
            json!({}),
            json!({ "spec": { "unschedulable": true } }),
            Err("0/1 nodes are available: 1 node(s) were unschedulable."),
        ),
        (
            tolerant(json!({ "key": "node.kubernetes.io/unschedulable", "operator": "Exists" })),
            json!({ "spec": { "unschedulable": true } }),
            Ok("n"),
        ),
        (
            json!({ "nodeSelector": { "disk": "ssd" } }),
            json!({}),
            Err(elsewhere),
        ),
        (
            json!({ "nodeSelector": { "disk": "ssd" } }),
            json!({ "metadata": { "labels": { "disk": "ssd" } } }),
            Ok("n"),
        ),
        (named(&["n"]), json!({}), Ok("n")),
        (
            named(&["other"]),
            json!({}),
            Err("0/1 nodes are available: 1 node(s) didn't satisfy plugin(s) [NodeAffinity]."),
        ),
        (
            named(&[]),
            json!({}),
            Err("0/1 nodes are available: pod affinity terms conflict. not found"),
        ),
        (
            asking("3", "8Gi"),
            json!({}),
            Err("0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory."),
        ),
        (asking("2", "4Gi"), json!({}), Ok("n")),
        (
            json!({ "containers": [{ "resources": { "requests": { "acme.io/camera": "2" } } }] }),
            json!({}),
            Err("0/1 nodes are available: 1 Insufficient acme.io/camera."),
        ),
        (
            json!({ "containers": [{ "resources": { "requests": { "ephemeral-storage": "11Gi" } } }] }),
            json!({}),
            Err("0/1 nodes are available: 1 Insufficient ephemeral-storage."),
        ),
        (
            json!({}),
            json!({ "status": { "allocatable": { "pods": "0" } } }),
            Err("0/1 nodes are available: 1 Too many pods."),
        ),
    ];
    for (spec, change, expected) in cases {
        let world = world([node("n", change.clone())]);
        let expected = expected.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(
            decided(spec.clone(), &world),
            expected,
            "{spec} on {change}"
        );
    }
}

#[test]
fn reasons_are_counted_over_nodes_and_sorted() {
    let tainted = json!({ "spec": { "taints": [{ "key": "k", "effect": "NoSchedule" }] } });
    let world = world([
        node("a", tainted.clone()),
        node("b", tainted),
        node("c", json!({})),
        node("d", json!({ "spec": { "unschedulable": true } })),
    ]);
    refused(
        asking("4", "1Gi"),
        &world,
        "0/4 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable, 2 node(s) had untolerated taint(s).",
    );
}

#[test]
fn each_operator_of_node_affinity_holds_as_in_kubernetes() {
    let labels = json!({ "metadata": { "labels": { "zone": "a", "cores": "8", "empty": "" } } });
    let world = world([node("n", labels)]);
    for (key, operator, values, holds) in [
        ("zone", "In", json!(["a", "b"]), true),
        ("zone", "In", json!(["b"]), false),
        ("zone", "NotIn", json!(["b"]), true),
        ("none", "NotIn", json!(["b"]), true),
        ("zone", "NotIn", json!(["a"]), false),
        ("empty", "Exists", json!(null), true),
        ("none", "Exists", json!(null), false),
        ("none", "DoesNotExist", json!(null), true),
        ("zone", "DoesNotExist", json!(null), false),
        ("cores", "Gt", json!(["7"]), true),
        ("cores", "Gt", json!(["8"]), false),
        ("cores", "Lt", json!(["10"]), true),
        ("zone", "Lt", json!(["10"]), false),
        ("none", "Gt", json!(["0"]), false),
    ] {
        let term =
            json!({ "matchExpressions": [{ "key": key, "operator": operator, "values": values }] });
        let spec = json!({ "affinity": { "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": [term] },
        } } });
        assert_eq!(
            decided(spec, &world).is_ok(),
            holds,
            "{key} {operator} {values}"
        );
    }
    // One of several terms is enough; a term that asks nothing selects nothing.
    for (terms, holds) in [
        (
            json!([{ "matchExpressions": [{ "key": "none", "operator": "Exists" }] }, { "matchExpressions": [{ "key": "zone", "operator": "Exists" }] }]),
            true,
        ),
        (json!([{}]), false),
    ] {
        let spec = json!({ "affinity": { "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": terms },
        } } });
        assert_eq!(decided(spec, &world).is_ok(), holds, "{terms}");
    }
}

#[test]
fn host_ports_are_given_once() {
    let wants = |port: Value| json!({ "containers": [{ "ports": [port] }] });
    let mut world = world([node("n", json!({}))]);
    let taken = pod(wants(
        json!({ "containerPort": 80, "hostPort": 8080, "hostIP": "10.0.0.1" }),
    ));
    put(&mut world, "n", "taken", &taken);
    let message =
        "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.";
    for (port, free) in [
        (json!({ "containerPort": 80 }), true),
        (json!({ "containerPort": 80, "hostPort": 8081 }), true),
        (json!({ "containerPort": 80, "hostPort": 8080 }), false),
        (
            json!({ "containerPort": 80, "hostPort": 8080, "hostIP": "10.0.0.2" }),
            true,
        ),
        (
            json!({ "containerPort": 80, "hostPort": 8080, "hostIP": "10.0.0.1" }),
            false,
        ),
        (
            json!({ "containerPort": 80, "hostPort": 8080, "protocol": "UDP" }),
            true,
        ),
    ] {
        let expected = if free {
            Ok("n".to_owned())
        } else {
            Err(message.to_owned())
        };
        assert_eq!(decided(wants(port.clone()), &world), expected, "{port}");
    }
    // On the host's network every port of a container is one of the host.
    let spec =
        json!({ "hostNetwork": true, "containers": [{ "ports": [{ "containerPort": 8080 }] }] });
    refused(spec, &world, message);
}

#[test]
fn the_room_of_pods_that_are_there_is_taken() {
    let mut world = world([node("n", json!({}))]);
    put(&mut world, "n", "first", &pod(asking("1500m", "1Gi")));
    let message = "0/1 nodes are available: 1 Insufficient cpu.";
    refused(asking("600m", "1Gi"), &world, message);
    assert!(decided(asking("500m", "1Gi"), &world).is_ok());
    // A pod that asks for nothing fits wherever there is a place for a pod.
    assert!(decided(json!({ "containers": [{}] }), &world).is_ok());
}

#[test]
fn the_emptier_node_wins() {
    let mut world = world([node("a", json!({})), node("b", json!({}))]);
    let mut other = pod(asking("1", "2Gi"));
    other.metadata.owner_references = None;
    put(&mut world, "a", "first", &other);
    assert_eq!(decided(asking("100m", "128Mi"), &world).unwrap(), "b");
}

#[test]
fn pods_of_one_owner_spread_over_nodes() {
    let mut world = world([
        node("a", json!({})),
        node("b", json!({})),
        node("c", json!({})),
    ]);
    let spec = asking("100m", "128Mi");
    for n in 0..6 {
        let chosen = decide_for(&pod(spec.clone()), &world, n).unwrap();
        put(
            &mut world,
            &chosen.node,
            &format!("p{n}"),
            &pod(spec.clone()),
        );
    }
    for place in world.places.values() {
        assert_eq!(place.pods.len(), 2);
    }
}

#[test]
fn equal_nodes_take_turns() {
    let world = world([node("a", json!({})), node("b", json!({}))]);
    let chosen = |turn| {
        decide_for(&pod(json!({})), &world, turn)
            .unwrap()
            .node
            .to_string()
    };
    assert_eq!([chosen(0), chosen(1), chosen(2)], ["a", "b", "a"]);
}

#[test]
fn a_preferred_node_wins_over_an_emptier_one() {
    let ssd = json!({ "metadata": { "labels": { "disk": "ssd" } } });
    let mut world = world([node("a", json!({})), node("b", ssd)]);
    put(&mut world, "b", "first", &pod(asking("1", "2Gi")));
    let mut spec = asking("100m", "128Mi");
    spec["affinity"] = json!({ "nodeAffinity": { "preferredDuringSchedulingIgnoredDuringExecution": [{
        "weight": 100,
        "preference": { "matchExpressions": [{ "key": "disk", "operator": "In", "values": ["ssd"] }] },
    }] } });
    let mut wanted = pod(spec);
    wanted.metadata.owner_references = None;
    assert_eq!(&*decide_for(&wanted, &world, 0).unwrap().node, "b");
}

#[test]
fn a_node_that_would_rather_not_is_taken_last() {
    let taint = json!({ "spec": { "taints": [{ "key": "k", "effect": "PreferNoSchedule" }] } });
    let mut world = world([node("a", taint), node("b", json!({}))]);
    put(&mut world, "b", "first", &pod(asking("1", "2Gi")));
    let mut wanted = pod(asking("100m", "128Mi"));
    wanted.metadata.owner_references = None;
    assert_eq!(&*decide_for(&wanted, &world, 0).unwrap().node, "b");
}

#[test]
fn pods_keep_near_and_away_from_each_other() {
    let zone = |zone: &str| json!({ "metadata": { "labels": { "zone": zone } } });
    let mut world = world([node("a", zone("1")), node("b", zone("2"))]);
    let term = |app: &str| json!([{ "topologyKey": "zone", "labelSelector": { "matchLabels": { "app": app } } }]);
    let near = |app| json!({ "affinity": { "podAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": term(app) } } });
    let far = |app| json!({ "affinity": { "podAntiAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": term(app) } } });
    // The first of its kind may go anywhere, one that waits for others may not.
    assert!(decided(near("web"), &world).is_ok());
    let message = "0/2 nodes are available: 2 node(s) didn't match pod affinity rules.";
    refused(near("db"), &world, message);

    put(&mut world, "b", "web", &pod(json!({})));
    assert_eq!(decided(near("web"), &world).unwrap(), "b");
    assert_eq!(decided(far("web"), &world).unwrap(), "a");
    put(&mut world, "a", "far", &pod(far("web")));
    let message = "0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules.";
    refused(far("web"), &world, message);
    // What is there already may refuse the newcomer.
    assert_eq!(decided(json!({}), &world).unwrap(), "b");
}

#[test]
fn a_spread_that_forbids_is_kept() {
    let zone = |zone: &str| json!({ "metadata": { "labels": { "zone": zone } } });
    let mut world = world([
        node("a", zone("1")),
        node("b", zone("2")),
        node("c", json!({})),
    ]);
    let spec = json!({ "topologySpreadConstraints": [{
        "maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": { "matchLabels": { "app": "web" } },
    }] });
    put(&mut world, "a", "one", &pod(spec.clone()));
    assert_eq!(decided(spec.clone(), &world).unwrap(), "b");
    world.places.get_mut("b").unwrap().node = Some(Arc::new(node(
        "b",
        json!({ "metadata": { "labels": { "zone": "2" } }, "spec": { "unschedulable": true } }),
    )));
    refused(
        spec,
        &world,
        "0/3 nodes are available: 1 node(s) didn't match pod topology spread constraints, \
         1 node(s) didn't match pod topology spread constraints (missing required label), \
         1 node(s) were unschedulable.",
    );
}

#[test]
fn causes_say_which_change_may_help() {
    let mut world = world([node("n", json!({}))]);
    put(&mut world, "n", "first", &pod(asking("2", "1Gi")));
    let causes = |spec| decide_for(&pod(spec), &world, 0).unwrap_err().causes;
    assert_eq!(causes(asking("1", "1Gi")), Causes::ROOM);
    assert_eq!(
        causes(json!({ "nodeSelector": { "x": "y" } })),
        Causes::NODES
    );
}
