//! Ingresses, network policies, endpoint slices.

use serde_json::Value;

use super::core::{is_cidr, special_address};
use super::numbers::port;
use super::{metadata, selector};
use crate::error::Errors;
use crate::formats;
use crate::path::Path;
use crate::read::Read;

const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];

pub(super) fn ingress(new: &Value, errors: &mut Errors) {
    let path = Path::root("spec");
    let spec = new.field("spec");
    let rules = spec.items("rules");
    if rules.is_empty() && !spec.has("defaultBackend") {
        let detail = "either `defaultBackend` or `rules` must be specified";
        let shown = spec.get("rules").cloned().unwrap_or(Value::Null);
        errors.invalid(&path, shown, detail);
    }
    if spec.has("defaultBackend") {
        backend(
            spec.field("defaultBackend"),
            &path.child("defaultBackend"),
            errors,
        );
    }
    let place = path.child("rules");
    for (i, rule) in rules.iter().enumerate() {
        let at = place.index(i);
        host(rule.text("host"), &at.child("host"), errors);
        if rule.has("http") {
            let http = at.child("http");
            let paths = http.child("paths");
            if rule["http"].items("paths").is_empty() {
                errors.required(&paths, "");
            }
            for (j, item) in rule["http"].items("paths").iter().enumerate() {
                http_path(item, &paths.index(j), errors);
            }
        }
    }
    if let Some(class) = spec.field("ingressClassName").as_str() {
        errors.invalid_all(
            &path.child("ingressClassName"),
            class,
            formats::dns_subdomain(class),
        );
    }
}

fn host(host: &str, path: &Path<'_>, errors: &mut Errors) {
    if host.is_empty() {
        return;
    }
    if host.parse::<std::net::IpAddr>().is_ok() {
        errors.invalid(path, host, "must be a DNS name, not an IP address");
    }
    let wrong = if host.contains('*') {
        formats::wildcard_subdomain(host)
    } else {
        formats::dns_subdomain(host)
    };
    errors.invalid_all(path, host, wrong);
}

fn http_path(item: &Value, path: &Path<'_>, errors: &mut Errors) {
    const SEQUENCES: [&str; 6] = ["//", "/./", "/../", "%2f", "%2F", "#"];
    const SUFFIXES: [&str; 2] = ["/..", "/."];
    let text = item.text("path");
    let place = path.child("path");
    match item.field("pathType").as_str() {
        None => return errors.required(&path.child("pathType"), "pathType must be specified"),
        Some("Exact" | "Prefix") => {
            if !text.starts_with('/') {
                errors.invalid(&place, text, "must be an absolute path");
            }
            for part in SEQUENCES.iter().filter(|part| text.contains(**part)) {
                errors.invalid(&place, text, format!("must not contain '{part}'"));
            }
            for part in SUFFIXES.iter().filter(|part| text.ends_with(**part)) {
                errors.invalid(&place, text, format!("cannot end with '{part}'"));
            }
        }
        Some("ImplementationSpecific") => {
            if !text.is_empty() && !text.starts_with('/') {
                errors.invalid(&place, text, "must be an absolute path");
            }
        }
        Some(other) => {
            let known = ["Exact", "ImplementationSpecific", "Prefix"];
            errors.not_supported(&path.child("pathType"), other, &known);
        }
    }
    backend(item.field("backend"), &path.child("backend"), errors);
}

fn backend(backend: &Value, path: &Path<'_>, errors: &mut Errors) {
    let service = backend.field("service");
    match (backend.has("resource"), service.is_object()) {
        (true, true) => {
            return errors.invalid(path, "", "cannot set both resource and service backends");
        }
        (false, false) => {
            return errors.invalid(path, "", "resource or service backend is required");
        }
        (true, false) => return,
        (false, true) => {}
    }
    let place = path.child("service");
    match service.text("name") {
        "" => errors.required(&place.child("name"), ""),
        name => errors.invalid_all(&place.child("name"), name, formats::dns1035_label(name)),
    }
    let (name, number) = (
        service["port"].text("name"),
        service["port"].int("number").unwrap_or(0),
    );
    let port_path = place.child("port");
    match (name.is_empty(), number) {
        (true, 0) => errors.required(path, "port name or number is required"),
        (false, 0) => errors.invalid_all(&port_path.child("name"), name, formats::port_name(name)),
        (true, number) => {
            for wrong in formats::port_number(number) {
                errors.invalid(&port_path.child("number"), number, wrong);
            }
        }
        (false, _) => errors.invalid(path, "", "cannot set both port name & port number"),
    }
}

pub(super) fn network_policy(new: &Value, errors: &mut Errors) {
    let path = Path::root("spec");
    let spec = new.field("spec");
    selector::validate(
        spec.field("podSelector"),
        &path.child("podSelector"),
        errors,
    );
    for (list, peers) in [("ingress", "from"), ("egress", "to")] {
        let place = path.child(list);
        for (i, rule) in spec.items(list).iter().enumerate() {
            let at = place.index(i);
            let ports = at.child("ports");
            for (j, item) in rule.items("ports").iter().enumerate() {
                policy_port(item, &ports.index(j), errors);
            }
            let place = at.child(peers);
            for (j, peer) in rule.items(peers).iter().enumerate() {
                policy_peer(peer, &place.index(j), errors);
            }
        }
    }
    let place = path.child("policyTypes");
    for (i, kind) in spec
        .items("policyTypes")
        .iter()
        .filter_map(Value::as_str)
        .enumerate()
    {
        if !matches!(kind, "Ingress" | "Egress") {
            errors.not_supported(&place.index(i), kind, &["Ingress", "Egress"]);
        }
    }
}

fn policy_port(item: &Value, path: &Path<'_>, errors: &mut Errors) {
    let protocol = item.text("protocol");
    if !protocol.is_empty() && !PROTOCOLS.contains(&protocol) {
        errors.not_supported(&path.child("protocol"), protocol, &["TCP", "UDP", "SCTP"]);
    }
    let (first, last) = (item.field("port"), item.int("endPort"));
    if !first.is_null() {
        port(first, &path.child("port"), errors);
    }
    let Some(last) = last else { return };
    let place = path.child("endPort");
    match first.as_i64() {
        Some(first) if last < first => {
            errors.invalid(&place, last, "must be greater than or equal to `port`");
        }
        Some(_) => {}
        None if first.is_null() => {
            errors.invalid(
                &place,
                last,
                "may not be specified when `port` is not specified",
            );
        }
        None => errors.invalid(
            &place,
            last,
            "may not be specified when `port` is non-numeric",
        ),
    }
}

fn policy_peer(peer: &Value, path: &Path<'_>, errors: &mut Errors) {
    let selects = peer.has("podSelector") || peer.has("namespaceSelector");
    for name in ["podSelector", "namespaceSelector"] {
        selector::validate(peer.field(name), &path.child(name), errors);
    }
    let block = peer.field("ipBlock");
    if block.is_object() {
        let place = path.child("ipBlock");
        let cidr = block.text("cidr");
        if cidr.is_empty() {
            errors.required(&place.child("cidr"), "");
        } else if !is_cidr(cidr) {
            let detail = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
            errors.invalid(&place.child("cidr"), cidr, detail);
        }
        if selects {
            errors.forbidden(path, "may not specify both ipBlock and another peer");
        }
    } else if !selects {
        errors.required(path, "must specify a peer");
    }
}

pub(super) fn endpoint_slice(new: &Value, old: Option<&Value>, errors: &mut Errors) {
    let kinds = ["FQDN", "IPv4", "IPv6"];
    let kind = new.text("addressType");
    let path = Path::root("addressType");
    if kind.is_empty() {
        errors.required(&path, "");
    } else if !kinds.contains(&kind) {
        errors.not_supported(&path, kind, &kinds);
    }
    let endpoints = Path::root("endpoints");
    let list = new.items("endpoints");
    if list.len() > 1000 {
        errors.too_many(&endpoints, list.len(), 1000);
    } else {
        for (i, endpoint) in list.iter().enumerate() {
            self::endpoint(endpoint, kind, &endpoints.index(i), errors);
        }
    }
    slice_ports(new.items("ports"), &Path::root("ports"), errors);
    if let Some(old) = old {
        metadata::immutable_unshown(
            new.field("addressType"),
            old.field("addressType"),
            &path,
            errors,
        );
    }
}

fn endpoint(endpoint: &Value, kind: &str, path: &Path<'_>, errors: &mut Errors) {
    let place = path.child("addresses");
    let addresses = endpoint.items("addresses");
    if addresses.is_empty() {
        errors.required(&place, "");
    } else if addresses.len() > 100 {
        errors.too_many(&place, addresses.len(), 100);
    }
    for (i, text) in addresses.iter().filter_map(Value::as_str).enumerate() {
        let at = place.index(i);
        match (kind, text.parse::<std::net::IpAddr>()) {
            ("FQDN", _) => errors.invalid_all(&at, text, formats::dns_subdomain(text)),
            ("IPv4", Ok(address)) if address.is_ipv4() => {
                special_address(address, text, &at, errors);
            }
            ("IPv6", Ok(address)) if address.is_ipv6() => {
                special_address(address, text, &at, errors);
            }
            ("IPv4" | "IPv6", Ok(address)) => {
                errors.invalid(&place, text, format!("must be an {kind} address"));
                special_address(address, text, &at, errors);
            }
            ("IPv4" | "IPv6", Err(_)) => {
                let detail = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
                errors.invalid(&at, text, detail);
            }
            _ => {}
        }
    }
    if let Some(node) = endpoint.field("nodeName").as_str() {
        errors.invalid_all(&path.child("nodeName"), node, formats::dns_subdomain(node));
    }
    if let Some(host) = endpoint.field("hostname").as_str() {
        errors.invalid_all(&path.child("hostname"), host, formats::dns_label(host));
    }
}

fn slice_ports(ports: &[Value], path: &Path<'_>, errors: &mut Errors) {
    if ports.len() > 20_000 {
        return errors.too_many(path, ports.len(), 20_000);
    }
    let mut names = std::collections::HashSet::new();
    for (i, item) in ports.iter().enumerate() {
        let at = path.index(i);
        let name = item.text("name");
        if !name.is_empty() {
            errors.invalid_all(&at.child("name"), name, formats::dns_label(name));
        }
        if !names.insert(name) {
            errors.duplicate(&at.child("name"), name);
        }
        let protocol = item.text("protocol");
        if protocol.is_empty() {
            errors.required(&at.child("protocol"), "");
        } else if !PROTOCOLS.contains(&protocol) {
            errors.not_supported(&at.child("protocol"), protocol, &PROTOCOLS);
        }
    }
}
