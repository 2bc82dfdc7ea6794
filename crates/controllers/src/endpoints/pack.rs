//! Subsets of Endpoints: the addresses that offer the same ports stand together, each once, as `RepackSubsets` of
//! Kubernetes has them.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{EndpointAddress, EndpointPort, EndpointSubset};

/// By address and pod, so that two pods on one address stay two.
type Ready = BTreeMap<(String, String), (EndpointAddress, bool)>;

/// Collects which address offers which port.
#[derive(Debug, Default)]
pub(crate) struct Packer {
    /// `None` stands for addresses without ports.
    by_port: Vec<(Option<EndpointPort>, Ready)>,
}

impl Packer {
    /// Who is told twice of an address believes the worse.
    pub(crate) fn add(
        &mut self,
        port: Option<EndpointPort>,
        address: &EndpointAddress,
        ready: bool,
    ) {
        let key = key_of(address);
        let map = match self.by_port.iter_mut().position(|(p, _)| *p == port) {
            Some(at) => &mut self.by_port[at].1,
            None => {
                self.by_port.push((port, Ready::new()));
                let last = self.by_port.len() - 1;
                &mut self.by_port[last].1
            }
        };
        let entry = map.entry(key).or_insert_with(|| (address.clone(), ready));
        entry.1 &= ready;
    }

    /// The subsets, in an order that depends on nothing but what they hold.
    pub(crate) fn subsets(self) -> Vec<EndpointSubset> {
        let mut groups: Vec<(Vec<EndpointPort>, Ready)> = Vec::new();
        for (port, ready) in self.by_port {
            match groups.iter_mut().find(|(_, r)| *r == ready) {
                Some((ports, _)) => ports.extend(port),
                None => groups.push((port.into_iter().collect(), ready)),
            }
        }
        let mut subsets: Vec<EndpointSubset> = groups.into_iter().map(subset).collect();
        subsets.sort_by_key(order);
        subsets
    }
}

fn subset((mut ports, all): (Vec<EndpointPort>, Ready)) -> EndpointSubset {
    let (ready, not): (Vec<_>, Vec<_>) = all.into_values().partition(|(_, ready)| *ready);
    let list = |side: Vec<(EndpointAddress, bool)>| {
        let addresses: Vec<EndpointAddress> = side.into_iter().map(|(a, _)| a).collect();
        Some(addresses).filter(|a| !a.is_empty())
    };
    ports.sort_by_key(port_order);
    EndpointSubset {
        addresses: list(ready),
        not_ready_addresses: list(not),
        ports: Some(ports).filter(|p| !p.is_empty()),
    }
}

pub(super) fn key_of(address: &EndpointAddress) -> (String, String) {
    let uid = address.target_ref.as_ref().and_then(|t| t.uid.clone());
    (address.ip.clone(), uid.unwrap_or_default())
}

pub(super) fn port_order(port: &EndpointPort) -> (Option<String>, i32, Option<String>) {
    (port.name.clone(), port.port, port.protocol.clone())
}

type Order = (
    Vec<(Option<String>, i32, Option<String>)>,
    Vec<(String, String)>,
);

pub(super) fn order(subset: &EndpointSubset) -> Order {
    let ports = subset.ports.iter().flatten().map(port_order).collect();
    let all = [&subset.addresses, &subset.not_ready_addresses];
    let all = all.into_iter().flatten().flatten().map(key_of).collect();
    (ports, all)
}
