//! Lists, selectors, pages, tables.

use serde_json::{Value, json};

use crate::support::{CONFIG_MAPS, PODS, config_map, pod, start};

fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().unwrap();
    items
        .iter()
        .map(|i| i["metadata"]["name"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn selectors_choose() {
    let server = start().await;
    for (name, value) in [("a", "1"), ("b", "2"), ("c", "3")] {
        server.create(CONFIG_MAPS, config_map(name, value)).await;
    }
    let list = server
        .get(&format!("{CONFIG_MAPS}?labelSelector=v%20in%20(1,3)"))
        .await;
    assert_eq!(list.body["kind"], "ConfigMapList");
    assert_eq!(names(&list.body), ["a", "c"]);
    let list = server
        .get(&format!(
            "{CONFIG_MAPS}?fieldSelector=metadata.name!=b,metadata.name!=kube-root-ca.crt"
        ))
        .await;
    assert_eq!(names(&list.body), ["a", "c"]);
    let list = server
        .get("/api/v1/configmaps?fieldSelector=metadata.name=b")
        .await;
    assert_eq!(names(&list.body), ["b"]);
    server.create(PODS, pod("p")).await;
    let list = server
        .get(&format!(
            "{PODS}?fieldSelector=spec.nodeName=,status.phase=Pending"
        ))
        .await;
    assert_eq!(names(&list.body), ["p"]);
    let wrong = server
        .get(&format!("{PODS}?fieldSelector=spec.none=x"))
        .await;
    assert_eq!(wrong.code, 400);
    let wrong = server.get(&format!("{PODS}?labelSelector=a%20b")).await;
    assert_eq!(wrong.code, 400);
}

#[tokio::test]
async fn pages_show_one_state_while_objects_come_and_go() {
    let server = start().await;
    for i in 0..10 {
        server
            .create(CONFIG_MAPS, config_map(&format!("c{i}"), "x"))
            .await;
    }
    let first = server.get(&format!("{CONFIG_MAPS}?limit=4")).await.body;
    assert_eq!(names(&first), ["c0", "c1", "c2", "c3"]);
    assert_eq!(first["metadata"]["remainingItemCount"], 6);
    server.create(CONFIG_MAPS, config_map("c35", "x")).await;
    server.delete(&format!("{CONFIG_MAPS}/c5")).await;
    server.create(CONFIG_MAPS, config_map("c99", "x")).await;
    let token = first["metadata"]["continue"].as_str().unwrap();
    let second = server
        .get(&format!("{CONFIG_MAPS}?limit=4&continue={token}"))
        .await
        .body;
    assert_eq!(names(&second), ["c4", "c5", "c6", "c7"], "{second:#}");
    assert_eq!(
        second["metadata"]["resourceVersion"],
        first["metadata"]["resourceVersion"]
    );
    let token = second["metadata"]["continue"].as_str().unwrap();
    let third = server
        .get(&format!("{CONFIG_MAPS}?limit=4&continue={token}"))
        .await
        .body;
    assert_eq!(names(&third), ["c8", "c9"]);
    assert!(third["metadata"]["continue"].is_null());
}

#[tokio::test]
async fn a_page_whose_state_is_gone_says_how_to_go_on() {
    let server = start().await;
    for i in 0..4 {
        server
            .create(CONFIG_MAPS, config_map(&format!("c{i}"), "x"))
            .await;
    }
    let first = server.get(&format!("{CONFIG_MAPS}?limit=2")).await.body;
    let token = first["metadata"]["continue"].as_str().unwrap();
    server.create(CONFIG_MAPS, config_map("c15", "x")).await;
    server.store.compact(server.store.revision()).await.unwrap();
    let expired = server
        .get(&format!("{CONFIG_MAPS}?limit=2&continue={token}"))
        .await;
    assert_eq!(expired.code, 410, "{:#}", expired.body);
    assert_eq!(expired.body["reason"], "Expired");
    let token = expired.body["metadata"]["continue"].as_str().unwrap();
    let rest = server
        .get(&format!("{CONFIG_MAPS}?continue={token}"))
        .await
        .body;
    assert_eq!(names(&rest), ["c15", "c2", "c3"]);
}

#[tokio::test]
async fn revisions_mean_what_kubernetes_means() {
    let server = start().await;
    let a = server.create(CONFIG_MAPS, config_map("a", "1")).await;
    server.create(CONFIG_MAPS, config_map("b", "1")).await;
    let at = a["metadata"]["resourceVersion"].as_str().unwrap();
    let exact = server
        .get(&format!(
            "{CONFIG_MAPS}?resourceVersion={at}&resourceVersionMatch=Exact"
        ))
        .await
        .body;
    assert_eq!(names(&exact), ["a"]);
    assert_eq!(exact["metadata"]["resourceVersion"], at);
    // A consistent list waits until the cache knows all; from then on "not older" has it as well.
    server.get(CONFIG_MAPS).await;
    let not_older = server
        .get(&format!("{CONFIG_MAPS}?resourceVersion={at}"))
        .await
        .body;
    assert_eq!(names(&not_older), ["a", "b"]);
    let wrong = server
        .get(&format!("{CONFIG_MAPS}?resourceVersionMatch=Exact"))
        .await;
    assert_eq!(wrong.code, 422);
}

#[tokio::test]
async fn a_revision_from_the_future_is_refused() {
    let server = start().await;
    let answer = server
        .get(&format!("{CONFIG_MAPS}?resourceVersion=1000000"))
        .await;
    assert_eq!(answer.code, 504);
    assert_eq!(
        answer.body["details"]["causes"][0]["reason"],
        "ResourceVersionTooLarge"
    );
    assert_eq!(answer.headers["retry-after"], "1");
}

#[tokio::test]
async fn kubectl_gets_tables_and_metadata() {
    let server = start().await;
    server.create(PODS, pod("p")).await;
    let table = [(
        "accept",
        "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
    )];
    let answer = server.ask_with("GET", PODS, &table, Value::Null).await.body;
    assert_eq!(answer["kind"], "Table");
    let columns: Vec<&str> = answer["columnDefinitions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        &columns[..5],
        ["Name", "Ready", "Status", "Restarts", "Age"]
    );
    assert_eq!(answer["rows"][0]["cells"][0], "p");
    assert_eq!(answer["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    let one = server
        .ask_with("GET", &format!("{PODS}/p"), &table, Value::Null)
        .await
        .body;
    assert_eq!(one["rows"].as_array().unwrap().len(), 1);
    let partial = [(
        "accept",
        "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
    )];
    let answer = server
        .ask_with("GET", PODS, &partial, Value::Null)
        .await
        .body;
    assert_eq!(answer["kind"], "PartialObjectMetadataList");
    assert!(answer["items"][0]["spec"].is_null());
    let protobuf = [("accept", "application/vnd.kubernetes.protobuf")];
    assert_eq!(
        server
            .ask_with("GET", PODS, &protobuf, Value::Null)
            .await
            .code,
        406
    );
    let yaml = [("accept", "application/yaml")];
    let answer = server
        .ask_with("GET", &format!("{PODS}/p"), &yaml, Value::Null)
        .await;
    assert!(answer.body.as_str().unwrap().contains("kind: Pod"));
}

#[tokio::test]
async fn items_of_built_in_lists_carry_no_kind() {
    let server = start().await;
    server.create(CONFIG_MAPS, config_map("a", "1")).await;
    let list = server.get(CONFIG_MAPS).await.body;
    assert!(list["items"][0]["kind"].is_null());
    assert_eq!(list["items"][0]["data"], json!({"k": "1"}));
}

#[tokio::test]
async fn a_kind_with_two_doors_is_one_kind() {
    let server = start().await;
    let event = json!({
        "kind": "Event", "apiVersion": "v1", "metadata": {"name": "e", "namespace": "default"},
        "involvedObject": {"kind": "Pod", "namespace": "default", "name": "p"}, "reason": "Tested", "message": "m", "type": "Normal",
    });
    server
        .create("/api/v1/namespaces/default/events", event)
        .await;
    let other = server
        .get("/apis/events.k8s.io/v1/namespaces/default/events/e")
        .await
        .body;
    assert_eq!(other["apiVersion"], "events.k8s.io/v1");
    assert_eq!(other["note"], "m");
    assert_eq!(other["regarding"]["name"], "p");
}
