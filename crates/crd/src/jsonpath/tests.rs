use serde_json::{Value, json};

use super::{Error, JsonPath};

fn find(path: &str) -> Vec<Value> {
    let object = json!({
        "metadata": {"name": "a", "annotations": {"x.y/z": "dotted"}},
        "spec": {"list": [1, 2, 3, 4], "items": [{"n": "p", "port": 1}, {"n": "q", "port": 20}]},
        "status": {"conditions": [
            {"type": "Synced", "status": "False"}, {"type": "Ready", "status": "True"}]},
    });
    let path = JsonPath::parse(path).unwrap();
    path.find(&object).into_iter().cloned().collect()
}

#[test]
fn paths_lead_where_kubectl_goes() {
    for (path, expected) in [
        (".metadata.name", json!(["a"])),
        ("{.metadata.name}", json!(["a"])),
        (".metadata['name']", json!(["a"])),
        (r".metadata.annotations.x\.y/z", json!(["dotted"])),
        (".metadata.annotations['x\\.y/z']", json!(["dotted"])),
        (".spec.list[0]", json!([1])),
        (".spec.list[-1]", json!([4])),
        (".spec.list[1:3]", json!([2, 3])),
        (".spec.list[::2]", json!([1, 3])),
        (".spec.list[0,2]", json!([1, 3])),
        (".spec.items[*].n", json!(["p", "q"])),
        (".spec.items.*.port", json!([1, 20])),
        ("..port", json!([1, 20])),
        (
            ".status.conditions[?(@.type==\"Ready\")].status",
            json!(["True"]),
        ),
        (
            ".status.conditions[?(@.type=='Ready')].status",
            json!(["True"]),
        ),
        (
            ".status.conditions[?(@.type!=\"Ready\")].type",
            json!(["Synced"]),
        ),
        (".spec.items[?(@.port>5)].n", json!(["q"])),
        (".spec.items[?(@.port<=1)].n", json!(["p"])),
        (".spec.items[?(@.missing)].n", json!([])),
        (".nothing.here", json!([])),
    ] {
        assert_eq!(Value::from(find(path)), expected, "{path}");
    }
}

#[test]
fn what_is_no_path_is_refused() {
    assert_eq!(JsonPath::parse(".a[0"), Err(Error::Unterminated("array")));
    assert!(JsonPath::parse(".a[x]").is_err());
    assert!(JsonPath::parse(".a[?(@.b==c)]").is_err());
}
