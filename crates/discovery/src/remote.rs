//! What other servers serve behind this one, laid into the documents of what it serves itself.

use std::sync::Arc;

use serde_json::{Map, Value, json};

/// The priority of groups of custom resources, among which those of other servers are sorted.
const CUSTOM_PRIORITY: i64 = 1000;

/// One group in one version that another server answers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Remote {
    /// API group.
    pub group: String,
    /// Version.
    pub version: String,
    /// Of the group among groups, and of the version in it.
    pub priorities: (i64, i64),
    /// Whether the server said so lately; else what is shown is old.
    pub current: bool,
    /// Its resources, as aggregated discovery lists them.
    pub resources: Vec<Value>,
    /// Where its OpenAPI 3 document is, if it has one.
    pub v3: Option<String>,
    /// Its Swagger document.
    pub v2: Option<Arc<Value>>,
}

/// The groups of other servers with their versions, best first.
fn groups(remotes: &[Remote]) -> Vec<(&str, i64, Vec<&Remote>)> {
    let mut groups: Vec<(&str, i64, Vec<&Remote>)> = Vec::new();
    for remote in remotes.iter().filter(|r| !r.group.is_empty()) {
        match groups.iter_mut().find(|(name, ..)| *name == remote.group) {
            Some((_, priority, versions)) => {
                *priority = (*priority).max(remote.priorities.0);
                versions.push(remote);
            }
            None => groups.push((&remote.group, remote.priorities.0, vec![remote])),
        }
    }
    for (_, _, versions) in &mut groups {
        versions.sort_by(|a, b| {
            let by_number = b.priorities.1.cmp(&a.priorities.1);
            by_number.then_with(|| a.version.cmp(&b.version))
        });
    }
    groups.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    groups
}

/// Puts the entry of a group where its priority says: behind what is built in, among the custom ones.
fn put(items: &mut Vec<Value>, priority: i64, entry: Value, is_custom: impl Fn(&Value) -> bool) {
    let first_custom = items.iter().position(is_custom).unwrap_or(items.len());
    if priority > CUSTOM_PRIORITY {
        items.insert(first_custom, entry);
    } else {
        items.push(entry);
    }
}

fn version(remote: &Remote) -> Value {
    json!({"groupVersion": format!("{}/{}", remote.group, remote.version), "version": remote.version})
}

/// `/apis`, plain; `custom` says of a group whether it is one of custom resources.
pub(crate) fn add_groups(document: &mut Value, remotes: &[Remote], custom: impl Fn(&str) -> bool) {
    let Some(items) = document["groups"].as_array_mut() else {
        return;
    };
    for (name, priority, versions) in groups(remotes) {
        if let Some(known) = items.iter_mut().find(|g| g["name"] == name) {
            add_versions(known, &versions);
            continue;
        }
        let mut entry = json!({"name": name, "versions": []});
        add_versions(&mut entry, &versions);
        put(items, priority, entry, |g| {
            g["name"].as_str().is_some_and(&custom)
        });
    }
}

fn add_versions(group: &mut Value, remotes: &[&Remote]) {
    if let Some(versions) = group["versions"].as_array_mut() {
        for remote in remotes {
            if !versions
                .iter()
                .any(|v| v["version"] == remote.version.as_str())
            {
                versions.push(version(remote));
            }
        }
    }
    if group["preferredVersion"].is_null() {
        group["preferredVersion"] = group["versions"][0].clone();
    }
}

/// `/apis/GROUP`.
pub(crate) fn group(own: Option<Value>, name: &str, remotes: &[Remote]) -> Option<Value> {
    let groups = groups(remotes);
    let Some((_, _, versions)) = groups.iter().find(|(group, ..)| *group == name) else {
        return own;
    };
    let mut document = own.unwrap_or_else(
        || json!({"kind": "APIGroup", "apiVersion": "v1", "name": name, "versions": []}),
    );
    add_versions(&mut document, versions);
    Some(document)
}

/// `/apis`, aggregated.
pub(crate) fn add_items(document: &mut Value, remotes: &[Remote], custom: impl Fn(&str) -> bool) {
    let Some(items) = document["items"].as_array_mut() else {
        return;
    };
    for (name, priority, versions) in groups(remotes) {
        let shown = versions.iter().map(|remote| {
            let freshness = if remote.current { "Current" } else { "Stale" };
            let mut shown = json!({"version": remote.version, "freshness": freshness});
            if !remote.resources.is_empty() {
                shown["resources"] = json!(remote.resources);
            }
            shown
        });
        let mut shown: Vec<Value> = shown.collect();
        let known = items.iter_mut().find(|g| g["metadata"]["name"] == name);
        if let Some(own) = known.and_then(|k| k["versions"].as_array_mut()) {
            shown.retain(|v| !own.iter().any(|o| o["version"] == v["version"]));
            own.append(&mut shown);
            continue;
        }
        let entry = json!({"metadata": {"name": name}, "versions": shown});
        let is_custom = |g: &Value| g["metadata"]["name"].as_str().is_some_and(&custom);
        put(items, priority, entry, is_custom);
    }
}

/// `/openapi/v3`.
pub(crate) fn add_paths(document: &mut Value, remotes: &[Remote]) {
    for remote in remotes {
        if let Some(url) = &remote.v3 {
            let root = crate::catalog::root_of(&remote.group, &remote.version);
            let name = root.trim_start_matches('/');
            document["paths"][name] = json!({"serverRelativeURL": url});
        }
    }
}

/// `/openapi/v2`: what both define is taken from us.
pub(crate) fn add_swagger(document: &mut Value, remotes: &[Remote]) {
    for remote in remotes {
        let Some(theirs) = &remote.v2 else { continue };
        let root = crate::catalog::root_of(&remote.group, &remote.version);
        let below = |path: &str| path == root || path.starts_with(&format!("{root}/"));
        merge(&mut document["paths"], &theirs["paths"], below);
        merge(&mut document["definitions"], &theirs["definitions"], |_| {
            true
        });
    }
}

fn merge(ours: &mut Value, theirs: &Value, wanted: impl Fn(&str) -> bool) {
    if !ours.is_object() {
        *ours = Value::Object(Map::new());
    }
    let (Some(ours), Some(theirs)) = (ours.as_object_mut(), theirs.as_object()) else {
        return;
    };
    for (key, value) in theirs.iter().filter(|(key, _)| wanted(key)) {
        ours.entry(key.clone()).or_insert_with(|| value.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(version: &str) -> Remote {
        Remote {
            group: "x.io".into(),
            version: version.into(),
            priorities: (100, if version == "v1" { 20 } else { 10 }),
            current: version == "v1",
            resources: vec![json!({"resource": "things"})],
            v3: None,
            v2: None,
        }
    }

    #[test]
    fn groups_of_other_servers_stand_beside_ours() {
        let remotes = [remote("v1beta1"), remote("v1")];
        let mut plain = json!({"groups": [{"name": "apps"}]});
        add_groups(&mut plain, &remotes, |_| false);
        assert_eq!(plain["groups"][1]["preferredVersion"]["version"], "v1");
        assert_eq!(plain["groups"][1]["versions"].as_array().unwrap().len(), 2);
        let mut aggregated = json!({"items": [{"metadata": {"name": "apps"}, "versions": []}]});
        add_items(&mut aggregated, &remotes, |_| false);
        let versions = &aggregated["items"][1]["versions"];
        assert_eq!(versions[0]["freshness"], "Current");
        assert_eq!(versions[1]["freshness"], "Stale");
        assert_eq!(group(None, "x.io", &remotes).unwrap()["kind"], "APIGroup");
        assert_eq!(group(None, "y.io", &remotes), None);
    }
}
