//! Deployments and ReplicaSets.

use serde_json::{Value, json};

use crate::world::{Objects, World, condition, run};

fn deployment(image: &str, replicas: i32) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {
        "replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"terminationGracePeriodSeconds": 0,
            "containers": [{"name": "c", "image": image}]}}}})
}

fn is_done(object: &Value, replicas: i32) -> bool {
    let status = &object["status"];
    status["observedGeneration"] == object["metadata"]["generation"]
        && ["replicas", "updatedReplicas", "availableReplicas"]
            .iter()
            .all(|f| status[f] == replicas)
        && condition(object, "Progressing").is_some_and(|c| c["reason"] == "NewReplicaSetAvailable")
        && condition(object, "Available").is_some_and(|c| c["status"] == "True")
}

fn revision(object: &Value) -> &Value {
    &object["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
}

fn image(image: &str) -> Value {
    json!({"spec": {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}}})
}

fn active(sets: &[Value]) -> Vec<&str> {
    let active = sets.iter().filter(|s| s["spec"]["replicas"] != 0);
    active
        .map(|s| s["metadata"]["name"].as_str().unwrap())
        .collect()
}

#[test]
fn a_deployment_rolls_out_rolls_back_scales_and_pauses() {
    run(async |world: &World| {
        world.namespace("rollout").await;
        let deployments = world.api("apps/v1", "Deployment", "deployments", "rollout");
        let sets = world.api("apps/v1", "ReplicaSet", "replicasets", "rollout");
        deployments.create(deployment("a", 3)).await;
        deployments
            .until("web", |d| is_done(d, 3) && revision(d) == "1")
            .await;
        let original = active(&sets.list().await)[0].to_owned();

        deployments.patch("web", image("b")).await;
        deployments
            .until("web", |d| is_done(d, 3) && revision(d) == "2")
            .await;
        let both = sets
            .until_all("one active set", |s| active(s).len() == 1)
            .await;
        assert_ne!(active(&both), [original.as_str()]);

        deployments.patch("web", image("a")).await;
        deployments
            .until("web", |d| is_done(d, 3) && revision(d) == "3")
            .await;
        let again = sets
            .until_all("the first set again", |s| active(s) == [original.as_str()])
            .await;
        assert_eq!(again.len(), 2, "a template that returns uses its set again");

        deployments
            .patch("web", json!({"spec": {"paused": true}}))
            .await;
        deployments.patch("web", image("c")).await;
        deployments
            .patch("web", json!({"spec": {"replicas": 5}}))
            .await;
        let paused = deployments
            .until("web", |d| d["status"]["availableReplicas"] == 5)
            .await;
        assert_eq!(
            condition(&paused, "Progressing").unwrap()["reason"],
            "DeploymentPaused"
        );
        assert_eq!(
            sets.list().await.len(),
            2,
            "nothing is rolled out while paused"
        );
        deployments
            .patch("web", json!({"spec": {"paused": false}}))
            .await;
        deployments
            .until("web", |d| is_done(d, 5) && revision(d) == "4")
            .await;

        deployments
            .0
            .delete("web", &Default::default())
            .await
            .unwrap();
        world
            .pods("rollout")
            .until_all("no pods", <[Value]>::is_empty)
            .await;
        sets.until_all("no sets", <[Value]>::is_empty).await;
    });
}

#[test]
fn a_recreated_deployment_never_runs_two_versions() {
    run(async |world: &World| {
        world.namespace("recreate").await;
        let deployments = world.api("apps/v1", "Deployment", "deployments", "recreate");
        let mut web = deployment("a", 2);
        web["spec"]["strategy"] = json!({"type": "Recreate"});
        deployments.create(web).await;
        deployments.until("web", |d| is_done(d, 2)).await;
        deployments.patch("web", image("b")).await;
        deployments
            .until("web", |d| is_done(d, 2) && revision(d) == "2")
            .await;
        let pods = world.pods("recreate").list().await;
        assert!(
            pods.iter()
                .all(|p| p["spec"]["containers"][0]["image"] == "b")
        );
    });
}

#[test]
fn a_replica_set_adopts_what_it_selects_and_replaces_what_is_deleted() {
    run(async |world: &World| {
        world.namespace("adopt").await;
        let pods = world.pods("adopt");
        let template = json!({"metadata": {"labels": {"app": "x"}}, "spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "c", "image": "a"}]}});
        let mut orphan = template.clone();
        orphan["metadata"]["name"] = "orphan".into();
        pods.create(orphan).await;
        let sets = world.api("apps/v1", "ReplicaSet", "replicasets", "adopt");
        sets.create(json!({"metadata": {"name": "x"}, "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "x"}}, "template": template}}))
            .await;
        sets.until("x", |s| s["status"]["availableReplicas"] == 2)
            .await;
        let all = pods.list().await;
        assert_eq!(all.len(), 2);
        assert!(
            all.iter()
                .all(|p| p["metadata"]["ownerReferences"][0]["name"] == "x")
        );

        pods.0.delete("orphan", &Default::default()).await.unwrap();
        pods.until_all("its replacement", |p| {
            p.len() == 2 && p.iter().all(|p| p["metadata"]["name"] != "orphan")
        })
        .await;

        // One that no longer fits is released, not deleted, and replaced.
        let name = pods.list().await[0]["metadata"]["name"]
            .as_str()
            .unwrap()
            .to_owned();
        pods.patch(&name, json!({"metadata": {"labels": {"app": "y"}}}))
            .await;
        pods.until(&name, |p| p["metadata"]["ownerReferences"].is_null())
            .await;
        pods.until_all("a third pod", |p| p.len() == 3).await;
    });
}

/// An endpoint is where its pod's node is: Kubernetes leaves out pods without one.
async fn make_node(nodes: &Objects, name: &str) {
    let taints = json!([{"key": "alone", "effect": "NoSchedule"}]);
    nodes
        .create(json!({"metadata": {"name": name}, "spec": {"taints": taints}}))
        .await;
}

#[test]
fn a_service_has_slices_with_the_addresses_of_its_pods() {
    run(async |world: &World| {
        world.namespace("service").await;
        let services = world.api("v1", "Service", "services", "service");
        let slices = world.api(
            "discovery.k8s.io/v1",
            "EndpointSlice",
            "endpointslices",
            "service",
        );
        let pods = world.pods("service");
        services
            .create(json!({"metadata": {"name": "s"}, "spec": {"selector": {"app": "x"}, "ports": [{"port": 80}]}}))
            .await;
        let (nodes, _alone) = world.nodes().await;
        let node = "serves-slices";
        make_node(&nodes, node).await;
        let pod = json!({"metadata": {"name": "p", "labels": {"app": "x"}}, "spec": {"nodeName": node, "terminationGracePeriodSeconds": 0, "containers": [{"name": "c", "image": "a"}]}});
        pods.create(pod).await;
        let full = slices
            .until_all("an endpoint", |s| {
                s.len() == 1 && s[0]["endpoints"][0]["conditions"]["ready"] == true
            })
            .await;
        assert_eq!(full[0]["endpoints"][0]["targetRef"]["name"], "p");
        assert_eq!(full[0]["ports"][0]["port"], 80);
        assert_eq!(
            full[0]["metadata"]["labels"]["kubernetes.io/service-name"],
            "s"
        );
        pods.0.delete("p", &Default::default()).await.unwrap();
        slices
            .until_all("an empty slice", |s| {
                s.len() == 1 && s[0]["endpoints"].as_array().is_none_or(Vec::is_empty)
            })
            .await;
        services.0.delete("s", &Default::default()).await.unwrap();
        slices.until_all("no slices", <[Value]>::is_empty).await;
        nodes.0.delete(node, &Default::default()).await.unwrap();
    });
}

#[test]
fn a_replication_controller_keeps_its_pods_as_a_replica_set_does() {
    run(async |world: &World| {
        world.namespace("old").await;
        let controllers = world.api(
            "v1",
            "ReplicationController",
            "replicationcontrollers",
            "old",
        );
        let pods = world.pods("old");
        controllers
            .create(json!({"metadata": {"name": "x"}, "spec": {"replicas": 2, "selector": {"app": "x"}, "template": {
                "metadata": {"labels": {"app": "x"}},
                "spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "c", "image": "a"}]}}}}))
            .await;
        let done = controllers
            .until("x", |c| c["status"]["availableReplicas"] == 2)
            .await;
        assert_eq!(done["status"]["fullyLabeledReplicas"], 2);
        assert_eq!(done["status"]["observedGeneration"], 1);
        let all = pods.list().await;
        let owner = &all[0]["metadata"]["ownerReferences"][0];
        assert_eq!(
            (&owner["kind"], &owner["apiVersion"]),
            (&json!("ReplicationController"), &json!("v1"))
        );
        let gone = all[0]["metadata"]["name"].as_str().unwrap();
        pods.0.delete(gone, &Default::default()).await.unwrap();
        pods.until_all("its replacement", |p| {
            p.len() == 2 && p.iter().all(|p| p["metadata"]["name"] != gone)
        })
        .await;
        controllers
            .patch("x", json!({"spec": {"replicas": 0}}))
            .await;
        pods.until_all("no pods", <[Value]>::is_empty).await;
    });
}

#[test]
fn a_service_has_endpoints_with_the_addresses_of_its_pods() {
    run(async |world: &World| {
        world.namespace("endpoints").await;
        let services = world.api("v1", "Service", "services", "endpoints");
        let endpoints = world.api("v1", "Endpoints", "endpoints", "endpoints");
        let pods = world.pods("endpoints");
        services
            .create(json!({"metadata": {"name": "s", "labels": {"l": "1"}}, "spec": {"clusterIP": "None",
                "selector": {"app": "x"}, "ports": [{"name": "web", "port": 80}]}}))
            .await;
        let empty = endpoints.until("s", |e| !e.is_null()).await;
        assert!(empty["subsets"].is_null());
        assert_eq!(
            empty["metadata"]["labels"],
            json!({"l": "1", "endpoints.kubernetes.io/managed-by": "endpoint-controller", "service.kubernetes.io/headless": ""})
        );
        let (nodes, _alone) = world.nodes().await;
        let node = "serves-endpoints";
        make_node(&nodes, node).await;
        let spec = json!({"nodeName": node, "terminationGracePeriodSeconds": 0, "hostname": "h", "subdomain": "s", "containers": [{"name": "c", "image": "a"}]});
        pods.create(json!({"metadata": {"name": "p", "labels": {"app": "x"}}, "spec": spec}))
            .await;
        let full = endpoints
            .until("s", |e| !e["subsets"][0]["addresses"].is_null())
            .await;
        let address = &full["subsets"][0]["addresses"][0];
        assert_eq!(address["targetRef"]["name"], "p");
        assert_eq!(address["hostname"], "h");
        assert_eq!(
            full["subsets"][0]["ports"],
            json!([{"name": "web", "port": 80, "protocol": "TCP"}])
        );
        let trigger = "endpoints.kubernetes.io/last-change-trigger-time";
        assert!(full["metadata"]["annotations"][trigger].is_string());
        pods.0.delete("p", &Default::default()).await.unwrap();
        endpoints.until("s", |e| e["subsets"].is_null()).await;
        services.0.delete("s", &Default::default()).await.unwrap();
        endpoints.until_gone("s").await;
        nodes.0.delete(node, &Default::default()).await.unwrap();
    });
}
