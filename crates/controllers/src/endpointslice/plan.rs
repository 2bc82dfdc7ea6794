//! Decides which slices a Service has. An endpoint stays in the slice it is in: every change of a slice goes to
//! every node that serves the Service. Pure.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ObjectReference, Pod, Service, ServicePort};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{HEADLESS, MANAGED_BY, MANAGER, SERVICE_NAME};
use crate::pods;

/// Endpoints of one slice, as in Kubernetes.
const SLICE_MAX: usize = 100;

pub(super) struct View {
    service: Service,
    pods: Vec<Pod>,
    slices: Vec<EndpointSlice>,
}

/// What a slice holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Content {
    pub(super) address_type: String,
    pub(super) ports: Vec<EndpointPort>,
    pub(super) endpoints: Vec<Endpoint>,
}

#[derive(Debug, PartialEq)]
pub(super) enum Change {
    Create(Content),
    /// By index of the slice.
    Update(usize, Vec<Endpoint>),
    Delete(usize),
}

impl View {
    pub(super) fn new(service: Service, mut pods: Vec<Pod>, slices: Vec<EndpointSlice>) -> Self {
        pods.sort_by(|a, b| pods::name(a).cmp(pods::name(b)));
        Self {
            service,
            pods,
            slices,
        }
    }

    pub(super) fn plan(&self) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut used = vec![false; self.slices.len()];
        for group in self.wanted() {
            self.plan_group(group, &mut used, &mut changes);
        }
        let unused = used.iter().enumerate().filter(|(_, used)| !**used);
        // Add before remove: a Service is not to lose an endpoint for a moment because it changes its slice.
        changes.extend(unused.map(|(i, _)| Change::Delete(i)));
        changes
    }

    /// Fills the slices of one kind of address and one set of ports.
    fn plan_group(&self, mut group: Content, used: &mut [bool], changes: &mut Vec<Change>) {
        let mut kept: Vec<(usize, Vec<Endpoint>)> = Vec::new();
        let fits = |s: &EndpointSlice| {
            let ports = s.ports.clone().unwrap_or_default();
            s.address_type == group.address_type && same_ports(&ports, &group.ports)
        };
        let fitting: Vec<usize> = (0..self.slices.len())
            .filter(|i| fits(&self.slices[*i]))
            .collect();
        for i in fitting {
            let mut stay = Vec::new();
            for old in self.slices[i].endpoints.iter().flatten() {
                let again = group.endpoints.iter().position(|e| is_same(e, old));
                if let Some(again) = again {
                    stay.push(group.endpoints.remove(again));
                }
            }
            kept.push((i, stay));
        }
        for (_, endpoints) in &mut kept {
            let room = SLICE_MAX.saturating_sub(endpoints.len());
            let more = group.endpoints.drain(..room.min(group.endpoints.len()));
            endpoints.extend(more);
        }
        let total = kept.iter().map(|(_, e)| e.len()).sum::<usize>() + group.endpoints.len();
        // A Service without endpoints has one empty slice that says so.
        let keep_empty = if total == 0 {
            kept.first().map(|(i, _)| *i)
        } else {
            None
        };
        for (i, endpoints) in kept {
            if endpoints.is_empty() && keep_empty != Some(i) {
                continue;
            }
            used[i] = true;
            let before = self.slices[i].endpoints.as_deref().unwrap_or(&[]);
            if before != endpoints || self.slices[i].metadata.labels != Some(self.labels()) {
                changes.push(Change::Update(i, endpoints));
            }
        }
        if total == 0 && keep_empty.is_none() {
            changes.push(Change::Create(group));
            return;
        }
        for chunk in group.endpoints.chunks(SLICE_MAX) {
            changes.push(Change::Create(Content {
                endpoints: chunk.to_vec(),
                ..group.clone()
            }));
        }
    }

    /// All endpoints, by address type and by the numbers that the ports' names have in each pod.
    fn wanted(&self) -> Vec<Content> {
        let mut groups = Vec::new();
        for family in self.families() {
            let before = groups.len();
            for pod in &self.pods {
                let Some(endpoint) = self.endpoint(pod, &family) else {
                    continue;
                };
                let ports = self.ports(pod);
                let all: &mut Vec<Content> = &mut groups;
                let same = all.iter_mut().skip(before);
                match same.into_iter().find(|g| same_ports(&g.ports, &ports)) {
                    Some(group) => group.endpoints.push(endpoint),
                    None => all.push(Content {
                        address_type: family.clone(),
                        ports,
                        endpoints: vec![endpoint],
                    }),
                }
            }
            if groups.len() == before {
                groups.push(Content {
                    address_type: family,
                    ports: Vec::new(),
                    endpoints: Vec::new(),
                });
            }
        }
        groups
    }

    fn families(&self) -> Vec<String> {
        let spec = self.service.spec.as_ref();
        let families = spec.and_then(|s| s.ip_families.clone());
        let families = families.filter(|f| !f.is_empty());
        families.unwrap_or_else(|| vec!["IPv4".to_owned()])
    }

    fn endpoint(&self, pod: &Pod, family: &str) -> Option<Endpoint> {
        let status = pod.status.as_ref()?;
        let all = status.pod_ips.iter().flatten().map(|ip| ip.ip.as_str());
        let mut all = all.chain(status.pod_ip.as_deref());
        let address = all.find(|ip| !ip.is_empty() && ip.contains(':') == (family == "IPv6"))?;
        let spec = self.service.spec.clone().unwrap_or_default();
        let publish = spec.publish_not_ready_addresses == Some(true);
        let deleting = pods::is_deleting(pod);
        if pods::is_terminal(pod) {
            return None;
        }
        let (ready, pod_spec) = (pods::is_ready(pod), pod.spec.as_ref()?);
        let named = pod_spec.subdomain == self.service.metadata.name
            && pod.metadata.namespace == self.service.metadata.namespace;
        Some(Endpoint {
            addresses: vec![address.to_owned()],
            conditions: Some(EndpointConditions {
                ready: Some(publish || (ready && !deleting)),
                serving: Some(ready),
                terminating: Some(deleting),
            }),
            hostname: pod_spec.hostname.clone().filter(|h| named && !h.is_empty()),
            node_name: pod_spec.node_name.clone(),
            target_ref: Some(ObjectReference {
                kind: Some("Pod".to_owned()),
                namespace: pod.metadata.namespace.clone(),
                name: pod.metadata.name.clone(),
                uid: pod.metadata.uid.clone(),
                ..ObjectReference::default()
            }),
            ..Endpoint::default()
        })
    }

    fn ports(&self, pod: &Pod) -> Vec<EndpointPort> {
        let spec = self.service.spec.as_ref();
        let ports = spec.and_then(|s| s.ports.as_deref()).unwrap_or(&[]);
        let known = ports.iter().filter_map(|port| {
            Some(EndpointPort {
                name: Some(port.name.clone().unwrap_or_default()),
                port: Some(number_of(port, pod)?),
                protocol: Some(protocol_of(port).to_owned()),
                app_protocol: port.app_protocol.clone(),
            })
        });
        known.collect()
    }

    pub(super) fn labels(&self) -> BTreeMap<String, String> {
        let metadata = &self.service.metadata;
        let mut labels = metadata.labels.clone().unwrap_or_default();
        labels.remove(HEADLESS);
        let name = metadata.name.clone().unwrap_or_default();
        labels.insert(SERVICE_NAME.to_owned(), name);
        labels.insert(MANAGED_BY.to_owned(), MANAGER.to_owned());
        let spec = self.service.spec.as_ref();
        if spec.and_then(|s| s.cluster_ip.as_deref()) == Some("None") {
            labels.insert(HEADLESS.to_owned(), String::new());
        }
        labels
    }
}

/// The number that a Service's port has in a pod: its own, or that of the container port of its name.
pub(crate) fn number_of(port: &ServicePort, pod: &Pod) -> Option<i32> {
    let name = match &port.target_port {
        None => return Some(port.port),
        Some(IntOrString::Int(0)) => return Some(port.port),
        Some(IntOrString::Int(number)) => return Some(*number),
        Some(IntOrString::String(name)) => name,
    };
    let containers = pod.spec.iter().flat_map(|s| &s.containers);
    let mut ports = containers.flat_map(|c| c.ports.iter().flatten());
    let found = ports.find(|p| {
        p.name.as_ref() == Some(name) && p.protocol.as_deref().unwrap_or("TCP") == protocol_of(port)
    });
    found.map(|p| p.container_port)
}

pub(crate) fn protocol_of(port: &ServicePort) -> &str {
    port.protocol.as_deref().unwrap_or("TCP")
}

fn same_ports(a: &[EndpointPort], b: &[EndpointPort]) -> bool {
    a.len() == b.len() && a.iter().all(|port| b.contains(port))
}

fn is_same(a: &Endpoint, b: &Endpoint) -> bool {
    let uid = |e: &Endpoint| e.target_ref.as_ref().and_then(|t| t.uid.clone());
    uid(a) == uid(b) && a.addresses == b.addresses
}
