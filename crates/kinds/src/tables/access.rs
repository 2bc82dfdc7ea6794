//! Rows of access, certificates, admission and the API's own machinery.

use serde_json::Value;

use super::{View, count, labels, selector, text_or};
use crate::read::Read;
use crate::registry::Kind;
use crate::time;

pub(super) fn cells(kind: &Kind, view: &View<'_>) -> Option<Vec<Value>> {
    Some(match (kind.group, kind.kind) {
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => binding(view),
        ("certificates.k8s.io", name) => certificate(name, view)?,
        ("admissionregistration.k8s.io", name) => admission(name, view),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition(view),
        ("apiregistration.k8s.io", "APIService") => api_service(view),
        ("flowcontrol.apiserver.k8s.io", "FlowSchema") => flow_schema(view),
        ("flowcontrol.apiserver.k8s.io", _) => priority_level(view),
        ("storagemigration.k8s.io", _) => migration(view),
        _ => return None,
    })
}

fn binding(view: &View<'_>) -> Vec<Value> {
    let role = view.object.field("roleRef");
    let names = |wanted: &str| -> Value {
        let subjects = view.object.items("subjects").iter();
        let names: Vec<String> = subjects
            .filter(|s| s.text("kind") == wanted)
            .map(|s| match wanted {
                "ServiceAccount" => format!("{}/{}", s.text("namespace"), s.text("name")),
                _ => s.text("name").to_owned(),
            })
            .collect();
        names.join(", ").into()
    };
    vec![
        view.name(),
        format!("{}/{}", role.text("kind"), role.text("name")).into(),
        view.age(),
        names("User"),
        names("Group"),
        names("ServiceAccount"),
    ]
}

fn certificate(name: &str, view: &View<'_>) -> Option<Vec<Value>> {
    let signer = text_or(view.spec, "signerName", "<none>");
    Some(match name {
        "CertificateSigningRequest" => {
            let duration = view.spec.int("expirationSeconds").map(time::human_duration);
            vec![
                view.name(),
                view.age(),
                signer,
                view.spec.text("username").into(),
                duration.map_or_else(|| "<none>".into(), Value::from),
                request_state(view).into(),
            ]
        }
        "ClusterTrustBundle" => vec![view.name(), signer],
        "PodCertificateRequest" => {
            let conditions = view.status.items("conditions");
            let mut types = conditions.iter().map(|c| c.text("type"));
            let state = types.rfind(|t| matches!(*t, "Issued" | "Denied" | "Failed"));
            vec![
                view.name(),
                view.spec.text("podName").into(),
                view.spec.text("serviceAccountName").into(),
                view.spec.text("nodeName").into(),
                view.spec.text("signerName").into(),
                state.unwrap_or("Pending").into(),
                labels(view.spec.field("unverifiedUserAnnotations")),
            ]
        }
        _ => return None,
    })
}

fn request_state(view: &View<'_>) -> String {
    let has = |wanted: &str| {
        let conditions = view.status.items("conditions");
        conditions.iter().any(|c| c.text("type") == wanted)
    };
    let mut state = if has("Denied") {
        "Denied"
    } else if has("Approved") {
        "Approved"
    } else {
        "Pending"
    }
    .to_owned();
    if has("Failed") {
        state.push_str(",Failed");
    }
    if !view.status.text("certificate").is_empty() {
        state.push_str(",Issued");
    }
    state
}

fn admission(name: &str, view: &View<'_>) -> Vec<Value> {
    match name {
        "ValidatingAdmissionPolicy" => policy(view, "validations"),
        "MutatingAdmissionPolicy" => policy(view, "mutations"),
        "ValidatingAdmissionPolicyBinding" | "MutatingAdmissionPolicyBinding" => vec![
            view.name(),
            view.spec.text("policyName").into(),
            parameter(view.spec.field("paramRef")).into(),
            view.age(),
        ],
        _ => vec![
            view.name(),
            view.object.items("webhooks").len().into(),
            view.age(),
        ],
    }
}

fn policy(view: &View<'_>, list: &str) -> Vec<Value> {
    let kind = view.spec.field("paramKind");
    let kind = if kind.is_object() {
        format!("{}/{}", kind.text("apiVersion"), kind.text("kind"))
    } else {
        "<unset>".to_owned()
    };
    vec![
        view.name(),
        view.spec.items(list).len().into(),
        kind.into(),
        view.age(),
    ]
}

fn parameter(reference: &Value) -> String {
    match (reference.text("name"), reference.text("namespace")) {
        ("", _) if reference.has("selector") => selector(reference.field("selector")),
        ("", _) => "<unset>".to_owned(),
        (name, "") => format!("*/{name}"),
        (name, namespace) => format!("{namespace}/{name}"),
    }
}

fn definition(view: &View<'_>) -> Vec<Value> {
    let names = view.spec.field("names");
    let mut versions: Vec<String> = Vec::new();
    for version in view
        .spec
        .items("versions")
        .iter()
        .filter(|v| v.flag("served"))
    {
        let mark = if version.flag("storage") {
            "(storage)"
        } else {
            ""
        };
        versions.push(format!("{}{mark}", version.text("name")));
    }
    versions.sort_unstable();
    let short: Vec<&str> = names
        .items("shortNames")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let conditions = view.status.items("conditions");
    let established = conditions.iter().find(|c| c.text("type") == "Established");
    vec![
        view.name(),
        view.spec.text("scope").into(),
        versions.join(",").into(),
        view.meta.text("creationTimestamp").into(),
        view.spec.text("group").into(),
        names.text("kind").into(),
        short.join(",").into(),
        established
            .is_some_and(|c| c.text("status") == "True")
            .into(),
    ]
}

fn api_service(view: &View<'_>) -> Vec<Value> {
    let service = view.spec.field("service");
    let place = if service.is_object() {
        format!("{}/{}", service.text("namespace"), service.text("name"))
    } else {
        "Local".to_owned()
    };
    let conditions = view.status.items("conditions");
    let available = conditions.iter().find(|c| c.text("type") == "Available");
    let available = match available {
        None => "Unknown".to_owned(),
        Some(c) if c.text("status") == "True" || c.text("reason").is_empty() => {
            c.text("status").to_owned()
        }
        Some(c) => format!("{} ({})", c.text("status"), c.text("reason")),
    };
    vec![view.name(), place.into(), available.into(), view.age()]
}

fn flow_schema(view: &View<'_>) -> Vec<Value> {
    let conditions = view.status.items("conditions");
    let dangling = conditions.iter().find(|c| c.text("type") == "Dangling");
    vec![
        view.name(),
        view.spec
            .field("priorityLevelConfiguration")
            .text("name")
            .into(),
        count(view.spec, "matchingPrecedence"),
        text_or(view.spec.field("distinguisherMethod"), "type", "<none>"),
        view.age(),
        dangling.map_or("?", |c| c.text("status")).into(),
    ]
}

fn priority_level(view: &View<'_>) -> Vec<Value> {
    let limited = view.spec.field("limited");
    let queuing = limited.at("limitResponse.queuing");
    let or_none = |value: &Value, name: &str| {
        let field = value.field(name);
        if field.is_null() {
            "<none>".into()
        } else {
            field.clone()
        }
    };
    vec![
        view.name(),
        view.spec.text("type").into(),
        or_none(limited, "nominalConcurrencyShares"),
        or_none(queuing, "queues"),
        or_none(queuing, "handSize"),
        or_none(queuing, "queueLengthLimit"),
        view.age(),
    ]
}

fn migration(view: &View<'_>) -> Vec<Value> {
    let resource = view.spec.field("resource");
    let name = match (resource.text("resource"), resource.text("group")) {
        (name, "") => name.to_owned(),
        (name, group) => format!("{name}.{group}"),
    };
    let conditions = view.status.items("conditions").iter();
    let state = conditions
        .filter(|c| c.text("status") == "True")
        .map(|c| c.text("type"))
        .rfind(|t| matches!(*t, "Running" | "Failed" | "Succeeded"));
    vec![view.name(), name.into(), state.unwrap_or("Unknown").into()]
}
