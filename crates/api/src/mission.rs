//! `Mission`: work assigned to a part of the tree.

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector};
use kube::{CustomResource, CustomResourceExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::names::ClusterPath;
use crate::schemas;

/// A Mission, in bytes of JSON, may be at most this large.
pub const SIZE_MAX: usize = 1024 * 1024;
/// How many exceptions a status carries.
pub const EXCEPTIONS_MAX: usize = 20;
/// How many rows of direct children a status carries.
pub const CHILDREN_MAX: usize = 100;

/// What a Mission assigns, and to whom.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "edge.centaurus.io",
    version = "v1alpha1",
    kind = "Mission",
    plural = "missions",
    singular = "mission",
    shortname = "mi",
    status = "MissionStatus",
    derive = "PartialEq",
    derive = "Default",
    printcolumn = r#"{"name":"State","type":"string","jsonPath":".status.self.state"}"#,
    printcolumn = r#"{"name":"Matched","type":"integer","jsonPath":".status.subtree.matched"}"#,
    printcolumn = r#"{"name":"At-Target","type":"integer","jsonPath":".status.subtree.atTarget"}"#,
    printcolumn = r#"{"name":"Healthy","type":"string","jsonPath":".status.conditions[?(@.type==\"Healthy\")].status"}"#,
    printcolumn = r#"{"name":"Origin","type":"string","priority":1,"jsonPath":".metadata.annotations.edge\\.centaurus\\.io/origin"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct MissionSpec {
    /// What is deployed.
    #[serde(default)]
    pub content: Content,
    /// Which clusters of the subtree it is for; absent means all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<Placement>,
    /// What differs from cluster to cluster.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<Override>,
    /// How objects are applied.
    #[serde(default)]
    pub apply: Apply,
    /// What happens to deployed objects when the Mission goes.
    #[serde(default)]
    pub deletion: Deletion,
    /// While true, nothing is changed anywhere; what runs goes on.
    #[serde(default)]
    pub suspend: bool,
}

/// What a Mission deploys.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Content {
    /// Objects, inline. One without a namespace, of a namespaced kind, goes to `default`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schemas::any_objects")]
    pub manifests: Vec<serde_json::Value>,
}

/// Which clusters a Mission is for. What is given must all hold.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Placement {
    /// Path globs relative to the origin: `.` itself, `*` its children, `**` the whole subtree with itself,
    /// `europe/**`; a single name without a slash matches a cluster of that name at any depth.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<String>,
    /// Labels that a cluster must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schemas::label_selector")]
    pub selector: Option<LabelSelector>,
    /// Which part of the subtree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// Layers below the origin, 0 being the origin itself; empty means any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(inner(range(min = 0, max = 64)))]
    pub layers: Vec<u32>,
}

/// Which part of the subtree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Scope {
    /// Every cluster.
    #[default]
    Subtree,
    /// Only clusters without children.
    Leaves,
    /// Only the cluster where the Mission was written.
    Origin,
    /// Every cluster but the one where the Mission was written.
    Descendants,
}

/// A change of the content for some clusters.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Override {
    /// Clusters that it is for, by label; absent means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schemas::label_selector")]
    pub selector: Option<LabelSelector>,
    /// Clusters that it is for, by path glob; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<String>,
    /// Objects that it changes; what is absent matches any.
    #[serde(default)]
    pub target: Target,
    /// RFC 6902 operations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schemas::json_patch")]
    pub json_patch: Vec<serde_json::Value>,
    /// RFC 7396 document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schemas::any_object")]
    pub merge_patch: Option<serde_json::Value>,
}

/// Objects that an override changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// API group; the core group is the empty string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// How objects are applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Apply {
    /// What to do with an object, or a field, that somebody else owns.
    #[serde(default)]
    pub conflict: Conflict,
    /// What to do when a deployed object is changed or deleted by others.
    #[serde(default)]
    pub drift: Drift,
    /// JSON pointers of fields that are left to others, per object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<Ignore>,
    /// Whether objects that left the content are deleted.
    #[serde(default = "yes")]
    pub prune: bool,
}

fn yes() -> bool {
    true
}

impl Default for Apply {
    fn default() -> Self {
        Self {
            conflict: Conflict::Fail,
            drift: Drift::Enforce,
            ignore: Vec::new(),
            prune: true,
        }
    }
}

/// What to do with what somebody else owns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Conflict {
    /// Leave it alone and say so.
    #[default]
    Fail,
    /// Take over an object that nobody manages by a Mission; fields of other managers are kept.
    Adopt,
    /// Take it over, fields included.
    Overwrite,
}

/// What to do about drift.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Drift {
    /// Put it right.
    #[default]
    Enforce,
    /// Only say so.
    Observe,
}

/// Fields that are left to others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ignore {
    /// Objects meant; what is absent matches any.
    #[serde(default)]
    pub target: Target,
    /// JSON pointers (RFC 6901), such as `/spec/replicas`.
    pub pointers: Vec<String>,
}

/// What happens to deployed objects when the Mission goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Deletion {
    /// They are deleted.
    #[default]
    Delete,
    /// They stay, and lose the Mission's marks.
    Orphan,
}

/// State of a Mission in one cluster. The order is from the least to the most urgent: a fold shows the worst.
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
pub enum State {
    /// Not for this cluster.
    #[default]
    NotMatched,
    /// Everything deployed and well.
    Healthy,
    /// Left as it is, on request.
    Suspended,
    /// Not begun.
    Pending,
    /// Waits for a stage, a namespace or a definition.
    Waiting,
    /// Objects are being applied.
    Applying,
    /// Applied, not yet well.
    Progressing,
    /// Held back until somebody confirms.
    Held,
    /// The cluster is not heard of; what is known is old.
    Unreachable,
    /// Was well, is not.
    Degraded,
    /// Cannot succeed without a change.
    Failed,
}

/// What became of a Mission.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MissionStatus {
    /// Generation that the rest speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// This cluster's own line. Written by `propagation`.
    #[serde(default, rename = "self", skip_serializing_if = "Option::is_none")]
    pub own: Option<OwnStatus>,
    /// Fold of this cluster and everything below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subtree: Option<Subtree>,
    /// One row per direct child that it was handed to, the first hundred by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<ChildRow>,
    /// The worst clusters, at most twenty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<Exception>,
    /// `Accepted`, `Synced`, `Applied`, `Healthy`, `Deleting`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schemas::conditions")]
    pub conditions: Vec<Condition>,
    /// What this cluster has deployed for it; what is pruned is found here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inventory: Vec<InventoryEntry>,
}

/// A cluster's own line about a Mission.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OwnStatus {
    /// The state.
    pub state: State,
    /// Why, as a CamelCase word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why, as a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Objects that are well of those deployed, such as `3/3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// Replicas wanted by the deployed workloads.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub replicas: u32,
    /// Replicas ready.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub ready_replicas: u32,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde asks for"
)]
fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// Counters over a part of the tree.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Subtree {
    /// Clusters that the Mission is placed in.
    pub matched: u32,
    /// Of these, how many act on the newest version of the Mission.
    pub at_target: u32,
    /// Matched clusters by state.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub states: BTreeMap<State, u32>,
    /// Replicas wanted.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub replicas: u32,
    /// Replicas ready.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub ready_replicas: u32,
}

/// A direct child, as far as one Mission is concerned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChildRow {
    /// The child.
    pub name: String,
    /// Clusters that the Mission is placed in, at and below the child.
    pub matched: u32,
    /// Of these, how many act on the newest version.
    pub at_target: u32,
    /// Matched clusters by state.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub states: BTreeMap<State, u32>,
    /// Whether the link to the child is up.
    pub connected: bool,
    /// When this was last known to be so (RFC 3339), for display only (I9).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
}

/// A cluster where a Mission is not well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Exception {
    /// The cluster, relative to the one that shows this.
    #[schemars(with = "String")]
    pub path: ClusterPath,
    /// Its state.
    pub state: State,
    /// Why, as a CamelCase word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why, as a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// One deployed object.
#[derive(
    Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub struct InventoryEntry {
    /// API group; the core group is the empty string.
    #[serde(default)]
    pub group: String,
    /// Version that it was applied with.
    pub version: String,
    /// Kind.
    pub kind: String,
    /// Namespace, empty for cluster-scoped kinds.
    #[serde(default)]
    pub namespace: String,
    /// Name.
    pub name: String,
    /// The uid that was seen; a deletion names it, so that no namesake is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
}

/// The `CustomResourceDefinition` of Mission, with the rules that the API checks at the write.
#[must_use]
pub fn definition() -> CustomResourceDefinition {
    Mission::crd()
}
