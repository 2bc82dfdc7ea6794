use super::*;
use crate::Types;
use serde_json::json;

fn check(kind: (&str, &str), mut value: Value, expected: &Value) {
    let ty = Types::builtin().of(kind.0, "v1", kind.1).unwrap();
    normalize(ty, &mut value);
    assert_eq!(&value, expected);
}

#[test]
fn a_deployment_is_written_as_kubernetes_writes_it() {
    check(
        ("apps", "Deployment"),
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "bogus": 1,
            "metadata": {"name": "a", "labels": {}, "annotations": null, "creationTimestamp": null},
            "spec": {
                "replicas": 0, "paused": false, "minReadySeconds": 0,
                "selector": {"matchLabels": {"a": "b"}},
                "template": {"spec": {
                    "hostNetwork": false, "nodeName": "", "nodeSelector": {},
                    "containers": [{
                        "name": "c", "image": "", "args": [],
                        "resources": {"limits": {"cpu": 0.5, "memory": "1024Mi"}},
                        "ports": [{"containerPort": 80, "hostPort": 0}],
                        "livenessProbe": {"httpGet": {"path": "/", "port": 80}}
                    }]
                }}
            }
        }),
        &json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"},
            "spec": {
                "replicas": 0,
                "selector": {"matchLabels": {"a": "b"}},
                "strategy": {},
                "template": {"metadata": {}, "spec": {
                    "containers": [{
                        "name": "c",
                        "resources": {"limits": {"cpu": "500m", "memory": "1Gi"}},
                        "ports": [{"containerPort": 80}],
                        "livenessProbe": {"httpGet": {"path": "/", "port": 80}}
                    }]
                }}
            },
            "status": {}
        }),
    );
}

#[test]
fn times_are_written_in_utc() {
    check(
        ("", "Pod"),
        json!({"metadata": {"creationTimestamp": "2020-01-01T01:00:00.5+01:00"},
               "spec": {"containers": null}, "status": {"startTime": "2020-01-01T00:00:00Z"}}),
        &json!({"metadata": {"creationTimestamp": "2020-01-01T00:00:00Z"},
                "spec": {"containers": null}, "status": {"startTime": "2020-01-01T00:00:00Z"}}),
    );
}

#[test]
fn what_is_normal_stays_as_it_is() {
    for (_, _, kind, ty) in Types::builtin().kinds() {
        let zero = zero(ty);
        let mut again = zero.clone();
        normalize(ty, &mut again);
        assert_eq!(zero, again, "{kind}");
    }
}

#[test]
fn quantities_have_one_form() {
    let cases = [
        ("0", "0"),
        ("0.5", "500m"),
        ("1000m", "1"),
        ("1500m", "1500m"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("0.5Gi", "512Mi"),
        ("512", "512"),
        ("0.1Ki", "102400m"),
        ("1023Ki", "1023Ki"),
        ("1e3", "1e3"),
        ("1000e0", "1e3"),
        ("5e1", "50"),
        ("2000k", "2M"),
        ("1E", "1E"),
        ("-1000m", "-1"),
        ("+1", "1"),
        ("1.0000000001", "1000000001n"),
        ("100M", "100M"),
        ("0.000001", "1u"),
    ];
    for (text, expected) in cases {
        assert_eq!(amount::canonical(text).as_deref(), Some(expected), "{text}");
    }
    for text in ["", ".", "1 Gi", "x", "1.2.3", "1Zi"] {
        assert_eq!(amount::canonical(text), None, "{text}");
    }
}
