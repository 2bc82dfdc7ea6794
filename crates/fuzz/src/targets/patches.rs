//! The four kinds of patch upon any document, and the sets of fields in `managedFields`.

use cedge_merge::{ApplyArgs, OneVersion, apply as apply_patch, json_patch, merge_patch};
use cedge_schema::Types;
use serde_json::{Value, json};

use super::{halves, seeds};

const DEPLOYMENT: &str = r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"a","finalizers":["x","y"]},"spec":{"replicas":1,"template":{"spec":{"containers":[{"name":"c","image":"i","ports":[{"containerPort":80,"protocol":"TCP"}],"env":[{"name":"A","value":"b"}]}],"tolerations":[{"key":"k"}]}}}}"#;

/// A document and a patch, if both are JSON.
fn both(data: &[u8]) -> Option<(Value, Value)> {
    let (document, patch) = halves(data);
    Some((
        serde_json::from_slice(document).ok()?,
        serde_json::from_slice(patch).ok()?,
    ))
}

fn upon(document: &str, patches: &[&str]) -> Vec<Vec<u8>> {
    let pair = |patch: &&str| format!("{document}\0{patch}").into_bytes();
    patches.iter().map(pair).collect()
}

pub(super) fn json(data: &[u8]) {
    if let Some((document, patch)) = both(data) {
        let _ = json_patch(&document, &patch);
    }
}

pub(super) fn jsons() -> Vec<Vec<u8>> {
    upon(
        r#"{"a":[1,{"b":2}],"c":{"~d/":null}}"#,
        &[
            r#"[{"op":"add","path":"/a/-","value":3},{"op":"replace","path":"/a/0","value":[]},{"op":"remove","path":"/c/~0d~1"}]"#,
            r#"[{"op":"move","from":"/a/1","path":"/e"},{"op":"copy","from":"/e","path":"/a/-1"},{"op":"test","path":"/e/b","value":2}]"#,
        ],
    )
}

pub(super) fn merge(data: &[u8]) {
    if let Some((document, patch)) = both(data)
        && let Ok(once) = merge_patch(&document, &patch)
    {
        let twice = merge_patch(&once, &patch);
        assert_eq!(
            twice.as_ref(),
            Ok(&once),
            "a merge patch says what is to be"
        );
    }
}

pub(super) fn merges() -> Vec<Vec<u8>> {
    upon(
        r#"{"a":{"b":1,"c":[1]}}"#,
        &[r#"{"a":{"b":null,"d":{"e":null}}}"#, "3"],
    )
}

pub(super) fn strategic(data: &[u8]) {
    let ty = Types::builtin().of_api_version("apps/v1", "Deployment");
    if let (Some((document, patch)), Some(ty)) = (both(data), ty) {
        let _ = cedge_merge::strategic(ty, &document, &patch);
    }
}

pub(super) fn strategics() -> Vec<Vec<u8>> {
    upon(
        DEPLOYMENT,
        &[
            r#"{"spec":{"template":{"spec":{"containers":[{"name":"c","image":"j"},{"name":"d"}],"$setElementOrder/containers":[{"name":"d"},{"name":"c"}]}}}}"#,
            r#"{"metadata":{"$deleteFromPrimitiveList/finalizers":["x"]},"spec":{"$patch":"replace","replicas":2}}"#,
            r#"{"spec":{"strategy":{"$retainKeys":["type"],"type":"Recreate"},"template":{"spec":{"tolerations":[{"$patch":"replace"}]}}}}"#,
        ],
    )
}

pub(super) fn apply(data: &[u8]) {
    if let Some((live, applied)) = both(data) {
        put(&live, &applied);
    }
}

pub(super) fn applies() -> Vec<Vec<u8>> {
    let applied = r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"a"},"spec":{"replicas":2,"template":{"spec":{"containers":[{"name":"c","ports":[{"containerPort":80,"protocol":"UDP"}]}]}}}}"#;
    upon(DEPLOYMENT, &[applied])
}

/// A set of fields as another manager's.
pub(super) fn field_sets(data: &[u8]) {
    let Ok(set) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    let mut live: Value = serde_json::from_str(DEPLOYMENT).expect("JSON");
    live["metadata"]["managedFields"] = json!([
        {"manager": "other", "operation": "Apply", "apiVersion": "apps/v1", "fieldsType": "FieldsV1",
         "time": "2020-01-01T00:00:00Z", "fieldsV1": set},
        {"manager": "f", "operation": "Apply", "apiVersion": "apps/v1", "fieldsType": "FieldsV1", "fieldsV1": set},
    ]);
    let applied = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": {"replicas": 5}});
    put(&live, &applied);
}

pub(super) fn sets() -> Vec<Vec<u8>> {
    seeds(&[
        r#"{"f:metadata":{"f:finalizers":{".":{},"v:\"x\"":{}}},"f:spec":{"f:replicas":{}}}"#,
        r#"{"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{".":{},"f:ports":{"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{}}},"i:3":{}}}}}}"#,
    ])
}

fn put(live: &Value, applied: &Value) {
    let Some(ty) = Types::builtin().of_api_version("apps/v1", "Deployment") else {
        return;
    };
    let versions = OneVersion {
        api_version: "apps/v1",
        ty,
    };
    for force in [false, true] {
        let _ = apply_patch(&ApplyArgs {
            versions: &versions,
            api_version: "apps/v1",
            live: Some(live),
            applied,
            manager: "f",
            force,
            subresource: "",
            now: "2026-01-01T00:00:00Z",
            reset_fields: &["status"],
        });
    }
}
