//! Garbage collection and the end of namespaces.

use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::world::{Objects, World, condition, run, until};

async fn owned(maps: &Objects, name: &str, owner: &Value, api_version: &str, kind: &str) -> Value {
    let reference = json!({"apiVersion": api_version, "kind": kind, "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"], "blockOwnerDeletion": true});
    maps.create(json!({"metadata": {"name": name, "ownerReferences": [reference]}}))
        .await
}

fn plain(name: &str) -> Value {
    json!({"metadata": {"name": name}})
}

async fn widgets(world: &World, plural: &str, kind: &str, namespace: &str) -> Objects {
    let definitions = world.api(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        "",
    );
    let name = format!("{plural}.example.com");
    definitions
        .create(json!({"metadata": {"name": name}, "spec": {"group": "example.com", "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.to_lowercase(), "kind": kind},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}]}}))
        .await;
    definitions
        .until(&name, |d| {
            condition(d, "Established").is_some_and(|c| c["status"] == "True")
        })
        .await;
    let widgets = world.api("example.com/v1", kind, plural, namespace);
    until("the kind to be served", || async {
        widgets.0.list(&Default::default()).await.is_ok()
    })
    .await;
    widgets
}

#[test]
fn dependents_follow_their_owner_as_the_policy_says() {
    run(async |world: &World| {
        world.namespace("policies").await;
        let maps = world.api("v1", "ConfigMap", "configmaps", "policies");
        for (name, params) in [
            ("background", DeleteParams::background()),
            ("foreground", DeleteParams::foreground()),
            ("orphan", DeleteParams::orphan()),
        ] {
            let owner = maps.create(plain(name)).await;
            let child = owned(&maps, &format!("{name}-child"), &owner, "v1", "ConfigMap").await;
            owned(
                &maps,
                &format!("{name}-grandchild"),
                &child,
                "v1",
                "ConfigMap",
            )
            .await;
            maps.0.delete(name, &params).await.unwrap();
            maps.until_gone(name).await;
            if name == "orphan" {
                let child = maps.get("orphan-child").await;
                assert_eq!(child["metadata"]["ownerReferences"], Value::Null);
                assert!(!maps.get("orphan-grandchild").await.is_null());
                continue;
            }
            if name == "foreground" {
                assert!(
                    maps.get("foreground-child").await.is_null(),
                    "the owner went first"
                );
            }
            maps.until_gone(&format!("{name}-child")).await;
            maps.until_gone(&format!("{name}-grandchild")).await;
        }
    });
}

#[test]
fn custom_kinds_that_appear_later_own_and_are_owned() {
    run(async |world: &World| {
        world.namespace("custom").await;
        let widgets = widgets(world, "widgets", "Widget", "custom").await;
        let maps = world.api("v1", "ConfigMap", "configmaps", "custom");
        let widget = |name: &str| json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}});
        let owner = widgets.create(widget("owner")).await;
        owned(&maps, "child", &owner, "example.com/v1", "Widget").await;
        let map = maps.create(plain("map")).await;
        let mut part = widget("part");
        part["metadata"]["ownerReferences"] = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "map", "uid": map["metadata"]["uid"]}]);
        widgets.create(part).await;
        widgets
            .0
            .delete("owner", &DeleteParams::foreground())
            .await
            .unwrap();
        maps.0
            .delete("map", &DeleteParams::background())
            .await
            .unwrap();
        widgets.until_gone("owner").await;
        maps.until_gone("child").await;
        widgets.until_gone("part").await;
    });
}

#[test]
fn what_refers_to_an_owner_that_never_was_is_collected_and_one_owner_is_enough_to_stay() {
    run(async |world: &World| {
        world.namespace("absent").await;
        let maps = world.api("v1", "ConfigMap", "configmaps", "absent");
        let here = maps.create(plain("here")).await;
        let ghost =
            json!({"metadata": {"name": "ghost", "uid": "00000000-0000-0000-0000-000000000000"}});
        owned(&maps, "lost", &ghost, "v1", "ConfigMap").await;
        let references = [&here, &ghost].map(|o| {
            json!({"apiVersion": "v1", "kind": "ConfigMap",
            "name": o["metadata"]["name"], "uid": o["metadata"]["uid"]})
        });
        maps.create(json!({"metadata": {"name": "kept", "ownerReferences": references}}))
            .await;
        maps.until_gone("lost").await;
        let kept = maps
            .until("kept", |m| {
                m["metadata"]["ownerReferences"]
                    .as_array()
                    .is_some_and(|o| o.len() == 1)
            })
            .await;
        assert_eq!(kept["metadata"]["ownerReferences"][0]["name"], "here");
    });
}

#[test]
fn a_namespace_ends_when_its_last_finalizer_falls() {
    run(async |world: &World| {
        world.namespace("ending").await;
        let widgets = widgets(world, "gadgets", "Gadget", "ending").await;
        widgets
            .create(json!({"apiVersion": "example.com/v1", "kind": "Gadget", "metadata": {"name": "g", "finalizers": ["example.com/hold"]}}))
            .await;
        let maps = world.api("v1", "ConfigMap", "configmaps", "ending");
        maps.until("kube-root-ca.crt", |m| {
            m["data"]["ca.crt"] == world.root_ca()
        })
        .await;
        maps.create(plain("m")).await;
        let namespaces = world.api("v1", "Namespace", "namespaces", "");
        namespaces
            .0
            .delete("ending", &Default::default())
            .await
            .unwrap();
        let held = namespaces
            .until("ending", |n| {
                condition(n, "NamespaceFinalizersRemaining").is_some_and(|c| c["status"] == "True")
            })
            .await;
        assert_eq!(
            condition(&held, "NamespaceFinalizersRemaining").unwrap()["message"],
            "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances"
        );
        assert!(maps.list().await.is_empty());
        widgets
            .patch("g", json!({"metadata": {"finalizers": null}}))
            .await;
        namespaces.until_gone("ending").await;
    });
}
