//! Where a Service is, when somebody writes that down by hand.

use serde_json::{Value, json};

use crate::world::{World, run};

const BY: &str = "endpointslice.kubernetes.io/managed-by";
const MIRROR: &str = "endpointslicemirroring-controller.k8s.io";

fn mirrors(slices: &[Value]) -> Vec<&Value> {
    let ours = slices.iter();
    ours.filter(|s| s["metadata"]["labels"][BY] == MIRROR)
        .collect()
}

#[test]
fn endpoints_that_somebody_writes_are_mirrored_to_slices() {
    run(async |world: &World| {
        world.namespace("mirrors").await;
        let services = world.api("v1", "Service", "services", "mirrors");
        let endpoints = world.api("v1", "Endpoints", "endpoints", "mirrors");
        let slices = world.api(
            "discovery.k8s.io/v1",
            "EndpointSlice",
            "endpointslices",
            "mirrors",
        );
        let spec = json!({"ports": [{"name": "web", "port": 80}]});
        services
            .create(json!({"metadata": {"name": "s"}, "spec": spec}))
            .await;
        endpoints
            .create(json!({"metadata": {"name": "s", "labels": {"l": "1"}, "annotations": {"note": "x"}}, "subsets": [{
                "addresses": [{"ip": "10.9.0.1", "hostname": "one"}], "notReadyAddresses": [{"ip": "10.9.0.2"}],
                "ports": [{"name": "web", "port": 8080}]}]}))
            .await;
        let all = slices
            .until_all("a mirror", |all| mirrors(all).len() == 1)
            .await;
        let slice = mirrors(&all)[0].clone();
        assert_eq!(slice["addressType"], "IPv4");
        assert_eq!(
            slice["ports"],
            json!([{"name": "web", "port": 8080, "protocol": "TCP"}])
        );
        let mut brief: Vec<Value> = slice["endpoints"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| json!([e["addresses"], e["conditions"], e["hostname"]]))
            .collect();
        brief.sort_by_key(Value::to_string);
        assert_eq!(
            brief,
            [
                json!([["10.9.0.1"], {"ready": true}, "one"]),
                json!([["10.9.0.2"], {"ready": false}, null]),
            ]
        );
        let metadata = &slice["metadata"];
        assert_eq!(
            metadata["labels"],
            json!({"l": "1", BY: MIRROR, "kubernetes.io/service-name": "s"})
        );
        assert_eq!(metadata["annotations"], json!({"note": "x"}));
        assert_eq!(metadata["generateName"], "s-");
        let owner = &metadata["ownerReferences"][0];
        assert_eq!(
            (&owner["kind"], &owner["controller"]),
            (&json!("Endpoints"), &json!(true))
        );
        // Other ports: the same slice tells of them.
        let name = metadata["name"].as_str().unwrap().to_owned();
        endpoints
            .patch(
                "s",
                json!({"subsets": [{"addresses": [{"ip": "10.9.0.1"}], "ports": [{"name": "web", "port": 8081}]}]}),
            )
            .await;
        slices.until(&name, |s| s["ports"][0]["port"] == 8081).await;
        // Who does not want it has none.
        let skip = "endpointslice.kubernetes.io/skip-mirror";
        endpoints
            .patch("s", json!({"metadata": {"labels": {skip: "true"}}}))
            .await;
        slices.until_gone(&name).await;
        endpoints
            .patch("s", json!({"metadata": {"labels": {skip: null}}}))
            .await;
        slices
            .until_all("a mirror again", |all| mirrors(all).len() == 1)
            .await;
        services.0.delete("s", &Default::default()).await.unwrap();
        slices
            .until_all("no mirror", |all| mirrors(all).is_empty())
            .await;
    });
}
