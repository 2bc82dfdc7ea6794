//! What travels between a parent and a child as values of the link's tables, in JSON. `link` and `sync` never open
//! them; unknown fields are ignored, so that layers of different versions understand each other.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::edgecluster::{ClusterState, MissionCounts, NodeCounts, Resources, SubtreeCounts};
use crate::mission::MissionSpec;
use crate::names::{ClusterId, ClusterName, ClusterPath, MissionKey};

/// Names of the tables. Down: written by the parent. Up: written by the child.
pub mod tables {
    /// Down, to clusters: who the child is in the tree ([`super::Assignment`], one key, `self`).
    pub const ASSIGNMENT: &str = "assignment";
    /// Down, to clusters: [`super::Handover`]s by [`super::MissionKey`].
    pub const MISSIONS: &str = "missions";
    /// Up, from clusters: folded reports by [`super::MissionKey`].
    pub const REPORTS: &str = "reports";
    /// Up, from clusters: [`super::ClusterFacts`], one key, `self`.
    pub const CLUSTER: &str = "cluster";
    /// Up, from clusters: [`super::RosterLine`]s by path.
    pub const ROSTER: &str = "roster";
    /// Down, to nodes: pods by `NAMESPACE/NAME/UID`.
    pub const PODS: &str = "pods";
    /// Down, to nodes: config maps and secrets that its pods refer to.
    pub const OBJECTS: &str = "objects";
    /// Up, from nodes: its Node object, one key, `node`.
    pub const NODE: &str = "node";
    /// Up, from nodes: pod statuses by `NAMESPACE/NAME/UID`.
    pub const POD_STATUS: &str = "podstatus";
    /// Up, from nodes: events by name.
    pub const EVENTS: &str = "events";
    /// The one key of tables that hold one value.
    pub const SELF_KEY: &str = "self";
    /// The one key of [`NODE`].
    pub const NODE_KEY: &str = "node";
}

/// A Mission on its way down: what the parent gives the child (station 3).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Handover {
    /// The name that its author gave it.
    pub name: String,
    /// Which Mission.
    pub key: MissionKey,
    /// Its generation at the origin.
    pub generation: i64,
    /// Path from the origin to the child that gets this.
    pub path: ClusterPath,
    /// What its author wrote.
    pub spec: MissionSpec,
}

/// Who a child is in the tree, as its parent tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Assignment {
    /// The child's name at the parent.
    pub name: String,
    /// Path from the root to the child, as far as it is known above.
    pub path: ClusterPath,
    /// The parent's name.
    pub parent_name: String,
    /// Labels of the child's `EdgeCluster`: what placements select on.
    pub labels: BTreeMap<String, String>,
    /// Origins that lost their keys, and who they are now: Missions written again take over (I3).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub replaced: BTreeMap<ClusterId, ClusterId>,
    /// At the latest after so many seconds an idle link is spoken on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat_seconds: Option<u32>,
    /// The child reports at most once in so many seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report_seconds: Option<u32>,
}

/// What a child says of itself and, in counters, of everything below it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterFacts {
    /// `embedded`, `k3s`, `k8s`.
    pub flavor: String,
    /// Version of `cedge`.
    pub version: String,
    /// Version of its Kubernetes API.
    pub kubernetes_version: String,
    /// Labels given at join, and facts (`edge.centaurus.io/flavor`, `kubernetes.io/arch`).
    pub labels: BTreeMap<String, String>,
    /// Whether its API and enough of its nodes are well.
    pub healthy: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Its nodes.
    pub nodes: NodeCounts,
    /// What its nodes have.
    pub capacity: Resources,
    /// What of it pods may use.
    pub allocatable: Resources,
    /// What lies below.
    pub subtree: SubtreeCounts,
    /// Missions there.
    pub missions: MissionCounts,
    /// The child's wall clock when it wrote this (RFC 3339), to show a wrong one (I9).
    pub clock: String,
}

/// One descendant in the roster; its key is its path below the child (`.` is the child itself).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RosterLine {
    /// Its identity.
    pub id: ClusterId,
    /// Its state, as its parent sees it.
    pub state: ClusterState,
    /// When it was last heard of, if it is not heard of now (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
    /// Its effective labels; absent if they were cut off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Whether it has no children.
    pub leaf: bool,
    /// `embedded`, `k3s`, `k8s`.
    pub flavor: String,
    /// Version of its Kubernetes API.
    pub version: String,
    /// Nodes ready, and all of them.
    pub nodes: (u32, u32),
    /// Why it is not well, in the first words of what it says itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The key under which a roster says that it was cut to its first lines.
pub const ROSTER_CUT_KEY: &str = "…";
/// Lines of a roster that one child may send.
pub const ROSTER_MAX: usize = 1000;

/// The roster key of a descendant.
#[must_use]
pub fn roster_key(child: Option<&ClusterName>, below: &ClusterPath) -> String {
    match child {
        None => below.to_string(),
        Some(name) => ClusterPath::from(name.clone()).join(below).to_string(),
    }
}
