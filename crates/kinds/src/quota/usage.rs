//! How much one object uses.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{CLASS, OLD_NAMES, qualified};
use crate::amounts::{self, Amounts, List};
use crate::quantity::Quantity;
use crate::read::Read;

/// What an object of a kind uses, by the names that quotas count under.
#[must_use]
pub fn usage(group: &str, plural: &str, object: &Value, now: Timestamp) -> Amounts {
    let one = Quantity::from_units(1);
    let mut used = Amounts::from([(format!("count/{}", qualified(group, plural)), one)]);
    match (group, plural) {
        ("", "pods") if takes_room(object, now) => {
            let of = |list| amounts::of_pod_with_overhead(object, list);
            used.extend(of_lists(&of(List::Requests), &of(List::Limits)));
        }
        ("", "services") => used.extend(of_service(object)),
        ("", "persistentvolumeclaims") => used.extend(of_claim(object)),
        ("", old) if OLD_NAMES.contains(&old) => {
            used.insert(old.to_owned(), one);
        }
        _ => {}
    }
    used
}

/// Not a pod that has ended, nor one whose time to end is over: its node may be lost, and its owner must be able to go on.
fn takes_room(pod: &Value, now: Timestamp) -> bool {
    if matches!(pod.field("status").text("phase"), "Succeeded" | "Failed") {
        return false;
    }
    let metadata = pod.field("metadata");
    let deleted = metadata.text("deletionTimestamp").parse::<Timestamp>();
    let grace = metadata.int("deletionGracePeriodSeconds");
    let (Ok(deleted), Some(grace)) = (deleted, grace) else {
        return true;
    };
    let end = deleted.checked_add(SignedDuration::from_secs(grace));
    end.is_ok_and(|end| now <= end)
}

/// Requests count under their plain name as well.
pub(super) fn of_lists(requests: &Amounts, limits: &Amounts) -> Amounts {
    let mut used = Amounts::from([("pods".to_owned(), Quantity::from_units(1))]);
    for (name, amount) in requests {
        match name.as_str() {
            "cpu" | "memory" | "ephemeral-storage" => {
                used.insert(name.clone(), *amount);
            }
            huge if huge.starts_with("hugepages-") => {
                used.insert(name.clone(), *amount);
            }
            other if !other.contains('/') || other.contains("kubernetes.io/") => continue,
            _ => {}
        }
        used.insert(format!("requests.{name}"), *amount);
    }
    for name in ["cpu", "memory", "ephemeral-storage"] {
        if let Some(limit) = limits.get(name) {
            used.insert(format!("limits.{name}"), *limit);
        }
    }
    used
}

/// Ports are not given out yet when a service is judged: what it will get is counted.
fn of_service(service: &Value) -> Amounts {
    let spec = service.field("spec");
    let ports = spec.items("ports");
    let named = ports.iter().filter(|p| p.int("nodePort").unwrap_or(0) != 0);
    let (balancers, open) = match spec.text("type") {
        "NodePort" => (0, ports.len()),
        "LoadBalancer" if spec.field("allocateLoadBalancerNodePorts") == false => {
            (1, named.count())
        }
        "LoadBalancer" => (1, ports.len()),
        _ => (0, 0),
    };
    let amount = |n: usize| Quantity::from_units(i64::try_from(n).unwrap_or(i64::MAX));
    Amounts::from([
        ("services".to_owned(), amount(1)),
        ("services.loadbalancers".to_owned(), amount(balancers)),
        ("services.nodeports".to_owned(), amount(open)),
    ])
}

fn of_claim(claim: &Value) -> Amounts {
    const ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";
    let annotations = claim.field("metadata").field("annotations");
    let class = match annotations.text(ANNOTATION) {
        "" => claim.field("spec").text("storageClassName"),
        old => old,
    };
    let mut used = Amounts::from([("persistentvolumeclaims".to_owned(), Quantity::from_units(1))]);
    let asked = amounts::read(claim.at("spec.resources.requests"));
    if let Some(asked) = asked.get("storage") {
        let given = amounts::read(claim.at("status.allocatedResources"));
        let given = given.get("storage").filter(|given| *given > asked);
        let whole = given.unwrap_or(asked).rounded_up();
        used.insert("requests.storage".to_owned(), whole);
    }
    if !class.is_empty() {
        let of_class = used
            .iter()
            .map(|(name, n)| (format!("{class}{CLASS}{name}"), *n));
        let of_class: Vec<_> = of_class.collect();
        used.extend(of_class);
    }
    used
}
