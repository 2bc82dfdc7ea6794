//! Evenness, and what pods prefer of each other.

use super::*;

fn zone(zone: &str) -> Value {
    json!({ "metadata": { "labels": { "zone": zone } } })
}

fn spread(change: Value) -> Value {
    let mut constraint = json!({
        "maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": { "matchLabels": { "app": "web" } },
    });
    merge(&mut constraint, change);
    json!({ "topologySpreadConstraints": [constraint] })
}

const UNEVEN: &str = "node(s) didn't match pod topology spread constraints";

#[test]
fn fewer_domains_than_wanted_count_as_an_empty_one() {
    let mut world = world([node("a", zone("1")), node("b", zone("2"))]);
    put(&mut world, "a", "one", &pod(json!({})));
    put(&mut world, "b", "two", &pod(json!({})));
    assert!(decided(spread(json!({})), &world).is_ok());
    let message = format!("0/2 nodes are available: 2 {UNEVEN}.");
    refused(spread(json!({ "minDomains": 3 })), &world, &message);
}

#[test]
fn policies_say_which_nodes_count() {
    let taint = json!({ "spec": { "taints": [{ "key": "k", "effect": "NoSchedule" }] } });
    let mut tainted = zone("2");
    merge(&mut tainted, taint);
    let mut world = world([node("a", zone("1")), node("b", tainted)]);
    put(&mut world, "a", "one", &pod(json!({})));
    let message =
        format!("0/2 nodes are available: 1 {UNEVEN}, 1 node(s) had untolerated taint(s).");
    refused(spread(json!({})), &world, &message);
    assert_eq!(
        decided(spread(json!({ "nodeTaintsPolicy": "Honor" })), &world).unwrap(),
        "a"
    );

    let mut selective = spread(json!({}));
    selective["nodeSelector"] = json!({ "zone": "1" });
    assert_eq!(decided(selective, &world).unwrap(), "a");
    let mut selective = spread(json!({ "nodeAffinityPolicy": "Ignore" }));
    selective["nodeSelector"] = json!({ "zone": "1" });
    assert!(decided(selective, &world).is_err());
}

#[test]
fn label_keys_take_the_value_of_the_pod_and_pods_that_go_do_not_count() {
    let mut world = world([node("a", zone("1")), node("b", zone("2"))]);
    let versioned = |version: &str| {
        let mut pod = pod(spread(json!({ "matchLabelKeys": ["version"] })));
        let labels = pod.metadata.labels.as_mut().unwrap();
        labels.insert("version".to_owned(), version.to_owned());
        pod
    };
    put(&mut world, "a", "old", &versioned("1"));
    let chosen = |pod: &Pod, world: &World| {
        let turns = 0..2;
        let nodes = turns.map(|t| decide_for(pod, world, t).unwrap().node.to_string());
        nodes.collect::<std::collections::BTreeSet<_>>().len()
    };
    assert_eq!(
        chosen(&versioned("2"), &world),
        2,
        "no other of its version"
    );
    assert_eq!(&*decide_for(&versioned("1"), &world, 0).unwrap().node, "b");
    let going = json!({
        "metadata": { "name": "p", "namespace": "default", "labels": { "app": "web" },
            "deletionTimestamp": "2026-11-23T10:00:00Z" },
    });
    let going: Pod = serde_json::from_value(going).unwrap();
    put(&mut world, "b", "going", &going);
    assert_eq!(decided(spread(json!({})), &world).unwrap(), "b");
}

#[test]
fn a_spread_that_prefers_yields_where_it_must() {
    let mut world = world([node("a", zone("1")), node("b", zone("2"))]);
    let soft = || spread(json!({ "whenUnsatisfiable": "ScheduleAnyway" }));
    put(&mut world, "a", "one", &pod(soft()));
    assert_eq!(decided(soft(), &world).unwrap(), "b");
    let mut only_a = soft();
    only_a["nodeSelector"] = json!({ "zone": "1" });
    assert_eq!(decided(only_a, &world).unwrap(), "a");
}

#[test]
fn preferences_between_pods_count_on_both_sides() {
    let mut world = world([node("a", zone("1")), node("b", zone("2"))]);
    let term = |app: &str| {
        json!([{ "weight": 100, "podAffinityTerm": {
            "topologyKey": "zone", "labelSelector": { "matchLabels": { "app": app } },
        } }])
    };
    let near = |app| json!({ "affinity": { "podAffinity": { "preferredDuringSchedulingIgnoredDuringExecution": term(app) } } });
    let far = |app| json!({ "affinity": { "podAntiAffinity": { "preferredDuringSchedulingIgnoredDuringExecution": term(app) } } });
    let lone = |spec: Value| {
        let mut pod = pod(spec);
        pod.metadata.owner_references = None;
        pod
    };
    let node_of = |pod: &Pod, world: &World| decide_for(pod, world, 0).unwrap().node.to_string();
    put(&mut world, "b", "web", &lone(json!({})));
    assert_eq!(node_of(&lone(near("web")), &world), "b");
    assert_eq!(node_of(&lone(far("web")), &world), "a");
    // One that is there likes, or dislikes, the newcomer.
    let mut db = lone(near("web"));
    db.metadata.labels = None;
    world
        .places
        .get_mut("b")
        .unwrap()
        .remove(&Key::new("default", "web"));
    put(&mut world, "b", "db", &db);
    assert_eq!(node_of(&lone(json!({})), &world), "b");
    let mut db = lone(far("web"));
    db.metadata.labels = None;
    put(&mut world, "b", "db", &db);
    assert_eq!(node_of(&lone(json!({})), &world), "a");
}

#[test]
fn all_terms_of_affinity_are_met_by_one_pod() {
    let mut world = world([node("a", zone("1")), node("b", zone("2"))]);
    let labelled = |labels: Value| {
        let mut pod = pod(json!({}));
        pod.metadata.labels = serde_json::from_value(labels).unwrap();
        pod
    };
    put(&mut world, "a", "x", &labelled(json!({ "x": "1" })));
    put(&mut world, "a", "y", &labelled(json!({ "y": "1" })));
    let term = |label: &str| json!({ "topologyKey": "zone", "labelSelector": { "matchLabels": { label: "1" } } });
    let both = json!({ "affinity": { "podAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": [term("x"), term("y")],
    } } });
    let message = "0/2 nodes are available: 2 node(s) didn't match pod affinity rules.";
    refused(both.clone(), &world, message);
    put(
        &mut world,
        "b",
        "xy",
        &labelled(json!({ "x": "1", "y": "1" })),
    );
    assert_eq!(decided(both, &world).unwrap(), "b");
}

#[test]
fn namespaces_are_named_or_selected() {
    let mut world = world([node("a", zone("1")), node("b", zone("2"))]);
    let labels = [("team", "x")].into_iter().collect();
    world.namespaces.insert("other".to_owned(), labels);
    let mut web = pod(json!({}));
    web.metadata.namespace = "other".to_owned();
    let key = Key::new("other", "web");
    let place = world.places.get_mut("b").unwrap();
    place.put(key, Arc::new(Placed::new(&web, 0)));
    let near = |change: Value| {
        let mut term =
            json!({ "topologyKey": "zone", "labelSelector": { "matchLabels": { "app": "web" } } });
        merge(&mut term, change);
        let mut pod = pod(json!({ "affinity": { "podAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [term],
        } } }));
        pod.metadata.labels = None;
        let node = decide_for(&pod, &world, 0);
        node.map(|chosen| chosen.node.to_string()).ok()
    };
    assert_eq!(near(json!({})), None);
    assert_eq!(near(json!({ "namespaces": ["other"] })).unwrap(), "b");
    let selected = |labels: Value| near(json!({ "namespaceSelector": { "matchLabels": labels } }));
    assert_eq!(selected(json!({ "team": "x" })).unwrap(), "b");
    assert_eq!(selected(json!({ "team": "y" })), None);
    assert_eq!(selected(json!({})).unwrap(), "b", "all namespaces");
}

#[test]
fn a_node_that_has_the_image_is_better() {
    let has = json!({ "status": { "images": [
        { "names": ["acme.io/big:1", "acme.io/big@sha256:abc"], "sizeBytes": 900_000_000 },
    ] } });
    let world = world([node("a", json!({})), node("b", has)]);
    let spec = json!({ "containers": [{ "image": "acme.io/big:1" }] });
    assert_eq!(decided(spec, &world).unwrap(), "b");
}
