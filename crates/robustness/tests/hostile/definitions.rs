//! Definitions of kinds, and expressions in them.

use std::time::Duration;

use cedge_e2e::{enabled, say};
use http::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{Siege, refused, send};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const JSON: &str = "application/json";
/// A definition and its first object may take this long, in a debug build on a machine that does much else (some seconds
/// where it does not); a bomb takes forever.
const SOON: Duration = Duration::from_secs(75);

fn definition(plural: &str, schema: &Value) -> String {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.hostile.io")},
        "spec": {
            "group": "hostile.io", "scope": "Namespaced",
            "names": {"plural": plural, "kind": format!("K{plural}")},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "properties": {"spec": schema},
            }}}],
        },
    })
    .to_string()
}

/// Schemas that are more than they seem.
fn bombs() -> Vec<(&'static str, Value)> {
    let nested = |depth: usize, inner: Value| {
        (0..depth).fold(
            inner,
            |inner, _| json!({"type": "object", "properties": {"p": inner}}),
        )
    };
    let wide: serde_json::Map<String, Value> = (0..20_000)
        .map(|n| {
            (
                format!("p{n}"),
                json!({"type": "string", "pattern": format!("^a{n}+$")}),
            )
        })
        .collect();
    let mut branches = json!({"required": ["a"]});
    for _ in 0..14 {
        branches = json!({"anyOf": [branches.clone(), {"not": branches}]});
    }
    let expression = |rule: &str| {
        json!({"type": "object", "properties": {"l": {"type": "array", "items": {"type": "string"}}},
            "x-kubernetes-validations": [{"rule": rule}]})
    };
    let all = (0..12).fold("true".to_owned(), |inner, n| {
        format!("self.l.all(x{n}, {inner})")
    });
    // A pattern of its own for every item, each as large as may be.
    let patterns = r"self.l.all(x, x.matches('(\\pL{' + string(100 + int(x)) + '}){9}') || true)";
    let ruled: serde_json::Map<String, Value> = (0..2000)
        .map(|n| {
            let rule = json!({"rule": format!("self != {n}")});
            let schema = json!({"type": "integer", "x-kubernetes-validations": [rule]});
            (format!("p{n}"), schema)
        })
        .collect();
    let long = vec!["1"; 50_000].join(" + ");
    let brackets = format!("{}1{} == 1", "(".repeat(3000), ")".repeat(3000));
    vec![
        ("deep", nested(40, json!({"type": "string"}))),
        ("wide", json!({"type": "object", "properties": wide})),
        (
            "branches",
            json!({"type": "object", "properties": {"a": {"type": "string"}}, "allOf": [branches]}),
        ),
        (
            "repeats",
            json!({"type": "object", "properties": {"a": {"type": "string", "pattern": "((a{1,1000}){1,1000}){1,1000}"}}}),
        ),
        (
            "backtracks",
            json!({"type": "object", "properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}}),
        ),
        ("alls", expression(&all)),
        ("patterns", expression(patterns)),
        ("rules", json!({"type": "object", "properties": ruled})),
        ("longs", expression(&format!("{long} > 0"))),
        ("brackets", expression(&brackets)),
        (
            "defaults",
            json!({"type": "object", "default": {"l": vec!["x".repeat(1000); 500]}, "properties": {"l": {"type": "array", "items": {"type": "string"}}}}),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_that_are_bombs_do_not_go_off() {
    if !enabled("definitions_that_are_bombs_do_not_go_off") {
        return;
    }
    let siege = Siege::lay("definitions").await;
    let mut client = siege.door().client();
    for (name, schema) in bombs() {
        let begun = Instant::now();
        let answer = send(
            &mut client,
            Method::POST,
            DEFINITIONS,
            JSON,
            definition(name, &schema),
        )
        .await;
        let code = answer.code;
        if code != 201 {
            refused(&answer, &[400, 413, 422]);
        } else {
            // What is taken must also be harmless to those who use it.
            let object = json!({
                "apiVersion": "hostile.io/v1", "kind": format!("K{name}"), "metadata": {"name": "x"},
                "spec": {"a": format!("{}!", "a".repeat(50_000)), "l": (0..200).map(|n| n.to_string()).collect::<Vec<_>>()},
            });
            let path = format!("/apis/hostile.io/v1/namespaces/default/{name}");
            let mut code = 404;
            while code == 404 && begun.elapsed() < SOON {
                let answer = send(&mut client, Method::POST, &path, JSON, object.to_string()).await;
                code = answer.code;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            assert!(matches!(code, 201 | 400 | 413 | 422), "{name}: {code}");
        }
        let took = begun.elapsed();
        say(&format!(
            "definition {name}: {code} after {:.2} s",
            took.as_secs_f64()
        ));
        assert!(took < SOON, "{name}: {took:?}");
    }
    for path in [
        "/openapi/v2",
        "/openapi/v3/apis/hostile.io/v1",
        "/apis/hostile.io/v1",
    ] {
        assert_eq!(
            send(&mut client, Method::GET, path, "", "").await.code,
            200,
            "{path}"
        );
    }
    siege.ends(1024).await;
}
