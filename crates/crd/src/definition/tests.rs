use serde_json::{Value, json};

use super::{CustomKind, Version};

fn definition(schema: &Value) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "foos.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"plural": "foos", "singular": "foo", "kind": "Foo", "listKind": "FooList", "shortNames": ["fo"]},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": schema},
                "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.replicas",
                    "statusReplicasPath": ".status.replicas", "labelSelectorPath": ".status.selector"}},
                "additionalPrinterColumns": [
                    {"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].status"},
                    {"name": "Replicas", "type": "integer", "jsonPath": ".spec.replicas"},
                    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
                ],
                "selectableFields": [{"jsonPath": ".spec.color"}],
            }],
        },
        "status": {"storedVersions": ["v1"]},
    })
}

fn schema() -> Value {
    json!({"type": "object", "properties": {
        "spec": {"type": "object", "properties": {
            "replicas": {"type": "integer", "default": 1},
            "color": {"type": "string", "enum": ["red", "blue"]},
        }},
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
    }})
}

fn kind() -> CustomKind {
    CustomKind::compile(&definition(&schema())).unwrap()
}

fn version(kind: &CustomKind) -> &Version {
    kind.version("v1").unwrap()
}

fn object(spec: &Value) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Foo", "spec": spec,
        "metadata": {"name": "a", "namespace": "n", "creationTimestamp": "2026-11-22T10:00:00Z", "generation": 3, "resourceVersion": "5"}})
}

#[test]
fn our_own_definitions_compile() {
    for definition in cedge_api::custom_resource_definitions() {
        let mut crd = serde_json::to_value(definition).unwrap();
        crd["status"] = json!({"storedVersions": [crd["spec"]["versions"][0]["name"]]});
        let names = &mut crd["spec"]["names"];
        if names.get("listKind").is_none() {
            names["listKind"] = format!("{}List", names["kind"].as_str().unwrap()).into();
        }
        let kind = CustomKind::compile(&crd).unwrap();
        assert!(version_has_columns(&kind), "{}", kind.kind);
    }
}

fn version_has_columns(kind: &CustomKind) -> bool {
    kind.versions.iter().all(|v| v.columns.len() > 2)
}

#[test]
fn names_and_paths_are_those_of_the_definition() {
    let kind = kind();
    assert_eq!(
        (kind.group.as_str(), kind.plural.as_str(), kind.namespaced),
        ("example.com", "foos", true)
    );
    assert_eq!(kind.short_names, ["fo"]);
    let version = version(&kind);
    assert!(version.has_status);
    assert_eq!(
        version.scale.as_ref().unwrap().spec_replicas,
        ".spec.replicas"
    );
    assert_eq!(
        version.selectable_fields().collect::<Vec<_>>(),
        ["spec.color"]
    );
    assert_eq!(
        version
            .field(&object(&json!({"color": "red"})), "spec.color")
            .as_deref(),
        Some("red")
    );
    assert_eq!(version.field(&object(&json!({})), "spec.shape"), None);
}

#[test]
fn unknown_fields_go_and_defaults_come() {
    let kind = kind();
    let mut sent = object(&json!({"color": "red", "size": 3}));
    sent["metadata"]["odd"] = 1.into();
    let unknown = version(&kind).decode(&mut sent);
    assert_eq!(unknown, ["metadata.odd", "spec.size"]);
    assert_eq!(sent["spec"], json!({"color": "red", "replicas": 1}));
}

#[test]
fn a_status_write_touches_nothing_else() {
    let kind = kind();
    let old = object(&json!({"replicas": 1}));
    let mut new = object(&json!({"replicas": 9}));
    new["status"] = json!({"replicas": 2});
    new["metadata"]["labels"] = json!({"a": "b"});
    version(&kind).prepare_update(Some("status"), &mut new, &old);
    assert_eq!(new["spec"]["replicas"], 1);
    assert_eq!(new["status"]["replicas"], 2);
    assert!(new["metadata"].get("labels").is_none());
}

#[test]
fn the_generation_rises_with_anything_but_metadata_and_status() {
    let kind = kind();
    let old = object(&json!({"replicas": 1}));
    for (mut new, expected) in [
        (object(&json!({"replicas": 1})), 3),
        (object(&json!({"replicas": 2})), 4),
    ] {
        new["status"] = json!({"x": 1});
        new["metadata"]["labels"] = json!({"a": "b"});
        version(&kind).prepare_update(None, &mut new, &old);
        assert_eq!(new["metadata"]["generation"], expected);
        assert!(new.get("status").is_none());
    }
}

#[test]
fn a_row_is_made_from_paths() {
    let kind = kind();
    let mut foo = object(&json!({"replicas": 3}));
    foo["status"] = json!({"conditions": [{"type": "Ready", "status": "True"}]});
    let now = "2026-11-22T10:05:00Z".parse().unwrap();
    assert_eq!(
        Value::from(version(&kind).row(&foo, now)),
        json!(["a", "True", 3, "5m"])
    );
    let bare = object(&json!({}));
    assert_eq!(
        Value::from(version(&kind).row(&bare, now)),
        json!(["a", null, null, "5m"])
    );
}

#[test]
fn scale_reads_and_writes_the_paths() {
    let kind = kind();
    let mut foo = object(&json!({"replicas": 3}));
    foo["status"] = json!({"replicas": 2, "selector": "a=b"});
    let scale = version(&kind).scale_of(&foo).unwrap();
    assert_eq!(scale["spec"]["replicas"], 3);
    assert_eq!(scale["status"], json!({"replicas": 2, "selector": "a=b"}));
    version(&kind).set_replicas(&mut foo, 7);
    assert_eq!(foo["spec"]["replicas"], 7);
}

#[test]
fn a_wrong_object_is_told_everything() {
    let kind = kind();
    let foo = object(&json!({"replicas": "x", "color": "green"}));
    let errors = version(&kind).validate(None, &foo, None);
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "spec.color: Unsupported value: \"green\": supported values: \"red\", \"blue\"",
            "spec.replicas: Invalid value: \"string\": spec.replicas in body must be of type integer: \"string\"",
        ]
    );
}

#[test]
fn another_kind_is_refused_at_once() {
    let kind = kind();
    let mut foo = object(&json!({}));
    foo["kind"] = "Bar".into();
    let errors = version(&kind).validate(None, &foo, None);
    assert_eq!(
        errors[0].to_string(),
        "kind: Invalid value: \"Bar\": must be Foo"
    );
    assert_eq!(errors.len(), 1);
}

#[test]
fn types_for_merging_come_with_it() {
    let kind = kind();
    assert!(version(&kind).types().root().member("spec").is_some());
}
