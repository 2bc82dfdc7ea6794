//! Deletion.

use serde_json::{Value, json};

use crate::support::{CONFIG_MAPS, PODS, Server, config_map, pod, start};

async fn bind(server: &Server, name: &str) {
    let binding = json!({"kind": "Binding", "apiVersion": "v1", "metadata": {"name": name}, "target": {"kind": "Node", "name": "n"}});
    let answer = server
        .post(&format!("{PODS}/{name}/binding"), binding)
        .await;
    assert_eq!(answer.code, 201, "{:#}", answer.body);
}

#[tokio::test]
async fn a_deletion_answers_with_a_status_and_the_uid() {
    let server = start().await;
    let created = server.create(CONFIG_MAPS, config_map("a", "1")).await;
    let answer = server.delete(&format!("{CONFIG_MAPS}/a")).await;
    assert_eq!(
        answer.body,
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
            "details": {"name": "a", "kind": "configmaps", "uid": created["metadata"]["uid"]},
        })
    );
    assert_eq!(server.get(&format!("{CONFIG_MAPS}/a")).await.code, 404);
    let again = server.delete(&format!("{CONFIG_MAPS}/a")).await;
    assert_eq!(again.body["message"], "configmaps \"a\" not found");
}

#[tokio::test]
async fn preconditions_protect_another_object_of_the_same_name() {
    let server = start().await;
    server.create(CONFIG_MAPS, config_map("a", "1")).await;
    let path = format!("{CONFIG_MAPS}/a");
    let wrong = server
        .ask("DELETE", &path, json!({"preconditions": {"uid": "other"}}))
        .await;
    assert_eq!(wrong.code, 409);
    assert!(
        wrong.body["message"]
            .as_str()
            .unwrap()
            .contains("the UID in the precondition (other)")
    );
    let wrong = server
        .ask(
            "DELETE",
            &path,
            json!({"preconditions": {"resourceVersion": "1"}}),
        )
        .await;
    assert_eq!(wrong.code, 409);
    let dry = server
        .ask("DELETE", &path, json!({"dryRun": ["All"]}))
        .await;
    assert_eq!(dry.code, 200);
    assert_eq!(server.get(&path).await.code, 200);
}

#[tokio::test]
async fn an_object_goes_when_its_last_finalizer_falls() {
    let server = start().await;
    let mut object = config_map("a", "1");
    object["metadata"]["finalizers"] = json!(["example.com/hold"]);
    server.create(CONFIG_MAPS, object).await;
    let path = format!("{CONFIG_MAPS}/a");
    let answer = server.delete(&path).await;
    assert_eq!(answer.code, 200);
    assert!(answer.body["metadata"]["deletionTimestamp"].is_string());
    assert_eq!(answer.body["metadata"]["deletionGracePeriodSeconds"], 0);
    let before = server.get(&path).await.body;
    let again = server.delete(&path).await;
    assert_eq!(again.body, before, "deleting twice changes nothing");
    let more = server
        .patch(
            &path,
            "merge-patch+json",
            json!({"metadata": {"finalizers": ["example.com/hold", "example.com/more"]}}),
        )
        .await;
    assert_eq!(more.code, 422);
    assert!(
        more.body["message"]
            .as_str()
            .unwrap()
            .contains("no new finalizers can be added if the object is being deleted")
    );
    let last = server
        .patch(
            &path,
            "merge-patch+json",
            json!({"metadata": {"finalizers": null}}),
        )
        .await;
    assert_eq!(last.code, 200, "{:#}", last.body);
    assert_eq!(server.get(&path).await.code, 404);
}

#[tokio::test]
async fn policies_become_finalizers() {
    let server = start().await;
    for (policy, finalizer) in [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")] {
        server
            .create(CONFIG_MAPS, config_map(&policy.to_lowercase(), "1"))
            .await;
        let path = format!("{CONFIG_MAPS}/{}", policy.to_lowercase());
        let answer = server
            .ask("DELETE", &path, json!({"propagationPolicy": policy}))
            .await;
        assert_eq!(answer.body["metadata"]["finalizers"], json!([finalizer]));
    }
    let both = server
        .ask(
            "DELETE",
            &format!("{CONFIG_MAPS}/orphan"),
            json!({"propagationPolicy": "Orphan", "orphanDependents": true}),
        )
        .await;
    assert_eq!(both.code, 422);
}

#[tokio::test]
async fn a_pod_without_a_node_goes_at_once_and_one_with_a_node_when_the_node_says_so() {
    let server = start().await;
    server.create(PODS, pod("free")).await;
    let answer = server.delete(&format!("{PODS}/free")).await;
    assert_eq!(answer.body["kind"], "Pod");
    assert_eq!(server.get(&format!("{PODS}/free")).await.code, 404);

    server.create(PODS, pod("bound")).await;
    bind(&server, "bound").await;
    let path = format!("{PODS}/bound");
    let marked = server.delete(&path).await.body;
    assert_eq!(marked["metadata"]["deletionGracePeriodSeconds"], 30);
    assert_eq!(server.get(&path).await.code, 200);
    let faster = server
        .ask("DELETE", &path, json!({"gracePeriodSeconds": 5}))
        .await
        .body;
    assert_eq!(faster["metadata"]["deletionGracePeriodSeconds"], 5);
    let slower = server
        .ask("DELETE", &path, json!({"gracePeriodSeconds": 50}))
        .await
        .body;
    assert_eq!(slower["metadata"]["deletionGracePeriodSeconds"], 5);
    let now = server
        .ask("DELETE", &path, json!({"gracePeriodSeconds": 0}))
        .await;
    assert_eq!(now.code, 200);
    assert_eq!(server.get(&path).await.code, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_deletes_a_pod_is_not_told_that_it_is_gone_when_its_node_was_faster() {
    const PODS_MADE: usize = 150;
    let server = start().await;
    for n in 0..PODS_MADE {
        server.create(PODS, pod(&format!("p{n}"))).await;
    }
    let mut watch = server.watch(&format!("{PODS}?watch=1")).await;
    let node = async {
        let mut gone = 0;
        while gone < PODS_MADE {
            let event = watch.next().await.unwrap();
            gone += usize::from(event["type"] == "DELETED");
            let metadata = &event["object"]["metadata"];
            if event["type"] == "MODIFIED" && !metadata["deletionTimestamp"].is_null() {
                let name = metadata["name"].as_str().unwrap();
                let now = json!({"gracePeriodSeconds": 0});
                let answer = server.ask("DELETE", &format!("{PODS}/{name}"), now).await;
                assert!(
                    matches!(answer.code.as_u16(), 200 | 404),
                    "{:#}",
                    answer.body
                );
            }
        }
    };
    let user = async {
        for n in 0..PODS_MADE {
            let answer = server.delete(&format!("{PODS}/p{n}")).await;
            assert_eq!(answer.code, 200, "{:#}", answer.body);
            assert_eq!(answer.body["metadata"]["name"], format!("p{n}"));
        }
    };
    tokio::join!(node, user);
}

#[tokio::test]
async fn a_pod_is_bound_once() {
    let server = start().await;
    server.create(PODS, pod("a")).await;
    bind(&server, "a").await;
    let bound = server.get(&format!("{PODS}/a")).await.body;
    assert_eq!(bound["spec"]["nodeName"], "n");
    assert_eq!(bound["status"]["conditions"][0]["type"], "PodScheduled");
    let binding = json!({"metadata": {"name": "a"}, "target": {"kind": "Node", "name": "m"}});
    let again = server.post(&format!("{PODS}/a/binding"), binding).await;
    assert_eq!(again.code, 409);
    assert!(
        again.body["message"]
            .as_str()
            .unwrap()
            .contains("pod a is already assigned to node \"n\"")
    );
}

#[tokio::test]
async fn a_collection_is_deleted_by_selector() {
    let server = start().await;
    for (name, value) in [("a", "1"), ("b", "2"), ("c", "1")] {
        server.create(CONFIG_MAPS, config_map(name, value)).await;
    }
    let answer = server
        .delete(&format!("{CONFIG_MAPS}?labelSelector=v=1"))
        .await;
    assert_eq!(answer.code, 200);
    assert_eq!(answer.body["items"].as_array().unwrap().len(), 2);
    let left = server.get(CONFIG_MAPS).await.body;
    assert_eq!(left["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_namespace_goes_in_two_steps_and_takes_nothing_new_meanwhile() {
    let server = start().await;
    server
        .create("/api/v1/namespaces", json!({"metadata": {"name": "n"}}))
        .await;
    let path = "/api/v1/namespaces/n";
    let marked = server.delete(path).await.body;
    assert_eq!(marked["status"]["phase"], "Terminating");
    let refused = server
        .post("/api/v1/namespaces/n/configmaps", config_map("a", "1"))
        .await;
    assert_eq!(refused.code, 403);
    assert_eq!(
        refused.body["message"],
        "configmaps \"a\" is forbidden: unable to create new content in namespace n because it is being terminated"
    );
    assert_eq!(
        refused.body["details"]["causes"][0]["reason"],
        "NamespaceTerminating"
    );
    let mut finalized: Value = server.get(path).await.body;
    finalized["spec"]["finalizers"] = json!([]);
    let answer = server.put(&format!("{path}/finalize"), finalized).await;
    assert_eq!(answer.code, 200, "{:#}", answer.body);
    assert_eq!(server.get(path).await.code, 404);
    let immortal = server.delete("/api/v1/namespaces/kube-system").await;
    assert_eq!(immortal.code, 403);
}

#[tokio::test]
async fn an_eviction_asks_the_budget() {
    let server = start().await;
    let mut p = pod("a");
    p["metadata"]["labels"] = json!({"app": "web"});
    server.create(PODS, p).await;
    bind(&server, "a").await;
    server
        .patch(
            &format!("{PODS}/a/status"),
            "merge-patch+json",
            json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}),
        )
        .await;
    let budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
    let budget = json!({
        "kind": "PodDisruptionBudget", "apiVersion": "policy/v1", "metadata": {"name": "b"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}},
    });
    server.create(budgets, budget).await;
    let status = json!({"status": {"observedGeneration": 1, "disruptionsAllowed": 0, "currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1}});
    let answer = server
        .patch(&format!("{budgets}/b/status"), "merge-patch+json", status)
        .await;
    assert_eq!(answer.code, 200, "{:#}", answer.body);
    let eviction =
        json!({"kind": "Eviction", "apiVersion": "policy/v1", "metadata": {"name": "a"}});
    let refused = server
        .post(&format!("{PODS}/a/eviction"), eviction.clone())
        .await;
    assert_eq!(refused.code, 429, "{:#}", refused.body);
    assert_eq!(
        refused.body["details"]["causes"][0]["reason"],
        "DisruptionBudget"
    );
    server
        .patch(
            &format!("{budgets}/b/status"),
            "merge-patch+json",
            json!({"status": {"disruptionsAllowed": 1}}),
        )
        .await;
    let allowed = server.post(&format!("{PODS}/a/eviction"), eviction).await;
    assert_eq!(allowed.code, 201, "{:#}", allowed.body);
    let evicted = server.get(&format!("{PODS}/a")).await.body;
    assert!(evicted["metadata"]["deletionTimestamp"].is_string());
    let conditions = evicted["status"]["conditions"].as_array().unwrap();
    let told = conditions.iter().find(|c| c["type"] == "DisruptionTarget");
    assert_eq!(told.unwrap()["reason"], "EvictionByEvictionAPI");
    assert_eq!(
        server.get(&format!("{budgets}/b")).await.body["status"]["disruptionsAllowed"],
        0
    );
}
