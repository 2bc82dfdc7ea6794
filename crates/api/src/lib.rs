//! Words: the object kinds, names and ids of Centaurus Edge.
//!
//! What it is: `Mission`, `EdgeCluster` and `EdgeUplink` as Kubernetes kinds, the typed names that cross crate
//! borders, and the rules that make a name or an object well formed. What it never does: I/O, clocks, async.
//! Start reading at [`mission`].
#![warn(missing_docs)]

pub mod edgecluster;
pub mod edgeuplink;
pub mod exchange;
pub mod mission;
pub mod names;
mod schemas;

pub use edgecluster::{DeletionPolicy, EdgeCluster, EdgeClusterSpec, EdgeClusterStatus};
pub use edgeuplink::{EdgeUplink, EdgeUplinkSpec, EdgeUplinkStatus};
pub use mission::{Mission, MissionSpec, MissionStatus};
pub use names::{ClusterId, ClusterName, ClusterPath, MissionKey};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

/// API group of every kind of ours.
pub const GROUP: &str = "edge.centaurus.io";
/// Version of every kind of ours.
pub const VERSION: &str = "v1alpha1";
/// The namespace that holds what the `tree` module itself stores in a cluster (join tokens, deny list).
pub const SYSTEM_NAMESPACE: &str = "edge-system";
/// Field manager of everything that a Mission deploys.
pub const DEPLOY_MANAGER: &str = "edge-mission";
/// Field manager of what the `tree` module writes (status, labels that a child reported).
pub const TREE_MANAGER: &str = "edge-tree";
/// Finalizer of a Mission: falls when nobody below holds it any more.
pub const MISSION_FINALIZER: &str = "edge.centaurus.io/withdraw";
/// Finalizer of an `EdgeCluster`: falls when the identity is on the deny list.
pub const CLUSTER_FINALIZER: &str = "edge.centaurus.io/evict";

/// Labels and annotations that the tree writes.
pub mod marks {
    /// Annotation of a received Mission: the identity of the cluster where it was written.
    pub const ORIGIN: &str = "edge.centaurus.io/origin";
    /// Annotation of a received Mission: the name that its author gave it.
    pub const ORIGIN_NAME: &str = "edge.centaurus.io/origin-name";
    /// Annotation of a received Mission: the uid that it has at its origin.
    pub const ORIGIN_UID: &str = "edge.centaurus.io/origin-uid";
    /// Annotation of a received Mission: its generation at its origin.
    pub const ORIGIN_GENERATION: &str = "edge.centaurus.io/origin-generation";
    /// Annotation of a received Mission: path from the origin to the cluster that holds this copy.
    pub const ORIGIN_PATH: &str = "edge.centaurus.io/origin-path";
    /// Annotation of a received Mission: the parent that handed it over, and the link's version of that word.
    pub const HANDED_OVER: &str = "edge.centaurus.io/handed-over";
    /// Label of a received Mission (`true`).
    pub const RECEIVED: &str = "edge.centaurus.io/received";
    /// Label of a deployed object: the name (in this cluster) of the Mission that owns it.
    pub const MISSION: &str = "edge.centaurus.io/mission";
}

/// The definitions of our kinds, as the `tree` module installs them in a cluster of any flavor.
#[must_use]
pub fn custom_resource_definitions() -> Vec<CustomResourceDefinition> {
    vec![
        mission::definition(),
        edgecluster::definition(),
        edgeuplink::definition(),
    ]
}

#[cfg(test)]
mod tests;
