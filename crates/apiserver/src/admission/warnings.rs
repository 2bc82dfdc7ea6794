//! What a write is warned of though it is done: as `Warning` headers, which kubectl prints.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::call::Call;

/// Warns of what is doubtful in a new or changed object.
pub(super) fn look(call: &Call, object: &Value, old: Option<&Value>) {
    if !call.request.subresource.is_empty() {
        return;
    }
    match (call.resource.group.as_str(), call.resource.plural.as_str()) {
        ("", "secrets") => certificate(call, object),
        ("", "services") => service(call, object),
        ("", "pods") if old.is_none() => spread(call, &object["spec"], "spec"),
        _ => {}
    }
}

/// A certificate that is none.
fn certificate(call: &Call, secret: &Value) {
    if secret["type"] != "kubernetes.io/tls" {
        return;
    }
    let is_pem = |name: &str| {
        let text = secret["data"][name].as_str().unwrap_or_default();
        let bytes = STANDARD.decode(text).unwrap_or_default();
        String::from_utf8_lossy(&bytes).contains("-----BEGIN ")
    };
    if !is_pem("tls.crt") {
        call.warn("tls: failed to find any PEM data in certificate input");
    } else if !is_pem("tls.key") {
        call.warn("tls: failed to find any PEM data in key input");
    }
}

fn service(call: &Call, service: &Value) {
    let spec = &service["spec"];
    if spec["externalIPs"]
        .as_array()
        .is_some_and(|ips| !ips.is_empty())
    {
        call.warn(
            "spec.externalIPs is deprecated and may no longer be implemented in some clusters",
        );
    }
    if spec["trafficDistribution"] == "PreferClose" {
        call.warn(
            "spec.trafficDistribution: \"PreferClose\" is deprecated; use \"PreferSameZone\"",
        );
    }
}

/// Constraints that count no pod.
fn spread(call: &Call, spec: &Value, path: &str) {
    let constraints = spec["topologySpreadConstraints"].as_array();
    for (i, constraint) in constraints.into_iter().flatten().enumerate() {
        if constraint["labelSelector"].is_null() {
            call.warn(format!(
                "{path}.topologySpreadConstraints[{i}].labelSelector: a null labelSelector results in matching no pod"
            ));
        }
    }
}
