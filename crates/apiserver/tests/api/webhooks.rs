//! Webhooks, as servers of users.

use base64::Engine as _;
use cedge_testkit::{Asked, Outside};
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{Server, start};

fn answer(asked: &Asked, response: Value) -> (StatusCode, Value) {
    let mut response = response;
    response["uid"] = asked.body["request"]["uid"].clone();
    let review = json!({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "response": response});
    (StatusCode::OK, review)
}

fn patch(steps: Value) -> Value {
    let text = base64::engine::general_purpose::STANDARD.encode(steps.to_string());
    json!({"allowed": true, "patchType": "JSONPatch", "patch": text})
}

fn configuration(kind: &str, server: &Outside, change: Value) -> Value {
    let mut hook = json!({
        "name": "a.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"],
        "clientConfig": {"url": format!("https://localhost:{}/hook", server.address.port()), "caBundle": server.bundle},
        "rules": [{"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}],
    });
    for (key, value) in change.as_object().unwrap() {
        hook[key] = value.clone();
    }
    json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": "hooks"}, "webhooks": [hook]})
}

const VALIDATING: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
const MUTATING: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

async fn configure(server: &Server, kind: &str, outside: &Outside, change: Value) {
    let path = if kind.starts_with('V') {
        VALIDATING
    } else {
        MUTATING
    };
    let made = server
        .post(path, configuration(kind, outside, change))
        .await;
    assert_eq!(made.code, 201, "{}", made.body);
}

fn map(name: &str) -> Value {
    json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name}, "data": {"a": "b"}})
}

#[tokio::test]
async fn a_validating_webhook_sees_every_operation_and_can_refuse() {
    let outside = Outside::start(&["localhost"], |asked| {
        let bad = asked.body["request"]["object"]["data"]["a"] == "bad";
        let status = json!({"message": "no bad data", "code": 403, "reason": "Forbidden"});
        answer(
            asked,
            json!({"allowed": !bad, "status": status, "warnings": ["be careful"]}),
        )
    })
    .await;
    let server = start().await;
    configure(
        &server,
        "ValidatingWebhookConfiguration",
        &outside,
        json!({}),
    )
    .await;
    let made = server.post(MAPS, map("one")).await;
    assert_eq!(made.code, 201, "{}", made.body);
    assert_eq!(made.headers["warning"], "299 - \"be careful\"");
    let bad = json!({"data": {"a": "bad"}});
    let refused = server
        .patch(&format!("{MAPS}/one"), "merge-patch+json", bad)
        .await;
    assert_eq!(refused.code, 403);
    assert_eq!(
        refused.body["message"],
        "admission webhook \"a.example.com\" denied the request: no bad data"
    );
    assert_eq!(refused.body["reason"], "Forbidden");
    assert_eq!(server.delete(&format!("{MAPS}/one")).await.code, 200);
    let asked = outside.asked();
    let operations: Vec<&Value> = asked
        .iter()
        .map(|a| &a.body["request"]["operation"])
        .collect();
    assert_eq!(operations, ["CREATE", "UPDATE", "DELETE"]);
    let create = &asked[0].body["request"];
    assert_eq!(asked[0].target, "/hook?timeout=10s");
    assert_eq!(
        create["kind"],
        json!({"group": "", "version": "v1", "kind": "ConfigMap"})
    );
    assert_eq!(
        create["resource"],
        json!({"group": "", "version": "v1", "resource": "configmaps"})
    );
    assert_eq!(create["userInfo"]["username"], "admin");
    assert_eq!(create["oldObject"], Value::Null);
    assert_eq!(create["options"]["kind"], "CreateOptions");
    assert_eq!(asked[1].body["request"]["oldObject"]["data"]["a"], "b");
    assert_eq!(asked[2].body["request"]["object"], Value::Null);
    assert_eq!(
        asked[2].body["request"]["oldObject"]["metadata"]["name"],
        "one"
    );
    assert_eq!(outside.connections(), 1, "the connection is used again");
}

#[tokio::test]
async fn a_mutating_webhook_changes_what_is_stored() {
    let outside = Outside::start(&["localhost"], |asked| {
        let steps = json!([{"op": "add", "path": "/metadata/labels", "value": {"by": "hook"}},
            {"op": "add", "path": "/nonsense", "value": 1}]);
        answer(asked, patch(steps))
    })
    .await;
    let server = start().await;
    configure(
        &server,
        "MutatingWebhookConfiguration",
        &outside,
        json!({"reinvocationPolicy": "IfNeeded"}),
    )
    .await;
    let mut object = map("");
    object["metadata"] = json!({"generateName": "x-"});
    let made = server.post(MAPS, object).await;
    assert_eq!(made.code, 201, "{}", made.body);
    assert_eq!(made.body["metadata"]["labels"]["by"], "hook");
    assert_eq!(made.body["nonsense"], Value::Null);
    let asked = outside.asked();
    assert_eq!(asked[0].body["request"]["name"], Value::Null);
    assert_eq!(asked.len(), 1, "nobody behind it changed the object");
}

#[tokio::test]
async fn what_cannot_be_asked_fails_or_is_passed_over() {
    let outside = Outside::start(&["localhost"], |asked| match asked.target.as_str() {
        "/hook?timeout=10s" => (StatusCode::INTERNAL_SERVER_ERROR, json!("broken")),
        _ => answer(asked, json!({"allowed": true})),
    })
    .await;
    let server = start().await;
    configure(
        &server,
        "ValidatingWebhookConfiguration",
        &outside,
        json!({}),
    )
    .await;
    let failed = server.post(MAPS, map("one")).await;
    assert_eq!(failed.code, 500);
    let message = failed.body["message"].as_str().unwrap();
    assert!(
        message.starts_with(
            "Internal error occurred: failed calling webhook \"a.example.com\": failed to call webhook: an error on the \
             server"
        ),
        "{message}"
    );
    let path = format!("{VALIDATING}/hooks");
    let ignore = json!([{"op": "add", "path": "/webhooks/0/failurePolicy", "value": "Ignore"}]);
    assert_eq!(
        server.patch(&path, "json-patch+json", ignore).await.code,
        200
    );
    assert_eq!(server.post(MAPS, map("one")).await.code, 201);
    let nowhere = json!([{"op": "replace", "path": "/webhooks/0/clientConfig/url", "value": "https://127.0.0.1:1/x"},
        {"op": "add", "path": "/webhooks/0/failurePolicy", "value": "Fail"}]);
    assert_eq!(
        server.patch(&path, "json-patch+json", nowhere).await.code,
        200
    );
    let failed = server.post(MAPS, map("two")).await;
    assert_eq!(
        failed.body["message"],
        "Internal error occurred: failed calling webhook \"a.example.com\": failed to call webhook: Post \
         \"https://127.0.0.1:1/x?timeout=10s\": dial tcp 127.0.0.1:1: connect: connection refused"
    );
}

#[tokio::test]
async fn conditions_selectors_and_dry_runs_decide_whether_a_webhook_is_asked() {
    let outside = Outside::start(&["localhost"], |asked| {
        answer(asked, json!({"allowed": false}))
    })
    .await;
    let server = start().await;
    let change = json!({
        "matchConditions": [{"name": "c", "expression": "object.data.a == 'x' && request.userInfo.username == 'admin'"}],
        "objectSelector": {"matchLabels": {"asked": "yes"}},
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "default"}},
    });
    configure(&server, "ValidatingWebhookConfiguration", &outside, change).await;
    assert_eq!(server.post(MAPS, map("one")).await.code, 201);
    let mut object = map("two");
    object["metadata"]["labels"] = json!({"asked": "yes"});
    assert_eq!(server.post(MAPS, object.clone()).await.code, 201);
    object["metadata"]["name"] = json!("three");
    object["data"]["a"] = json!("x");
    let elsewhere = "/api/v1/namespaces/kube-public/configmaps";
    assert_eq!(server.post(elsewhere, object.clone()).await.code, 201);
    let refused = server.post(MAPS, object.clone()).await;
    assert_eq!(refused.code, 400);
    assert_eq!(
        refused.body["message"],
        "admission webhook \"a.example.com\" denied the request without explanation"
    );
    assert_eq!(outside.asked().len(), 1);
}

#[tokio::test]
async fn a_service_leads_to_its_endpoints_and_its_name_is_checked() {
    let outside = Outside::start(&["hook.default.svc"], |asked| {
        let steps = json!([{"op": "add", "path": "/data/b", "value": "c"}]);
        answer(asked, patch(steps))
    })
    .await;
    let server = start().await;
    let client = json!({"service": {"namespace": "default", "name": "hook", "path": "/x"}, "caBundle": outside.bundle});
    configure(
        &server,
        "MutatingWebhookConfiguration",
        &outside,
        json!({"clientConfig": client}),
    )
    .await;
    let missing = server.post(MAPS, map("one")).await;
    assert_eq!(
        missing.body["message"],
        "Internal error occurred: failed calling webhook \"a.example.com\": failed to call webhook: Post \
         \"https://hook.default.svc:443/x?timeout=10s\": service \"hook\" not found"
    );
    let service = json!({"kind": "Service", "apiVersion": "v1", "metadata": {"name": "hook"},
        "spec": {"ports": [{"port": 443, "targetPort": outside.address.port()}]}});
    let made = server
        .post("/api/v1/namespaces/default/services", service)
        .await;
    assert_eq!(made.code, 201, "{}", made.body);
    // Kubernetes takes no loopback address in a slice, and neither do we: this one is written past the API.
    let slice = json!({"kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1", "addressType": "IPv4",
        "metadata": {"name": "hook", "namespace": "default", "labels": {"kubernetes.io/service-name": "hook"}},
        "ports": [{"name": "", "port": outside.address.port(), "protocol": "TCP"}],
        "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": true}}]});
    server
        .store_directly("discovery.k8s.io/endpointslices/default/hook", &slice)
        .await;
    let made = server.post(MAPS, map("one")).await;
    assert_eq!(made.code, 201, "{}", made.body);
    assert_eq!(made.body["data"]["b"], "c");
    let other = json!([{"op": "replace", "path": "/webhooks/0/clientConfig/service/name", "value": "other"}]);
    let path = format!("{MUTATING}/hooks");
    assert_eq!(
        server.patch(&path, "json-patch+json", other).await.code,
        200
    );
    let service = json!({"kind": "Service", "apiVersion": "v1", "metadata": {"name": "other"},
        "spec": {"type": "ExternalName", "externalName": "localhost"}});
    assert_eq!(
        server
            .post("/api/v1/namespaces/default/services", service)
            .await
            .code,
        201
    );
    let port = json!([{"op": "replace", "path": "/webhooks/0/clientConfig/service/port", "value": outside.address.port()}]);
    assert_eq!(server.patch(&path, "json-patch+json", port).await.code, 200);
    let stranger = server.post(MAPS, map("two")).await;
    let message = stranger.body["message"].as_str().unwrap();
    assert!(
        message.ends_with(
            "tls: failed to verify certificate: x509: certificate is not valid for other.default.svc"
        ),
        "{message}"
    );
}
