use serde_json::{Value, json};

use crate::documents::{Answer, Ask, Documents, SWAGGER_PROTOBUF};
use crate::{Catalog, CustomResource};

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
    application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";
const GVK: &str = "x-kubernetes-group-version-kind";

fn gadget(version: &str, schema: Value) -> CustomResource {
    CustomResource {
        group: "shop.example.com".into(),
        version: version.into(),
        kind: "Gadget".into(),
        plural: "gadgets".into(),
        singular: "gadget".into(),
        short_names: vec!["gd".into()],
        namespaced: true,
        status: true,
        scale: true,
        schema: Some(schema),
        ..CustomResource::default()
    }
}

fn schema() -> Value {
    json!({"type": "object", "description": "A gadget.", "properties": {"spec": {
        "type": "object",
        "properties": {
            "size": {"type": "integer", "default": 1},
            "port": {"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        },
    }}})
}

fn documents() -> Documents {
    let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let custom = [
        gadget("v1alpha1", open.clone()),
        gadget("v1", schema()),
        gadget("v1beta2", open),
    ];
    Documents::new(Catalog::new(custom), "10.0.0.1:6443")
}

fn get_as(documents: &Documents, path: &str, accept: &str) -> Value {
    let ask = Ask {
        path,
        accept: Some(accept),
        ..Ask::default()
    };
    match documents.answer(&ask) {
        Answer::Document(document) => serde_json::from_slice(&document.body).unwrap(),
        other => panic!("{path}: {other:?}"),
    }
}

fn get(documents: &Documents, path: &str) -> Value {
    get_as(documents, path, "application/json, */*")
}

#[test]
fn plain_discovery_reads_as_in_kubernetes() {
    let documents = documents();
    let api = get(&documents, "/api");
    assert_eq!(api["kind"], "APIVersions");
    assert_eq!(
        api["serverAddressByClientCIDRs"][0]["serverAddress"],
        "10.0.0.1:6443"
    );
    assert_eq!(
        get(&documents, "/apis/apps"),
        json!({"kind": "APIGroup", "apiVersion": "v1", "name": "apps",
            "versions": [{"groupVersion": "apps/v1", "version": "v1"}],
            "preferredVersion": {"groupVersion": "apps/v1", "version": "v1"}})
    );
    let apps = get(&documents, "/apis/apps/v1");
    let find = |name: &str| {
        let all = apps["resources"].as_array().unwrap();
        all.iter().find(|r| r["name"] == name).unwrap().clone()
    };
    assert_eq!(
        find("deployments"),
        json!({"name": "deployments", "singularName": "deployment", "namespaced": true,
            "kind": "Deployment", "shortNames": ["deploy"], "categories": ["all"], "storageVersionHash": "8aSe+NMegvE=",
            "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]})
    );
    assert_eq!(
        find("deployments/scale"),
        json!({"name": "deployments/scale", "singularName": "", "namespaced": true,
            "group": "autoscaling", "version": "v1", "kind": "Scale",
            "verbs": ["get", "patch", "update"]})
    );
    assert_eq!(get(&documents, "/api/v1/")["groupVersion"], "v1");
}

#[test]
fn versions_of_a_custom_group_are_sorted_by_their_stability() {
    let documents = documents();
    let group = get(&documents, "/apis/shop.example.com");
    let versions: Vec<&str> = group["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v["version"].as_str().unwrap())
        .collect();
    assert_eq!(versions, ["v1", "v1beta2", "v1alpha1"]);
    assert_eq!(group["preferredVersion"]["version"], "v1");
    let groups = get(&documents, "/apis");
    let last = groups["groups"].as_array().unwrap().last().unwrap();
    assert_eq!(last["name"], "shop.example.com");
    assert_eq!(groups["groups"][0]["name"], "apiregistration.k8s.io");
}

#[test]
fn aggregated_discovery_is_what_kubectl_gets_when_it_asks_for_it() {
    let documents = documents();
    let all = get_as(&documents, "/apis", AGGREGATED);
    assert_eq!(all["kind"], "APIGroupDiscoveryList");
    let group = |name: &str| {
        let items = all["items"].as_array().unwrap();
        items
            .iter()
            .find(|i| i["metadata"]["name"] == name)
            .unwrap()
            .clone()
    };
    let deployments = &group("apps")["versions"][0]["resources"][2];
    assert_eq!(deployments["resource"], "deployments");
    assert_eq!(
        deployments["responseKind"],
        json!({"group": "", "version": "", "kind": "Deployment"})
    );
    assert_eq!(
        deployments["subresources"][0]["responseKind"],
        json!({"group": "autoscaling", "version": "v1", "kind": "Scale"})
    );
    let gadgets = &group("shop.example.com")["versions"][0]["resources"][0];
    assert_eq!(
        gadgets["responseKind"],
        json!({"group": "shop.example.com", "version": "v1", "kind": "Gadget"})
    );
    let core = get_as(&documents, "/api", AGGREGATED);
    assert_eq!(core["items"][0]["metadata"], json!({}));
    assert_eq!(core["items"][0]["versions"][0]["freshness"], "Current");
}

#[test]
fn the_form_that_is_asked_for_decides_and_an_unknown_one_is_not_acceptable() {
    let documents = documents();
    let content_type = |path, accept| {
        let ask = Ask {
            path,
            accept,
            ..Ask::default()
        };
        match documents.answer(&ask) {
            Answer::Document(document) => document.content_type,
            Answer::NotAcceptable => "406",
            Answer::NotFound => "404",
            Answer::NotModified(_) => "304",
        }
    };
    let v2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let pb = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
    for (path, accept, expected) in [
        ("/apis", None, "application/json"),
        ("/apis", Some(""), "application/json"),
        ("/apis", Some("text/html,*/*;q=0.8"), "application/json"),
        ("/apis", Some(AGGREGATED), v2),
        (
            "/apis",
            Some("application/json; as=APIGroupDiscoveryList; v=v2; g=apidiscovery.k8s.io"),
            v2,
        ),
        (
            "/apis",
            Some("application/json;g=apidiscovery.k8s.io;v=v1;as=APIGroupDiscoveryList"),
            "406",
        ),
        (
            "/apis",
            Some("application/json,application/json;as=Table"),
            "application/json",
        ),
        ("/apis/apps/v1", Some("text/html"), "406"),
        ("/apis/none/v1", Some("text/html"), "404"),
        ("/apis/none/v1", None, "404"),
        ("/apis//v1", None, "404"),
        ("/apis/apps/v1/x", None, "404"),
        ("/api/v2", None, "404"),
        ("/openapi/v2", Some(pb), SWAGGER_PROTOBUF),
        ("/openapi/v2", Some(SWAGGER_PROTOBUF), SWAGGER_PROTOBUF),
        ("/openapi/v3", Some(pb), "406"),
        ("/openapi/v3/apis//v1", None, "404"),
        ("/openapi/v4", None, "404"),
        ("", None, "404"),
    ] {
        assert_eq!(content_type(path, accept), expected, "{path} {accept:?}");
    }
}

#[test]
fn a_client_that_has_the_document_gets_304_and_gzip_is_the_same_document() {
    let documents = documents();
    let path = "/openapi/v3/apis/shop.example.com/v1";
    let plain = Ask {
        path,
        ..Ask::default()
    };
    let Answer::Document(first) = documents.answer(&plain) else {
        panic!("no document");
    };
    let Answer::Document(zipped) = documents.answer(&Ask {
        gzip: true,
        ..plain
    }) else {
        panic!("no document");
    };
    assert!(zipped.gzip && zipped.body.len() < first.body.len() / 2);
    assert_eq!(zipped.etag, first.etag);
    for known in [
        first.etag.clone(),
        format!("W/{}, \"x\"", first.etag),
        "*".into(),
    ] {
        let again = Ask {
            if_none_match: Some(&known),
            ..plain
        };
        let answer = documents.answer(&again);
        assert_eq!(answer, Answer::NotModified(first.etag.clone()), "{known}");
    }
}

#[test]
fn a_document_that_nobody_asks_for_is_forgotten() {
    let documents = documents();
    get(&documents, "/openapi/v3/apis/policy/v1");
    assert!(documents.kept_bytes() > 0);
    documents.forget_unused();
    assert!(documents.kept_bytes() > 0, "it was asked for just now");
    documents.forget_unused();
    assert_eq!(documents.kept_bytes(), 0);
}

#[test]
fn the_index_names_every_version_and_its_hashes_follow_the_content() {
    let url = |documents: &Documents, name: &str| {
        get(documents, "/openapi/v3")["paths"][name]["serverRelativeURL"].clone()
    };
    let one = documents();
    let index = get(&one, "/openapi/v3");
    for (path, entry) in index["paths"].as_object().unwrap() {
        let url = entry["serverRelativeURL"].as_str().unwrap();
        assert!(
            url.starts_with(&format!("/openapi/v3/{path}?hash=")),
            "{url}"
        );
    }
    let other = gadget("v1", json!({"type": "object"}));
    let two = Documents::new(Catalog::new([other]), "x");
    assert_eq!(url(&one, "apis/apps/v1"), url(&two, "apis/apps/v1"));
    let name = "apis/shop.example.com/v1";
    assert_ne!(url(&one, name), url(&two, name));
}

#[test]
fn openapi_v3_has_what_kubectl_needs_to_explain_validate_and_apply() {
    let apps = get(&documents(), "/openapi/v3/apis/apps/v1");
    let item = &apps["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"];
    let patch = &item["patch"];
    let gvk = json!({"group": "apps", "version": "v1", "kind": "Deployment"});
    assert_eq!(patch[GVK], gvk);
    let parameters: Vec<&str> = patch["parameters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        parameters,
        ["dryRun", "fieldManager", "fieldValidation", "force"]
    );
    assert!(patch["requestBody"]["content"]["application/strategic-merge-patch+json"].is_object());
    assert_eq!(item["get"]["operationId"], "readAppsV1NamespacedDeployment");
    let schemas = &apps["components"]["schemas"];
    let deployment = &schemas["io.k8s.api.apps.v1.Deployment"];
    assert_eq!(deployment[GVK], json!([gvk]));
    let containers = &schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"];
    assert_eq!(containers["x-kubernetes-patch-merge-key"], "name");
    assert!(
        containers["description"]
            .as_str()
            .unwrap()
            .contains("containers")
    );
}

#[test]
fn every_reference_of_every_document_leads_somewhere() {
    let documents = documents();
    let index = get(&documents, "/openapi/v3");
    let mut checked = 0;
    for path in index["paths"].as_object().unwrap().keys() {
        let document = get(&documents, &format!("/openapi/v3/{path}"));
        checked += check_references(&document, &document);
    }
    let v2 = get(&documents, "/openapi/v2");
    checked += check_references(&v2, &v2);
    assert!(checked > 5_000, "{checked}");
}

fn check_references(document: &Value, value: &Value) -> usize {
    match value {
        Value::Object(map) => {
            let own = map.get("$ref").and_then(Value::as_str).map(|reference| {
                let pointer = reference.trim_start_matches('#');
                assert!(document.pointer(pointer).is_some(), "{reference}");
            });
            let below = map.values().map(|v| check_references(document, v));
            usize::from(own.is_some()) + below.sum::<usize>()
        }
        Value::Array(items) => items.iter().map(|v| check_references(document, v)).sum(),
        _ => 0,
    }
}

#[test]
fn a_custom_resource_is_described_with_what_every_object_has() {
    let document = get(&documents(), "/openapi/v3/apis/shop.example.com/v1");
    let schemas = &document["components"]["schemas"];
    let gadget = &schemas["com.example.shop.v1.Gadget"];
    assert_eq!(gadget["description"], "A gadget.");
    assert_eq!(gadget["properties"]["spec"], schema()["properties"]["spec"]);
    assert_eq!(
        gadget["properties"]["metadata"]["allOf"][0]["$ref"],
        "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
    );
    assert_eq!(
        gadget[GVK],
        json!([{"group": "shop.example.com", "kind": "Gadget", "version": "v1"}])
    );
    let list = &schemas["com.example.shop.v1.GadgetList"];
    assert_eq!(list["required"], json!(["items"]));
    let path = "/apis/shop.example.com/v1/namespaces/{namespace}/gadgets/{name}";
    let content = &document["paths"][path]["patch"]["requestBody"]["content"];
    assert!(
        content
            .get("application/strategic-merge-patch+json")
            .is_none()
    );
    assert!(document["paths"][format!("{path}/scale")]["get"].is_object());
}

#[test]
fn the_older_dialect_leaves_out_what_it_cannot_say() {
    let document = get(&documents(), "/openapi/v2");
    let gadget = &document["definitions"]["com.example.shop.v1.Gadget"];
    assert_eq!(
        gadget["properties"]["spec"]["properties"],
        json!({
            "size": {"type": "integer"},
            "port": {"x-kubernetes-int-or-string": true},
            "free": {"x-kubernetes-preserve-unknown-fields": true},
        })
    );
    let open = &document["definitions"]["com.example.shop.v1alpha1.Gadget"];
    assert_eq!(open.get("properties"), None);
    let patch = &document["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"]["patch"];
    assert_eq!(patch["parameters"][0]["in"], "body");
    assert_eq!(patch["parameters"][1]["type"], "string");
}

#[test]
fn a_custom_resource_cannot_hide_a_built_in_one() {
    let pods = CustomResource {
        version: "v1".into(),
        kind: "Fake".into(),
        plural: "pods".into(),
        ..CustomResource::default()
    };
    let documents = Documents::new(Catalog::new([pods]), "x");
    let v1 = get(&documents, "/api/v1");
    let pods = v1["resources"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|r| r["name"] == "pods");
    assert_eq!(pods.map(|r| &r["kind"]).collect::<Vec<_>>(), ["Pod"]);
}
