//! What a write is warned of though it is done: as `Warning` headers, which kubectl prints.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cedge_crd::node::is_format;
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
        ("", "pods") if old.is_none() => {
            spread(call, &object["spec"], "spec");
            volumes(call, &object["spec"], "spec");
        }
        (crate::crds::GROUP, crate::crds::PLURAL) => formats(call, object, old),
        ("apps", _) | ("", "replicationcontrollers") | ("batch", "jobs") => {
            let template = &object["spec"]["template"]["spec"];
            if old.is_none_or(|old| old["spec"]["template"]["spec"] != *template) {
                volumes(call, template, "spec.template.spec");
            }
        }
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

/// Formats in the schemas of a definition that nobody knows; of an old one, those that are new.
fn formats(call: &Call, definition: &Value, old: Option<&Value>) {
    let of = |definition: &Value| {
        let mut found = BTreeSet::new();
        let versions = definition["spec"]["versions"].as_array();
        for version in versions.into_iter().flatten() {
            unknown_formats(&version["schema"]["openAPIV3Schema"], &mut found);
        }
        found
    };
    let before = old.map(of).unwrap_or_default();
    for format in of(definition).difference(&before) {
        call.warn(format!("unrecognized format {format:?}"));
    }
}

fn unknown_formats(schema: &Value, found: &mut BTreeSet<String>) {
    let format = schema["format"].as_str().unwrap_or_default();
    let kind = schema["type"].as_str().unwrap_or_default();
    if !format.is_empty() && !is_format(kind, format) {
        found.insert(format.to_owned());
    }
    for name in ["items", "additionalProperties", "not"] {
        if schema[name].is_object() {
            unknown_formats(&schema[name], found);
        }
    }
    for name in ["allOf", "anyOf", "oneOf"] {
        for part in schema[name].as_array().into_iter().flatten() {
            unknown_formats(part, found);
        }
    }
    for (_, property) in schema["properties"].as_object().into_iter().flatten() {
        unknown_formats(property, found);
    }
}

/// Volumes whose drivers Kubernetes has no more.
fn volumes(call: &Call, spec: &Value, path: &str) {
    const GONE: [(&str, &str); 9] = [
        (
            "photonPersistentDisk",
            "deprecated in v1.11, non-functional in v1.16+",
        ),
        (
            "gitRepo",
            "deprecated in v1.11, and disabled by default in v1.33+",
        ),
        ("scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
        ("flocker", "deprecated in v1.22, non-functional in v1.25+"),
        ("storageos", "deprecated in v1.22, non-functional in v1.25+"),
        ("quobyte", "deprecated in v1.22, non-functional in v1.25+"),
        ("glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
        ("cephfs", "deprecated in v1.28, non-functional in v1.31+"),
        ("rbd", "deprecated in v1.28, non-functional in v1.31+"),
    ];
    for (i, volume) in spec["volumes"].as_array().into_iter().flatten().enumerate() {
        for (field, why) in GONE {
            let shown = if field == "storageos" {
                "storageOS"
            } else {
                field
            };
            if !volume[field].is_null() {
                call.warn(format!("{path}.volumes[{i}].{shown}: {why}"));
            }
        }
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
