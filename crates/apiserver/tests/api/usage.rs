//! `metrics.k8s.io`, and certificate requests: groups with rules of their own.

use base64::Engine as _;
use serde_json::json;

use crate::support::{PODS, pod, start};

const METRICS: &str = "/apis/metrics.k8s.io/v1beta1";

#[tokio::test]
async fn the_metrics_group_is_discovered_and_asks_nodes_only() {
    let server = start().await;
    let group = server.get(METRICS).await;
    let names: Vec<_> = group.body["resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["name"].clone())
        .collect();
    assert_eq!(names, ["nodes", "pods"]);
    assert_eq!(group.body["resources"][0]["verbs"], json!(["get", "list"]));
    server.create(PODS, pod("a")).await;
    let list = server.get(&format!("{METRICS}/pods")).await;
    assert_eq!(
        (list.code.as_u16(), &list.body["kind"]),
        (200, &json!("PodMetricsList"))
    );
    assert_eq!(list.body["items"], json!([]), "it runs nowhere");
    let none = server
        .get(&format!("{METRICS}/namespaces/default/pods/a"))
        .await;
    assert_eq!(none.body["message"], "pods.metrics.k8s.io \"a\" not found");
    assert_eq!(
        server
            .post(&format!("{METRICS}/nodes"), json!({}))
            .await
            .code,
        405
    );
}

#[tokio::test]
async fn a_request_says_who_asks_and_must_be_one() {
    let server = start().await;
    let path = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
    let bad = base64::engine::general_purpose::STANDARD.encode("x");
    let refused = server
        .post(
            path,
            json!({"metadata": {"name": "r"}, "spec": {"request": bad, "usages": ["client auth"],
            "signerName": "kubernetes.io/kube-apiserver-client"}}),
        )
        .await;
    assert_eq!(refused.code, 422, "{:#}", refused.body);
    assert_eq!(
        refused.body["message"],
        "CertificateSigningRequest.certificates.k8s.io \"r\" is invalid: spec.request: Invalid value: \"eA==\": PEM \
         block type must be CERTIFICATE REQUEST"
    );
}
