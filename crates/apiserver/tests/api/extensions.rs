//! Extension API servers behind this one.

use std::time::Duration;

use cedge_testkit::{Asked, Outside};
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{Server, start};

const SERVICES: &str = "/apis/apiregistration.k8s.io/v1/apiservices";
const GROUP: &str = "/apis/x.example.com";

fn answer(asked: &Asked) -> (StatusCode, Value) {
    let path = asked.target.split('?').next().unwrap_or_default();
    match path {
        "/apis/x.example.com/v1" => {
            let thing = json!({"name": "things", "singularName": "thing", "namespaced": true, "kind": "Thing",
                "verbs": ["get", "list"]});
            let list = json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "x.example.com/v1",
                "resources": [thing]});
            (StatusCode::OK, list)
        }
        "/openapi/v3" => {
            let url = "/openapi/v3/apis/x.example.com/v1?hash=A";
            let paths = json!({"apis/x.example.com/v1": {"serverRelativeURL": url}});
            (StatusCode::OK, json!({"paths": paths}))
        }
        "/openapi/v3/apis/x.example.com/v1" => (StatusCode::OK, json!({"openapi": "3.0.0"})),
        "/apis/x.example.com/v1/namespaces/default/things" => (
            StatusCode::CREATED,
            json!({"kind": "ThingList", "got": asked.body}),
        ),
        _ => (StatusCode::NOT_FOUND, json!({})),
    }
}

async fn wait_for(server: &Server, reason: &str) -> Value {
    for _ in 0..200 {
        let service = server
            .get(&format!("{SERVICES}/v1.x.example.com"))
            .await
            .body;
        if service["status"]["conditions"][0]["reason"] == reason {
            return service["status"]["conditions"][0].clone();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!(
        "{reason} does not come: {}",
        server
            .get(&format!("{SERVICES}/v1.x.example.com"))
            .await
            .body
    );
}

async fn with_service(server: &Server, outside: &Outside) {
    let service = json!({"kind": "APIService", "apiVersion": "apiregistration.k8s.io/v1",
        "metadata": {"name": "v1.x.example.com"}, "spec": {"group": "x.example.com", "version": "v1",
        "groupPriorityMinimum": 100, "versionPriority": 10, "caBundle": outside.bundle,
        "service": {"namespace": "default", "name": "ext"}}});
    let made = server.post(SERVICES, service).await;
    assert_eq!(made.code, 201, "{}", made.body);
    let missing = wait_for(server, "ServiceNotFound").await;
    assert_eq!(
        missing["message"],
        "service/ext in \"default\" is not present"
    );
    let service = json!({"kind": "Service", "apiVersion": "v1", "metadata": {"name": "ext"},
        "spec": {"ports": [{"port": 443}]}});
    assert_eq!(
        server
            .post("/api/v1/namespaces/default/services", service)
            .await
            .code,
        201
    );
    let missing = wait_for(server, "EndpointsNotFound").await;
    assert_eq!(
        missing["message"],
        "cannot find endpointslices for service/ext in \"default\""
    );
}

async fn with_endpoints(server: &Server, outside: &Outside, ready: bool) {
    let slice = json!({"kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1", "addressType": "IPv4",
        "metadata": {"name": "ext", "namespace": "default", "labels": {"kubernetes.io/service-name": "ext"}},
        "ports": [{"name": "", "port": outside.address.port(), "protocol": "TCP"}],
        "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": ready}}]});
    server
        .store_directly("discovery.k8s.io/endpointslices/default/ext", &slice)
        .await;
}

#[tokio::test]
async fn a_group_is_answered_by_the_server_behind_its_service() {
    let outside = Outside::start(&["ext.default.svc"], answer).await;
    let server = start().await;
    with_service(&server, &outside).await;
    let refused = server
        .get(&format!("{GROUP}/v1/namespaces/default/things"))
        .await;
    assert_eq!(refused.code, 503);
    with_endpoints(&server, &outside, true).await;
    wait_for(&server, "Passed").await;
    let things = format!("{GROUP}/v1/namespaces/default/things?limit=5");
    let headers = [("x-remote-user", "root"), ("authorization", "Bearer x")];
    let answer = server
        .ask_with("POST", &things, &headers, json!({"a": 1}))
        .await;
    assert_eq!(
        (answer.code.as_u16(), &answer.body["got"]["a"]),
        (201, &json!(1)),
        "{}",
        answer.body
    );
    let of_things = || {
        let asked = outside.asked().into_iter();
        let of_things = asked.filter(|a| a.target.contains("/things"));
        of_things.collect::<Vec<_>>()
    };
    let asked = of_things();
    let [asked] = asked.as_slice() else {
        panic!("{asked:?}");
    };
    assert_eq!(
        (asked.method.as_str(), asked.target.as_str()),
        ("POST", things.as_str())
    );
    assert_eq!(asked.headers["x-remote-user"], "admin");
    assert_eq!(asked.headers["x-remote-group"], "system:masters");
    assert!(!asked.headers.contains_key("authorization"));
    let bob = server
        .ask_as("bob", &[], "GET", &things, &[], Value::Null)
        .await;
    assert_eq!(bob.code, 403);
    assert_eq!(of_things().len(), 1, "whoever may not is not handed on");
}

#[tokio::test]
async fn discovery_shows_what_other_servers_serve_and_whether_that_is_old() {
    let outside = Outside::start(&["ext.default.svc"], answer).await;
    let server = start().await;
    with_service(&server, &outside).await;
    with_endpoints(&server, &outside, true).await;
    wait_for(&server, "Passed").await;
    let group = server.get(GROUP).await.body;
    assert_eq!(
        group["preferredVersion"]["groupVersion"],
        "x.example.com/v1"
    );
    assert_eq!(
        server.get(&format!("{GROUP}/v1")).await.body["resources"][0]["name"],
        "things"
    );
    let aggregated = async || {
        let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
        let list = server
            .ask_with("GET", "/apis", &[("accept", accept)], Value::Null)
            .await
            .body;
        let items = list["items"].as_array().unwrap().clone();
        items
            .into_iter()
            .find(|i| i["metadata"]["name"] == "x.example.com")
            .unwrap()["versions"][0]
            .clone()
    };
    let version = aggregated().await;
    assert_eq!(
        (&version["freshness"], &version["resources"][0]["resource"]),
        (&json!("Current"), &json!("things"))
    );
    let index = server.get("/openapi/v3").await.body;
    assert!(index["paths"]["apis/x.example.com/v1"]["serverRelativeURL"].is_string());
    assert_eq!(
        server.get("/openapi/v3/apis/x.example.com/v1").await.body["openapi"],
        "3.0.0"
    );
    with_endpoints(&server, &outside, false).await;
    let missing = wait_for(&server, "MissingEndpoints").await;
    assert_eq!(
        missing["message"],
        "endpointslices for service/ext in \"default\" have no addresses with port name \"\""
    );
    assert_eq!(aggregated().await["freshness"], "Stale");
    assert_eq!(
        server
            .delete(&format!("{SERVICES}/v1.x.example.com"))
            .await
            .code,
        200
    );
    server.get("/api/v1/namespaces").await;
    assert_eq!(server.get(GROUP).await.code, 404);
}
