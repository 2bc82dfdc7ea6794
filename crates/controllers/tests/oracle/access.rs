//! Certificates, tokens in Secrets, and what nodes are told.

use cedge_testkit::theirs;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use serde_json::{Value, json};

use crate::world::{World, condition, run};

fn request(name: &str, group: &str) -> Value {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::OrganizationName, group);
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().unwrap();
    let pem = params.serialize_request(&key).unwrap().pem().unwrap();
    json!(k8s_openapi::ByteString(pem.into_bytes()))
}

async fn approve(world: &World, name: &str) {
    let path = format!("/apis/certificates.k8s.io/v1/certificatesigningrequests/{name}/approval");
    let patch = json!({"status": {"conditions": [{"type": "Approved", "status": "True", "reason": "Test", "message": "yes"}]}});
    let request = http::Request::patch(path)
        .header("content-type", "application/merge-patch+json")
        .body(patch.to_string().into_bytes())
        .unwrap();
    world.client.request_text(request).await.unwrap();
}

#[test]
fn what_is_approved_is_signed_and_nodes_are_approved_by_their_rights() {
    run(async |world: &World| {
        if theirs("CEDGE_TEST_CONTROLLERS") {
            return println!("skipped: theirs are given no authority to sign with");
        }
        let requests = world.api(
            "certificates.k8s.io/v1",
            "CertificateSigningRequest",
            "certificatesigningrequests",
            "",
        );
        let csr = |name: &str, signer: &str, pem: Value, usages: Value| json!({"metadata": {"name": name}, "spec": {"request": pem, "signerName": signer, "usages": usages}});
        let client = "kubernetes.io/kube-apiserver-client";
        requests
            .create(csr(
                "jane",
                client,
                request("jane", "dev"),
                json!(["client auth", "digital signature"]),
            ))
            .await;
        approve(world, "jane").await;
        let signed = requests
            .until("jane", |r| r["status"]["certificate"].is_string())
            .await;
        assert!(condition(&signed, "Failed").is_none());

        requests
            .create(csr(
                "wrong",
                client,
                request("x", "dev"),
                json!(["server auth"]),
            ))
            .await;
        approve(world, "wrong").await;
        let failed = requests
            .until("wrong", |r| condition(r, "Failed").is_some())
            .await;
        let failed = condition(&failed, "Failed").unwrap();
        assert_eq!(failed["reason"], "SignerValidationFailure");
        assert_eq!(
            failed["message"],
            "invalid usage for client certificate: server auth"
        );

        let kubelet = "kubernetes.io/kube-apiserver-client-kubelet";
        let node = request("system:node:n9", "system:nodes");
        requests
            .create(csr(
                "node",
                kubelet,
                node,
                json!(["client auth", "digital signature"]),
            ))
            .await;
        let signed = requests
            .until("node", |r| r["status"]["certificate"].is_string())
            .await;
        let approved = condition(&signed, "Approved").unwrap();
        assert_eq!(approved["reason"], "AutoApproved");
    });
}

#[test]
fn a_token_secret_is_filled_and_goes_with_its_account() {
    run(async |world: &World| {
        if theirs("CEDGE_TEST_CONTROLLERS") {
            return println!("skipped: theirs are given no key for tokens");
        }
        world.namespace("tokens").await;
        let secrets = world.api("v1", "Secret", "secrets", "tokens");
        let accounts = world.api("v1", "ServiceAccount", "serviceaccounts", "tokens");
        let account = accounts
            .create(json!({"metadata": {"name": "robot"}}))
            .await;
        secrets
            .create(json!({"metadata": {"name": "t", "annotations": {"kubernetes.io/service-account.name": "robot"}},
                "type": "kubernetes.io/service-account-token"}))
            .await;
        let filled = secrets.until("t", |s| s["data"]["token"].is_string()).await;
        assert!(filled["data"]["ca.crt"].is_string() && filled["data"]["namespace"].is_string());
        let uid = &filled["metadata"]["annotations"]["kubernetes.io/service-account.uid"];
        assert_eq!(*uid, account["metadata"]["uid"]);
        accounts
            .0
            .delete("robot", &Default::default())
            .await
            .unwrap();
        secrets.until_gone("t").await;
    });
}

#[test]
fn nodes_are_told_how_long_they_may_believe() {
    run(async |world: &World| {
        let (nodes, _alone) = world.nodes().await;
        nodes.create(json!({"metadata": {"name": "ttl"}})).await;
        let annotation = "node.alpha.kubernetes.io/ttl";
        nodes
            .until("ttl", |n| n["metadata"]["annotations"][annotation] == "0")
            .await;
        nodes.0.delete("ttl", &Default::default()).await.unwrap();
    });
}
