//! StatefulSets.

use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::world::{Objects, World, run};

const REVISION: &str = "controller-revision-hash";

fn set(name: &str, replicas: i32, spec: &Value) -> Value {
    let mut set = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": name}, "spec": {
        "replicas": replicas, "serviceName": "peers", "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}}, "spec": {"terminationGracePeriodSeconds": 0,
            "containers": [{"name": "c", "image": "a"}]}}}});
    for (key, value) in spec.as_object().unwrap() {
        set["spec"][key] = value.clone();
    }
    set
}

fn storage() -> Value {
    json!([{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Mi"}}}}])
}

fn image(image: &str) -> Value {
    json!({"spec": {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}}})
}

fn is_done(set: &Value, replicas: i32) -> bool {
    let status = &set["status"];
    let fields = [
        "replicas",
        "readyReplicas",
        "availableReplicas",
        "updatedReplicas",
        "currentReplicas",
    ];
    status["observedGeneration"] == set["metadata"]["generation"]
        && fields.iter().all(|f| status[f] == replicas)
        && status["currentRevision"] == status["updateRevision"]
}

fn names(objects: &[Value]) -> Vec<&str> {
    let names = objects
        .iter()
        .map(|o| o["metadata"]["name"].as_str().unwrap());
    names.collect()
}

fn images(pods: &[Value]) -> Vec<&str> {
    let images = pods.iter().map(|p| &p["spec"]["containers"][0]["image"]);
    images.map(|i| i.as_str().unwrap()).collect()
}

/// Gone, or about to be: something may still hold it.
fn leaves(object: &Value) -> bool {
    object.is_null() || !object["metadata"]["deletionTimestamp"].is_null()
}

fn sets(world: &World, namespace: &str) -> Objects {
    world.api("apps/v1", "StatefulSet", "statefulsets", namespace)
}

fn claims(world: &World, namespace: &str) -> Objects {
    world.api(
        "v1",
        "PersistentVolumeClaim",
        "persistentvolumeclaims",
        namespace,
    )
}

#[test]
fn pods_of_a_stateful_set_have_names_numbers_and_storage() {
    run(async |world: &World| {
        world.namespace("stateful").await;
        let (sets, pods) = (sets(world, "stateful"), world.pods("stateful"));
        sets.create(set("web", 3, &json!({"volumeClaimTemplates": storage()})))
            .await;
        let done = sets.until("web", |s| is_done(s, 3)).await;
        assert_eq!(done["status"]["collisionCount"], 0);
        let all = pods.list().await;
        assert_eq!(names(&all), ["web-0", "web-1", "web-2"]);
        for (i, pod) in all.iter().enumerate() {
            let labels = &pod["metadata"]["labels"];
            assert_eq!(
                labels["statefulset.kubernetes.io/pod-name"],
                format!("web-{i}")
            );
            assert_eq!(labels["apps.kubernetes.io/pod-index"], i.to_string());
            assert_eq!(labels[REVISION], done["status"]["updateRevision"]);
            assert_eq!(pod["metadata"]["generateName"], "web-");
            assert_eq!(pod["spec"]["hostname"], format!("web-{i}"));
            assert_eq!(pod["spec"]["subdomain"], "peers");
            let volume = &pod["spec"]["volumes"][0];
            assert_eq!(
                volume["persistentVolumeClaim"]["claimName"],
                format!("data-web-{i}")
            );
        }
        let made: Vec<&Value> = all
            .iter()
            .map(|p| &p["metadata"]["creationTimestamp"])
            .collect();
        assert!(made.is_sorted_by_key(|t| t.as_str().unwrap()), "{made:?}");
        let claims = claims(world, "stateful").list().await;
        assert_eq!(names(&claims), ["data-web-0", "data-web-1", "data-web-2"]);
        assert_eq!(claims[0]["metadata"]["labels"], json!({"app": "web"}));
        assert!(claims[0]["metadata"]["ownerReferences"].is_null());
    });
}

#[test]
fn an_update_stops_at_its_partition_and_goes_back_to_an_old_revision() {
    run(async |world: &World| {
        world.namespace("partition").await;
        let (sets, pods) = (sets(world, "partition"), world.pods("partition"));
        sets.create(set("web", 3, &json!({}))).await;
        let first = sets.until("web", |s| is_done(s, 3)).await["status"]["updateRevision"].clone();
        let partition = |n: i32| json!({"spec": {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": n}}}});
        sets.patch("web", partition(2)).await;
        sets.patch("web", image("b")).await;
        let half = sets
            .until("web", |s| {
                s["status"]["updatedReplicas"] == 1 && s["status"]["readyReplicas"] == 3
            })
            .await;
        assert_eq!(half["status"]["currentRevision"], first);
        assert_ne!(half["status"]["updateRevision"], first);
        assert_eq!(half["status"]["currentReplicas"], 2);
        assert_eq!(images(&pods.list().await), ["a", "a", "b"]);
        // Below the partition a pod comes back as it was.
        let before = pods.get("web-0").await["metadata"]["uid"].clone();
        pods.0
            .delete("web-0", &DeleteParams::default())
            .await
            .unwrap();
        let again = pods
            .until("web-0", |p| !p.is_null() && p["metadata"]["uid"] != before)
            .await;
        assert_eq!(again["metadata"]["labels"][REVISION], first);

        sets.patch("web", partition(0)).await;
        let second = sets.until("web", |s| is_done(s, 3)).await;
        assert_eq!(images(&pods.list().await), ["b", "b", "b"]);
        assert_ne!(second["status"]["currentRevision"], first);

        sets.patch("web", image("a")).await;
        sets.until("web", |s| {
            is_done(s, 3) && s["status"]["currentRevision"] == first
        })
        .await;
        let revisions = world
            .api(
                "apps/v1",
                "ControllerRevision",
                "controllerrevisions",
                "partition",
            )
            .list()
            .await;
        let mut numbers: Vec<i64> = revisions
            .iter()
            .map(|r| r["revision"].as_i64().unwrap())
            .collect();
        numbers.sort_unstable();
        assert_eq!(
            numbers,
            [2, 3],
            "a template that returns is the newest again"
        );
        let name = revisions[0]["metadata"]["name"].as_str().unwrap();
        let hash = revisions[0]["metadata"]["labels"]["controller.kubernetes.io/hash"].as_str();
        assert_eq!(name, format!("web-{}", hash.unwrap()));
    });
}

#[test]
fn an_ordered_set_waits_for_a_pod_that_is_not_ready_and_replaces_one_that_failed() {
    run(async |world: &World| {
        world.namespace("ordered").await;
        let (sets, pods) = (sets(world, "ordered"), world.pods("ordered"));
        let mut waiting = set("web", 2, &json!({}));
        waiting["spec"]["template"]["metadata"]["labels"]["played"] = "no".into();
        sets.create(waiting).await;
        pods.until("web-0", |p| !p.is_null()).await;
        sets.until("web", |s| s["status"]["replicas"] == 1).await;
        assert_eq!(pods.list().await.len(), 1);
        let played = |word: Value| json!({"metadata": {"labels": {"played": word}}});
        pods.patch("web-0", played(Value::Null)).await;
        pods.until("web-1", |p| !p.is_null()).await;
        let failed = pods.get("web-0").await["metadata"]["uid"].clone();
        pods.patch("web-1", played(Value::Null)).await;
        sets.until("web", |s| is_done(s, 2)).await;
        pods.patch("web-0", json!({"metadata": {"labels": {"outcome": "1"}}}))
            .await;
        pods.until("web-0", |p| !p.is_null() && p["metadata"]["uid"] != failed)
            .await;
    });
}

#[test]
fn claims_go_or_stay_as_the_retention_policy_says() {
    run(async |world: &World| {
        world.namespace("retention").await;
        let (sets, claims) = (sets(world, "retention"), claims(world, "retention"));
        let policy = |scaled: &str, deleted: &str| {
            json!({"volumeClaimTemplates": storage(), "podManagementPolicy": "Parallel",
                "persistentVolumeClaimRetentionPolicy": {"whenScaled": scaled, "whenDeleted": deleted}})
        };
        sets.create(set("gone", 3, &policy("Delete", "Delete")))
            .await;
        sets.create(set("kept", 2, &policy("Retain", "Retain")))
            .await;
        sets.until("gone", |s| is_done(s, 3)).await;
        sets.until("kept", |s| is_done(s, 2)).await;
        claims
            .until("data-gone-2", |c| {
                c["metadata"]["ownerReferences"][0]["kind"] == "StatefulSet"
            })
            .await;
        let size = |n: i32| json!({"spec": {"replicas": n}});
        sets.patch("gone", size(2)).await;
        sets.patch("kept", size(1)).await;
        claims.until("data-gone-2", leaves).await;
        sets.until("gone", |s| is_done(s, 2)).await;
        sets.until("kept", |s| is_done(s, 1)).await;
        for name in ["gone", "kept"] {
            let params = DeleteParams::default();
            sets.0.delete(name, &params).await.unwrap();
        }
        let left = claims
            .until_all("the claims that stay", |c| {
                c.iter().filter(|c| !leaves(c)).count() == 2
            })
            .await;
        let left: Vec<Value> = left.into_iter().filter(|c| !leaves(c)).collect();
        assert_eq!(names(&left), ["data-kept-0", "data-kept-1"]);
    });
}

#[test]
fn a_set_that_is_made_again_adopts_the_pods_that_were_left() {
    run(async |world: &World| {
        world.namespace("orphans").await;
        let (sets, pods) = (sets(world, "orphans"), world.pods("orphans"));
        let spec = json!({"ordinals": {"start": 3}});
        sets.create(set("web", 2, &spec)).await;
        sets.until("web", |s| is_done(s, 2)).await;
        let uids = |pods: &[Value]| {
            pods.iter()
                .map(|p| p["metadata"]["uid"].clone())
                .collect::<Vec<_>>()
        };
        let before = pods.list().await;
        assert_eq!(names(&before), ["web-3", "web-4"]);
        sets.0.delete("web", &DeleteParams::orphan()).await.unwrap();
        sets.until_gone("web").await;
        sets.create(set("web", 2, &spec)).await;
        sets.until("web", |s| is_done(s, 2)).await;
        let after = pods.list().await;
        assert_eq!(uids(&before), uids(&after));
        assert!(
            after
                .iter()
                .all(|p| p["metadata"]["ownerReferences"][0]["name"] == "web")
        );
        let revisions = world.api(
            "apps/v1",
            "ControllerRevision",
            "controllerrevisions",
            "orphans",
        );
        assert_eq!(revisions.list().await.len(), 1);
    });
}
