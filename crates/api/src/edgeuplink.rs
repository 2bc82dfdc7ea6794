//! `EdgeUplink`: a cluster's own object about its parent; one, named `parent`.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, CustomResourceExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schemas;

/// The name of the one object.
pub const NAME: &str = "parent";

/// What people here wish of the uplink.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "edge.centaurus.io",
    version = "v1alpha1",
    kind = "EdgeUplink",
    plural = "edgeuplinks",
    singular = "edgeuplink",
    shortname = "eu",
    status = "EdgeUplinkStatus",
    derive = "PartialEq",
    derive = "Default",
    printcolumn = r#"{"name":"Connected","type":"string","jsonPath":".status.conditions[?(@.type==\"Connected\")].status"}"#,
    printcolumn = r#"{"name":"Parent","type":"string","jsonPath":".status.parentName"}"#,
    printcolumn = r#"{"name":"Address","type":"string","jsonPath":".status.address"}"#,
    printcolumn = r#"{"name":"Held","type":"integer","jsonPath":".status.heldDeletions"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct EdgeUplinkSpec {
    /// The deletion batch that is confirmed: copied from `status.heldBatch` by `cedge uplink confirm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_batch: Option<String>,
}

/// What is known about the uplink.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EdgeUplinkStatus {
    /// This cluster's own `ClusterId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// This cluster's name, as its parent knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The parent's `ClusterId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_identity: Option<String>,
    /// The parent's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_name: Option<String>,
    /// Path from the root to this cluster, as far as the ancestors have told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Address in use, or tried last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// All addresses that are tried.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// How many Missions would be deleted by the batch that is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_deletions: Option<u32>,
    /// Which batch is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_batch: Option<String>,
    /// Missions held here that the parent no longer knows, or knows only in an older version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regressed: Vec<String>,
    /// End of the validity of the certificate (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_expires: Option<String>,
    /// `Connected`, `ParentStateRegressed`, `ParentChanged`, `DeletionHeld`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schemas::conditions")]
    pub conditions: Vec<Condition>,
}

/// The `CustomResourceDefinition` of `EdgeUplink`.
#[must_use]
pub fn definition() -> CustomResourceDefinition {
    EdgeUplink::crd()
}
