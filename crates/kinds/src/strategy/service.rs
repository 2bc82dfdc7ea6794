//! What a Service loses when its type changes: fields that were filled in for the old type and left untouched.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::read::{Read, put};
use crate::strategy::same;

/// Drops what no longer applies and was not changed by the user. The API server frees what was allocated.
pub(super) fn update(new: &mut Value, old: &Value) {
    let before = old.field("spec").clone();
    let Some(spec) = new.get_mut("spec") else {
        return;
    };
    keep_allocated(spec, &before);
    if before.text("type") != "ExternalName" && spec.text("type") == "ExternalName" {
        drop_addresses(spec, &before);
        drop_if_same(spec, &before, "internalTrafficPolicy");
    }
    if has_node_ports(&before) && !has_node_ports(spec) && ports(spec).is_subset(&ports(&before)) {
        for port in spec["ports"].as_array_mut().into_iter().flatten() {
            put(port, "nodePort", None);
        }
    }
    let ip = spec.text("clusterIP").to_owned();
    let one_changed = !ip.is_empty() && ip != before.text("clusterIP");
    if one_changed && same(spec.field("clusterIPs"), before.field("clusterIPs")) {
        put(spec, "clusterIPs", Some(json!([ip])));
    }
    let local = |s: &Value| balances(s) && s.text("externalTrafficPolicy") == "Local";
    if local(&before) && !local(spec) {
        drop_if_same(spec, &before, "healthCheckNodePort");
    }
    if balances(&before) && !balances(spec) {
        drop_if_same(spec, &before, "allocateLoadBalancerNodePorts");
        drop_if_same(spec, &before, "loadBalancerClass");
    }
    if is_external(&before) && !is_external(spec) {
        drop_if_same(spec, &before, "externalTrafficPolicy");
    }
    if !balances(spec) {
        put(new, "status", Some(json!({"loadBalancer": {}})));
    }
}

/// Whoever replaces a service without naming what was allocated to it keeps that.
fn keep_allocated(spec: &mut Value, before: &Value) {
    let addressed = |s: &Value| matches!(s.text("type"), "ClusterIP" | "NodePort" | "LoadBalancer");
    if addressed(spec) && addressed(before) {
        if spec.text("clusterIP").is_empty() {
            put(spec, "clusterIP", before.get("clusterIP").cloned());
        }
        if spec.items("clusterIPs").is_empty() && spec.text("clusterIP") == before.text("clusterIP")
        {
            put(spec, "clusterIPs", before.get("clusterIPs").cloned());
        }
    }
    let checked = |s: &Value| balances(s) && s.text("externalTrafficPolicy") == "Local";
    if checked(spec) && checked(before) && spec.int("healthCheckNodePort").unwrap_or(0) == 0 {
        let port = before.get("healthCheckNodePort").cloned();
        put(spec, "healthCheckNodePort", port);
    }
}

fn drop_addresses(spec: &mut Value, before: &Value) {
    if spec.text("clusterIP") == before.text("clusterIP")
        && same(spec.field("clusterIPs"), before.field("clusterIPs"))
    {
        put(spec, "clusterIP", None);
        put(spec, "clusterIPs", None);
    }
    drop_if_same(spec, before, "ipFamilies");
    drop_if_same(spec, before, "ipFamilyPolicy");
}

fn drop_if_same(spec: &mut Value, before: &Value, name: &str) {
    if same(spec.field(name), before.field(name)) {
        put(spec, name, None);
    }
}

fn balances(spec: &Value) -> bool {
    spec.text("type") == "LoadBalancer"
}

fn has_node_ports(spec: &Value) -> bool {
    matches!(spec.text("type"), "NodePort" | "LoadBalancer")
}

fn is_external(spec: &Value) -> bool {
    has_node_ports(spec)
        || (spec.text("type") == "ClusterIP" && !spec.items("externalIPs").is_empty())
}

fn ports(spec: &Value) -> BTreeSet<i64> {
    spec.items("ports")
        .iter()
        .filter_map(|port| port.int("nodePort"))
        .filter(|port| *port != 0)
        .collect()
}
