//! Rows of services and networks.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{View, labels, or_none, selector, text_or, with_more};
use crate::read::Read;
use crate::registry::Kind;

pub(super) fn cells(kind: &Kind, view: &View<'_>) -> Option<Vec<Value>> {
    Some(match (kind.group, kind.kind) {
        ("", "Service") => service(view),
        ("", "Endpoints") => vec![view.name(), endpoints(view.object), view.age()],
        ("discovery.k8s.io", "EndpointSlice") => vec![
            view.name(),
            view.object.text("addressType").into(),
            slice_ports(view.object),
            slice_addresses(view.object),
            view.age(),
        ],
        ("networking.k8s.io", "Ingress") => ingress(view),
        ("networking.k8s.io", "IngressClass") => ingress_class(view),
        ("networking.k8s.io", "NetworkPolicy") => vec![
            view.name(),
            or_none(selector(view.spec.field("podSelector"))),
            view.age(),
        ],
        ("networking.k8s.io", "IPAddress") => {
            vec![view.name(), parent(view.spec.field("parentRef"))]
        }
        ("networking.k8s.io", "ServiceCIDR") => {
            vec![view.name(), texts(view.spec, "cidrs").into(), view.age()]
        }
        _ => return None,
    })
}

/// A list of texts with commas.
fn texts(value: &Value, name: &str) -> String {
    let items: Vec<&str> = value.items(name).iter().filter_map(Value::as_str).collect();
    items.join(",")
}

fn service(view: &View<'_>) -> Vec<Value> {
    let ips = view.spec.items("clusterIPs");
    let ports: Vec<String> = view.spec.items("ports").iter().map(service_port).collect();
    vec![
        view.name(),
        view.spec.text("type").into(),
        ips.first().cloned().unwrap_or_else(|| "<none>".into()),
        external_ip(view),
        or_none(ports.join(",")),
        view.age(),
        labels(view.spec.field("selector")),
    ]
}

fn service_port(port: &Value) -> String {
    let (number, protocol) = (port.int("port").unwrap_or(0), port.text("protocol"));
    match port.int("nodePort") {
        Some(node @ 1..) => format!("{number}:{node}/{protocol}"),
        _ => format!("{number}/{protocol}"),
    }
}

fn external_ip(view: &View<'_>) -> Value {
    let own = texts(view.spec, "externalIPs");
    match view.spec.text("type") {
        "ClusterIP" | "NodePort" => or_none(own),
        "LoadBalancer" => {
            let balanced = balancer(view.status);
            match (balanced.is_empty(), own.is_empty()) {
                (true, true) => "<pending>".into(),
                (true, false) => own.into(),
                (false, true) => balanced.into(),
                (false, false) => format!("{balanced},{own}").into(),
            }
        }
        "ExternalName" => view.spec.text("externalName").into(),
        _ => "<unknown>".into(),
    }
}

/// Addresses of a load balancer, sorted.
fn balancer(status: &Value) -> String {
    let found: BTreeSet<&str> = status
        .field("loadBalancer")
        .items("ingress")
        .iter()
        .map(|entry| match entry.text("ip") {
            "" => entry.text("hostname"),
            ip => ip,
        })
        .filter(|address| !address.is_empty())
        .collect();
    found.into_iter().collect::<Vec<_>>().join(",")
}

fn endpoints(object: &Value) -> Value {
    let mut all = Vec::new();
    for subset in object.items("subsets") {
        let addresses = || subset.items("addresses").iter().map(|a| a.text("ip"));
        if subset.items("ports").is_empty() {
            all.extend(addresses().map(str::to_owned));
        }
        for port in subset.items("ports") {
            let number = port.int("port").unwrap_or(0);
            all.extend(addresses().map(|ip| {
                if ip.contains(':') {
                    format!("[{ip}]:{number}")
                } else {
                    format!("{ip}:{number}")
                }
            }));
        }
    }
    let none = if object.items("subsets").is_empty() {
        "<none>"
    } else {
        ""
    };
    with_more(&all, 3, none)
}

fn slice_ports(object: &Value) -> Value {
    let ports: Vec<String> = object
        .items("ports")
        .iter()
        .map(
            |port| match (port.int("port"), port.field("name").as_str()) {
                (Some(number), _) => number.to_string(),
                (None, Some(name)) => name.to_owned(),
                (None, None) => "*".to_owned(),
            },
        )
        .collect();
    unset_if_empty(with_more(&ports, 3, "<unset>"))
}

fn slice_addresses(object: &Value) -> Value {
    let addresses: Vec<String> = object
        .items("endpoints")
        .iter()
        .flat_map(|endpoint| endpoint.items("addresses"))
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    with_more(&addresses, 3, "<unset>")
}

fn unset_if_empty(value: Value) -> Value {
    if value == "" { "<unset>".into() } else { value }
}

fn ingress(view: &View<'_>) -> Vec<Value> {
    let ports = if view.spec.items("tls").is_empty() {
        "80"
    } else {
        "80, 443"
    };
    vec![
        view.name(),
        text_or(view.spec, "ingressClassName", "<none>"),
        hosts(view.spec.items("rules")).into(),
        balancer(view.status).into(),
        ports.into(),
        view.age(),
    ]
}

fn hosts(rules: &[Value]) -> String {
    const MAX: usize = 3;
    let named: Vec<&str> = rules
        .iter()
        .map(|r| r.text("host"))
        .filter(|h| !h.is_empty())
        .collect();
    if named.is_empty() {
        return "*".to_owned();
    }
    let shown = named[..named.len().min(MAX)].join(",");
    // Kubernetes counts every rule after the third shown host, with or without a host of its own.
    let third = rules.iter().scan(0, |seen, rule| {
        *seen += usize::from(!rule.text("host").is_empty());
        Some(*seen)
    });
    let more = third
        .take(rules.len().saturating_sub(1))
        .any(|seen| seen >= MAX);
    if more {
        format!("{shown} + {} more...", rules.len() - MAX)
    } else {
        shown
    }
}

fn ingress_class(view: &View<'_>) -> Vec<Value> {
    let annotations = view.meta.field("annotations");
    let default = annotations.text("ingressclass.kubernetes.io/is-default-class") == "true";
    let name = view.meta.text("name");
    let name = if default {
        format!("{name} (default)")
    } else {
        name.to_owned()
    };
    let parameters = view.spec.field("parameters");
    let parameters = if parameters.is_object() {
        let group = parameters.field("apiGroup").as_str();
        let group = group.map_or(String::new(), |group| format!(".{group}"));
        format!(
            "{}{group}/{}",
            parameters.text("kind"),
            parameters.text("name")
        )
    } else {
        "<none>".to_owned()
    };
    vec![
        name.into(),
        view.spec.text("controller").into(),
        parameters.into(),
        view.age(),
    ]
}

fn parent(reference: &Value) -> Value {
    if !reference.is_object() {
        return "<none>".into();
    }
    let mut text = reference.text("resource").to_lowercase();
    for (mark, part) in [
        (".", reference.text("group").to_lowercase()),
        ("/", reference.text("namespace").to_owned()),
    ] {
        if !part.is_empty() {
            text = format!("{text}{mark}{part}");
        }
    }
    format!("{text}/{}", reference.text("name")).into()
}
