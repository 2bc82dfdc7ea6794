//! Whole requests: bodies in JSON, YAML and protobuf, patches of the four kinds, query strings with selectors and options.

use http::Method;

use super::seeds;
use crate::api::ask;

const TYPES: [&str; 3] = [
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
];
const PATCHES: [&str; 4] = [
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
];
const COLLECTIONS: [&str; 6] = [
    "/api/v1/namespaces/default/configmaps",
    "/api/v1/namespaces/default/pods",
    "/apis/apps/v1/namespaces/default/deployments",
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "/apis/fuzz.io/v1/namespaces/default/things",
    "/apis/authorization.k8s.io/v1/subjectaccessreviews",
];
/// Those with an object `a`.
const OBJECTS: usize = 3;

/// The first byte says where and as what the rest is posted.
pub(super) fn body(data: &[u8]) {
    let Some((first, body)) = data.split_first() else {
        return;
    };
    let first = usize::from(*first);
    let collection = COLLECTIONS[first / 3 % COLLECTIONS.len()];
    let path = format!("{collection}?dryRun=All&fieldValidation=Strict");
    ask(Method::POST, &path, TYPES[first % 3], body);
}

pub(super) fn bodies() -> Vec<Vec<u8>> {
    let protobuf =
        b"\x05k8s\0\x0a\x09\x0a\x02v1\x12\x03Pod\x12\x0a\x0a\x08\x0a\x01x\x12\0\x1a\x01y\"\0"
            .to_vec();
    let mut all = seeds(&[
        r#"0{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x","labels":{"a":"b"}},"data":{"a":"b"},"binaryData":{"c":"AA=="}}"#,
        r#"3{"apiVersion":"v1","kind":"Pod","metadata":{"name":"x"},"spec":{"containers":[{"name":"c","image":"i","resources":{"limits":{"cpu":"1.5","memory":"1Gi"}},"env":[{"name":"A","value":"$(B)"}]}]}}"#,
        "\u{1}apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n  a: |\n    text\n  b: &x \"1\"\n  c: *x\n",
        r#"6{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"generateName":"x-"},"spec":{"replicas":2,"selector":{"matchExpressions":[{"key":"a","operator":"In","values":["b"]}]},"strategy":{"rollingUpdate":{"maxSurge":"25%"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]}}}}"#,
        r#"<{"apiVersion":"fuzz.io/v1","kind":"Thing","metadata":{"name":"x","managedFields":[{"manager":"m","operation":"Update","apiVersion":"fuzz.io/v1","fieldsType":"FieldsV1","fieldsV1":{"f:a":{}}}]},"a":[1,2.5,null]}"#,
    ]);
    all.push(protobuf);
    all
}

/// The first byte says upon what the rest is put, and as which kind of patch.
pub(super) fn patch(data: &[u8]) {
    let Some((first, body)) = data.split_first() else {
        return;
    };
    let first = usize::from(*first);
    let collection = COLLECTIONS[first / 4 % OBJECTS];
    let path = format!(
        "{collection}/a?dryRun=All&fieldManager=f&force={}",
        first % 32 < 16
    );
    let kind = PATCHES[first % 4];
    // `force` belongs to apply alone.
    let path = match first % 4 {
        3 => path.as_str(),
        _ => path.split("&force").next().unwrap_or_default(),
    };
    ask(Method::PATCH, path, kind, body);
}

pub(super) fn patches() -> Vec<Vec<u8>> {
    seeds(&[
        r#"0[{"op":"test","path":"/data/a","value":"b"},{"op":"copy","from":"/data/a","path":"/data/c"},{"op":"remove","path":"/data/a"}]"#,
        r#"1{"data":{"a":null,"x":"y"},"metadata":{"annotations":{"k":"v"}}}"#,
        r#"6{"spec":{"containers":[{"name":"c","image":"j"},{"$patch":"delete","name":"d"}],"$setElementOrder/containers":[{"name":"c"}]}}"#,
        r#":{"spec":{"template":{"spec":{"containers":[{"name":"c","ports":[{"containerPort":81}]}],"$retainKeys":["containers"]}}}}"#,
        r#"3{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"q":"r"}}"#,
        ";apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {replicas: 3}\n",
    ])
}

/// A query string, of a list or a watch or a write.
pub(super) fn query(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(rest) else {
        return;
    };
    let first = usize::from(*first);
    let collection = COLLECTIONS[first / 4 % (COLLECTIONS.len() - 1)];
    match first % 4 {
        0 | 1 => ask(Method::GET, &format!("{collection}?{text}"), TYPES[0], b""),
        2 => ask(Method::GET, &format!("{collection}/{text}"), TYPES[0], b""),
        _ => ask(
            Method::POST,
            &format!("{collection}?dryRun=All&{text}"),
            TYPES[0],
            b"{}",
        ),
    };
}

pub(super) fn queries() -> Vec<Vec<u8>> {
    seeds(&[
        "0labelSelector=a%3Db%2Cc+in+(d,e),!f&fieldSelector=metadata.name%3Dx,metadata.namespace!%3Dy",
        "0limit=1&continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiJhXHUwMDAwIn0",
        "1watch=1&resourceVersion=0&timeoutSeconds=1&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan",
        "0resourceVersion=1&resourceVersionMatch=Exact&limit=3",
        "5fieldSelector=spec.nodeName%3Dx,status.phase%3DRunning",
        "2a/status?pretty=1",
        "6a/log?follow=0&tailLines=3&sinceTime=2020-01-01T00:00:00Z",
        "3fieldValidation=Strict&fieldManager=x",
    ])
}
