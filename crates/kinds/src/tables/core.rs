//! Rows of the core group and of what belongs to nodes.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{View, containers, count, labels, pods, text_or};
use crate::read::Read;
use crate::registry::Kind;

pub(super) fn cells(kind: &Kind, view: &View<'_>) -> Option<Vec<Value>> {
    Some(match (kind.group, kind.kind) {
        ("", "Pod") => pods::cells(view),
        ("", "Node") => node(view),
        ("", "Event") => event(view),
        ("", "Namespace") => vec![view.name(), view.status.text("phase").into(), view.age()],
        ("", "ConfigMap") => {
            let size =
                view.object.entries("data").count() + view.object.entries("binaryData").count();
            vec![view.name(), size.into(), view.age()]
        }
        ("", "Secret") => vec![
            view.name(),
            view.object.text("type").into(),
            view.object.entries("data").count().into(),
            view.age(),
        ],
        ("", "ServiceAccount") => vec![view.name(), view.age()],
        ("", "PodTemplate") => {
            let template = view.object.field("template");
            let (names, images) = containers(template.field("spec"));
            vec![
                view.name(),
                names,
                images,
                labels(template.at("metadata.labels")),
            ]
        }
        ("", "ResourceQuota") => quota(view),
        ("", "ComponentStatus") => component(view),
        ("scheduling.k8s.io", "PriorityClass") => vec![
            view.name(),
            count(view.object, "value"),
            view.object.flag("globalDefault").into(),
            view.age(),
            view.object.text("preemptionPolicy").into(),
        ],
        ("node.k8s.io", "RuntimeClass") => {
            vec![view.name(), view.object.text("handler").into(), view.age()]
        }
        ("coordination.k8s.io", "Lease") => {
            vec![
                view.name(),
                view.spec.text("holderIdentity").into(),
                view.age(),
            ]
        }
        _ => return None,
    })
}

fn node(view: &View<'_>) -> Vec<Value> {
    let info = view.status.field("nodeInfo");
    let kernel = match (info.text("kernelVersion"), info.text("architecture")) {
        ("", "") => "<unknown>".to_owned(),
        ("", arch) => format!("<unknown> ({arch})"),
        (kernel, "") => kernel.to_owned(),
        (kernel, arch) => format!("{kernel} ({arch})"),
    };
    vec![
        view.name(),
        node_status(view).into(),
        node_roles(view.meta).into(),
        view.age(),
        info.text("kubeletVersion").into(),
        node_address(view.status, "InternalIP"),
        node_address(view.status, "ExternalIP"),
        text_or(info, "osImage", "<unknown>"),
        kernel.into(),
        text_or(info, "containerRuntimeVersion", "<unknown>"),
    ]
}

fn node_status(view: &View<'_>) -> String {
    let conditions = view.status.items("conditions");
    let ready = conditions.iter().rfind(|c| c.text("type") == "Ready");
    let status = match ready.map(|c| c.text("status")) {
        None => "Unknown",
        Some("True") => "Ready",
        Some(_) => "NotReady",
    };
    if view.spec.flag("unschedulable") {
        format!("{status},SchedulingDisabled")
    } else {
        status.to_owned()
    }
}

fn node_roles(meta: &Value) -> String {
    let mut roles = BTreeSet::new();
    for (key, value) in meta.entries("labels") {
        let role = match key.strip_prefix("node-role.kubernetes.io/") {
            Some(role) => role,
            None if key == "kubernetes.io/role" => value.as_str().unwrap_or(""),
            None => "",
        };
        if !role.is_empty() {
            roles.insert(role);
        }
    }
    if roles.is_empty() {
        return "<none>".to_owned();
    }
    roles.into_iter().collect::<Vec<_>>().join(",")
}

fn node_address(status: &Value, kind: &str) -> Value {
    status
        .items("addresses")
        .iter()
        .find(|a| a.text("type") == kind)
        .map_or("<none>", |a| a.text("address"))
        .into()
}

fn event(view: &View<'_>) -> Vec<Value> {
    let event = view.object;
    let first_of = |a: &str, b: &str| {
        let field = if event.has(a) { a } else { b };
        view.since(event.field(field))
    };
    let first = first_of("firstTimestamp", "eventTime");
    let series = event.field("series");
    let last = if series.is_object() {
        view.since(series.field("lastObservedTime"))
    } else if event.has("lastTimestamp") {
        view.since(event.field("lastTimestamp"))
    } else {
        first.clone()
    };
    let times = if series.is_object() {
        series.int("count").unwrap_or(0)
    } else {
        event.int("count").filter(|c| *c != 0).unwrap_or(1)
    };
    let involved = event.field("involvedObject");
    let kind = involved.text("kind").to_lowercase();
    let target = match involved.text("name") {
        "" => kind,
        name => format!("{kind}/{name}"),
    };
    vec![
        last.into(),
        event.text("type").into(),
        event.text("reason").into(),
        target.into(),
        involved.text("fieldPath").into(),
        event_source(event).into(),
        event.text("message").trim().into(),
        first.into(),
        times.into(),
        view.name(),
    ]
}

fn event_source(event: &Value) -> String {
    let either = |a: &str, b: &str| {
        match event["source"].text(a) {
            "" => event.text(b),
            text => text,
        }
        .to_owned()
    };
    let component = either("component", "reportingComponent");
    match either("host", "reportingInstance") {
        host if host.is_empty() => component,
        host => format!("{component}, {host}"),
    }
}

fn quota(view: &View<'_>) -> Vec<Value> {
    let used = view.status.field("used");
    let (mut requests, mut limits) = (Vec::new(), Vec::new());
    for (name, hard) in view.status.entries("hard") {
        let used = used.get(name).and_then(Value::as_str).unwrap_or("0");
        let text = format!("{name}: {used}/{}", hard.as_str().unwrap_or(""));
        let column = if name.starts_with("limits.") {
            &mut limits
        } else {
            &mut requests
        };
        column.push(text);
    }
    vec![
        view.name(),
        requests.join(", ").into(),
        limits.join(", ").into(),
        view.age(),
    ]
}

fn component(view: &View<'_>) -> Vec<Value> {
    let conditions = view.object.items("conditions");
    let healthy = conditions.iter().find(|c| c.text("type") == "Healthy");
    let status = match healthy.map(|c| c.text("status")) {
        None => "Unknown",
        Some("True") => "Healthy",
        Some(_) => "Unhealthy",
    };
    let text = |name: &str| Value::from(healthy.map_or("", |c| c.text(name)));
    vec![view.name(), status.into(), text("message"), text("error")]
}
