//! Rules of writes to the status of kinds that have some.

use std::collections::HashSet;

use serde_json::Value;

use super::metadata;
use super::numbers::non_negative;
use super::pod;
use crate::error::Errors;
use crate::formats;
use crate::path::Path;
use crate::read::Read;
use crate::registry::Kind;

mod job;

/// Rules of a write to the status of `old` that makes it `new`.
pub(super) fn validate(kind: &Kind, new: &Value, old: &Value, errors: &mut Errors) {
    let status = new.field("status");
    match (kind.group, kind.kind) {
        ("", "Pod") => pod::validate_status_update(new, old, errors),
        ("", "Service") => balancer(new, errors),
        ("apps", "Deployment") => deployment(status, old.field("status"), errors),
        ("batch", "Job") => job::validate(new, old, errors),
        ("policy", "PodDisruptionBudget") => disruption_budget(status, errors),
        _ => {}
    }
}

fn deployment(status: &Value, before: &Value, errors: &mut Errors) {
    let path = Path::root("status");
    let numbers = [
        "observedGeneration",
        "replicas",
        "updatedReplicas",
        "readyReplicas",
        "availableReplicas",
        "unavailableReplicas",
        "terminatingReplicas",
        "collisionCount",
    ];
    non_negative(status, &numbers, &path, errors);
    let of = |name: &str| status.int(name).unwrap_or(0);
    for name in ["updatedReplicas", "readyReplicas", "availableReplicas"] {
        if of(name) > of("replicas") {
            let detail = "cannot be greater than status.replicas";
            errors.invalid(&path.child(name), of(name), detail);
        }
    }
    if of("availableReplicas") > of("readyReplicas") {
        let place = path.child("availableReplicas");
        let detail = "cannot be greater than readyReplicas";
        errors.invalid(&place, of("availableReplicas"), detail);
    }
    let collisions = "collisionCount";
    if before.int(collisions).is_some_and(|c| c > of(collisions)) {
        let detail = "cannot be decremented";
        errors.invalid(&path.child(collisions), of(collisions), detail);
    }
}

fn disruption_budget(status: &Value, errors: &mut Errors) {
    let path = Path::root("status");
    conditions(
        status.items("conditions"),
        &path.child("conditions"),
        errors,
    );
    let numbers = [
        "disruptionsAllowed",
        "currentHealthy",
        "desiredHealthy",
        "expectedPods",
    ];
    non_negative(status, &numbers, &path, errors);
}

/// Rules of the conditions that many kinds share.
fn conditions(list: &[Value], path: &Path<'_>, errors: &mut Errors) {
    let mut seen = HashSet::new();
    for (i, condition) in list.iter().enumerate() {
        let at = path.index(i);
        let kind = condition.text("type");
        if !seen.insert(kind) {
            errors.duplicate(&at, kind);
        }
        errors.invalid_all(&at.child("type"), kind, formats::label_key(kind));
        let status = condition.text("status");
        let known = ["False", "True", "Unknown"];
        if !known.contains(&status) {
            errors.not_supported(&at.child("status"), status, &known);
        }
        let seen = condition.int("observedGeneration").unwrap_or(0);
        if seen < 0 {
            let detail = "must be greater than or equal to zero";
            errors.invalid(&at.child("observedGeneration"), seen, detail);
        }
        for name in ["lastTransitionTime", "reason"] {
            if condition.text(name).is_empty() {
                errors.required(&at.child(name), "");
            }
        }
    }
}

/// What a load balancer says of itself: addresses and names, if the Service asked for one.
fn balancer(new: &Value, errors: &mut Errors) {
    let status = Path::root("status");
    let balancer = status.child("loadBalancer");
    let path = balancer.child("ingress");
    let ingress = new.at("status.loadBalancer").items("ingress");
    if new.at("spec").text("type") != "LoadBalancer" {
        if !ingress.is_empty() {
            let detail = "may only be used when `spec.type` is 'LoadBalancer'";
            errors.forbidden(&path, detail);
        }
        return;
    }
    for (i, place) in ingress.iter().enumerate() {
        let at = path.index(i);
        let (ip, host) = (place.text("ip"), place.text("hostname"));
        if !ip.is_empty() {
            pod::ip(ip, &at.child("ip"), errors);
        }
        match place.field("ipMode").as_str() {
            None if !ip.is_empty() => {
                errors.required(&at.child("ipMode"), "must be specified when `ip` is set");
            }
            Some(_) if ip.is_empty() => {
                let detail = "may not be specified when `ip` is not set";
                errors.forbidden(&at.child("ipMode"), detail);
            }
            Some(mode) if !matches!(mode, "VIP" | "Proxy") => {
                errors.not_supported(&at.child("ipMode"), mode, &["Proxy", "VIP"]);
            }
            _ => {}
        }
        if !host.is_empty() {
            errors.invalid_all(&at.child("hostname"), host, formats::dns_subdomain(host));
        }
        if host.parse::<std::net::IpAddr>().is_ok() {
            let detail = "must be a DNS name, not an IP address";
            errors.invalid(&at.child("hostname"), host, detail);
        }
    }
}

/// What nobody who speaks `events.k8s.io` may change in an Event; both objects are in the stored form.
pub(super) fn event_update(new: &Value, old: &Value, errors: &mut Errors) {
    for name in [
        "involvedObject",
        "reason",
        "message",
        "source",
        "firstTimestamp",
        "lastTimestamp",
        "count",
        "type",
        "eventTime",
        "action",
        "related",
        "reportingController",
        "reportingInstance",
    ] {
        // One is called otherwise on the wire than in the message.
        let stored = match name {
            "reportingController" => "reportingComponent",
            other => other,
        };
        let (after, before) = (new.field(stored), old.field(stored));
        metadata::immutable(after, before, &Path::root(name), errors);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn texts(errors: &Errors) -> Vec<String> {
        errors.0.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_deployment_has_no_more_ready_than_it_has() {
        let mut errors = Errors::new();
        let status = json!({"replicas": 1, "readyReplicas": 2, "availableReplicas": 1});
        deployment(&status, &json!({"collisionCount": 3}), &mut errors);
        assert_eq!(
            texts(&errors),
            [
                "status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas",
                "status.collisionCount: Invalid value: 0: cannot be decremented",
            ]
        );
    }

    #[test]
    fn only_a_balancer_has_addresses_of_one() {
        let status = json!({"loadBalancer": {"ingress": [{"ip": "1.2.3.4", "ipMode": "VIP"}]}});
        let mut errors = Errors::new();
        balancer(
            &json!({"spec": {"type": "LoadBalancer"}, "status": status}),
            &mut errors,
        );
        assert!(errors.is_empty());
        balancer(
            &json!({"spec": {"type": "ClusterIP"}, "status": status}),
            &mut errors,
        );
        assert_eq!(
            texts(&errors),
            [
                "status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is 'LoadBalancer'"
            ]
        );
    }
}
