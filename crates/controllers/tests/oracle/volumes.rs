//! Claims and volumes.

use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::world::{Objects, World, run};

fn volumes(world: &World) -> Objects {
    world.api("v1", "PersistentVolume", "persistentvolumes", "")
}

fn claims(world: &World, namespace: &str) -> Objects {
    world.api(
        "v1",
        "PersistentVolumeClaim",
        "persistentvolumeclaims",
        namespace,
    )
}

fn volume(name: &str, size: &str, more: &Value) -> Value {
    let mut volume = json!({"metadata": {"name": name}, "spec": {"capacity": {"storage": size},
        "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/data"}, "persistentVolumeReclaimPolicy": "Retain"}});
    for (key, value) in more.as_object().unwrap() {
        volume["spec"][key] = value.clone();
    }
    volume
}

fn claim(name: &str, size: &str, more: &Value) -> Value {
    let mut claim = json!({"metadata": {"name": name}, "spec": {"accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": size}}}});
    for (key, value) in more.as_object().unwrap() {
        claim["spec"][key] = value.clone();
    }
    claim
}

fn phase(object: &Value) -> &str {
    object["status"]["phase"].as_str().unwrap_or("")
}

async fn delete(objects: &Objects, name: &str) {
    objects
        .0
        .delete(name, &DeleteParams::default())
        .await
        .unwrap();
}

#[test]
fn a_claim_gets_the_smallest_volume_that_fits_and_leaves_it_released() {
    run(async |world: &World| {
        world.namespace("binding").await;
        let (volumes, claims) = (volumes(world), claims(world, "binding"));
        let class = json!({"storageClassName": "by-hand"});
        for (name, size) in [
            ("bind-big", "10Gi"),
            ("bind-small", "2Gi"),
            ("bind-tiny", "1Mi"),
        ] {
            volumes.create(volume(name, size, &class)).await;
            volumes.until(name, |v| phase(v) == "Available").await;
        }
        claims.create(claim("c", "1Gi", &class)).await;
        let bound = claims.until("c", |c| phase(c) == "Bound").await;
        assert_eq!(bound["spec"]["volumeName"], "bind-small");
        assert_eq!(bound["status"]["capacity"]["storage"], "2Gi");
        assert_eq!(bound["status"]["accessModes"], json!(["ReadWriteOnce"]));
        let notes = &bound["metadata"]["annotations"];
        assert_eq!(notes["pv.kubernetes.io/bind-completed"], "yes");
        assert_eq!(notes["pv.kubernetes.io/bound-by-controller"], "yes");
        let taken = volumes.until("bind-small", |v| phase(v) == "Bound").await;
        assert_eq!(taken["spec"]["claimRef"]["uid"], bound["metadata"]["uid"]);
        assert_eq!(
            taken["metadata"]["annotations"]["pv.kubernetes.io/bound-by-controller"],
            "yes"
        );
        delete(&claims, "c").await;
        claims.until_gone("c").await;
        volumes
            .until("bind-small", |v| phase(v) == "Released")
            .await;
        claims.create(claim("again", "1Gi", &class)).await;
        let bound = claims.until("again", |c| phase(c) == "Bound").await;
        assert_eq!(
            bound["spec"]["volumeName"], "bind-big",
            "what is released is not free"
        );
        for name in ["bind-small", "bind-tiny"] {
            delete(&volumes, name).await;
            volumes.until_gone(name).await;
        }
    });
}

#[test]
fn bindings_by_name_hold_in_both_directions() {
    run(async |world: &World| {
        world.namespace("names").await;
        let (volumes, claims) = (volumes(world), claims(world, "names"));
        let class = |more: Value| {
            let mut class = more;
            class["storageClassName"] = "named".into();
            class
        };
        // A volume kept for a claim that comes later.
        let reference = json!({"claimRef": {"namespace": "names", "name": "late"}});
        volumes
            .create(volume("name-kept", "5Gi", &class(reference)))
            .await;
        volumes
            .create(volume("name-free", "1Gi", &class(json!({}))))
            .await;
        claims.create(claim("late", "1Gi", &class(json!({})))).await;
        let bound = claims.until("late", |c| phase(c) == "Bound").await;
        assert_eq!(bound["spec"]["volumeName"], "name-kept");
        let kept = volumes.until("name-kept", |v| phase(v) == "Bound").await;
        assert_eq!(kept["spec"]["claimRef"]["uid"], bound["metadata"]["uid"]);
        // A claim that names a volume: taken ones it does not get, a free one it does.
        let taken = class(json!({"volumeName": "name-kept"}));
        claims.create(claim("barred", "1Gi", &taken)).await;
        let free = class(json!({"volumeName": "name-free"}));
        claims.create(claim("served", "1Gi", &free)).await;
        claims.until("served", |c| phase(c) == "Bound").await;
        let events = world.api("v1", "Event", "events", "names");
        events
            .until_all("the reason", |e| {
                e.iter().any(|e| {
                    e["involvedObject"]["name"] == "barred" && e["reason"] == "FailedBinding"
                })
            })
            .await;
        assert_eq!(phase(&claims.get("barred").await), "Pending");
        // A volume that vanishes below its claim.
        let none = json!({"metadata": {"finalizers": null}});
        delete(&volumes, "name-kept").await;
        volumes.patch("name-kept", none).await;
        claims.until("late", |c| phase(c) == "Lost").await;
    });
}

#[test]
fn a_claim_that_pods_use_stays_until_they_are_gone() {
    run(async |world: &World| {
        world.namespace("in-use").await;
        let (claims, pods) = (claims(world, "in-use"), world.pods("in-use"));
        claims
            .create(claim("c", "1Gi", &json!({"storageClassName": ""})))
            .await;
        let kept = claims
            .until("c", |c| {
                c["metadata"]["finalizers"] == json!(["kubernetes.io/pvc-protection"])
            })
            .await;
        assert_eq!(phase(&kept), "Pending");
        pods.create(json!({"metadata": {"name": "p"}, "spec": {"nodeName": "somewhere", "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "c", "image": "a"}],
            "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]}}))
            .await;
        pods.until("p", |p| p["status"]["phase"] == "Running").await;
        delete(&claims, "c").await;
        claims
            .until("c", |c| !c["metadata"]["deletionTimestamp"].is_null())
            .await;
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        // Its node is not there: on a slow machine the pod may be collected by now, and the claim with it.
        let claim = claims.get("c").await;
        if !pods.get("p").await.is_null() {
            assert!(!claim.is_null());
            delete(&pods, "p").await;
        }
        claims.until_gone("c").await;
    });
}

#[test]
fn a_claim_waits_for_its_first_consumer_and_goes_to_the_provisioner_of_its_class() {
    run(async |world: &World| {
        world.namespace("waiting").await;
        let claims = claims(world, "waiting");
        let classes = world.api("storage.k8s.io/v1", "StorageClass", "storageclasses", "");
        classes
            .create(json!({"metadata": {"name": "elsewhere"}, "provisioner": "example.com/disks", "volumeBindingMode": "WaitForFirstConsumer"}))
            .await;
        claims
            .create(claim("c", "1Gi", &json!({"storageClassName": "elsewhere"})))
            .await;
        let events = world.api("v1", "Event", "events", "waiting");
        events
            .until_all("the wait", |e| {
                e.iter().any(|e| e["reason"] == "WaitForFirstConsumer")
            })
            .await;
        let provisioner = "volume.kubernetes.io/storage-provisioner";
        let waiting = claims.get("c").await;
        assert!(waiting["metadata"]["annotations"][provisioner].is_null());
        claims
            .patch(
                "c",
                json!({"metadata": {"annotations": {"volume.kubernetes.io/selected-node": "n"}}}),
            )
            .await;
        let given = claims
            .until("c", |c| {
                !c["metadata"]["annotations"][provisioner].is_null()
            })
            .await;
        assert_eq!(
            given["metadata"]["annotations"][provisioner],
            "example.com/disks"
        );
        // What the provisioner makes names the claim, and is bound to it.
        let reference = json!({"kind": "PersistentVolumeClaim", "apiVersion": "v1", "namespace": "waiting", "name": "c", "uid": given["metadata"]["uid"]});
        let made = json!({"claimRef": reference, "storageClassName": "elsewhere", "persistentVolumeReclaimPolicy": "Delete"});
        let mut made = volume("waiting-made", "1Gi", &made);
        made["metadata"]["annotations"]["pv.kubernetes.io/provisioned-by"] =
            "example.com/disks".into();
        volumes(world).create(made).await;
        claims.until("c", |c| phase(c) == "Bound").await;
        delete(&claims, "c").await;
        claims.until_gone("c").await;
        volumes(world)
            .until("waiting-made", |v| phase(v) == "Released")
            .await;
    });
}

#[test]
fn a_class_without_nodes_of_its_own_gets_directories_on_the_node_that_was_chosen() {
    run(async |world: &World| {
        if cedge_testkit::theirs("CEDGE_TEST_CONTROLLERS") {
            return;
        }
        world.namespace("local").await;
        let (volumes, claims) = (volumes(world), claims(world, "local"));
        let (nodes, _alone) = world.nodes().await;
        nodes
            .create(json!({"metadata": {"name": "keeps-volumes", "labels": {"kubernetes.io/hostname": "keeps-volumes"},
                "annotations": {"edge.centaurus.io/local-volumes": "/data/volumes"}}}))
            .await;
        let classes = world.api("storage.k8s.io/v1", "StorageClass", "storageclasses", "");
        let class = classes.until("local-path", |c| !c.is_null()).await;
        assert_eq!(class["volumeBindingMode"], "WaitForFirstConsumer");
        claims
            .create(claim(
                "c",
                "1Gi",
                &json!({"storageClassName": "local-path"}),
            ))
            .await;
        let selected = json!({"metadata": {"annotations": {"volume.kubernetes.io/selected-node": "keeps-volumes"}}});
        let params = PatchParams::default();
        claims
            .0
            .patch("c", &params, &Patch::Merge(selected))
            .await
            .unwrap();
        let bound = claims.until("c", |c| phase(c) == "Bound").await;
        let name = bound["spec"]["volumeName"].as_str().unwrap().to_owned();
        let made = volumes.until(&name, |v| phase(v) == "Bound").await;
        assert_eq!(
            made["spec"]["hostPath"]["path"],
            format!("/data/volumes/{name}_local_c")
        );
        delete(&claims, "c").await;
        volumes.until_gone(&name).await;
        delete(&nodes, "keeps-volumes").await;
    });
}

#[test]
fn an_ephemeral_volume_has_a_claim_that_lives_as_long_as_its_pod() {
    run(async |world: &World| {
        world.namespace("ephemeral").await;
        let (pods, claims) = (world.pods("ephemeral"), claims(world, "ephemeral"));
        let spec = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": "none"});
        let template = json!({"metadata": {"labels": {"l": "1"}}, "spec": spec});
        let spec = json!({"terminationGracePeriodSeconds": 0, "containers": [{"name": "c", "image": "a"}],
            "volumes": [{"name": "scratch", "ephemeral": {"volumeClaimTemplate": template}}]});
        let pod = pods
            .create(json!({"metadata": {"name": "p"}, "spec": spec}))
            .await;
        let made = claims.until("p-scratch", |c| !c.is_null()).await;
        assert_eq!(made["metadata"]["labels"], json!({"l": "1"}));
        let owner = &made["metadata"]["ownerReferences"][0];
        assert_eq!(owner["uid"], pod["metadata"]["uid"]);
        assert_eq!(owner["blockOwnerDeletion"], true);
        // One that somebody deletes is made again.
        let first = made["metadata"]["uid"].clone();
        delete(&claims, "p-scratch").await;
        let free = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        _ = claims
            .0
            .patch("p-scratch", &PatchParams::default(), &free)
            .await;
        claims
            .until("p-scratch", |c| {
                !c.is_null() && c["metadata"]["uid"] != first
            })
            .await;
        delete(&pods, "p").await;
        claims.until_gone("p-scratch").await;
        // One that another made is not used.
        claims
            .create(claim(
                "q-scratch",
                "1Gi",
                &json!({"storageClassName": "none"}),
            ))
            .await;
        pods.create(json!({"metadata": {"name": "q"}, "spec": spec}))
            .await;
        let events = world.api("v1", "Event", "events", "ephemeral");
        let why = "ephemeral volume scratch: PVC ephemeral/q-scratch was not created for pod ephemeral/q (pod is not owner)";
        events
            .until_all("the refusal", |e| {
                e.iter()
                    .any(|e| e["reason"] == "FailedBinding" && e["message"] == why)
            })
            .await;
        delete(&pods, "q").await;
        delete(&claims, "q-scratch").await;
    });
}
