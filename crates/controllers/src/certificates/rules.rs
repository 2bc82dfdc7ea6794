//! What each signer of Kubernetes signs, and what nodes may ask for without anybody's approval.

use std::collections::BTreeSet;

use cedge_pki::CertificateRequest;
use k8s_openapi::api::certificates::v1::CertificateSigningRequestSpec;

const CLIENT: &str = "kubernetes.io/kube-apiserver-client";
const NODE_CLIENT: &str = "kubernetes.io/kube-apiserver-client-kubelet";
const NODE_SERVING: &str = "kubernetes.io/kubelet-serving";
const NODES: &str = "system:nodes";
const NODE: &str = "system:node:";

/// The rights by which a request of a node may be approved, and what is said then.
pub(super) fn recognized(
    spec: &CertificateSigningRequestSpec,
    asked: &CertificateRequest,
) -> Vec<(&'static str, &'static str)> {
    let usages = spec.usages.clone().unwrap_or_default();
    if spec.signer_name != NODE_CLIENT || node_client(asked, &usages).is_err() {
        return Vec::new();
    }
    let node = (
        "nodeclient",
        "Auto approving kubelet client certificate after SubjectAccessReview.",
    );
    let itself = (
        "selfnodeclient",
        "Auto approving self kubelet client certificate after SubjectAccessReview.",
    );
    if spec.username.as_deref() == Some(&asked.common_name) {
        vec![itself, node]
    } else {
        vec![node]
    }
}

/// Whether a signer of ours signs a request; `None` for signers that are others' (`legacy-unknown` among them: the API
/// takes no requests for it any more).
pub(super) fn judge(
    signer: &str,
    asked: &CertificateRequest,
    usages: &[String],
) -> Option<Result<(), String>> {
    Some(match signer {
        CLIENT => client(usages),
        NODE_CLIENT => node_client(asked, usages),
        NODE_SERVING => node_serving(asked, usages),
        _ => return None,
    })
}

fn client(usages: &[String]) -> Result<(), String> {
    for usage in usages {
        if !matches!(
            usage.as_str(),
            "digital signature" | "key encipherment" | "client auth"
        ) {
            return Err(format!("invalid usage for client certificate: {usage}"));
        }
    }
    if usages.iter().any(|u| u == "client auth") {
        Ok(())
    } else {
        Err("missing required usage for client certificate: client auth".into())
    }
}

fn node_client(asked: &CertificateRequest, usages: &[String]) -> Result<(), String> {
    let why = if asked.organizations != [NODES] {
        "subject organization is not system:nodes"
    } else if !asked.dns_names.is_empty() {
        "DNS subjectAltNames are not allowed"
    } else if asked.emails > 0 {
        "Email subjectAltNames are not allowed"
    } else if !asked.addresses.is_empty() {
        "IP subjectAltNames are not allowed"
    } else if asked.uris > 0 {
        "URI subjectAltNames are not allowed"
    } else if !asked.common_name.starts_with(NODE) {
        "subject common name does not begin with system:node:"
    } else {
        return matching(usages, "client auth");
    };
    Err(why.into())
}

fn node_serving(asked: &CertificateRequest, usages: &[String]) -> Result<(), String> {
    let why = if asked.organizations != [NODES] {
        "subject organization is not system:nodes"
    } else if asked.dns_names.is_empty() && asked.addresses.is_empty() {
        "DNS or IP subjectAltName is required"
    } else if asked.emails > 0 {
        "Email subjectAltNames are not allowed"
    } else if asked.uris > 0 {
        "URI subjectAltNames are not allowed"
    } else if !asked.common_name.starts_with(NODE) {
        "subject common name does not begin with system:node:"
    } else {
        return matching(usages, "server auth");
    };
    Err(why.into())
}

/// Keys that are not RSA encipher nothing.
fn matching(usages: &[String], role: &str) -> Result<(), String> {
    let has: BTreeSet<&str> = usages.iter().map(String::as_str).collect();
    let least = BTreeSet::from(["digital signature", role]);
    let rsa = BTreeSet::from(["digital signature", "key encipherment", role]);
    if has == least || has == rsa {
        return Ok(());
    }
    let mut all: Vec<&str> = rsa.into_iter().collect();
    all.sort_unstable();
    Err(format!("usages did not match [{}]", all.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signers_sign_what_is_theirs() {
        let usages = |list: &[&str]| list.iter().map(|u| (*u).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            client(&usages(&["client auth", "digital signature"])),
            Ok(())
        );
        assert_eq!(
            client(&usages(&["client auth", "server auth"])),
            Err("invalid usage for client certificate: server auth".to_owned())
        );
        assert_eq!(
            matching(
                &usages(&["digital signature", "client auth"]),
                "client auth"
            ),
            Ok(())
        );
        assert_eq!(
            matching(&usages(&["client auth"]), "client auth"),
            Err("usages did not match [client auth digital signature key encipherment]".to_owned())
        );
    }
}
