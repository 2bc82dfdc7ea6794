//! What is there before anybody writes.

use serde_json::json;

use crate::support::start_in;

#[tokio::test]
async fn the_endpoints_of_the_api_follow_its_address_in_both_kinds() {
    let mut dir = tempfile::tempdir().unwrap();
    for address in ["192.0.2.7:6443", "192.0.2.8:7443"] {
        let parsed: std::net::SocketAddr = address.parse().unwrap();
        let server = start_in(dir, |config| config.advertised = Some(parsed)).await;
        let port = json!({"name": "https", "port": parsed.port(), "protocol": "TCP"});
        let ip = parsed.ip().to_string();
        let old = server
            .get("/api/v1/namespaces/default/endpoints/kubernetes")
            .await;
        let subsets = json!([{"addresses": [{"ip": ip}], "ports": [port]}]);
        assert_eq!(old.body["subsets"], subsets);
        let labels = json!({"endpointslice.kubernetes.io/skip-mirror": "true"});
        assert_eq!(old.body["metadata"]["labels"], labels);
        let slice = server
            .get("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes")
            .await;
        assert_eq!(slice.body["endpoints"][0]["addresses"], json!([ip]));
        assert_eq!(slice.body["ports"], json!([port]));
        dir = server.killed();
    }
}
