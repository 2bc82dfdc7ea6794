//! Affinity and anti-affinity between pods, and how pods are spread.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::world::{Place, World, asking, run};

async fn two_zones(place: &Place) {
    for (node, zone) in [("a1", "a"), ("a2", "a"), ("b1", "b")] {
        let labels = json!({ "metadata": { "labels": { "topology.kubernetes.io/zone": zone } } });
        place.node(node, labels).await;
    }
}

fn term(key: &str, app: &str) -> Value {
    json!({ "topologyKey": key, "labelSelector": { "matchLabels": { "app": app } } })
}

fn affinity(kind: &str, terms: Value) -> Value {
    json!({ "affinity": { kind: { "requiredDuringSchedulingIgnoredDuringExecution": terms } } })
}

const ZONE: &str = "topology.kubernetes.io/zone";
const HOST: &str = "kubernetes.io/hostname";

fn app(name: &str) -> Value {
    json!({ "app": name })
}

#[test]
fn pods_keep_near_to_others_and_wait_for_them() {
    run(async |world: &'static World| {
        let place = world.place("near").await;
        two_zones(&place).await;
        let near = affinity("podAffinity", json!([term(ZONE, "db")]));
        place.create_labelled("web", app("web"), near).await;
        assert_eq!(
            place.why("web", "affinity").await,
            "0/3 nodes are available: 3 node(s) didn't match pod affinity rules. preemption: 0/3 nodes are \
             available: 3 Preemption is not helpful for scheduling."
        );
        let mut db = json!({});
        db["nodeName"] = "near-b1".into();
        place.create_labelled("db", app("db"), db).await;
        assert_eq!(place.node_of("web").await, "b1");
        // The first of a kind that keeps to its own kind.
        let own = affinity("podAffinity", json!([term(ZONE, "own")]));
        place
            .create_labelled("own-1", app("own"), own.clone())
            .await;
        let first = place.node_of("own-1").await;
        place.create_labelled("own-2", app("own"), own).await;
        assert_eq!(
            first.as_bytes()[0],
            place.node_of("own-2").await.as_bytes()[0]
        );
    });
}

#[test]
fn pods_keep_away_from_others_whoever_says_so() {
    run(async |world: &'static World| {
        let place = world.place("away").await;
        two_zones(&place).await;
        let far = affinity("podAntiAffinity", json!([term(HOST, "web")]));
        for n in 0..3 {
            let name = format!("web-{n}");
            place.create_labelled(&name, app("web"), far.clone()).await;
        }
        let names: Vec<String> = (0..3).map(|n| format!("web-{n}")).collect();
        assert_eq!(place.nodes_of(&names).await.len(), 3);
        place.create_labelled("web-3", app("web"), far).await;
        assert_eq!(
            place.why("web-3", "anti-affinity").await,
            "0/3 nodes are available: 3 node(s) didn't match pod anti-affinity rules. \
             preemption: 0/3 nodes are available: 3 No preemption victims found for incoming pod."
        );
        // It says nothing itself, but those that are there do not want it.
        place.create_labelled("quiet", app("web"), json!({})).await;
        assert_eq!(
            place.why("quiet", "anti-affinity").await,
            "0/3 nodes are available: 3 node(s) didn't satisfy existing pods anti-affinity rules. \
             preemption: 0/3 nodes are available: 3 No preemption victims found for incoming pod."
        );
        let gone = place.node_of("web-1").await;
        place.pods.delete("web-1").await;
        let either = cedge_testkit::until_some("one of both", || async {
            for pod in ["web-3", "quiet"] {
                if let Some(node) = place.pods.get(pod).await["spec"]["nodeName"].as_str() {
                    return Ok(node.to_owned());
                }
            }
            Err(Value::Null)
        });
        assert_eq!(either.await, format!("away-{gone}"));
    });
}

#[test]
fn namespaces_are_selected_by_label_and_keys_by_value() {
    run(async |world: &'static World| {
        let place = world.place("spaces").await;
        two_zones(&place).await;
        let other = world.place("spaces-other").await;
        place
            .everywhere("v1", "Namespace", "namespaces")
            .patch(
                "spaces-other",
                json!({ "metadata": { "labels": { "team": "x" } } }),
            )
            .await;
        let on_b = json!({ "nodeName": "spaces-b1", "nodeSelector": { "place": "spaces" } });
        other
            .create_labelled("db", json!({ "app": "db", "version": "2" }), on_b)
            .await;
        let mut selecting = term(ZONE, "db");
        selecting["namespaceSelector"] = json!({ "matchLabels": { "team": "x" } });
        selecting["matchLabelKeys"] = json!(["version"]);
        let near = affinity("podAffinity", json!([selecting]));
        let labels = |version: &str| json!({ "app": "web", "version": version });
        place
            .create_labelled("same", labels("2"), near.clone())
            .await;
        assert_eq!(place.node_of("same").await, "b1");
        place.create_labelled("other", labels("1"), near).await;
        assert_eq!(
            place.why("other", "affinity").await,
            "0/3 nodes are available: 3 node(s) didn't match pod affinity rules. preemption: 0/3 nodes are \
             available: 3 Preemption is not helpful for scheduling."
        );
        let mut unlike = term(ZONE, "db");
        unlike["namespaceSelector"] = json!({});
        unlike["mismatchLabelKeys"] = json!(["version"]);
        let far = affinity("podAntiAffinity", json!([unlike]));
        place.create_labelled("fleeing", labels("1"), far).await;
        assert!(place.node_of("fleeing").await.starts_with('a'));
    });
}

#[test]
fn preferences_between_pods_decide_between_nodes() {
    run(async |world: &'static World| {
        let place = world.place("prefer").await;
        two_zones(&place).await;
        let on_b = json!({ "nodeName": "prefer-b1" });
        place.create_labelled("db", app("db"), on_b).await;
        let prefers = |kind: &str| {
            json!({ "affinity": { kind: { "preferredDuringSchedulingIgnoredDuringExecution": [
                { "weight": 100, "podAffinityTerm": term(ZONE, "db") },
            ] } } })
        };
        place.create("near", prefers("podAffinity")).await;
        assert_eq!(place.node_of("near").await, "b1");
        place.create("far", prefers("podAntiAffinity")).await;
        assert!(place.node_of("far").await.starts_with('a'));
    });
}

fn spread(change: Value) -> Value {
    let mut constraint = json!({
        "maxSkew": 1, "topologyKey": ZONE, "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": { "matchLabels": { "app": "web" } },
    });
    crate::world::merge(&mut constraint, change);
    json!({ "topologySpreadConstraints": [constraint] })
}

async fn by_zone(place: &Place, count: usize) -> BTreeMap<char, usize> {
    let names: Vec<String> = (0..count).map(|n| format!("web-{n}")).collect();
    let mut zones = BTreeMap::new();
    for (node, pods) in place.nodes_of(&names).await {
        *zones.entry(node.chars().next().unwrap()).or_insert(0) += pods;
    }
    zones
}

#[test]
fn pods_are_spread_over_zones_and_wait_rather_than_crowd() {
    run(async |world: &'static World| {
        let place = world.place("spread").await;
        two_zones(&place).await;
        for n in 0..4 {
            let name = format!("web-{n}");
            place
                .create_labelled(&name, app("web"), spread(json!({})))
                .await;
            place.node_of(&name).await;
        }
        assert_eq!(
            by_zone(&place, 4).await,
            BTreeMap::from([('a', 2), ('b', 2)])
        );
        let mut crowding = spread(json!({}));
        crowding["affinity"] = json!({ "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{ "matchExpressions": [
                { "key": HOST, "operator": "In", "values": ["spread-b1"] },
            ] }],
        } } });
        // The policy makes the other zone count although the pod cannot go there.
        crowding["topologySpreadConstraints"][0]["nodeAffinityPolicy"] = "Ignore".into();
        place
            .create_labelled("fifth", app("web"), crowding.clone())
            .await;
        assert_eq!(place.node_of("fifth").await, "b1");
        place.create_labelled("sixth", app("web"), crowding).await;
        assert_eq!(
            place.why("sixth", "spread").await,
            "0/3 nodes are available: 1 node(s) didn't match pod topology spread constraints, \
             2 node(s) didn't match Pod's node affinity/selector. preemption: 0/3 nodes are available: \
             1 No preemption victims found for incoming pod, 2 Preemption is not helpful for scheduling."
        );
        let wide = spread(json!({ "minDomains": 5 }));
        place.create_labelled("wide", app("web"), wide).await;
        assert_eq!(
            place.why("wide", "spread").await,
            "0/3 nodes are available: 3 node(s) didn't match pod topology spread constraints. \
             preemption: 0/3 nodes are available: 3 No preemption victims found for incoming pod."
        );
        let rack = spread(json!({ "topologyKey": "rack" }));
        place.create_labelled("racked", app("web"), rack).await;
        let why = place.why("racked", "spread").await;
        assert!(why.contains("(missing required label)"), "{why}");
    });
}

#[test]
fn taints_count_only_if_the_policy_says_so() {
    run(async |world: &'static World| {
        let place = world.place("policies").await;
        let zone = |zone: &str| json!({ "metadata": { "labels": { ZONE: zone } } });
        place.node("a1", zone("a")).await;
        let mut tainted = zone("b");
        tainted["spec"] = json!({ "taints": [{ "key": "k", "effect": "NoSchedule" }] });
        place.node("b1", tainted).await;
        place
            .create_labelled("web-0", app("web"), spread(json!({})))
            .await;
        assert_eq!(place.node_of("web-0").await, "a1");
        place
            .create_labelled("web-1", app("web"), spread(json!({})))
            .await;
        assert_eq!(
            place.why("web-1", "spread").await,
            "0/2 nodes are available: 1 node(s) didn't match pod topology spread constraints, \
             1 node(s) had untolerated taint(s). preemption: 0/2 nodes are available: \
             1 No preemption victims found for incoming pod, 1 Preemption is not helpful for scheduling."
        );
        let honest = spread(json!({ "nodeTaintsPolicy": "Honor" }));
        place.create_labelled("web-2", app("web"), honest).await;
        assert_eq!(place.node_of("web-2").await, "a1");
    });
}

#[test]
fn pods_of_a_service_are_spread_without_being_told() {
    run(async |world: &'static World| {
        let place = world.place("defaults").await;
        two_zones(&place).await;
        place
            .objects("v1", "Service", "services")
            .create(json!({ "metadata": { "name": "web" }, "spec": {
                "selector": { "app": "web" }, "ports": [{ "port": 80 }] } }))
            .await;
        for n in 0..4 {
            let name = format!("web-{n}");
            place
                .create_labelled(&name, app("web"), asking("10m"))
                .await;
            place.node_of(&name).await;
        }
        let zones = by_zone(&place, 4).await;
        assert!(zones.values().all(|pods| *pods >= 1), "{zones:?}");
        let names: Vec<String> = (0..4).map(|n| format!("web-{n}")).collect();
        assert_eq!(place.nodes_of(&names).await.len(), 3, "every node has one");
    });
}
