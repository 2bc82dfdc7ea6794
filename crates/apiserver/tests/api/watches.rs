//! Watches.

use std::time::Duration;

use serde_json::json;

use crate::support::{CONFIG_MAPS, config_map, start, start_with};

#[tokio::test]
async fn a_watch_tells_every_change_once_and_in_order() {
    let server = start().await;
    let a = server.create(CONFIG_MAPS, config_map("a", "1")).await;
    let at = a["metadata"]["resourceVersion"].as_str().unwrap();
    let mut watch = server
        .watch(&format!("{CONFIG_MAPS}?watch=1&resourceVersion={at}"))
        .await;
    server.create(CONFIG_MAPS, config_map("b", "1")).await;
    server
        .put(&format!("{CONFIG_MAPS}/a"), config_map("a", "2"))
        .await;
    let deleted = server.delete(&format!("{CONFIG_MAPS}/b")).await;
    assert_eq!(deleted.body["status"], "Success");
    assert_eq!(watch.short().await, ("ADDED".into(), "b".into()));
    let modified = watch.next().await.unwrap();
    assert_eq!(modified["type"], "MODIFIED");
    assert_eq!(modified["object"]["kind"], "ConfigMap");
    assert_eq!(modified["object"]["data"]["k"], "2");
    let gone = watch.next().await.unwrap();
    assert_eq!(gone["type"], "DELETED");
    let version = |v: &serde_json::Value| {
        v["metadata"]["resourceVersion"]
            .as_str()
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    assert!(version(&gone["object"]) > version(&modified["object"]));
}

#[tokio::test]
async fn a_watch_without_a_revision_begins_with_what_is_there() {
    let server = start().await;
    server.create(CONFIG_MAPS, config_map("a", "1")).await;
    let mut watch = server.watch(&format!("{CONFIG_MAPS}?watch=1")).await;
    assert_eq!(watch.short().await, ("ADDED".into(), "a".into()));
    server.create(CONFIG_MAPS, config_map("b", "1")).await;
    assert_eq!(watch.short().await, ("ADDED".into(), "b".into()));
}

#[tokio::test]
async fn objects_enter_and_leave_a_selection() {
    let server = start().await;
    let mut watch = server
        .watch(&format!("{CONFIG_MAPS}?watch=1&labelSelector=v=1"))
        .await;
    let path = format!("{CONFIG_MAPS}/a");
    server.create(CONFIG_MAPS, config_map("a", "0")).await;
    server.put(&path, config_map("a", "1")).await;
    server.put(&path, config_map("a", "2")).await;
    server.put(&path, config_map("a", "3")).await;
    server.put(&path, config_map("a", "1")).await;
    server.delete(&path).await;
    let mut seen = Vec::new();
    for _ in 0..4 {
        let event = watch.next().await.unwrap();
        seen.push((event["type"].clone(), event["object"]["data"]["k"].clone()));
    }
    assert_eq!(
        json!(seen),
        json!([
            ["ADDED", "1"],
            ["DELETED", "1"],
            ["ADDED", "1"],
            ["DELETED", "1"]
        ])
    );
}

#[tokio::test]
async fn a_streaming_list_says_where_it_ends() {
    let server = start().await;
    for name in ["a", "b"] {
        server.create(CONFIG_MAPS, config_map(name, "1")).await;
    }
    let path = format!(
        "{CONFIG_MAPS}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    );
    let mut watch = server.watch(&path).await;
    assert_eq!(watch.short().await, ("ADDED".into(), "a".into()));
    assert_eq!(watch.short().await, ("ADDED".into(), "b".into()));
    let bookmark = watch.next().await.unwrap();
    assert_eq!(bookmark["type"], "BOOKMARK");
    assert_eq!(
        bookmark["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"],
        "true"
    );
    server.create(CONFIG_MAPS, config_map("c", "1")).await;
    assert_eq!(watch.short().await, ("ADDED".into(), "c".into()));
}

#[tokio::test]
async fn a_watch_from_a_compacted_revision_is_told_to_start_anew() {
    let server = start().await;
    let a = server.create(CONFIG_MAPS, config_map("a", "1")).await;
    let at = a["metadata"]["resourceVersion"]
        .as_str()
        .unwrap()
        .to_owned();
    // More than the recent changes hold.
    let big = "x".repeat(900_000);
    for i in 0..8 {
        let mut map = config_map(&format!("big{i}"), "1");
        map["data"]["k"] = json!(big);
        server.create(CONFIG_MAPS, map).await;
    }
    let mut resumed = server
        .watch(&format!("{CONFIG_MAPS}?watch=1&resourceVersion={at}"))
        .await;
    for i in 0..8 {
        assert_eq!(resumed.short().await, ("ADDED".into(), format!("big{i}")));
    }
    server.create(CONFIG_MAPS, config_map("z", "1")).await;
    assert_eq!(resumed.short().await, ("ADDED".into(), "z".into()));
    server.store.compact(server.store.revision()).await.unwrap();
    let mut late = server
        .watch(&format!("{CONFIG_MAPS}?watch=1&resourceVersion={at}"))
        .await;
    let error = late.next().await.unwrap();
    assert_eq!(error["type"], "ERROR");
    assert_eq!(error["object"]["code"], 410);
    assert_eq!(error["object"]["reason"], "Expired");
    assert!(late.next().await.is_none());
}

#[tokio::test]
async fn bookmarks_tell_that_nothing_was_missed() {
    let server = start_with(|config| config.bookmark_interval = Duration::from_millis(50)).await;
    let path =
        "/api/v1/namespaces/default/secrets?watch=1&allowWatchBookmarks=true&timeoutSeconds=1";
    let mut watch = server.watch(path).await;
    let start = watch.next().await.unwrap();
    let annotations = &start["object"]["metadata"]["annotations"];
    assert_eq!(annotations["k8s.io/initial-events-end"], "true");
    let other = server.create(CONFIG_MAPS, config_map("a", "1")).await;
    let event = watch.next().await.unwrap();
    assert_eq!(event["type"], "BOOKMARK");
    let version = |v: &serde_json::Value| {
        v["metadata"]["resourceVersion"]
            .as_str()
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    assert!(version(&event["object"]) >= version(&other));
    while let Some(event) = watch.next().await {
        assert_eq!(
            event["type"], "BOOKMARK",
            "and the watch ends with its time"
        );
    }
}

#[tokio::test]
async fn a_watch_can_show_tables() {
    let server = start().await;
    server.create(CONFIG_MAPS, config_map("a", "1")).await;
    let client = server.api.client("admin", ["system:masters"]);
    let request = http::Request::get(format!("{CONFIG_MAPS}?watch=1&timeoutSeconds=1"))
        .header("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
        .body(Vec::new())
        .unwrap();
    let text = client.request_text(request).await.unwrap();
    let line: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(line["object"]["kind"], "Table");
    assert_eq!(line["object"]["rows"][0]["cells"][0], "a");
}
