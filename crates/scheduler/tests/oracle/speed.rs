//! How fast a thousand pods get their nodes. It measures, and asserts nothing but that they do.

use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt as _};
use serde_json::json;
use tokio::time::Instant;

use crate::world::{World, asking, run};

const NODES: usize = 100;
const PODS: usize = 1000;

#[test]
#[ignore = "takes a minute; prints a figure"]
fn a_thousand_pods_on_a_hundred_nodes() {
    run(async |world: &'static World| {
        let place = world.place("speed").await;
        for n in 0..NODES {
            let zone = format!("z{}", n % 5);
            let labels = json!({ "topology.kubernetes.io/zone": zone });
            place
                .node(&format!("n{n}"), json!({ "metadata": { "labels": labels },
                    "status": { "allocatable": { "pods": "110", "cpu": "8" }, "capacity": { "pods": "110", "cpu": "8" } } }))
                .await;
        }
        let gate = json!([{ "name": "acme.io/start" }]);
        let term = json!({ "topologyKey": "topology.kubernetes.io/zone",
            "labelSelector": { "matchLabels": { "app": "none" } } });
        let mut spec = asking("10m");
        spec["topologySpreadConstraints"] = json!([{ "maxSkew": 1, "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "DoNotSchedule", "labelSelector": { "matchLabels": { "app": "web" } } }]);
        spec["affinity"] = json!({ "podAntiAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": [term] } });
        // All are there before the first is tried: a node comes last that opens the place.
        spec["schedulingGates"] = gate;
        let names: Vec<String> = (0..PODS).map(|n| format!("web-{n}")).collect();
        let mut making: FuturesUnordered<_> = FuturesUnordered::new();
        for name in &names {
            let (place, spec) = (&place, spec.clone());
            making.push(async move {
                place
                    .create_labelled(name, json!({ "app": "web" }), spec)
                    .await;
            });
            if making.len() >= 16 {
                making.next().await;
            }
        }
        while making.next().await.is_some() {}
        let begun = Instant::now();
        let lift = json!({ "spec": { "schedulingGates": null } });
        let mut lifting: FuturesUnordered<_> = FuturesUnordered::new();
        for name in &names {
            let (place, lift) = (&place, lift.clone());
            lifting.push(async move { place.pods.patch(name, lift).await });
            if lifting.len() >= 16 {
                lifting.next().await;
            }
        }
        while lifting.next().await.is_some() {}
        let lifted = begun.elapsed();
        loop {
            let pods = place.pods.list().await;
            let bound = pods.iter().filter(|p| p["spec"]["nodeName"].is_string());
            if bound.count() == PODS {
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        println!(
            "{PODS} pods on {NODES} nodes: gates lifted in {lifted:?}, all bound after {:?}",
            begun.elapsed()
        );
        for name in &names {
            place.pods.delete(name).await;
        }
    });
}
