use serde_json::{Value, json};

use cedge_kinds::error::Errors;
use cedge_kinds::path::Path;

use super::{default, drop_nulls, prune, validate_embedded, validate_lists, validate_schema};
use crate::node::Node;

fn texts(schema: &Value, value: &Value) -> Vec<String> {
    let errors = validate_schema(value, None, &Node::compile(schema), "");
    errors.iter().map(ToString::to_string).collect()
}

fn field(schema: &Value) -> Value {
    json!({"type": "object", "properties": {"f": schema}})
}

type Mistake = (Value, Value, &'static str);

fn mistakes() -> Vec<Mistake> {
    let mut all = of_scalars();
    all.extend(of_lists_and_objects());
    all
}

fn of_scalars() -> Vec<Mistake> {
    vec![
        (
            json!({"type": "string"}),
            json!(3),
            "f: Invalid value: \"integer\": f in body must be of type string: \"integer\"",
        ),
        (
            json!({"type": "integer"}),
            json!("x"),
            "f: Invalid value: \"string\": f in body must be of type integer: \"string\"",
        ),
        (
            json!({"type": "integer"}),
            json!(1.5),
            "f: Invalid value: \"number\": f in body must be of type integer: \"number\"",
        ),
        (
            json!({"type": "string"}),
            Value::Null,
            "f: Invalid value: \"null\": f in body must be of type string: \"null\"",
        ),
        (
            json!({"x-kubernetes-int-or-string": true}),
            json!(true),
            "f: Invalid value: \"boolean\": f in body must be of type integer,string: \"boolean\"",
        ),
        (
            json!({"type": "string", "enum": ["a", "b"]}),
            json!("c"),
            "f: Unsupported value: \"c\": supported values: \"a\", \"b\"",
        ),
        (
            json!({"type": "string", "maxLength": 1}),
            json!("ab"),
            "f: Too long: may not be more than 1 byte",
        ),
        (
            json!({"type": "string", "minLength": 3}),
            json!("ab"),
            "f: Invalid value: \"ab\": f in body should be at least 3 chars long",
        ),
        (
            json!({"type": "string", "pattern": "^a$"}),
            json!("b"),
            "f: Invalid value: \"b\": f in body should match '^a$'",
        ),
        (
            json!({"type": "string", "format": "date-time"}),
            json!("b"),
            "f: Invalid value: \"b\": f in body must be of type date-time: \"b\"",
        ),
        (
            json!({"type": "integer", "minimum": 2}),
            json!(1),
            "f: Invalid value: 1: f in body should be greater than or equal to 2",
        ),
        (
            json!({"type": "integer", "maximum": 2, "exclusiveMaximum": true}),
            json!(2),
            "f: Invalid value: 2: f in body should be less than 2",
        ),
        (
            json!({"type": "number", "maximum": 0.5}),
            json!(0.7),
            "f: Invalid value: 0.7: f in body should be less than or equal to 0.5",
        ),
        (
            json!({"type": "integer", "multipleOf": 5}),
            json!(7),
            "f: Invalid value: 7: f in body should be a multiple of 5",
        ),
    ]
}

fn of_lists_and_objects() -> Vec<Mistake> {
    vec![
        (
            json!({"type": "array", "items": {"type": "string"}, "maxItems": 1}),
            json!(["a", "b"]),
            "f: Too many: 2: must have at most 1 item",
        ),
        (
            json!({"type": "array", "items": {"type": "string"}, "minItems": 1}),
            json!([]),
            "f: Invalid value: 0: f in body should have at least 1 items",
        ),
        (
            json!({"type": "array", "items": {"type": "string"}}),
            json!(["a", 1]),
            "f[1]: Invalid value: \"integer\": f[1] in body must be of type string: \"integer\"",
        ),
        (
            json!({"type": "object", "required": ["x"]}),
            json!({}),
            "f.x: Required value",
        ),
        (
            json!({"type": "object", "additionalProperties": {"type": "string"}}),
            json!({"k": 1}),
            "f.k: Invalid value: \"integer\": f.k in body must be of type string: \"integer\"",
        ),
        (
            json!({"type": "object", "maxProperties": 1, "x-kubernetes-preserve-unknown-fields": true}),
            json!({"a": 1, "b": 2}),
            "f: Too many: 2: must have at most 1 item",
        ),
    ]
}

#[test]
fn every_mistake_has_kubernetes_words() {
    for (schema, value, expected) in mistakes() {
        assert_eq!(texts(&field(&schema), &json!({"f": value})), [expected]);
    }
}

#[test]
fn alternatives_say_how_many_held() {
    let one_of = json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
        "oneOf": [{"required": ["a"]}, {"required": ["b"]}]});
    assert_eq!(
        texts(&field(&one_of.clone()), &json!({"f": {"a": "", "b": ""}})),
        [
            "<nil>: Invalid value: \"\": \"f\" must validate one and only one schema (oneOf). Found 2 valid alternatives"
        ]
    );
    assert_eq!(
        texts(&field(&one_of), &json!({"f": {}})),
        [
            "<nil>: Invalid value: \"\": \"f\" must validate one and only one schema (oneOf). Found none valid",
            "f.a: Required value",
        ]
    );
    let not = json!({"type": "string", "not": {"enum": ["x"]}});
    assert_eq!(
        texts(&field(&not), &json!({"f": "x"})),
        ["<nil>: Invalid value: \"\": \"f\" must not validate the schema (not)"]
    );
    let any = json!({"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]});
    assert!(texts(&field(&any), &json!({"f": 3})).is_empty());
}

#[test]
fn well_formed_values_pass() {
    for (format, value) in [
        ("date-time", "2026-11-22T10:00:00.5+01:00"),
        ("date", "2026-11-22"),
        ("duration", "1h30m"),
        ("duration", "22 ns"),
        ("uri", "https://example.com/a"),
        ("email", "a@b.c"),
        ("hostname", "a.example.com"),
        ("ipv4", "10.0.0.1"),
        ("ipv6", "::1"),
        ("cidr", "10.0.0.0/8"),
        ("mac", "01:23:45:67:89:ab"),
        ("uuid", "123e4567-e89b-12d3-a456-426614174000"),
        ("byte", "aGk="),
        ("isbn10", "0321751043"),
        ("unknown-format", "anything"),
    ] {
        let schema = field(&json!({"type": "string", "format": format}));
        assert_eq!(
            texts(&schema, &json!({"f": value})),
            [] as [&str; 0],
            "{format}"
        );
    }
    for (format, value) in [
        ("ipv4", "::1"),
        ("duration", "soon"),
        ("byte", "a"),
        ("uuid", "x"),
        ("cidr", "10.0.0.0"),
    ] {
        let schema = field(&json!({"type": "string", "format": format}));
        assert_eq!(texts(&schema, &json!({"f": value})).len(), 1, "{format}");
    }
}

#[test]
fn what_did_not_change_is_not_judged_again() {
    let node = Node::compile(&json!({"type": "object", "properties": {
        "a": {"type": "string", "maxLength": 1}, "b": {"type": "string", "maxLength": 1}}}));
    let old = json!({"a": "long", "b": "x"});
    let new = json!({"a": "long", "b": "longer"});
    let errors = validate_schema(&new, Some(&old), &node, "");
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].field, "b");
}

#[test]
fn pruning_spares_what_is_preserved() {
    let node = Node::compile(&json!({"type": "object", "properties": {
        "spec": {"type": "object", "properties": {"known": {"type": "string"}}},
        "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": true,
            "properties": {"closed": {"type": "object", "properties": {"x": {"type": "string"}}}}},
        "map": {"type": "object", "additionalProperties": {"type": "object", "properties": {"x": {"type": "string"}}}},
        "pod": {"type": "object", "x-kubernetes-embedded-resource": true, "properties": {"spec": {"type": "object"}}},
    }}));
    let mut value = json!({
        "apiVersion": "v", "kind": "K", "metadata": {"name": "a"},
        "spec": {"known": "a", "unknown": 1},
        "open": {"any": 1, "closed": {"x": "a", "y": 1}},
        "map": {"k": {"x": "a", "y": 1}},
        "pod": {"apiVersion": "v1", "kind": "Pod", "metadata": {}, "other": 1},
        "extra": 1,
    });
    let removed = prune(&mut value, &node);
    assert_eq!(
        removed,
        [
            "extra",
            "map.k.y",
            "open.closed.y",
            "pod.other",
            "spec.unknown"
        ]
    );
    assert_eq!(value["open"], json!({"any": 1, "closed": {"x": "a"}}));
    assert_eq!(
        value["pod"],
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {}})
    );
}

#[test]
fn defaults_fill_what_is_missing_or_wrongly_null() {
    let node = Node::compile(&json!({"type": "object", "properties": {
        "a": {"type": "integer", "default": 1},
        "b": {"type": "object", "default": {}, "properties": {"c": {"type": "string", "default": "x"}}},
        "n": {"type": "integer", "nullable": true, "default": 2},
        "z": {"type": "integer"},
        "l": {"type": "array", "items": {"type": "object", "properties": {"d": {"type": "integer", "default": 3}}}},
    }}));
    let mut value = json!({"a": null, "n": null, "z": null, "l": [{}]});
    drop_nulls(&mut value, Some(&node));
    default(&mut value, &node);
    assert_eq!(
        value,
        json!({"a": 1, "b": {"c": "x"}, "n": null, "l": [{"d": 3}]})
    );
}

#[test]
fn sets_and_maps_hold_nothing_twice() {
    let node = Node::compile(&json!({"type": "object", "properties": {
        "s": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "m": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
            "items": {"type": "object", "properties": {"k": {"type": "string"}}}},
    }}));
    let value = json!({"s": ["a", "b", "a", "a"], "m": [{"k": "x", "v": 1}, {"k": "x", "v": 2}]});
    let mut errors = Errors::new();
    validate_lists(&value, &node, &Path::root(""), &mut errors);
    let texts: Vec<String> = errors.0.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "m[1]: Duplicate value: {\"k\":\"x\"}",
            "s[2]: Duplicate value: \"a\""
        ]
    );
}

#[test]
fn an_embedded_object_says_what_it_is() {
    let node = Node::compile(&json!({"type": "object", "properties": {
        "pod": {"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true}}}));
    let mut errors = Errors::new();
    let value = json!({"pod": {"kind": "", "metadata": {"labels": {"-": "x"}}}});
    validate_embedded(&value, &node, &Path::root(""), &mut errors);
    let texts: Vec<String> = errors.0.iter().map(ToString::to_string).collect();
    assert_eq!(texts[0], "pod.apiVersion: Required value");
    assert_eq!(texts[1], "pod.kind: Invalid value: \"\": must not be empty");
    assert!(texts[2].starts_with("pod.metadata.labels: Invalid value: \"-\": name part"));
}
