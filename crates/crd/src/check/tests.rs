use serde_json::{Value, json};

use super::{validate_create, validate_update};

fn definition() -> Value {
    json!({
        "metadata": {"name": "foos.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"plural": "foos", "singular": "foo", "kind": "Foo", "listKind": "FooList"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object"}}}],
        },
        "status": {"storedVersions": ["v1"]},
    })
}

fn with(pointer: &str, value: Value) -> Value {
    let mut crd = definition();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    crd.pointer_mut(parent).unwrap()[name] = value;
    crd
}

fn texts(crd: &Value) -> Vec<String> {
    validate_create(crd)
        .iter()
        .map(ToString::to_string)
        .collect()
}

fn schema(schema: Value) -> Vec<String> {
    texts(&with("/spec/versions/0/schema/openAPIV3Schema", schema))
}

#[test]
fn a_plain_definition_is_fine() {
    assert_eq!(texts(&definition()), [] as [&str; 0]);
}

#[test]
fn names_and_versions_are_judged() {
    for (pointer, value, expected) in [
        (
            "/metadata/name",
            json!("bars.example.com"),
            "metadata.name: Invalid value: \"bars.example.com\": must be spec.names.plural+\".\"+spec.group",
        ),
        (
            "/spec/scope",
            json!("World"),
            "spec.scope: Unsupported value: \"World\": supported values: \"Cluster\", \"Namespaced\"",
        ),
        (
            "/spec/names/kind",
            json!("F_o"),
            "spec.names.kind: Invalid value: \"F_o\": may have mixed case, but should otherwise match: a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
        ),
        (
            "/spec/names/listKind",
            json!("Foo"),
            "spec.names.listKind: Invalid value: \"Foo\": kind and listKind may not be the same",
        ),
        (
            "/spec/versions/0/schema",
            json!({}),
            "spec.versions[0].schema.openAPIV3Schema: Required value",
        ),
        (
            "/spec/preserveUnknownFields",
            json!(true),
            "spec.preserveUnknownFields: Invalid value: true: cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead",
        ),
        (
            "/spec/versions/0/additionalPrinterColumns",
            json!([{"name": "A", "type": "text", "jsonPath": "a"}]),
            "spec.additionalPrinterColumns[0].type: Invalid value: \"text\": must be one of boolean,date,integer,number,string",
        ),
        (
            "/spec/versions/0/subresources",
            json!({"scale": {"specReplicasPath": ".x", "statusReplicasPath": ".status.r"}}),
            "spec.subresources.scale.specReplicasPath: Invalid value: \".x\": should be a json path under .spec",
        ),
    ] {
        assert_eq!(texts(&with(pointer, value))[0], expected);
    }
}

#[test]
fn exactly_one_version_is_stored() {
    let found = texts(&with("/spec/versions/0/storage", json!(false)));
    assert!(
        found[0].ends_with("must have exactly one version marked as storage version"),
        "{found:?}"
    );
}

#[test]
fn schemas_must_be_structural() {
    for (given, expected) in [
        (
            json!({}),
            "spec.validation.openAPIV3Schema.type: Required value: must not be empty at the root",
        ),
        (
            json!({"type": "string"}),
            "spec.validation.openAPIV3Schema.type: Invalid value: \"string\": must be object at the root",
        ),
        (
            json!({"type": "object", "properties": {"a": {}}}),
            "spec.validation.openAPIV3Schema.properties[a].type: Required value: must not be empty for specified object fields",
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "array"}}}),
            "spec.validation.openAPIV3Schema.properties[a].items: Required value: must be specified",
        ),
        (
            json!({"type": "object", "anyOf": [{"properties": {"b": {}}}]}),
            "spec.validation.openAPIV3Schema.properties[b]: Required value: because it is defined in spec.validation.openAPIV3Schema.anyOf[0].properties[b]",
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "string", "anyOf": [{"type": "string"}]}}}),
            "spec.validation.openAPIV3Schema.properties[a].anyOf[0].type: Forbidden: must be empty to be structural",
        ),
        (
            json!({"type": "object", "additionalProperties": {"type": "string"}}),
            "spec.validation.openAPIV3Schema.additionalProperties: Forbidden: must not be used at the root",
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "strin"}}}),
            "spec.validation.openAPIV3Schema.properties[a].type: Unsupported value: \"strin\": supported values: \"array\", \"boolean\", \"integer\", \"number\", \"object\", \"string\"",
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "array", "uniqueItems": true, "items": {"type": "string"}}}}),
            "spec.validation.openAPIV3Schema.properties[a].uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "integer", "default": "x"}}}),
            "spec.validation.openAPIV3Schema.properties[a].default: Invalid value: \"string\":  in body must be of type integer: \"string\"",
        ),
        (
            json!({"type": "object", "properties": {"l": {"type": "array", "x-kubernetes-list-type": "map", "items": {"type": "object"}}}}),
            "spec.validation.openAPIV3Schema.properties[l].x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map",
        ),
    ] {
        assert_eq!(schema(given).first().map(String::as_str), Some(expected));
    }
}

#[test]
fn rules_are_compiled_with_the_definition() {
    let found = schema(
        json!({"type": "object", "properties": {"a": {"type": "string",
        "x-kubernetes-validations": [{"rule": "self.b == 1"}]}}}),
    );
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("spec.validation.openAPIV3Schema.properties[a].x-kubernetes-validations[0].rule: Invalid value: {"), "{found:?}");
    let found = schema(
        json!({"type": "object", "properties": {"l": {"type": "array", "maxItems": 5, "items": {"type": "string",
        "x-kubernetes-validations": [{"rule": "self == oldSelf"}]}}}}),
    );
    assert_eq!(
        found,
        [
            "spec.validation.openAPIV3Schema.properties[l].items.x-kubernetes-validations[0].rule: Invalid value: \"self == oldSelf\": oldSelf cannot be used on the uncorrelatable portion of the schema within spec.validation.openAPIV3Schema.properties[l]"
        ]
    );
}

#[test]
fn a_rule_that_may_become_too_dear_is_refused() {
    let list = |most: u64| {
        json!({"type": "object", "properties": {"l": {"type": "array", "maxItems": most, "items": {
            "type": "string", "maxLength": 1000,
            "x-kubernetes-validations": [{"rule": "self.contains('0123456789')"}]}}}})
    };
    // A rule costs 401: one for `self`, and a tenth of 4,000 bytes times a tenth of the ten that are looked for.
    assert_eq!(schema(list(24_000)), [""; 0]);
    let found = schema(list(30_000));
    assert!(
        found[0].contains("estimated rule cost exceeds budget by factor of 1.203000x"),
        "{found:?}"
    );
    let mut old = definition();
    old["metadata"]["resourceVersion"] = "1".into();
    old["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = list(30_000);
    // What was stored before the limit was there can still be written as it is.
    assert_eq!(validate_update(&old, &old), []);
}

#[test]
fn the_group_and_the_plural_never_change() {
    let mut old = definition();
    old["metadata"]["resourceVersion"] = "1".into();
    let mut new = old.clone();
    new["spec"]["names"]["plural"] = "bars".into();
    let texts: Vec<String> = validate_update(&new, &old)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        texts,
        ["spec.names.plural: Invalid value: \"bars\": field is immutable"]
    );
}

#[test]
fn a_schema_without_end_is_refused() {
    let mut deep = json!({"type": "string"});
    for _ in 0..200 {
        deep = json!({"type": "object", "properties": {"a": deep}});
    }
    assert!(schema(deep)[0].contains("must not be nested deeper"));
}
