//! A node, and the pods that take room on it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cedge_informer::{Key, Labels};
use k8s_openapi::api::core::v1::Taint;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde::Deserialize;

use crate::pod::{HostPort, Pod};
use crate::resources::{Requests, Resources};
use crate::terms::Terms;

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
    images: Option<Vec<RawImage>>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RawImage {
    names: Option<Vec<String>>,
    size_bytes: i64,
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
    /// Sizes of the images that it has, by name.
    pub(crate) images: HashMap<String, i64>,
}

/// A pod on a node, bound or about to be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Placed {
    pub(crate) uid: String,
    pub(crate) labels: Labels,
    pub(crate) requests: Requests,
    pub(crate) ports: Vec<HostPort>,
    pub(crate) namespace: String,
    /// Pods that it wants near, or not.
    pub(crate) terms: Terms,
    /// Its claims, in its own namespace.
    pub(crate) claims: Vec<String>,
    pub(crate) priority: i32,
    /// Since when it runs, as Kubernetes writes it.
    pub(crate) started: Option<String>,
    pub(crate) is_deleting: bool,
    /// Whether it goes because a scheduler wanted its room.
    pub(crate) is_preempted: bool,
}

/// A node with its pods.
#[derive(Debug, Clone, Default)]
pub(crate) struct Place {
    /// `None`: pods name it, but there is no such Node (yet, or any more).
    pub(crate) node: Option<Arc<Node>>,
    pub(crate) pods: BTreeMap<Key, Arc<Placed>>,
    pub(crate) requested: Requests,
    /// How many of the pods have terms about others.
    with_terms: usize,
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
            images: images(raw.status.images.unwrap_or_default()),
        }
    }
}

fn images(raw: Vec<RawImage>) -> HashMap<String, i64> {
    let of_one = |image: RawImage| {
        let names = image.names.unwrap_or_default().into_iter();
        names.map(move |name| (name, image.size_bytes))
    };
    raw.into_iter().flat_map(of_one).collect()
}

impl Node {
    /// Whether this state takes the same pods as another.
    pub(crate) fn takes_as(&self, other: &Self) -> bool {
        self.labels == other.labels
            && self.unschedulable == other.unschedulable
            && self.taints == other.taints
            && self.allocatable == other.allocatable
    }
}

// === impl Placed ===

impl Placed {
    pub(crate) fn new(pod: &Pod, priority: i32) -> Self {
        let labels: Labels = pod.metadata.labels.iter().flatten().collect();
        let namespace = pod.metadata.namespace.clone();
        let terms = Terms::new(pod.spec.affinity.as_ref(), &namespace, &labels);
        let target = pod.condition("DisruptionTarget");
        Self {
            uid: pod.metadata.uid.clone(),
            requests: pod.requests(),
            ports: pod.host_ports(),
            claims: pod.claims().map(|claim| claim.name).collect(),
            priority,
            started: pod.status.start_time.clone(),
            is_deleting: pod.is_deleting(),
            is_preempted: target.is_some_and(|c| {
                c.status == "True" && c.reason.as_deref() == Some("PreemptionByScheduler")
            }),
            labels,
            namespace,
            terms,
        }
    }

    /// Whether others cannot tell it from another state of it.
    pub(crate) fn looks_as(&self, other: &Self) -> bool {
        self.requests == other.requests
            && self.labels == other.labels
            && self.is_deleting == other.is_deleting
    }
}

// === impl Place ===

impl Place {
    pub(crate) fn put(&mut self, key: Key, pod: Arc<Placed>) {
        self.remove(&key);
        self.requested.resources.add(&pod.requests.resources);
        self.requested.scored.add(&pod.requests.scored);
        self.with_terms += usize::from(!pod.terms.is_empty());
        self.pods.insert(key, pod);
    }

    pub(crate) fn remove(&mut self, key: &Key) -> Option<Arc<Placed>> {
        let pod = self.pods.remove(key)?;
        self.requested.resources.subtract(&pod.requests.resources);
        self.requested.scored.subtract(&pod.requests.scored);
        self.with_terms -= usize::from(!pod.terms.is_empty());
        Some(pod)
    }

    /// The pods that say something about others.
    pub(crate) fn outspoken(&self) -> impl Iterator<Item = &Placed> {
        let pods = (self.with_terms > 0).then(|| self.pods.values());
        pods.into_iter()
            .flatten()
            .map(|pod| &**pod)
            .filter(|pod| !pod.terms.is_empty())
    }

    /// Whether nothing is known of it any more.
    pub(crate) fn is_nothing(&self) -> bool {
        self.node.is_none() && self.pods.is_empty()
    }
}
