//! The plain documents: `/api`, `/apis`, `/apis/GROUP`, `/api/v1`, `/apis/GROUP/VERSION`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use crate::catalog::{Catalog, Group, Resource, Subresource, group_version};

/// `/api`.
pub(crate) fn core_versions(address: &str) -> Value {
    json!({
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    })
}

/// `/apis`.
pub(crate) fn groups(catalog: &Catalog) -> Value {
    let groups: Vec<Value> = catalog.groups().iter().map(described).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `/apis/GROUP`.
pub(crate) fn group(catalog: &Catalog, name: &str) -> Option<Value> {
    let groups = catalog.groups();
    let mut group = described(groups.iter().find(|g| g.name == name)?);
    group["kind"] = "APIGroup".into();
    group["apiVersion"] = "v1".into();
    Some(group)
}

/// `/api/v1`, `/apis/GROUP/VERSION`.
pub(crate) fn resources(catalog: &Catalog, group: &str, version: &str) -> Option<Value> {
    let found = catalog.of_version(group, version);
    if found.is_empty() {
        return None;
    }
    let entries: Vec<Value> = found
        .iter()
        .flat_map(|resource| {
            let parts = resource.subresources.iter();
            std::iter::once(entry(resource)).chain(parts.map(|s| part(resource, s)))
        })
        .collect();
    let mut list = json!({
        "kind": "APIResourceList",
        "groupVersion": group_version(group, version),
        "resources": entries,
    });
    // Of the core group Kubernetes leaves this out.
    if !group.is_empty() {
        list["apiVersion"] = "v1".into();
    }
    Some(list)
}

fn described(group: &Group<'_>) -> Value {
    let version = |v: &&str| json!({"groupVersion": group_version(group.name, v), "version": v});
    let versions: Vec<Value> = group.versions.iter().map(version).collect();
    json!({"name": group.name, "preferredVersion": versions[0].clone(), "versions": versions})
}

fn entry(resource: &Resource) -> Value {
    let mut entry = json!({
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": resource.verbs,
    });
    if !resource.short_names.is_empty() {
        entry["shortNames"] = json!(resource.short_names);
    }
    if !resource.categories.is_empty() {
        entry["categories"] = json!(resource.categories);
    }
    let kind = cedge_kinds::of(&resource.group, &resource.version, &resource.kind);
    if let Some(kind) = kind.filter(|kind| kind.is_stored()) {
        let storage = kind.storage();
        let version = OLDER
            .iter()
            .find_map(|(kind, version)| (*kind == storage.kind).then_some(*version));
        let version = version.unwrap_or(storage.version);
        entry["storageVersionHash"] = storage_hash(storage.group, version, storage.kind).into();
    } else if !resource.storage.is_empty() {
        let hash = storage_hash(&resource.group, &resource.storage, &resource.kind);
        entry["storageVersionHash"] = hash.into();
    }
    entry
}

/// Kinds that Kubernetes still stores in a version before the one that it serves.
const OLDER: &[(&str, &str)] = &[
    ("ClusterTrustBundle", "v1beta1"),
    ("PodCertificateRequest", "v1beta1"),
    ("CustomResourceDefinition", "v1beta1"),
    ("DeviceTaintRule", "v1beta2"),
];

/// By which clients see that objects are stored in another version than before.
fn storage_hash(group: &str, version: &str, kind: &str) -> String {
    let name = format!("{group}/{version}/{kind}");
    let hash = digest(&SHA256, name.as_bytes());
    STANDARD.encode(&hash.as_ref()[..8])
}

fn part(resource: &Resource, part: &Subresource) -> Value {
    let mut entry = json!({
        "name": format!("{}/{}", resource.plural, part.name),
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": part.kind,
        "verbs": part.verbs,
    });
    if (&part.group, &part.version) != (&resource.group, &resource.version) {
        entry["group"] = json!(part.group);
        entry["version"] = json!(part.version);
    }
    entry
}
