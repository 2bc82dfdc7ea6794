//! `EdgeCluster`: a parent's object for each child cluster.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, CustomResourceExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schemas;

/// How a parent wants a child to behave.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "edge.centaurus.io",
    version = "v1alpha1",
    kind = "EdgeCluster",
    plural = "edgeclusters",
    singular = "edgecluster",
    shortname = "ec",
    status = "EdgeClusterStatus",
    derive = "PartialEq",
    derive = "Default",
    printcolumn = r#"{"name":"State","type":"string","jsonPath":".status.state"}"#,
    printcolumn = r#"{"name":"Flavor","type":"string","jsonPath":".status.flavor"}"#,
    printcolumn = r#"{"name":"Version","type":"string","jsonPath":".status.kubernetesVersion"}"#,
    printcolumn = r#"{"name":"Nodes","type":"string","jsonPath":".status.nodes.summary"}"#,
    printcolumn = r#"{"name":"Below","type":"integer","jsonPath":".status.subtree.clusters"}"#,
    printcolumn = r#"{"name":"Heard","type":"date","jsonPath":".status.lastHeard"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name":"Identity","type":"string","priority":1,"jsonPath":".status.identity"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct EdgeClusterSpec {
    /// While true, no handover is sent; what the child has goes on.
    #[serde(default)]
    pub paused: bool,
    /// While true, no Mission is newly placed at or below the child.
    #[serde(default)]
    pub cordoned: bool,
    /// Whether a registration that awaits approval is approved.
    #[serde(default)]
    pub approved: bool,
    /// At the latest after so many seconds both ends of the idle link say that they are there; the link is given up after
    /// 1.8 times as long. Longer on metered links. 25 unless the servers are configured otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 5, max = 3600))]
    pub heartbeat_seconds: Option<u32>,
    /// The child tells its state and that of its Missions at most once in so many seconds; 0: at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 3600))]
    pub report_seconds: Option<u32>,
    /// What becomes of the Missions that the child has from here when it is evicted or detached.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

/// What becomes of a child's Missions when it leaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// They go on there.
    #[default]
    Keep,
    /// They are taken back before it leaves, if it is connected.
    Withdraw,
}

/// What the parent knows about a child.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EdgeClusterStatus {
    /// `Healthy`, `Unhealthy`, `Unreachable`, `Pending` or `Cordoned`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<ClusterState>,
    /// The child's `ClusterId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// `embedded`, `k3s`, `k8s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flavor: Option<String>,
    /// Version of `cedge` there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Version of its Kubernetes API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes_version: Option<String>,
    /// Its nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<NodeCounts>,
    /// What its nodes have, summed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<Resources>,
    /// What of it pods may use, summed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allocatable: Option<Resources>,
    /// What lies below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subtree: Option<SubtreeCounts>,
    /// Missions there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missions: Option<MissionCounts>,
    /// When it was last heard of (RFC 3339), by the parent's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_heard: Option<String>,
    /// `Connected`, `Healthy`, `Ready`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schemas::conditions")]
    pub conditions: Vec<Condition>,
}

/// State of a cluster, as the tree shows it.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
pub enum ClusterState {
    /// Connected and well.
    Healthy,
    /// Connected, and its API or all of its nodes are not well.
    Unhealthy,
    /// Not heard of.
    Unreachable,
    /// Has not been approved, or has not connected yet.
    #[default]
    Pending,
    /// Takes no new Missions.
    Cordoned,
}

/// Nodes of one cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NodeCounts {
    /// All of them.
    pub total: u32,
    /// Those that are ready.
    pub ready: u32,
    /// `READY/TOTAL`, for the printer column.
    #[serde(default)]
    pub summary: String,
}

/// Sums of quantities (Kubernetes resource quantities as text).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Resources {
    /// Cores.
    #[serde(default)]
    pub cpu: String,
    /// Bytes.
    #[serde(default)]
    pub memory: String,
    /// Pods.
    #[serde(default)]
    pub pods: String,
}

/// Counters over all clusters below one, itself not counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SubtreeCounts {
    /// Clusters.
    pub clusters: u32,
    /// Of these, healthy.
    pub healthy: u32,
    /// Of these, unreachable.
    pub unreachable: u32,
    /// Of these, unhealthy.
    pub unhealthy: u32,
    /// Nodes in all of them.
    pub nodes: u32,
    /// Layers.
    pub depth: u32,
}

/// Missions at a child.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MissionCounts {
    /// Held there.
    pub received: u32,
    /// Placed in the child itself.
    pub matched: u32,
    /// Healthy there.
    pub ready: u32,
}

/// The `CustomResourceDefinition` of `EdgeCluster`.
#[must_use]
pub fn definition() -> CustomResourceDefinition {
    EdgeCluster::crd()
}
