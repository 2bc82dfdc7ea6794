//! Health, discovery, metrics, and what is not there.

use serde_json::{Value, json};

use crate::support::{CONFIG_MAPS, config_map, start};

#[tokio::test]
async fn clients_find_out_what_there_is() {
    let server = start().await;
    assert_eq!(server.get("/api").await.body["versions"], json!(["v1"]));
    let resources = server.get("/apis/apps/v1").await.body;
    let names: Vec<&str> = resources["resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["name"].as_str().unwrap())
        .collect();
    assert!(
        names.contains(&"deployments") && names.contains(&"deployments/scale"),
        "{names:?}"
    );
    let accept = [(
        "accept",
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json",
    )];
    let aggregated = server.ask_with("GET", "/apis", &accept, Value::Null).await;
    assert_eq!(aggregated.body["kind"], "APIGroupDiscoveryList");
    let etag = aggregated.headers["etag"].to_str().unwrap().to_owned();
    let again = [accept[0], ("if-none-match", etag.as_str())];
    assert_eq!(
        server
            .ask_with("GET", "/apis", &again, Value::Null)
            .await
            .code,
        304
    );
    assert!(server.get("/openapi/v3").await.body["paths"]["apis/apps/v1"].is_object());
    assert_eq!(server.get("/version").await.body["minor"], "37");
}

#[tokio::test]
async fn what_is_not_there_is_said_plainly() {
    let server = start().await;
    let unknown = server.get("/api/v1/nothing").await;
    assert_eq!(
        unknown.body["message"],
        "the server could not find the requested resource"
    );
    for path in ["/apis/none.example.com/v1/things", "/nothing"] {
        let answer = server.get(path).await;
        assert_eq!(answer.code, 404, "{path}");
        assert_eq!(answer.body, "404 page not found\n");
    }
    let wrong = server.ask("PUT", CONFIG_MAPS, config_map("a", "1")).await;
    assert_eq!(wrong.code, 405, "{:#}", wrong.body);
    assert_eq!(
        wrong.body["message"],
        "the server does not allow this method on the requested resource"
    );
    assert_eq!(
        server
            .ask("POST", &format!("{CONFIG_MAPS}/a"), config_map("a", "1"))
            .await
            .code,
        405
    );
    assert_eq!(
        server
            .get("/api/v1/namespaces/default/pods/none/nothing")
            .await
            .code,
        404
    );
}

#[tokio::test]
async fn health_can_be_told_in_full() {
    let server = start().await;
    assert_eq!(server.get("/readyz").await.body, "ok");
    let verbose = server.get("/readyz?verbose").await.body;
    assert!(
        verbose.as_str().unwrap().ends_with("readyz check passed\n"),
        "{verbose}"
    );
    let part = server.api.readiness().part("controllers");
    let waiting = server.get("/readyz").await;
    assert_eq!(waiting.code, 500);
    assert!(
        waiting
            .body
            .as_str()
            .unwrap()
            .contains("[-]controllers failed")
    );
    assert_eq!(server.get("/readyz?exclude=controllers").await.code, 200);
    assert_eq!(server.get("/readyz?exclude=others").await.code, 500);
    drop(part);
    assert_eq!(server.get("/readyz").await.code, 200);
}

#[tokio::test]
async fn requests_are_counted_by_route() {
    let server = start().await;
    server.create(CONFIG_MAPS, config_map("a", "1")).await;
    server
        .get("/api/v1/namespaces/default/made-up-by-somebody")
        .await;
    let text = server.get("/metrics").await.body;
    let text = text.as_str().unwrap();
    assert!(text.contains("apiserver_request_total{verb=\"create\",group=\"\",resource=\"configmaps\",subresource=\"\",code=\"201\"} 1"), "{text}");
    assert!(
        text.contains("apiserver_storage_objects{group=\"core\",resource=\"namespaces\"} 4"),
        "{text}"
    );
    assert!(!text.contains("made-up"));
}

#[tokio::test]
async fn large_and_deep_bodies_are_refused() {
    let server = start().await;
    let mut big = config_map("a", "1");
    big["data"]["k"] = json!("x".repeat(4 << 20));
    let answer = server.post(CONFIG_MAPS, big).await;
    assert_eq!(answer.code, 413);
    assert_eq!(answer.body["reason"], "RequestEntityTooLarge");
    let mut deep = json!(1);
    for _ in 0..110 {
        deep = json!({"a": deep});
    }
    let answer = server
        .patch(&format!("{CONFIG_MAPS}/a"), "merge-patch+json", deep)
        .await;
    assert!(answer.code.is_client_error(), "{:#}", answer.body);
}
