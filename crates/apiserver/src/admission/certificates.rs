//! Certificate requests: who asks, who may approve and sign, and what nobody is signed for.

use cedge_pki::CertificateRequest;
use cedge_pki::request::from_base64;
use serde_json::{Value, json};

use crate::api::Api;
use crate::authz::Attributes;
use crate::call::Call;
use crate::meta;
use crate::status::{Error, Result};

const GROUP: &str = "certificates.k8s.io";
const CLIENT: &str = "kubernetes.io/kube-apiserver-client";
const MASTERS: &str = "system:masters";

/// Notes who asks: nobody says that himself.
pub(super) fn on_create(call: &Call, request: &mut Value) {
    let identity = &call.identity;
    let spec = meta::fields(request, "spec");
    for field in ["username", "uid", "groups", "extra"] {
        spec.remove(field);
    }
    spec.insert("username".into(), json!(identity.user));
    if !identity.groups.is_empty() {
        spec.insert("groups".into(), json!(identity.groups));
    }
    if let Some(uid) = identity.uid.as_ref().filter(|uid| !uid.is_empty()) {
        spec.insert("uid".into(), json!(uid));
    }
    if !identity.extra.is_empty() {
        spec.insert("extra".into(), json!(identity.extra));
    }
    request["status"] = json!({});
}

/// Conditions get the times that their writer leaves out.
pub(super) fn on_update(call: &Call, new: &mut Value, old: &Value) {
    if !matches!(call.request.subresource.as_str(), "approval" | "status") {
        return;
    }
    let before = old["status"]["conditions"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let now = json!(call.stamp());
    let conditions = new["status"]["conditions"].as_array_mut();
    for condition in conditions.into_iter().flatten() {
        if condition["lastUpdateTime"].is_null() {
            condition["lastUpdateTime"] = now.clone();
        }
        if condition["lastTransitionTime"].is_null() {
            let same =
                |c: &&Value| c["type"] == condition["type"] && c["status"] == condition["status"];
            let known = before
                .iter()
                .find(same)
                .map(|c| c["lastTransitionTime"].clone());
            condition["lastTransitionTime"] = known
                .filter(|t| !t.is_null())
                .unwrap_or_else(|| now.clone());
        }
    }
}

pub(super) fn check(api: &Api, call: &Call, new: &Value, old: Option<&Value>) -> Result<()> {
    match (call.request.subresource.as_str(), old) {
        ("", None) => check_request(call, new),
        ("approval", Some(old)) => may(api, call, old, "approve"),
        ("status", Some(old)) => {
            let same = |field: &str| new["status"][field] == old["status"][field];
            if same("certificate") && same("conditions") {
                return Ok(());
            }
            may(api, call, old, "sign")
        }
        _ => Ok(()),
    }
}

fn check_request(call: &Call, new: &Value) -> Result<()> {
    let text = new["spec"]["request"].as_str().unwrap_or_default();
    let pem = from_base64(text).unwrap_or_default();
    let read = CertificateRequest::from_pem(&pem).map_err(|why| {
        Error::invalid_field(
            call.resource.about_kind(meta::name(new)),
            "FieldValueInvalid",
            "spec.request",
            format!("Invalid value: {text:?}: {why}"),
        )
    })?;
    let client = new["spec"]["signerName"] == CLIENT;
    if client && read.organizations.iter().any(|o| o == MASTERS) {
        let why = format!("use of {CLIENT} signer with {MASTERS} group is not allowed");
        return Err(super::forbidden(call, new, why));
    }
    Ok(())
}

/// Whether the caller may do something for a signer: by its name, or for all of its domain.
fn may(api: &Api, call: &Call, request: &Value, verb: &str) -> Result<()> {
    let signer = request["spec"]["signerName"].as_str().unwrap_or_default();
    let domain = signer.split('/').next().unwrap_or_default();
    for name in [signer.to_owned(), format!("{domain}/*")] {
        let asked = Attributes {
            verb: verb.to_owned(),
            group: GROUP.to_owned(),
            version: "*".to_owned(),
            resource: "signers".to_owned(),
            name,
            ..Attributes::default()
        };
        if api.authorizer.check(&call.identity, &asked).is_ok() {
            return Ok(());
        }
    }
    let why = format!("user not permitted to {verb} requests with signerName {signer:?}");
    Err(super::forbidden(call, request, why))
}
