//! A node, and the pods that take room on it.

use std::collections::BTreeMap;
use std::sync::Arc;

use cedge_informer::{Key, Labels};
use k8s_openapi::api::core::v1::{PodAffinityTerm, Taint};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde::Deserialize;

use crate::pod::{HostPort, Pod};
use crate::resources::{Requests, Resources};

/// The part of a Node that decides which pods it takes. Fields are those of Kubernetes.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Raw {
    metadata: RawMetadata,
    spec: RawSpec,
    status: RawStatus,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
struct RawMetadata {
    name: String,
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
struct RawSpec {
    unschedulable: Option<bool>,
    taints: Option<Vec<Taint>>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
struct RawStatus {
    allocatable: Option<BTreeMap<String, Quantity>>,
    capacity: Option<BTreeMap<String, Quantity>>,
}

/// What a Node says of itself.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(from = "Raw")]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) unschedulable: bool,
    pub(crate) taints: Vec<Taint>,
    pub(crate) allocatable: Resources,
}

/// A pod on a node, bound or about to be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Placed {
    pub(crate) uid: String,
    pub(crate) labels: Labels,
    pub(crate) requests: Requests,
    pub(crate) ports: Vec<HostPort>,
    pub(crate) controller: Option<String>,
    pub(crate) namespace: String,
    /// Pods that it does not want near.
    pub(crate) repels: Vec<PodAffinityTerm>,
}

/// A node with its pods.
#[derive(Debug, Clone, Default)]
pub(crate) struct Place {
    /// `None`: pods name it, but there is no such Node (yet, or any more).
    pub(crate) node: Option<Arc<Node>>,
    pub(crate) pods: BTreeMap<Key, Arc<Placed>>,
    pub(crate) requested: Requests,
}

// === impl Node ===

impl From<Raw> for Node {
    fn from(raw: Raw) -> Self {
        let list = raw.status.allocatable.or(raw.status.capacity);
        Self {
            name: raw.metadata.name,
            labels: raw.metadata.labels.unwrap_or_default(),
            unschedulable: raw.spec.unschedulable.unwrap_or(false),
            taints: raw.spec.taints.unwrap_or_default(),
            allocatable: list.as_ref().map(Resources::from_list).unwrap_or_default(),
        }
    }
}

// === impl Placed ===

impl From<&Pod> for Placed {
    fn from(pod: &Pod) -> Self {
        let repels = pod
            .spec
            .affinity
            .as_ref()
            .and_then(|affinity| affinity.pod_anti_affinity.as_ref())
            .and_then(|anti| {
                anti.required_during_scheduling_ignored_during_execution
                    .clone()
            });
        Self {
            uid: pod.metadata.uid.clone(),
            labels: pod.metadata.labels.iter().flatten().collect(),
            requests: pod.requests(),
            ports: pod.host_ports(),
            controller: pod.controller().map(str::to_owned),
            namespace: pod.metadata.namespace.clone(),
            repels: repels.unwrap_or_default(),
        }
    }
}

// === impl Place ===

impl Place {
    pub(crate) fn put(&mut self, key: Key, pod: Arc<Placed>) {
        self.remove(&key);
        self.requested.resources.add(&pod.requests.resources);
        self.requested.scored.add(&pod.requests.scored);
        self.pods.insert(key, pod);
    }

    pub(crate) fn remove(&mut self, key: &Key) -> Option<Arc<Placed>> {
        let pod = self.pods.remove(key)?;
        self.requested.resources.subtract(&pod.requests.resources);
        self.requested.scored.subtract(&pod.requests.scored);
        Some(pod)
    }

    /// Whether nothing is known of it any more.
    pub(crate) fn is_nothing(&self) -> bool {
        self.node.is_none() && self.pods.is_empty()
    }
}
