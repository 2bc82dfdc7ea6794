//! A server that was killed and started again: its revisions jump, and everything that is asked at once is answered.

use serde_json::json;

use crate::support::{start, start_in};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

#[tokio::test]
async fn a_server_that_was_killed_answers_at_once_with_what_it_had() {
    let server = start().await;
    let map = json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a"}});
    let before = server.create(MAPS, map).await;
    let known = before["metadata"]["resourceVersion"].as_str().unwrap();
    let server = start_in(server.killed(), |_| {}).await;
    // The first thing that it hears is a write, and what reads it comes right behind.
    let apply = json!({
        "kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "b"}, "data": {"k": "v"},
    });
    let path = format!("{MAPS}/b?fieldManager=test");
    let applied = server.patch(&path, "apply-patch+yaml", apply.clone()).await;
    assert_eq!(applied.code, 201, "{:#}", applied.body);
    let revision = applied.body["metadata"]["resourceVersion"]
        .as_str()
        .unwrap();
    let jump = revision.parse::<u64>().unwrap() - known.parse::<u64>().unwrap();
    assert!(
        jump > 1000,
        "the block that was reserved is skipped: {jump}"
    );
    for version in ["", "0", known, revision] {
        let listed = server
            .get(&format!("{MAPS}?resourceVersion={version}"))
            .await;
        assert_eq!(listed.code, 200, "{version}: {:#}", listed.body);
        assert_eq!(
            listed.body["items"].as_array().unwrap().len(),
            2,
            "{version}"
        );
        let got = server
            .get(&format!("{MAPS}/a?resourceVersion={version}"))
            .await;
        assert_eq!(got.code, 200, "{version}: {:#}", got.body);
    }
    let again = server.patch(&path, "apply-patch+yaml", apply).await;
    assert_eq!(again.code, 200, "{:#}", again.body);
    let mut seen = server
        .watch(&format!("{MAPS}?watch=true&resourceVersion={known}"))
        .await;
    let event = seen.next().await.unwrap();
    assert_eq!(event["object"]["metadata"]["name"], "b");
}
