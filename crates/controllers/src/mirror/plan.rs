//! Decides which slices mirror Endpoints: one for each set of ports and kind of address. Pure.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;

use k8s_openapi::api::core::v1::{EndpointAddress, EndpointSubset, Endpoints};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::ObjectMeta;

use super::MANAGER;
use crate::endpoints::{Packer, TRIGGERED};
use crate::endpointslice::{MANAGED_BY, SERVICE_NAME};

/// Addresses of one subset that are mirrored, as in Kubernetes.
pub(super) const PER_SUBSET: usize = 1000;
/// Annotations that say something of the Endpoints themselves.
const OWN: [&str; 2] = [
    TRIGGERED,
    "kubectl.kubernetes.io/last-applied-configuration",
];

/// What is to be done about the slices of one Endpoints.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// What goes comes last: nobody is to lose an address for a moment.
    pub(super) changes: Vec<Change>,
    /// Addresses that are none.
    pub(super) invalid: usize,
    /// Addresses without a mirror, those among them.
    pub(super) skipped: usize,
}

#[derive(Debug, PartialEq)]
pub(super) enum Change {
    Create(EndpointSlice),
    /// By index of the slice.
    Replace(usize, EndpointSlice),
    Delete(usize),
}

// === impl Plan ===

impl Plan {
    pub(super) fn new(endpoints: &Endpoints, there: &[EndpointSlice]) -> Self {
        let mut plan = Self::default();
        let mut left: Vec<usize> = (0..there.len()).collect();
        let mut missing = Vec::new();
        for wanted in plan.wanted(endpoints) {
            let fits = |i: &usize| is_for(&there[*i], &wanted);
            match left.iter().position(fits) {
                None => missing.push(wanted),
                Some(at) => {
                    let index = left.remove(at);
                    if !is_met(&there[index], &wanted) {
                        plan.changes.push(Change::Replace(index, wanted));
                    }
                }
            }
        }
        for wanted in missing {
            // One that has to go becomes one that is missing.
            let same = |i: &usize| there[*i].address_type == wanted.address_type;
            plan.changes.push(match left.iter().position(same) {
                Some(at) => Change::Replace(left.remove(at), wanted),
                None => Change::Create(wanted),
            });
        }
        plan.changes.extend(left.into_iter().map(Change::Delete));
        plan
    }

    /// All slices, and the count of what none of them has.
    fn wanted(&mut self, endpoints: &Endpoints) -> Vec<EndpointSlice> {
        let mut packer = Packer::default();
        for subset in endpoints.subsets.iter().flatten() {
            let ports = subset.ports.iter().flatten().cloned().map(Some);
            let mut ports: Vec<_> = ports.collect();
            if ports.is_empty() {
                ports.push(None);
            }
            for port in ports {
                for (address, ready) in addresses(subset) {
                    packer.add(port.clone(), address, ready);
                }
            }
        }
        let mut slices = Vec::new();
        for subset in packer.subsets() {
            let mut families: BTreeMap<&str, Vec<Endpoint>> = BTreeMap::new();
            let (mut all, mut taken) = (0, 0);
            for (address, ready) in addresses(&subset) {
                all += 1;
                if taken == PER_SUBSET {
                    continue;
                }
                let Some((family, endpoint)) = endpoint(address, ready) else {
                    self.invalid += 1;
                    continue;
                };
                taken += 1;
                families.entry(family).or_default().push(endpoint);
            }
            self.skipped += all - taken;
            for (family, found) in families {
                slices.push(slice(endpoints, &subset, family, found));
            }
        }
        slices
    }
}

/// Those that are ready first.
fn addresses(subset: &EndpointSubset) -> impl Iterator<Item = (&EndpointAddress, bool)> {
    let ready = subset.addresses.iter().flatten().map(|a| (a, true));
    let not = subset.not_ready_addresses.iter().flatten();
    ready.chain(not.map(|a| (a, false)))
}

fn endpoint(address: &EndpointAddress, ready: bool) -> Option<(&'static str, Endpoint)> {
    let ip: IpAddr = address.ip.parse().ok()?;
    let ip = ip.to_canonical();
    let endpoint = Endpoint {
        addresses: vec![ip.to_string()],
        conditions: Some(EndpointConditions {
            ready: Some(ready),
            ..EndpointConditions::default()
        }),
        hostname: address.hostname.clone().filter(|h| !h.is_empty()),
        node_name: address.node_name.clone(),
        target_ref: address.target_ref.clone(),
        ..Endpoint::default()
    };
    Some((if ip.is_ipv4() { "IPv4" } else { "IPv6" }, endpoint))
}

fn slice(
    endpoints: &Endpoints,
    subset: &EndpointSubset,
    family: &str,
    found: Vec<Endpoint>,
) -> EndpointSlice {
    let metadata = &endpoints.metadata;
    let name = metadata.name.clone().unwrap_or_default();
    let mut labels = metadata.labels.clone().unwrap_or_default();
    labels.insert(SERVICE_NAME.to_owned(), name.clone());
    labels.insert(MANAGED_BY.to_owned(), MANAGER.to_owned());
    let mut annotations = metadata.annotations.clone().unwrap_or_default();
    annotations.retain(|key, _| !OWN.contains(&key.as_str()));
    let ports = subset.ports.iter().flatten().map(|port| EndpointPort {
        name: Some(port.name.clone().unwrap_or_default()),
        port: Some(port.port),
        protocol: port.protocol.clone(),
        app_protocol: port.app_protocol.clone(),
    });
    EndpointSlice {
        metadata: ObjectMeta {
            generate_name: Some(format!("{name}-")),
            namespace: metadata.namespace.clone(),
            labels: Some(labels),
            annotations: Some(annotations).filter(|a| !a.is_empty()),
            owner_references: Some(vec![OwnerReference {
                api_version: "v1".to_owned(),
                kind: "Endpoints".to_owned(),
                name,
                uid: metadata.uid.clone().unwrap_or_default(),
                controller: Some(true),
                block_owner_deletion: Some(true),
            }]),
            ..ObjectMeta::default()
        },
        address_type: family.to_owned(),
        endpoints: Some(found),
        ports: Some(ports.collect()),
    }
}

/// Whether a slice is of the wanted one's ports and kind of address.
fn is_for(there: &EndpointSlice, wanted: &EndpointSlice) -> bool {
    let ports = |slice: &EndpointSlice| slice.ports.clone().unwrap_or_default();
    let (a, b) = (ports(there), ports(wanted));
    there.address_type == wanted.address_type
        && a.len() == b.len()
        && a.iter().all(|port| b.contains(port))
}

/// Whether a slice of those ports needs no change.
fn is_met(there: &EndpointSlice, wanted: &EndpointSlice) -> bool {
    let ends = |slice: &EndpointSlice| slice.endpoints.clone().unwrap_or_default();
    let (old, new) = (ends(there), ends(wanted));
    let (a, b) = (&there.metadata, &wanted.metadata);
    old.len() == new.len()
        && new.iter().all(|endpoint| old.contains(endpoint))
        && a.labels == b.labels
        && a.annotations.clone().unwrap_or_default() == b.annotations.clone().unwrap_or_default()
        && a.owner_references == b.owner_references
}
