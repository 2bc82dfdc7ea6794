//! Conversion webhooks of custom resources.

use cedge_testkit::{Asked, Outside};
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{Server, start};

/// In `v1` a thing has `spec.host` and `spec.port`, in `v2` both in `spec.address`.
fn convert(asked: &Asked) -> (StatusCode, Value) {
    let request = &asked.body["request"];
    let wanted = request["desiredAPIVersion"].as_str().unwrap();
    let objects = request["objects"].as_array().unwrap();
    let made = objects.iter().map(|object| {
        let mut made = object.clone();
        made["apiVersion"] = json!(wanted);
        if wanted.ends_with("/v2") {
            let host = object["spec"]["host"].as_str().unwrap_or_default();
            let port = object["spec"]["port"].as_str().unwrap_or_default();
            made["spec"] = json!({"address": format!("{host}:{port}")});
        } else {
            let address = object["spec"]["address"].as_str().unwrap_or_default();
            let (host, port) = address.split_once(':').unwrap_or((address, ""));
            made["spec"] = json!({"host": host, "port": port});
        }
        made
    });
    let broken = objects.iter().any(|o| o["metadata"]["name"] == "broken");
    let result = if broken {
        json!({"status": "Failure", "message": "it is broken"})
    } else {
        json!({"status": "Success"})
    };
    let response = json!({"uid": request["uid"], "convertedObjects": made.collect::<Vec<_>>(), "result": result});
    let review = json!({"kind": "ConversionReview", "apiVersion": "apiextensions.k8s.io/v1", "response": response});
    (StatusCode::OK, review)
}

async fn define(server: &Server, outside: &Outside) {
    let text = json!({"type": "string"});
    let version = |name: &str, storage: bool, fields: Value| {
        json!({"name": name, "served": true, "storage": storage, "schema": {"openAPIV3Schema": {"type": "object",
            "properties": {"spec": {"type": "object", "properties": fields}}}}})
    };
    let client = json!({"url": format!("https://localhost:{}/convert", outside.address.port()), "caBundle": outside.bundle});
    let definition = json!({"kind": "CustomResourceDefinition", "apiVersion": "apiextensions.k8s.io/v1",
    "metadata": {"name": "things.x.example.com"}, "spec": {"group": "x.example.com", "scope": "Namespaced",
    "names": {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"},
    "conversion": {"strategy": "Webhook", "webhook": {"clientConfig": client, "conversionReviewVersions": ["v1"]}},
    "versions": [
        version("v1", true, json!({"host": text, "port": text})),
        version("v2", false, json!({"address": text})),
    ]}});
    let made = server
        .post(
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            definition,
        )
        .await;
    assert_eq!(made.code, 201, "{}", made.body);
    for _ in 0..100 {
        if server.get("/apis/x.example.com/v2/things").await.code == 200 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the definition is not served");
}

const V1: &str = "/apis/x.example.com/v1/namespaces/default/things";
const V2: &str = "/apis/x.example.com/v2/namespaces/default/things";

#[tokio::test]
async fn every_reader_and_writer_sees_the_version_that_it_asks_for() {
    let outside = Outside::start(&["localhost"], convert).await;
    let server = start().await;
    define(&server, &outside).await;
    let thing = json!({"kind": "Thing", "apiVersion": "x.example.com/v2", "metadata": {"name": "a"},
        "spec": {"address": "h:1"}});
    let made = server.post(V2, thing).await;
    assert_eq!(made.code, 201, "{}", made.body);
    assert_eq!(made.body["spec"]["address"], "h:1");
    let before = outside.asked().len();
    let old = server.get(&format!("{V1}/a")).await.body;
    assert_eq!(
        (&old["apiVersion"], &old["spec"]),
        (
            &json!("x.example.com/v1"),
            &json!({"host": "h", "port": "1"})
        )
    );
    assert_eq!(
        outside.asked().len(),
        before,
        "what is stored in a version is not converted for it"
    );
    let new = server.get(&format!("{V2}/a")).await.body;
    assert_eq!(new["spec"], json!({"address": "h:1"}));
    let list = server.get(V2).await.body;
    assert_eq!(list["items"][0]["spec"]["address"], "h:1");
    let mut lines = server.watch(&format!("{V2}?watch=1")).await;
    assert_eq!(
        lines.next().await.unwrap()["object"]["spec"]["address"],
        "h:1"
    );
    let patch = json!({"spec": {"address": "i:2"}});
    let patched = server
        .patch(&format!("{V2}/a"), "merge-patch+json", patch)
        .await;
    assert_eq!(patched.code, 200, "{}", patched.body);
    assert_eq!(patched.body["spec"]["address"], "i:2");
    assert_eq!(
        lines.next().await.unwrap()["object"]["spec"]["address"],
        "i:2"
    );
    assert_eq!(
        server.get(&format!("{V1}/a")).await.body["spec"]["host"],
        "i"
    );
    assert_eq!(server.delete(&format!("{V2}/a")).await.code, 200);
}

#[tokio::test]
async fn what_cannot_be_converted_is_told() {
    let outside = Outside::start(&["localhost"], convert).await;
    let server = start().await;
    define(&server, &outside).await;
    let thing = json!({"kind": "Thing", "apiVersion": "x.example.com/v1", "metadata": {"name": "broken"}, "spec": {"host": "h"}});
    assert_eq!(server.post(V1, thing).await.code, 201);
    let failed = server.get(&format!("{V2}/broken")).await;
    assert_eq!(failed.code, 500);
    assert_eq!(
        failed.body["message"],
        "conversion webhook for x.example.com/v1, Kind=Thing failed: it is broken"
    );
}
