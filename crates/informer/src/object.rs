//! One object: its bytes, and the little about it that is asked all the time.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::api::ApiResource;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Labels;

/// Where an object is: namespace (empty for cluster-scoped kinds) and name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The namespace; empty if the kind has none.
    pub namespace: Arc<str>,
    /// The name.
    pub name: Arc<str>,
}

/// An owner reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// `apps/v1`.
    pub api_version: Box<str>,
    /// `ReplicaSet`.
    pub kind: Box<str>,
    /// The owner's name; its namespace is that of the object, or none.
    pub name: Box<str>,
    /// The owner's identity.
    pub uid: Box<str>,
    /// Whether it manages the object. At most one does.
    pub controller: bool,
    /// Whether its foreground deletion waits for the object.
    pub block_owner_deletion: bool,
}

/// One object as it came over the wire, with a small header. Immutable.
pub struct Object {
    key: Key,
    uid: Box<str>,
    revision: Box<str>,
    generation: i64,
    created: Option<Timestamp>,
    deleted: Option<Timestamp>,
    labels: Labels,
    owners: Box<[Owner]>,
    finalizers: Box<[Box<str>]>,
    /// Empty if the cache keeps headers only.
    bytes: Bytes,
    resource: Arc<ApiResource>,
}

/// An object that cannot be read as what was asked for.
#[derive(Debug, thiserror::Error)]
#[error("{kind} {key} cannot be decoded")]
pub struct DecodeError {
    kind: String,
    key: Key,
    #[source]
    cause: serde_json::Error,
}

// === impl Key ===

impl Key {
    /// The key of an object; an empty namespace for cluster-scoped kinds.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        f.write_str(&self.name)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// === impl Object ===

impl Object {
    /// Reads the header out of `json`; keeps the bytes if `whole`.
    pub(crate) fn parse(
        resource: &Arc<ApiResource>,
        json: &[u8],
        whole: bool,
    ) -> Result<Self, serde_json::Error> {
        let raw: RawObject<'_> = serde_json::from_slice(json)?;
        let m = raw.metadata;
        Ok(Self {
            key: Key::new(m.namespace.as_deref().unwrap_or(""), &m.name),
            uid: m.uid.as_ref().into(),
            revision: m.resource_version.as_ref().into(),
            generation: m.generation.unwrap_or(0),
            created: m.creation_timestamp,
            deleted: m.deletion_timestamp,
            labels: m.labels.into_iter().flatten().collect(),
            owners: m
                .owner_references
                .into_iter()
                .flatten()
                .map(Owner::from)
                .collect(),
            finalizers: m
                .finalizers
                .into_iter()
                .flatten()
                .map(|f| f.as_ref().into())
                .collect(),
            bytes: if whole {
                Bytes::copy_from_slice(json)
            } else {
                Bytes::new()
            },
            resource: resource.clone(),
        })
    }

    /// An object of a kind from its JSON, as a cache would hold it: for what was just written, and for tests.
    ///
    /// *Errors*: it is not JSON, or its metadata are not an object's.
    pub fn from_json(resource: &ApiResource, json: &[u8]) -> Result<Self, serde_json::Error> {
        Self::parse(&Arc::new(resource.clone()), json, true)
    }

    /// Namespace and name.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The namespace; empty if the kind has none.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.key.namespace
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.key.name
    }

    /// The identity.
    #[must_use]
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// `metadata.resourceVersion`: opaque, compared for equality only.
    #[must_use]
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// `metadata.generation`, 0 if absent.
    #[must_use]
    pub fn generation(&self) -> i64 {
        self.generation
    }

    /// `metadata.creationTimestamp`.
    #[must_use]
    pub fn created(&self) -> Option<Timestamp> {
        self.created
    }

    /// `metadata.deletionTimestamp`.
    #[must_use]
    pub fn deleted(&self) -> Option<Timestamp> {
        self.deleted
    }

    /// Whether it is being deleted.
    #[must_use]
    pub fn is_deleting(&self) -> bool {
        self.deleted.is_some()
    }

    /// Its labels.
    #[must_use]
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// Its owners.
    #[must_use]
    pub fn owners(&self) -> &[Owner] {
        &self.owners
    }

    /// The owner that manages it.
    #[must_use]
    pub fn controller(&self) -> Option<&Owner> {
        self.owners.iter().find(|o| o.controller)
    }

    /// Its finalizers.
    pub fn finalizers(&self) -> impl Iterator<Item = &str> {
        self.finalizers.iter().map(|f| &**f)
    }

    /// Whether it has this finalizer.
    #[must_use]
    pub fn has_finalizer(&self, name: &str) -> bool {
        self.finalizers.iter().any(|f| **f == *name)
    }

    /// The kind it belongs to.
    #[must_use]
    pub fn resource(&self) -> &ApiResource {
        &self.resource
    }

    /// The bytes that came; empty if the cache keeps headers only. `apiVersion` and `kind` may be missing in them.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Decodes the object: to its `k8s-openapi` type, or to a struct with only the fields of interest.
    ///
    /// *Errors*: the bytes are not such an object (or the cache keeps headers only).
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        serde_json::from_slice(&self.bytes).map_err(|cause| DecodeError {
            kind: self.resource.kind.clone(),
            key: self.key.clone(),
            cause,
        })
    }

    /// Decodes the object to a `Value`, with `apiVersion` and `kind` filled in.
    ///
    /// *Errors*: as [`Object::decode`].
    pub fn value(&self) -> Result<Value, DecodeError> {
        let mut value: Value = self.decode()?;
        if let Value::Object(fields) = &mut value {
            fields
                .entry("apiVersion")
                .or_insert_with(|| self.resource.api_version.clone().into());
            fields
                .entry("kind")
                .or_insert_with(|| self.resource.kind.clone().into());
        }
        Ok(value)
    }

    /// A reference to it, as Events carry it.
    #[must_use]
    pub fn reference(&self) -> ObjectReference {
        ObjectReference {
            api_version: Some(self.resource.api_version.clone()),
            kind: Some(self.resource.kind.clone()),
            namespace: Some(self.namespace().to_owned()).filter(|n| !n.is_empty()),
            name: Some(self.name().to_owned()),
            uid: Some(self.uid.to_string()),
            resource_version: Some(self.revision.to_string()),
            field_path: None,
        }
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} ({} at {})",
            self.resource.kind, self.key, self.uid, self.revision
        )
    }
}

// === the wire's form ===

#[derive(Deserialize)]
struct RawObject<'a> {
    #[serde(borrow, default)]
    metadata: RawMetadata<'a>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawMetadata<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    namespace: Option<Cow<'a, str>>,
    #[serde(borrow)]
    uid: Cow<'a, str>,
    #[serde(borrow)]
    resource_version: Cow<'a, str>,
    generation: Option<i64>,
    creation_timestamp: Option<Timestamp>,
    deletion_timestamp: Option<Timestamp>,
    #[serde(borrow)]
    labels: Option<BTreeMap<Cow<'a, str>, Cow<'a, str>>>,
    #[serde(borrow)]
    owner_references: Option<Vec<RawOwner<'a>>>,
    #[serde(borrow)]
    finalizers: Option<Vec<Cow<'a, str>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawOwner<'a> {
    #[serde(borrow, default)]
    api_version: Cow<'a, str>,
    #[serde(borrow, default)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    uid: Cow<'a, str>,
    controller: Option<bool>,
    block_owner_deletion: Option<bool>,
}

impl From<RawOwner<'_>> for Owner {
    fn from(o: RawOwner<'_>) -> Self {
        Self {
            api_version: o.api_version.as_ref().into(),
            kind: o.kind.as_ref().into(),
            name: o.name.as_ref().into(),
            uid: o.uid.as_ref().into(),
            controller: o.controller.unwrap_or(false),
            block_owner_deletion: o.block_owner_deletion.unwrap_or(false),
        }
    }
}
