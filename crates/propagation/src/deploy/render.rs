//! From what the author wrote to what this cluster gets: overrides and variables. Pure.

use cedge_api::mission::{MissionSpec, Override, Target};
use cedge_api::{ClusterPath, marks};
use cedge_placement::{Glob, Labels, selects};
use serde_json::{Value, json};

/// The cluster that is rendered for.
#[derive(Debug, Clone, Copy)]
pub struct Cluster<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its path from the origin.
    pub path: &'a ClusterPath,
    /// Its labels.
    pub labels: &'a Labels,
}

/// Why content cannot be rendered. Terminal until the Mission or the cluster's labels change.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An object without a name.
    #[error(
        "spec.content.manifests[{index}].metadata.name: Required value: every object of a Mission has a name (generateName cannot be followed up)"
    )]
    Name {
        /// Which manifest.
        index: usize,
    },
    /// A manifest that is no object, or has no kind.
    #[error("spec.content.manifests[{index}].{field}: Required value")]
    Field {
        /// Which manifest.
        index: usize,
        /// Which field.
        field: &'static str,
    },
    /// Two manifests for one object.
    #[error("spec.content.manifests[{index}]: {object} is there twice")]
    Twice {
        /// Which manifest.
        index: usize,
        /// The object.
        object: String,
    },
    /// A Mission in a Mission.
    #[error("spec.content.manifests[{index}]: a Mission cannot carry kinds of {group}")]
    OwnKind {
        /// Which manifest.
        index: usize,
        /// The group.
        group: String,
    },
    /// An override that cannot be read.
    #[error("spec.overrides[{index}].{field}: {cause}")]
    Override {
        /// Which override.
        index: usize,
        /// Which field.
        field: &'static str,
        /// What is wrong.
        cause: String,
    },
    /// A variable that this cluster does not have.
    #[error("${{{variable}}} in {object}: this cluster has {have}")]
    Variable {
        /// The variable.
        variable: String,
        /// Where it stands.
        object: String,
        /// What there is.
        have: String,
    },
}

/// Checks what does not depend on the cluster.
///
/// # Errors
/// Names the field.
pub fn check(spec: &MissionSpec) -> Result<(), Error> {
    let mut seen = std::collections::BTreeSet::new();
    for (index, manifest) in spec.content.manifests.iter().enumerate() {
        for field in ["apiVersion", "kind"] {
            if manifest
                .get(field)
                .and_then(Value::as_str)
                .is_none_or(str::is_empty)
            {
                return Err(Error::Field { index, field });
            }
        }
        let name = manifest
            .pointer("/metadata/name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if name.is_empty() {
            return Err(Error::Name { index });
        }
        if let Some((group, _)) = text(manifest, "/apiVersion").split_once('/')
            && group == cedge_api::GROUP
        {
            return Err(Error::OwnKind {
                index,
                group: group.to_owned(),
            });
        }
        if !seen.insert(describe(manifest)) {
            return Err(Error::Twice {
                index,
                object: describe(manifest),
            });
        }
    }
    spec.overrides
        .iter()
        .enumerate()
        .try_for_each(|(index, o)| check_override(index, o))
}

fn check_override(index: usize, o: &Override) -> Result<(), Error> {
    parse_patch(index, o)?;
    for text in &o.clusters {
        Glob::parse(text).map_err(|e| Error::Override {
            index,
            field: "clusters",
            cause: e.to_string(),
        })?;
    }
    Ok(())
}

fn parse_patch(index: usize, o: &Override) -> Result<json_patch::Patch, Error> {
    serde_json::from_value(Value::Array(o.json_patch.clone())).map_err(|e| Error::Override {
        index,
        field: "jsonPatch",
        cause: format!("not RFC 6902 operations: {e}"),
    })
}

/// The objects for `cluster`, each with the mark of `mission`, in the order in which they were written.
///
/// # Errors
/// Names the field, or the variable.
pub fn render(
    spec: &MissionSpec,
    mission: &str,
    cluster: Cluster<'_>,
) -> Result<Vec<Value>, Error> {
    let mut objects = Vec::with_capacity(spec.content.manifests.len());
    for manifest in &spec.content.manifests {
        let mut object = manifest.clone();
        for (index, o) in spec
            .overrides
            .iter()
            .enumerate()
            .filter(|(_, o)| is_meant(o, cluster))
        {
            if hits(&o.target, &object) {
                change(&mut object, index, o)?;
            }
        }
        let name = describe(&object);
        substitute(&mut object, &name, cluster)?;
        mark(&mut object, mission);
        objects.push(object);
    }
    Ok(objects)
}

fn is_meant(o: &Override, cluster: Cluster<'_>) -> bool {
    let by_label = o
        .selector
        .as_ref()
        .is_none_or(|s| selects(s, cluster.labels));
    let matches = |text: &String| Glob::parse(text).is_ok_and(|g| g.matches(cluster.path));
    by_label && (o.clusters.is_empty() || o.clusters.iter().any(matches))
}

/// Whether `target` means `object`; what is absent matches any.
#[must_use]
pub fn hits(target: &Target, object: &Value) -> bool {
    let api = text(object, "/apiVersion");
    let group = api.split_once('/').map_or("", |(group, _)| group);
    let same = |wanted: &Option<String>, have: &str| wanted.as_deref().is_none_or(|w| w == have);
    same(&target.group, group)
        && same(&target.kind, text(object, "/kind"))
        && same(&target.name, text(object, "/metadata/name"))
        && same(&target.namespace, namespace(object))
}

fn change(object: &mut Value, index: usize, o: &Override) -> Result<(), Error> {
    let patch = parse_patch(index, o)?;
    json_patch::patch(object, &patch).map_err(|e| Error::Override {
        index,
        field: "jsonPatch",
        cause: format!("{}: {e}", describe(object)),
    })?;
    if let Some(patch) = &o.merge_patch {
        json_patch::merge(object, patch);
    }
    Ok(())
}

/// Replaces `${cluster.name}`, `${cluster.path}` and `${cluster.labels.KEY}` in every string; `$${` stays as `${`.
fn substitute(value: &mut Value, object: &str, cluster: Cluster<'_>) -> Result<(), Error> {
    match value {
        Value::String(text) if text.contains("${") => *text = expand(text, object, cluster)?,
        Value::Array(items) => {
            for item in items {
                substitute(item, object, cluster)?;
            }
        }
        Value::Object(fields) => {
            for field in fields.values_mut() {
                substitute(field, object, cluster)?;
            }
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    Ok(())
}

fn expand(text: &str, object: &str, cluster: Cluster<'_>) -> Result<String, Error> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            out.push_str(&rest[..at - 1]);
            out.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        out.push_str(&rest[..at]);
        let after = &rest[at + 2..];
        // Only our own variables are ours to replace; a shell's `${HOME}` in a script stays.
        match after.find('}').filter(|_| after.starts_with("cluster.")) {
            Some(end) => {
                out.push_str(&lookup(&after[..end], object, cluster)?);
                rest = &after[end + 1..];
            }
            None => {
                out.push_str("${");
                rest = after;
            }
        }
    }
    out.push_str(rest);
    Ok(out)
}

fn lookup(variable: &str, object: &str, cluster: Cluster<'_>) -> Result<String, Error> {
    match variable {
        "cluster.name" => return Ok(cluster.name.to_owned()),
        "cluster.path" => return Ok(cluster.path.to_string()),
        _ => {}
    }
    let label = variable
        .strip_prefix("cluster.labels.")
        .and_then(|key| cluster.labels.get(key));
    label.cloned().ok_or_else(|| {
        let labels: Vec<String> = cluster
            .labels
            .keys()
            .map(|k| format!("cluster.labels.{k}"))
            .collect();
        Error::Variable {
            variable: variable.to_owned(),
            object: object.to_owned(),
            have: format!("cluster.name, cluster.path, {}", labels.join(", ")),
        }
    })
}

fn mark(object: &mut Value, mission: &str) {
    if !object["metadata"]["labels"].is_object() {
        object["metadata"]["labels"] = json!({});
    }
    object["metadata"]["labels"][marks::MISSION] = json!(mission);
}

/// `apps/v1 Deployment default/web`.
#[must_use]
pub fn describe(object: &Value) -> String {
    let (namespace, name) = (namespace(object), text(object, "/metadata/name"));
    let slash = if namespace.is_empty() { "" } else { "/" };
    format!(
        "{} {} {namespace}{slash}{name}",
        text(object, "/apiVersion"),
        text(object, "/kind")
    )
}

/// A string of an object, empty if it is not there.
#[must_use]
pub fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn namespace(object: &Value) -> &str {
    text(object, "/metadata/namespace")
}

#[cfg(test)]
mod tests;
