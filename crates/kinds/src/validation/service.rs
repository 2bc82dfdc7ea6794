//! Services.

use std::collections::HashSet;

use serde_json::Value;

use super::metadata;
use super::numbers::{one_of, one_of_if_given, port};
use super::pod::ip;
use crate::error::{ErrorKind, Errors};
use crate::formats;
use crate::path::Path;
use crate::read::Read;

const TYPES: &[&str] = &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];

pub(super) fn validate(new: &Value, old: Option<&Value>, errors: &mut Errors) {
    let path = Path::root("spec");
    let spec = new.field("spec");
    if let Some(old) = old {
        update(spec, old.field("spec"), &path, errors);
    }
    let kind = spec.text("type");
    let headless = spec.text("clusterIP") == "None";
    if spec.items("ports").is_empty() && !headless && kind != "ExternalName" {
        errors.required(&path.child("ports"), "");
    }
    by_type(spec, kind, headless, &path, errors);
    ports(spec, &path.child("ports"), errors);
    metadata::labels(spec.field("selector"), &path.child("selector"), errors);
    one_of(
        spec.text("sessionAffinity"),
        &["ClientIP", "None"],
        &path.child("sessionAffinity"),
        errors,
    );
    if matches!(spec.text("sessionAffinity"), "None" | "ClientIP") {
        session(spec, &path.child("sessionAffinityConfig"), errors);
    }
    let near = ["PreferClose", "PreferSameZone", "PreferSameNode"];
    one_of_if_given(spec, "trafficDistribution", &near, &path, errors);
    let place = path.child("externalIPs");
    for (i, address) in spec
        .items("externalIPs")
        .iter()
        .filter_map(Value::as_str)
        .enumerate()
    {
        ip(address, &place.index(i), errors);
    }
    one_of(kind, TYPES, &path.child("type"), errors);
    node_ports(spec, kind, &path.child("ports"), errors);
    duplicates(spec, &path.child("ports"), errors);
    balancer_fields(spec, kind, &path, errors);
    traffic(spec, kind, &path, errors);
}

fn by_type(spec: &Value, kind: &str, headless: bool, path: &Path<'_>, errors: &mut Errors) {
    match kind {
        "LoadBalancer" => {
            no_headless(
                headless,
                "may not be set to 'None' for LoadBalancer services",
                path,
                errors,
            );
        }
        "NodePort" => {
            no_headless(
                headless,
                "may not be set to 'None' for NodePort services",
                path,
                errors,
            );
        }
        "ExternalName" => {
            for name in ["clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
                if spec.has(name)
                    && spec.items(name).len() + usize::from(spec.field(name).is_string()) > 0
                {
                    errors.forbidden(
                        &path.child(name),
                        "may not be set for ExternalName services",
                    );
                }
            }
            let name = spec.text("externalName");
            let bare = name.strip_suffix('.').unwrap_or(name);
            let place = path.child("externalName");
            if bare.is_empty() {
                errors.required(&place, "");
            } else {
                errors.invalid_all(&place, bare, formats::dns_subdomain(bare));
            }
        }
        _ => {}
    }
}

fn no_headless(headless: bool, detail: &str, path: &Path<'_>, errors: &mut Errors) {
    if headless {
        let place = path.child("clusterIPs");
        errors.invalid(&place.index(0), "None", detail);
    }
}

fn ports(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let ports = spec.items("ports");
    let mut names = HashSet::new();
    for (i, item) in ports.iter().enumerate() {
        let at = path.index(i);
        let name = item.text("name");
        if name.is_empty() {
            if ports.len() > 1 {
                errors.required(&at.child("name"), "");
            }
        } else {
            errors.invalid_all(&at.child("name"), name, formats::dns_label(name));
            if !names.insert(name) {
                errors.duplicate(&at.child("name"), name);
            }
        }
        let number = item.int("port").unwrap_or(0);
        for wrong in formats::port_number(number) {
            errors.invalid(&at.child("port"), number, wrong);
        }
        one_of(
            item.text("protocol"),
            &["SCTP", "TCP", "UDP"],
            &at.child("protocol"),
            errors,
        );
        port(item.field("targetPort"), &at.child("targetPort"), errors);
        if let Some(protocol) = item.field("appProtocol").as_str() {
            let wrong = formats::label_key(protocol);
            errors.invalid_all(&at.child("appProtocol"), protocol, wrong);
        }
    }
}

fn session(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let config = spec.field("sessionAffinityConfig");
    if spec.text("sessionAffinity") != "ClientIP" {
        if config.is_object() {
            let detail = "must not be set when session affinity is None";
            errors.forbidden(path, detail);
        }
        return;
    }
    let seconds = config.at("clientIP.timeoutSeconds").as_i64().unwrap_or(0);
    if !(1..=86400).contains(&seconds) {
        let place = path.child("clientIP");
        let detail = "must be greater than 0 and less than 86400";
        errors.invalid(&place.child("timeoutSeconds"), seconds, detail);
    }
}

fn node_ports(spec: &Value, kind: &str, path: &Path<'_>, errors: &mut Errors) {
    let mut taken = HashSet::new();
    for (i, port) in spec.items("ports").iter().enumerate() {
        let number = port.int("nodePort").unwrap_or(0);
        if number == 0 {
            continue;
        }
        let at = path.index(i);
        if kind == "ClusterIP" {
            let detail = "may not be used when `type` is 'ClusterIP'";
            errors.forbidden(&at.child("nodePort"), detail);
        } else if !taken.insert((port.text("protocol"), number)) {
            errors.duplicate(&at.child("nodePort"), number);
        }
    }
}

fn duplicates(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let mut seen = HashSet::new();
    for (i, port) in spec.items("ports").iter().enumerate() {
        let key = (port.text("protocol"), port.int("port"));
        if !seen.insert(key) {
            let shown = serde_json::json!({
                "Name": "", "Protocol": port.text("protocol"), "AppProtocol": null,
                "Port": port.int("port"), "TargetPort": 0, "NodePort": 0,
            });
            errors.add(ErrorKind::Duplicate, &path.index(i), Some(shown), "");
        }
    }
}

fn balancer_fields(spec: &Value, kind: &str, path: &Path<'_>, errors: &mut Errors) {
    if kind == "LoadBalancer" {
        if !spec.has("allocateLoadBalancerNodePorts") {
            errors.required(&Path::root("allocateLoadBalancerNodePorts"), "");
        }
        return;
    }
    if spec.has("allocateLoadBalancerNodePorts") {
        let detail = "may only be used when `type` is 'LoadBalancer'";
        errors.forbidden(&path.child("allocateLoadBalancerNodePorts"), detail);
    }
    if spec.has("loadBalancerClass") {
        let detail = "may only be used when `type` is 'LoadBalancer'";
        errors.forbidden(&path.child("loadBalancerClass"), detail);
    }
    if !spec.items("loadBalancerSourceRanges").is_empty() {
        let detail = "may only be used when `type` is 'LoadBalancer'";
        errors.forbidden(&path.child("LoadBalancerSourceRanges"), detail);
    }
}

fn traffic(spec: &Value, kind: &str, path: &Path<'_>, errors: &mut Errors) {
    let external = matches!(kind, "NodePort" | "LoadBalancer")
        || (kind == "ClusterIP" && !spec.items("externalIPs").is_empty());
    let policy = spec.text("externalTrafficPolicy");
    let place = path.child("externalTrafficPolicy");
    if external {
        one_of(policy, &["Cluster", "Local"], &place, errors);
    } else if !policy.is_empty() {
        errors.invalid(
            &place,
            policy,
            "may only be set for externally-accessible services",
        );
    }
    let health = spec.int("healthCheckNodePort").unwrap_or(0);
    if health != 0 && !(kind == "LoadBalancer" && policy == "Local") {
        let detail =
            "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
        errors.invalid(&path.child("healthCheckNodePort"), health, detail);
    }
    let internal = spec.text("internalTrafficPolicy");
    if !matches!(internal, "" | "Cluster" | "Local") {
        let known = ["Cluster", "Local"];
        errors.not_supported(&path.child("internalTrafficPolicy"), internal, &known);
    }
}

/// A service's own address never changes, unless its type does.
fn update(spec: &Value, before: &Value, path: &Path<'_>, errors: &mut Errors) {
    let (new_type, old_type) = (spec.text("type"), before.text("type"));
    if new_type == "ExternalName" || old_type == "ExternalName" {
        return;
    }
    let old = before.items("clusterIPs");
    let new = spec.items("clusterIPs");
    if let Some(first) = old.first()
        && new.first() != Some(first)
    {
        let place = path.child("clusterIPs");
        let shown = Value::from(new.to_vec());
        errors.invalid(&place.index(0), shown, "may not change once set");
    }
    let class = (
        spec.field("loadBalancerClass"),
        before.field("loadBalancerClass"),
    );
    if new_type == "LoadBalancer" && old_type == "LoadBalancer" && class.0 != class.1 {
        let place = path.child("loadBalancerClass");
        errors.invalid(&place, class.0.clone(), "may not change once set");
    }
}
