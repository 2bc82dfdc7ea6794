//! CustomResourceDefinitions and what they define.

use serde_json::{Value, json};

use crate::support::{Server, start};

const CRDS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const WIDGETS: &str = "/apis/example.com/v1/namespaces/default/widgets";

fn definition() -> Value {
    json!({
        "kind": "CustomResourceDefinition", "apiVersion": "apiextensions.k8s.io/v1",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList", "shortNames": ["wd"]},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {
                    "type": "object",
                    "properties": {
                        "spec": {
                            "type": "object",
                            "properties": {
                                "size": {"type": "integer", "default": 3, "maximum": 10},
                                "color": {"type": "string"},
                                "replicas": {"type": "integer"},
                            },
                            "x-kubernetes-validations": [{"rule": "self.size < 9", "message": "too big"}],
                        },
                        "status": {"type": "object", "properties": {"replicas": {"type": "integer"}, "phase": {"type": "string"}}},
                    },
                }},
                "subresources": {
                    "status": {},
                    "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"},
                },
                "selectableFields": [{"jsonPath": ".spec.color"}],
                "additionalPrinterColumns": [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}],
            }],
        },
    })
}

fn widget(name: &str, spec: Value) -> Value {
    json!({"kind": "Widget", "apiVersion": "example.com/v1", "metadata": {"name": name}, "spec": spec})
}

async fn define(server: &Server) {
    let answer = server.post(CRDS, definition()).await;
    assert_eq!(answer.code, 201, "{:#}", answer.body);
    established(server, true).await;
}

/// Waits until the definition's kind is served, or not any more.
async fn established(server: &Server, wanted: bool) {
    for _ in 0..500 {
        if (server.get(WIDGETS).await.code == 200) == wanted {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!(
        "{:#}",
        server
            .get(&format!("{CRDS}/widgets.example.com"))
            .await
            .body
    );
}

#[tokio::test]
async fn what_is_defined_is_served_with_its_rules() {
    let server = start().await;
    assert_eq!(server.get(WIDGETS).await.code, 404);
    define(&server).await;
    let stored = server
        .get(&format!("{CRDS}/widgets.example.com"))
        .await
        .body;
    assert_eq!(stored["status"]["acceptedNames"]["kind"], "Widget");
    assert_eq!(stored["status"]["storedVersions"], json!(["v1"]));
    let created = server
        .create(WIDGETS, widget("a", json!({"color": "red"})))
        .await;
    assert_eq!(created["spec"]["size"], 3, "the default");
    assert_eq!(created["metadata"]["generation"], 1);
    let pruned = server
        .post(
            &format!("{WIDGETS}?fieldValidation=Strict"),
            widget("b", json!({"none": 1})),
        )
        .await;
    assert_eq!(pruned.code, 400);
    assert!(
        pruned.body["message"]
            .as_str()
            .unwrap()
            .contains("unknown field \"spec.none\""),
        "{:#}",
        pruned.body
    );
    let large = server.post(WIDGETS, widget("b", json!({"size": 11}))).await;
    assert_eq!(large.code, 422, "{:#}", large.body);
    let rule = server.post(WIDGETS, widget("b", json!({"size": 9}))).await;
    assert!(
        rule.body["message"].as_str().unwrap().contains("too big"),
        "{:#}",
        rule.body
    );
    let kind = server.get("/apis/example.com/v1").await.body;
    assert_eq!(
        kind["resources"][0]["shortNames"],
        json!(["wd"]),
        "{kind:#}"
    );
}

#[tokio::test]
async fn custom_objects_have_status_scale_columns_fields_and_apply() {
    let server = start().await;
    define(&server).await;
    let path = format!("{WIDGETS}/a");
    server
        .create(WIDGETS, widget("a", json!({"color": "red", "replicas": 1})))
        .await;
    server
        .create(WIDGETS, widget("b", json!({"color": "blue"})))
        .await;
    let status = server
        .patch(
            &format!("{path}/status"),
            "merge-patch+json",
            json!({"status": {"phase": "Ready"}, "spec": {"size": 5}}),
        )
        .await;
    assert_eq!(status.code, 200, "{:#}", status.body);
    assert_eq!(status.body["status"]["phase"], "Ready");
    assert_eq!(status.body["spec"]["size"], 3);
    assert_eq!(status.body["metadata"]["generation"], 1);
    let scaled = server
        .patch(
            &format!("{path}/scale"),
            "merge-patch+json",
            json!({"spec": {"replicas": 4}}),
        )
        .await;
    assert_eq!(scaled.body["spec"]["replicas"], 4, "{:#}", scaled.body);
    assert_eq!(server.get(&path).await.body["metadata"]["generation"], 2);
    let red = server
        .get(&format!("{WIDGETS}?fieldSelector=spec.color=red"))
        .await
        .body;
    assert_eq!(red["items"].as_array().unwrap().len(), 1);
    assert_eq!(
        red["items"][0]["kind"], "Widget",
        "items of custom lists carry their kind"
    );
    let table = [("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")];
    let table = server
        .ask_with("GET", WIDGETS, &table, Value::Null)
        .await
        .body;
    assert_eq!(table["rows"][0]["cells"], json!(["a", 3]), "{table:#}");
    let applied = widget("c", json!({"color": "green"}));
    let created = server
        .patch(
            &format!("{WIDGETS}/c?fieldManager=m"),
            "apply-patch+yaml",
            applied,
        )
        .await;
    assert_eq!(created.code, 201, "{:#}", created.body);
    let strategic = server
        .patch(&path, "strategic-merge-patch+json", json!({}))
        .await;
    assert_eq!(strategic.code, 415);
    let blind = server.put(&path, widget("a", json!({}))).await;
    assert_eq!(
        blind.code, 422,
        "an update of a custom object names its version"
    );
}

#[tokio::test]
async fn a_definition_takes_its_objects_along_and_can_come_back() {
    let server = start().await;
    define(&server).await;
    let mut held = widget("a", json!({}));
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    server.create(WIDGETS, held).await;
    server.create(WIDGETS, widget("b", json!({}))).await;
    let path = format!("{CRDS}/widgets.example.com");
    server.delete(&path).await;
    for _ in 0..500 {
        if server.get(&format!("{WIDGETS}/b")).await.code == 404 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(server.get(&path).await.code, 200, "an object is held");
    let free = json!({"metadata": {"finalizers": null}});
    server
        .patch(&format!("{WIDGETS}/a"), "merge-patch+json", free)
        .await;
    established(&server, false).await;
    assert_eq!(server.get(&path).await.code, 404);
    define(&server).await;
    assert_eq!(server.get(WIDGETS).await.body["items"], json!([]));
}

#[tokio::test]
async fn a_wrong_definition_is_refused_and_a_taken_name_is_told() {
    let server = start().await;
    let mut wrong = definition();
    wrong["spec"]["versions"][0]["schema"] = json!({});
    let answer = server.post(CRDS, wrong).await;
    assert_eq!(answer.code, 422, "{:#}", answer.body);
    define(&server).await;
    let mut second = definition();
    second["metadata"]["name"] = json!("gadgets.example.com");
    second["spec"]["names"]["plural"] = json!("gadgets");
    second["spec"]["names"]["singular"] = json!("gadget");
    second["spec"]["names"]["shortNames"] = json!([]);
    assert_eq!(server.post(CRDS, second).await.code, 201);
    let mut told = Value::Null;
    for _ in 0..500 {
        told = server
            .get(&format!("{CRDS}/gadgets.example.com"))
            .await
            .body["status"]["conditions"]
            .clone();
        if told.as_array().is_some_and(|c| !c.is_empty()) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let accepted = told
        .as_array()
        .unwrap()
        .iter()
        .find(|c| c["type"] == "NamesAccepted")
        .unwrap();
    assert_eq!(accepted["status"], "False", "{told:#}");
    assert_eq!(
        server
            .get("/apis/example.com/v1/namespaces/default/gadgets")
            .await
            .code,
        404
    );
}
