//! Aggregated discovery (`apidiscovery.k8s.io/v2`): `/api` and `/apis` with everything below them.

use serde_json::{Value, json};

use crate::catalog::{Catalog, Group, Resource, Subresource};

/// `/api`.
pub(crate) fn core(catalog: &Catalog) -> Value {
    let core = Group {
        name: "",
        versions: vec!["v1"],
    };
    list(&[item(catalog, &core)])
}

/// `/apis`.
pub(crate) fn groups(catalog: &Catalog) -> Value {
    let groups = catalog.groups();
    let items: Vec<Value> = groups.iter().map(|g| item(catalog, g)).collect();
    list(&items)
}

fn list(items: &[Value]) -> Value {
    json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    })
}

fn item(catalog: &Catalog, group: &Group<'_>) -> Value {
    let versions: Vec<Value> = group
        .versions
        .iter()
        .map(|version| {
            let found = catalog.of_version(group.name, version);
            let resources: Vec<Value> = found.iter().map(|r| resource(r)).collect();
            json!({"version": version, "resources": resources, "freshness": "Current"})
        })
        .collect();
    let metadata = match group.name {
        "" => json!({}),
        name => json!({"name": name}),
    };
    json!({"metadata": metadata, "versions": versions})
}

fn resource(resource: &Resource) -> Value {
    let mut entry = json!({
        "resource": resource.plural,
        "responseKind": spoken(resource, (&resource.group, &resource.version), &resource.kind),
        "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": resource.singular,
        "verbs": resource.verbs,
    });
    if !resource.short_names.is_empty() {
        entry["shortNames"] = json!(resource.short_names);
    }
    if !resource.categories.is_empty() {
        entry["categories"] = json!(resource.categories);
    }
    let parts = &resource.subresources;
    if !parts.is_empty() {
        entry["subresources"] = parts.iter().map(|s| subresource(resource, s)).collect();
    }
    entry
}

fn subresource(resource: &Resource, part: &Subresource) -> Value {
    json!({
        "subresource": part.name,
        "responseKind": spoken(resource, (&part.group, &part.version), &part.kind),
        "verbs": part.verbs,
    })
}

/// Built-in resources leave out a group and version that are the list's own, custom ones do not; so it is in Kubernetes.
fn spoken(resource: &Resource, (group, version): (&str, &str), kind: &str) -> Value {
    let is_own = group == resource.group && version == resource.version;
    let (group, version) = match is_own && !resource.is_custom {
        true => ("", ""),
        false => (group, version),
    };
    json!({"group": group, "version": version, "kind": kind})
}
