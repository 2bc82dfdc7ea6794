use super::*;
use serde_json::json;

fn check(doc: &Value, patch: &Value, expected: Result<Value, &str>) {
    let ours = json_patch(doc, patch);
    let ours = ours.map_err(|error| error.to_string());
    assert_eq!(ours, expected.map_err(str::to_owned), "{doc} {patch}");
}

#[test]
fn operations_do_what_kubernetes_lets_them_do() {
    let doc = json!({"a": 1, "l": [1, 2, 3], "o": {"x/y": {"~": 0}}});
    let cases = [
        (
            json!([{"op": "add", "path": "/b", "value": 2}]),
            json!({"a": 1, "b": 2, "l": [1, 2, 3], "o": {"x/y": {"~": 0}}}),
        ),
        (
            json!([{"op": "remove", "path": "/o"}, {"op": "add", "path": "/l/-", "value": 4}]),
            json!({"a": 1, "l": [1, 2, 3, 4]}),
        ),
        (
            json!([{"op": "add", "path": "/l/1", "value": 9}, {"op": "remove", "path": "/o"}]),
            json!({"a": 1, "l": [1, 9, 2, 3]}),
        ),
        (
            json!([{"op": "replace", "path": "/l/-1", "value": 9}, {"op": "remove", "path": "/o"}]),
            json!({"a": 1, "l": [1, 2, 9]}),
        ),
        (
            json!([{"op": "replace", "path": "/new", "value": 9}, {"op": "remove", "path": "/o"}, {"op": "remove", "path": "/l"}]),
            json!({"a": 1, "new": 9}),
        ),
        (
            json!([{"op": "move", "from": "/a", "path": "/o/x~1y/~0"}, {"op": "remove", "path": "/l"}]),
            json!({"o": {"x/y": {"~": 1}}}),
        ),
        (
            json!([{"op": "copy", "from": "/l/0", "path": "/l/2"}, {"op": "remove", "path": "/o"}]),
            json!({"a": 1, "l": [1, 2, 1, 3]}),
        ),
        (
            json!([{"op": "test", "path": "/a", "value": 1.0}, {"op": "test", "path": "/none"}, {"op": "replace", "path": "", "value": {}}]),
            json!({}),
        ),
        (json!(null), doc.clone()),
    ];
    for (patch, expected) in cases {
        check(&doc, &patch, Ok(expected));
    }
}

#[test]
fn what_does_not_fit_is_told() {
    let doc = json!({"a": 1, "l": [1]});
    let cases = [
        (
            json!([{"op": "remove", "path": "/x"}]),
            "error in remove for path: '/x': Unable to remove nonexistent key: x: missing value",
        ),
        (
            json!([{"op": "add", "path": "/x/y", "value": 1}]),
            "add operation does not apply: doc is missing path: \"/x/y\": missing value",
        ),
        (
            json!([{"op": "add", "path": "/l/5", "value": 1}]),
            "error in add for path: '/l/5': Unable to access invalid index: 5: invalid index referenced",
        ),
        (
            json!([{"op": "replace", "path": "/l/1", "value": 1}]),
            "replace operation does not apply: doc is missing key: /l/1: missing value",
        ),
        (
            json!([{"op": "test", "path": "/a", "value": 2}]),
            "testing value /a failed: test failed",
        ),
        (
            json!([{"op": "frob", "path": "/a"}]),
            "Unexpected kind: frob",
        ),
        (json!([{"path": "/a"}]), "Unexpected kind: unknown"),
        (
            json!([{"op": "add"}]),
            "add operation failed to decode path: missing value",
        ),
        (
            json!({"op": "add"}),
            "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp",
        ),
        (
            json!([1]),
            "error decoding patch: json: cannot unmarshal number into Go value of type handlers.jsonPatchOp",
        ),
    ];
    for (patch, expected) in cases {
        check(&doc, &patch, Err(expected));
    }
}

#[test]
fn ten_thousand_operations_are_the_limit() {
    let operation = json!({"op": "add", "path": "/b", "value": 2});
    let many = |count| Value::Array(vec![operation.clone(); count]);
    assert!(json_patch(&json!({}), &many(OPERATIONS_MAX)).is_ok());
    let error = json_patch(&json!({}), &many(OPERATIONS_MAX + 1)).unwrap_err();
    assert_eq!(error.code(), 413);
    assert_eq!(
        error.message(),
        "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001"
    );
}

#[test]
fn a_patch_cannot_grow_an_object_without_bound() {
    let double = json!({"op": "copy", "from": "/a", "path": "/a/-"});
    let patch = Value::Array(vec![double; 40]);
    let error = json_patch(&json!({"a": ["x".repeat(100_000)]}), &patch).unwrap_err();
    assert!(
        error.to_string().contains("accumulated size") || error.to_string().contains("depth"),
        "{error}"
    );

    let deeper = [
        json!({"op": "add", "path": "/b", "value": {}}),
        json!({"op": "move", "from": "/a", "path": "/b/a"}),
        json!({"op": "move", "from": "/b", "path": "/a"}),
    ];
    let patch: Value = deeper.iter().cycle().take(9_999).cloned().collect();
    let error = json_patch(&json!({"a": {}}), &patch).unwrap_err();
    assert!(error.to_string().contains("exceeded max depth"), "{error}");
}
