//! Decides what the Endpoints of a Service hold. Pure.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{
    EndpointAddress, EndpointPort, EndpointSubset, Endpoints, ObjectReference, Pod, Service,
};

use super::pack::{Packer, key_of, order, port_order};
use crate::endpointslice::{HEADLESS, number_of, protocol_of};
use crate::pods;

const MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";
const MANAGER: &str = "endpoint-controller";
pub(crate) const TRIGGERED: &str = "endpoints.kubernetes.io/last-change-trigger-time";
const OVER_CAPACITY: &str = "endpoints.kubernetes.io/over-capacity";
/// Addresses of one object, as in Kubernetes: more would make it too large to send to every node.
const CAPACITY: usize = 1000;

pub(super) struct View {
    service: Service,
    pub(super) subsets: Vec<EndpointSubset>,
    /// Whether some addresses had no room.
    truncated: bool,
    trigger: Option<Timestamp>,
}

impl View {
    pub(super) fn new(service: Service, all: &[Pod], trigger: Option<Timestamp>) -> Self {
        let mut subsets = subsets(&service, all);
        let truncated = truncate(&mut subsets);
        Self {
            service,
            subsets,
            truncated,
            trigger,
        }
    }

    /// Whether the object that is there needs no change.
    pub(super) fn is_met(&self, there: &Endpoints) -> bool {
        let mut old = there.subsets.clone().unwrap_or_default();
        for subset in &mut old {
            // Who wrote it may have had another order, or noted revisions of pods.
            for addresses in [&mut subset.addresses, &mut subset.not_ready_addresses] {
                let list = addresses.get_or_insert_default();
                for target in list.iter_mut().filter_map(|a| a.target_ref.as_mut()) {
                    target.resource_version = None;
                }
                list.sort_by_key(key_of);
                if list.is_empty() {
                    *addresses = None;
                }
            }
            let ports = subset.ports.get_or_insert_default();
            ports.sort_by_key(port_order);
            if ports.is_empty() {
                subset.ports = None;
            }
        }
        old.sort_by_key(order);
        let annotations = there.metadata.annotations.as_ref();
        let over = annotations.is_some_and(|a| a.contains_key(OVER_CAPACITY));
        old == self.subsets
            && over == self.truncated
            && there.metadata.labels.as_ref() == Some(&self.labels())
    }

    pub(super) fn labels(&self) -> BTreeMap<String, String> {
        let mut labels = self.service.metadata.labels.clone().unwrap_or_default();
        labels.remove(HEADLESS);
        let spec = self.service.spec.as_ref();
        let address = spec.and_then(|s| s.cluster_ip.as_deref()).unwrap_or("");
        if matches!(address, "" | "None") {
            labels.insert(HEADLESS.to_owned(), String::new());
        }
        labels.insert(MANAGED_BY.to_owned(), MANAGER.to_owned());
        labels
    }

    pub(super) fn annotations(
        &self,
        old: Option<&BTreeMap<String, String>>,
    ) -> BTreeMap<String, String> {
        let mut annotations = old.cloned().unwrap_or_default();
        annotations.remove(TRIGGERED);
        annotations.remove(OVER_CAPACITY);
        if let Some(at) = self.trigger {
            annotations.insert(TRIGGERED.to_owned(), at.to_string());
        }
        if self.truncated {
            annotations.insert(OVER_CAPACITY.to_owned(), "truncated".to_owned());
        }
        annotations
    }
}

/// Addresses that share their ports, together.
fn subsets(service: &Service, all: &[Pod]) -> Vec<EndpointSubset> {
    let spec = service.spec.clone().unwrap_or_default();
    let publish = spec.publish_not_ready_addresses == Some(true);
    let mut packer = Packer::default();
    for pod in all {
        if pods::is_terminal(pod) || (!publish && pods::is_deleting(pod)) {
            continue;
        }
        let Some(address) = address(service, pod) else {
            continue;
        };
        let named = spec.ports.iter().flatten().filter_map(|port| {
            Some(EndpointPort {
                name: port.name.clone().filter(|n| !n.is_empty()),
                port: number_of(port, pod)?,
                protocol: Some(protocol_of(port).to_owned()),
                app_protocol: port.app_protocol.clone(),
            })
        });
        let mut ports: Vec<Option<EndpointPort>> = named.map(Some).collect();
        let portless = spec.ports.as_ref().is_none_or(Vec::is_empty);
        if portless && spec.cluster_ip.as_deref() == Some("None") {
            ports.push(None);
        }
        let ready = publish || pods::is_ready(pod);
        for port in ports {
            packer.add(port, &address, ready);
        }
    }
    packer.subsets()
}

fn address(service: &Service, pod: &Pod) -> Option<EndpointAddress> {
    let (spec, status) = (service.spec.as_ref()?, pod.status.as_ref()?);
    let family = spec.ip_families.as_ref().and_then(|f| f.first());
    let six = match (family, spec.cluster_ip.as_deref()) {
        (Some(family), _) => family == "IPv6",
        (None, Some(ip)) if !ip.is_empty() && ip != "None" => ip.contains(':'),
        (None, _) => status.pod_ip.as_ref().is_some_and(|ip| ip.contains(':')),
    };
    let mut all = status.pod_ips.iter().flatten().map(|ip| &ip.ip);
    let ip = all.find(|ip| !ip.is_empty() && ip.contains(':') == six)?;
    let pod_spec = pod.spec.as_ref()?;
    let named = pod_spec.subdomain == service.metadata.name;
    Some(EndpointAddress {
        hostname: pod_spec.hostname.clone().filter(|h| named && !h.is_empty()),
        ip: ip.clone(),
        node_name: pod_spec.node_name.clone(),
        target_ref: Some(ObjectReference {
            kind: Some("Pod".to_owned()),
            namespace: pod.metadata.namespace.clone(),
            name: pod.metadata.name.clone(),
            uid: pod.metadata.uid.clone(),
            ..ObjectReference::default()
        }),
    })
}

/// Cuts addresses beyond the capacity, in proportion to the subsets; those that are not ready first.
fn truncate(subsets: &mut [EndpointSubset]) -> bool {
    let count = |list: &Option<Vec<EndpointAddress>>| list.as_ref().map_or(0, Vec::len);
    let ready: usize = subsets.iter().map(|s| count(&s.addresses)).sum();
    let not: usize = subsets.iter().map(|s| count(&s.not_ready_addresses)).sum();
    if ready + not <= CAPACITY {
        return false;
    }
    let (room, total) = if ready > CAPACITY {
        (CAPACITY, ready)
    } else {
        (CAPACITY - ready, not)
    };
    let mut left = room;
    for subset in subsets {
        let list = if ready > CAPACITY {
            subset.not_ready_addresses = None;
            &mut subset.addresses
        } else {
            &mut subset.not_ready_addresses
        };
        let share = (count(list) * room).div_ceil(total).min(left);
        if let Some(addresses) = list {
            addresses.truncate(share);
            left -= addresses.len();
        }
        if count(list) == 0 {
            *list = None;
        }
    }
    true
}
