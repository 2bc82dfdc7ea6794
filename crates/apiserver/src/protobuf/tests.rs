use super::*;

/// A field of bytes.
fn b(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2, u8::try_from(bytes.len()).unwrap()];
    out.extend_from_slice(bytes);
    out
}

fn v(number: u8, value: u8) -> Vec<u8> {
    vec![number << 3, value]
}

fn envelope(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
    let kind = [b(1, api_version.as_bytes()), b(2, kind.as_bytes())].concat();
    [MAGIC.to_vec(), b(1, &kind), b(2, raw)].concat()
}

#[test]
fn a_deployment_is_read_as_its_json() {
    let metadata = [
        b(1, b"web"),
        b(2, b""),
        b(8, &[]),
        b(11, &[b(1, b"app"), b(2, b"web")].concat()),
    ]
    .concat();
    let port = [b(1, b""), v(2, 0), v(3, 80), b(4, b"TCP")].concat();
    let probe = [b(1, &b(2, &b(2, &[v(1, 0), v(2, 80)].concat()))), v(2, 0)].concat();
    let container = [b(1, b"c"), b(2, b"image"), b(6, &port), b(10, &probe)].concat();
    let template = b(2, &b(2, &container));
    let spec = [v(1, 0), b(2, &[]), b(3, &template), v(5, 0), v(7, 0)].concat();
    let body = envelope(
        "apps/v1",
        "Deployment",
        &[b(1, &metadata), b(2, &spec)].concat(),
    );
    assert_eq!(
        object(&body).unwrap(),
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "labels": {"app": "web"}},
            "spec": {
                "replicas": 0, "selector": {},
                "template": {"spec": {"containers": [{
                    "name": "c", "image": "image",
                    "ports": [{"containerPort": 80, "protocol": "TCP"}],
                    "livenessProbe": {"httpGet": {"port": 80}},
                }]}},
            },
        })
    );
}

#[test]
fn secrets_quantities_and_reviews_are_read() {
    let data = b(2, &[b(1, b"k"), b(2, b"v")].concat());
    let secret = object(&envelope("v1", "Secret", &data)).unwrap();
    assert_eq!(secret["data"]["k"], "dg==");
    let capacity = b(1, &[b(1, b"cpu"), b(2, &b(1, b"2"))].concat());
    let node = object(&envelope("v1", "Node", &b(3, &capacity))).unwrap();
    assert_eq!(node["status"]["capacity"]["cpu"], "2");
    let attributes = b(1, &[b(2, b"get"), b(5, b"pods")].concat());
    let review = envelope(
        "authorization.k8s.io/v1",
        "SelfSubjectAccessReview",
        &b(2, &attributes),
    );
    assert_eq!(
        object(&review).unwrap()["spec"]["resourceAttributes"],
        json!({"verb": "get", "resource": "pods"})
    );
    let options = object(&envelope("apps/v1", "DeleteOptions", &v(1, 0))).unwrap();
    assert_eq!(options["gracePeriodSeconds"], 0);
}

#[test]
fn garbage_is_refused() {
    assert!(object(b"").is_err());
    assert!(object(b"{}").is_err());
    assert!(object(&envelope("v1", "Nothing", &[])).is_err());
    assert!(object(&envelope("v1", "Pod", &[0x0a, 0x7f])).is_err());
    assert!(object(&envelope("v1", "Pod", &[0xff; 12])).is_err());
    for cut in 0..20 {
        let whole = envelope("v1", "Secret", &b(2, &[b(1, b"k"), b(2, b"v")].concat()));
        let _ = object(&whole[..whole.len() - cut]);
    }
}

#[test]
fn durations_are_written_as_go_writes_them() {
    assert_eq!(go_duration(3_723_500_000_000), "1h2m3.5s");
    assert_eq!(go_duration(0), "0s");
    assert_eq!(go_duration(60_000_000_000), "1m0s");
}
