//! A pod, as far as a scheduler looks at it.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, NodeSelector, PodCondition, PodSchedulingGate, PreferredSchedulingTerm,
    ResourceRequirements, Toleration, TopologySpreadConstraint,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use serde::Deserialize;

use crate::resources::{Requests, Resources};

/// The scheduler that pods name unless they name another.
pub(crate) const NAME: &str = "default-scheduler";

/// The part of a Pod that decides where it runs. Fields are those of Kubernetes.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Pod {
    pub(crate) metadata: Metadata,
    pub(crate) spec: Spec,
    pub(crate) status: Status,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Metadata {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) uid: String,
    pub(crate) generation: Option<i64>,
    pub(crate) labels: Option<BTreeMap<String, String>>,
    pub(crate) owner_references: Option<Vec<OwnerReference>>,
    deletion_timestamp: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Spec {
    pub(crate) node_name: Option<String>,
    pub(crate) scheduler_name: Option<String>,
    pub(crate) scheduling_gates: Option<Vec<PodSchedulingGate>>,
    pub(crate) priority: Option<i32>,
    pub(crate) preemption_policy: Option<String>,
    pub(crate) node_selector: Option<BTreeMap<String, String>>,
    pub(crate) affinity: Option<Affinity>,
    pub(crate) tolerations: Option<Vec<Toleration>>,
    pub(crate) topology_spread_constraints: Option<Vec<TopologySpreadConstraint>>,
    pub(crate) host_network: Option<bool>,
    pub(crate) containers: Vec<Container>,
    pub(crate) init_containers: Option<Vec<Container>>,
    pub(crate) overhead: Option<BTreeMap<String, Quantity>>,
    pub(crate) resources: Option<ResourceRequirements>,
    pub(crate) volumes: Option<Vec<Volume>>,
}

/// A volume, as far as it decides where its pod runs.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Volume {
    name: String,
    persistent_volume_claim: Option<ClaimSource>,
    ephemeral: Option<Ephemeral>,
    pub(crate) image: Option<ImageSource>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ClaimSource {
    claim_name: String,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
struct Ephemeral {}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct ImageSource {
    pub(crate) reference: String,
}

/// A claim that a pod's volume names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClaimName {
    pub(crate) name: String,
    /// Whether the claim is made for this pod, and must belong to it.
    pub(crate) ephemeral: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Container {
    pub(crate) image: String,
    pub(crate) resources: Option<ResourceRequirements>,
    pub(crate) restart_policy: Option<String>,
    pub(crate) ports: Option<Vec<Port>>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Port {
    container_port: i32,
    host_port: Option<i32>,
    #[serde(rename = "hostIP")]
    host_ip: Option<String>,
    protocol: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Status {
    pub(crate) phase: Option<String>,
    pub(crate) start_time: Option<String>,
    pub(crate) nominated_node_name: Option<String>,
    pub(crate) conditions: Option<Vec<PodCondition>>,
}

/// A port of the node that a pod wants for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostPort {
    pub(crate) ip: String,
    pub(crate) protocol: String,
    pub(crate) port: i32,
}

// === impl Pod ===

impl Pod {
    /// The node that it is bound to.
    pub(crate) fn node(&self) -> Option<&str> {
        self.spec.node_name.as_deref().filter(|n| !n.is_empty())
    }

    /// The node where room is being made for it.
    pub(crate) fn nominated(&self) -> Option<&str> {
        let node = self.status.nominated_node_name.as_deref();
        node.filter(|n| !n.is_empty())
    }

    pub(crate) fn is_deleting(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }

    /// The API server writes the value of its class, or of the usual one, into every pod.
    pub(crate) fn priority(&self) -> i32 {
        self.spec.priority.unwrap_or(0)
    }

    /// Whether others may have to go for it.
    pub(crate) fn may_preempt(&self) -> bool {
        self.spec.preemption_policy.as_deref() != Some("Never")
    }

    /// The claims behind its volumes.
    pub(crate) fn claims(&self) -> impl Iterator<Item = ClaimName> {
        let volumes = self.spec.volumes.iter().flatten();
        volumes.filter_map(|volume| match &volume.persistent_volume_claim {
            Some(source) => Some(ClaimName {
                name: source.claim_name.clone(),
                ephemeral: false,
            }),
            None => volume.ephemeral.as_ref().map(|_| ClaimName {
                name: format!("{}-{}", self.metadata.name, volume.name),
                ephemeral: true,
            }),
        })
    }

    /// The images that a node must have to run it.
    pub(crate) fn images(&self) -> impl Iterator<Item = &str> {
        let containers = self.spec.containers.iter();
        let containers = containers.chain(self.spec.init_containers.iter().flatten());
        let volumes = self.spec.volumes.iter().flatten();
        let volumes = volumes.filter_map(|v| v.image.as_ref().map(|i| &*i.reference));
        containers.map(|c| &*c.image).chain(volumes)
    }

    /// Whether its containers are over for good: it takes no room.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.status.phase.as_deref(), Some("Succeeded" | "Failed"))
    }

    /// Whether it is for this scheduler to find a node for.
    pub(crate) fn wants_node(&self) -> bool {
        let name = self.spec.scheduler_name.as_deref().unwrap_or(NAME);
        let gated = self
            .spec
            .scheduling_gates
            .as_ref()
            .is_some_and(|gates| !gates.is_empty());
        self.node().is_none() && !self.is_over() && !gated && (name == NAME || name.is_empty())
    }

    pub(crate) fn tolerations(&self) -> &[Toleration] {
        self.spec.tolerations.as_deref().unwrap_or_default()
    }

    /// What its node must be.
    pub(crate) fn required_nodes(&self) -> Option<&NodeSelector> {
        let affinity = self.spec.affinity.as_ref()?.node_affinity.as_ref()?;
        affinity
            .required_during_scheduling_ignored_during_execution
            .as_ref()
    }

    /// What its node should be.
    pub(crate) fn preferred_nodes(&self) -> &[PreferredSchedulingTerm] {
        self.spec
            .affinity
            .as_ref()
            .and_then(|affinity| affinity.node_affinity.as_ref())
            .and_then(|nodes| {
                nodes
                    .preferred_during_scheduling_ignored_during_execution
                    .as_deref()
            })
            .unwrap_or_default()
    }

    /// What it asks of its node.
    pub(crate) fn requests(&self) -> Requests {
        Requests {
            resources: self.sum(Resources::of),
            scored: self.sum(Resources::of_or_usual),
        }
    }

    /// The greater of all containers together, and of what is needed while each init container runs; sidecars
    /// (init containers that are always restarted) stay beside all that come after them.
    fn sum(&self, of: impl Fn(Option<&ResourceRequirements>) -> Resources) -> Resources {
        let mut all = Resources::default();
        for container in &self.spec.containers {
            all.add(&of(container.resources.as_ref()));
        }
        let mut sidecars = Resources::default();
        let mut starting = Resources::default();
        for container in self.spec.init_containers.iter().flatten() {
            let mut own = of(container.resources.as_ref());
            if container.is_sidecar() {
                all.add(&own);
                sidecars.add(&own);
                own = sidecars.clone();
            } else {
                own.add(&sidecars);
            }
            starting.raise_to(&own);
        }
        all.raise_to(&starting);
        if let Some(requests) = self
            .spec
            .resources
            .as_ref()
            .and_then(|r| r.requests.as_ref())
        {
            all.replace_with_pod_level(requests);
        }
        if let Some(overhead) = &self.spec.overhead {
            all.add(&Resources::from_list(overhead));
        }
        all
    }

    /// The ports of the node that it wants.
    pub(crate) fn host_ports(&self) -> Vec<HostPort> {
        let sidecars = self.spec.init_containers.iter().flatten();
        let containers = self
            .spec
            .containers
            .iter()
            .chain(sidecars.filter(|c| c.is_sidecar()));
        let on_host = self.spec.host_network == Some(true);
        containers
            .flat_map(|c| c.ports.iter().flatten())
            .filter_map(|port| port.on_host(on_host))
            .collect()
    }

    pub(crate) fn condition(&self, kind: &str) -> Option<&PodCondition> {
        self.status
            .conditions
            .iter()
            .flatten()
            .find(|c| c.type_ == kind)
    }
}

// === impl Container ===

impl Container {
    fn is_sidecar(&self) -> bool {
        self.restart_policy.as_deref() == Some("Always")
    }
}

// === impl Port ===

impl Port {
    fn on_host(&self, on_host: bool) -> Option<HostPort> {
        let port = match self.host_port.unwrap_or(0) {
            0 if on_host => self.container_port,
            port => port,
        };
        (port > 0).then(|| HostPort {
            ip: match self.host_ip.as_deref() {
                None | Some("") => "0.0.0.0".to_owned(),
                Some(ip) => ip.to_owned(),
            },
            protocol: self.protocol.clone().unwrap_or_else(|| "TCP".to_owned()),
            port,
        })
    }
}

// === impl HostPort ===

impl HostPort {
    /// Whether both cannot be had on one node.
    pub(crate) fn collides(&self, other: &Self) -> bool {
        self.port == other.port
            && self.protocol == other.protocol
            && (self.ip == other.ip || self.ip == "0.0.0.0" || other.ip == "0.0.0.0")
    }
}

#[cfg(test)]
mod tests;
