//! Patches, server-side apply, and scale.

use serde_json::json;

use crate::support::{CONFIG_MAPS, config_map, start};

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

fn deployment(name: &str, image: &str) -> serde_json::Value {
    json!({
        "kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": name},
        "spec": {
            "replicas": 1, "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "c", "image": image}]},
            },
        },
    })
}

#[tokio::test]
async fn the_three_plain_patches_do_what_they_say() {
    let server = start().await;
    server.create(DEPLOYMENTS, deployment("d", "a:1")).await;
    let path = format!("{DEPLOYMENTS}/d");
    let merge = server
        .patch(&path, "merge-patch+json", json!({"spec": {"replicas": 3}}))
        .await;
    assert_eq!(merge.code, 200, "{:#}", merge.body);
    assert_eq!(merge.body["spec"]["replicas"], 3);
    assert_eq!(merge.body["metadata"]["generation"], 2);
    let json_patch = json!([{"op": "replace", "path": "/spec/replicas", "value": 4}]);
    let patched = server.patch(&path, "json-patch+json", json_patch).await;
    assert_eq!(patched.body["spec"]["replicas"], 4);
    let strategic = json!({"spec": {"template": {"spec": {"containers": [{"name": "sidecar", "image": "b:1"}]}}}});
    let patched = server
        .patch(&path, "strategic-merge-patch+json", strategic)
        .await;
    let containers = patched.body["spec"]["template"]["spec"]["containers"]
        .as_array()
        .unwrap();
    assert_eq!(containers.len(), 2, "{:#}", patched.body);
    let failed = server
        .patch(
            &path,
            "json-patch+json",
            json!([{"op": "test", "path": "/spec/replicas", "value": 9}]),
        )
        .await;
    assert_eq!(failed.code, 422);
    let unknown = server.patch(&path, "nonsense+json", json!({})).await;
    assert_eq!(unknown.code, 415);
    let missing = server
        .patch(
            &format!("{DEPLOYMENTS}/none"),
            "merge-patch+json",
            json!({}),
        )
        .await;
    assert_eq!(
        missing.body["message"],
        "deployments.apps \"none\" not found"
    );
    let invalid = server
        .patch(&path, "merge-patch+json", json!({"spec": {"replicas": -1}}))
        .await;
    assert_eq!(invalid.code, 422, "{:#}", invalid.body);
}

#[tokio::test]
async fn a_patch_of_an_old_version_conflicts() {
    let server = start().await;
    server.create(CONFIG_MAPS, config_map("a", "1")).await;
    let patch = json!({"metadata": {"resourceVersion": "1"}, "data": {"k": "2"}});
    let answer = server
        .patch(&format!("{CONFIG_MAPS}/a"), "merge-patch+json", patch)
        .await;
    assert_eq!(answer.code, 409);
}

#[tokio::test]
async fn apply_creates_owns_conflicts_and_can_be_forced() {
    let server = start().await;
    let path = format!("{CONFIG_MAPS}/a");
    let object = |value: &str| json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a"}, "data": {"k": value}});
    let none = server.patch(&path, "apply-patch+yaml", object("1")).await;
    assert_eq!(none.code, 422, "{:#}", none.body);
    assert!(
        none.body["message"]
            .as_str()
            .unwrap()
            .contains("is required for apply patch")
    );
    let created = server
        .patch(
            &format!("{path}?fieldManager=one"),
            "apply-patch+yaml",
            object("1"),
        )
        .await;
    assert_eq!(created.code, 201, "{:#}", created.body);
    assert_eq!(
        created.body["metadata"]["managedFields"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        created.body["metadata"]["managedFields"][0]["operation"],
        "Apply"
    );
    let same = server
        .patch(
            &format!("{path}?fieldManager=one"),
            "apply-patch+yaml",
            object("1"),
        )
        .await;
    assert_eq!(same.code, 200);
    assert_eq!(
        same.body["metadata"]["resourceVersion"],
        created.body["metadata"]["resourceVersion"]
    );
    let conflict = server
        .patch(
            &format!("{path}?fieldManager=two"),
            "apply-patch+yaml",
            object("2"),
        )
        .await;
    assert_eq!(conflict.code, 409);
    assert_eq!(
        conflict.body["message"],
        "Apply failed with 1 conflict: conflict with \"one\": .data.k"
    );
    assert_eq!(
        conflict.body["details"]["causes"][0]["reason"],
        "FieldManagerConflict"
    );
    let forced = server
        .patch(
            &format!("{path}?fieldManager=two&force=true"),
            "apply-patch+yaml",
            object("2"),
        )
        .await;
    assert_eq!(forced.code, 200);
    assert_eq!(forced.body["data"]["k"], "2");
}

#[tokio::test]
async fn a_scale_is_another_view_of_the_object() {
    let server = start().await;
    server.create(DEPLOYMENTS, deployment("d", "a:1")).await;
    let path = format!("{DEPLOYMENTS}/d/scale");
    let mut scale = server.get(&path).await.body;
    assert_eq!(scale["kind"], "Scale");
    assert_eq!(scale["spec"]["replicas"], 1);
    assert_eq!(scale["status"]["selector"], "app=d");
    scale["spec"]["replicas"] = json!(5);
    let answer = server.put(&path, scale.clone()).await;
    assert_eq!(answer.code, 200, "{:#}", answer.body);
    assert_eq!(answer.body["spec"]["replicas"], 5);
    let stale = server.put(&path, scale).await;
    assert_eq!(stale.code, 409);
    let patched = server
        .patch(&path, "merge-patch+json", json!({"spec": {"replicas": 2}}))
        .await;
    assert_eq!(patched.body["spec"]["replicas"], 2, "{:#}", patched.body);
    let object = server.get(&format!("{DEPLOYMENTS}/d")).await.body;
    assert_eq!(object["spec"]["replicas"], 2);
    assert_eq!(object["metadata"]["generation"], 3);
}

#[tokio::test]
async fn writers_that_race_lose_nothing() {
    let server = start().await;
    server.create(CONFIG_MAPS, config_map("a", "0")).await;
    let path = format!("{CONFIG_MAPS}/a");
    let writes = (0..16).map(|i| {
        let (server, path) = (&server, &path);
        async move {
            server
                .patch(
                    path,
                    "merge-patch+json",
                    json!({"data": {format!("w{i}"): "x"}}),
                )
                .await
                .code
        }
    });
    let codes = futures::future::join_all(writes).await;
    assert!(codes.iter().all(|c| *c == 200), "{codes:?}");
    let data = server.get(&path).await.body["data"]
        .as_object()
        .unwrap()
        .len();
    assert_eq!(data, 17);
}
