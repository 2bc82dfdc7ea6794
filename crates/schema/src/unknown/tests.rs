use super::*;
use crate::Types;
use serde_json::json;

fn check(kind: (&str, &str), value: &Value, expected: &[&str]) {
    let ty = Types::builtin().of(kind.0, "v1", kind.1).unwrap();
    assert_eq!(unknown_fields(ty, value), expected);
}

#[test]
fn unknown_fields_are_found_with_their_paths() {
    check(
        ("", "Pod"),
        &json!({
            "apiVersion": "v1", "kind": "Pod", "foo": 1,
            "metadata": {"name": "a", "labels": {"any": "thing"}, "label": {}},
            "spec": {"containers": [{"name": "a"}, {"nam": "b", "resources": {"limits": {"cpu": 1}}}]}
        }),
        &["foo", "metadata.label", "spec.containers[1].nam"],
    );
}

#[test]
fn custom_values_keep_what_they_say_they_keep() {
    let types = Types::from_openapi(&json!({"type": "object", "properties": {
        "spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": true,
                 "properties": {"known": {"type": "object", "properties": {"a": {"type": "string"}}}}}
    }}))
    .unwrap();
    let value = json!({"spec": {"new": {"x": 1}, "known": {"a": "1", "b": 2}}, "status": {}});
    assert_eq!(
        unknown_fields(types.root(), &value),
        ["spec.known.b", "status"]
    );
}

#[test]
fn the_list_of_unknown_fields_ends_at_a_hundred() {
    let many: serde_json::Map<String, Value> =
        (0..1000).map(|n| (format!("f{n}"), json!(1))).collect();
    let ty = Types::builtin().of("", "v1", "Pod").unwrap();
    assert_eq!(unknown_fields(ty, &many.into()).len(), ERRORS_MAX);
}
