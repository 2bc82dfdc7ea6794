//! What is written on ReplicaSets and the Deployment beside their spec.

use serde_json::{Value, json};

use super::{Annotations, Set, View};

/// Which version of the Deployment this is; counts up, also when an old template returns.
pub(in crate::deployment) const REVISION: &str = "deployment.kubernetes.io/revision";
/// The versions that a ReplicaSet was before, joined by commas.
const HISTORY: &str = "deployment.kubernetes.io/revision-history";
/// The Deployment's size when the ReplicaSet was sized.
pub(super) const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
/// The same with maxSurge.
pub(super) const MAX: &str = "deployment.kubernetes.io/max-replicas";
/// The longest history that is kept, as in Kubernetes.
const HISTORY_MAX: usize = 2000;

/// Annotations of a Deployment that are its own.
const OWN: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    "deprecated.deployment.rollback.to",
    REVISION,
    HISTORY,
    DESIRED,
    MAX,
];

impl View {
    pub(in crate::deployment) fn size_annotations(&self) -> Value {
        json!({ DESIRED: self.replicas().to_string(), MAX: self.size_max().to_string() })
    }

    /// The annotations of a ReplicaSet that is made now.
    pub(in crate::deployment) fn annotations_of_new_set(&self) -> Annotations {
        let mut annotations = self.copied();
        annotations.insert(REVISION.to_owned(), self.next_revision().to_string());
        annotations.insert(DESIRED.to_owned(), self.replicas().to_string());
        annotations.insert(MAX.to_owned(), self.size_max().to_string());
        annotations
    }

    /// What the current ReplicaSet lacks, as a merge patch.
    pub(in crate::deployment) fn annotate_new_set(&self) -> Option<(&Set, Value)> {
        let set = self.new_set()?;
        let mut changes = serde_json::Map::new();
        for (name, value) in self.copied() {
            if set.annotation(&name) != Some(value.as_str()) {
                changes.insert(name, value.into());
            }
        }
        let revision = self.revision_of_new(set);
        if set.number(REVISION) != Some(revision) {
            changes.insert(REVISION.to_owned(), revision.to_string().into());
            if let Some(before) = set.annotation(REVISION).filter(|r| !r.is_empty()) {
                let history = history(set.annotation(HISTORY), before);
                changes.insert(HISTORY.to_owned(), history.into());
            }
        }
        let mut patch = json!({});
        if !changes.is_empty() {
            patch["metadata"]["annotations"] = Value::Object(changes);
        }
        let ours = self.spec().min_ready_seconds.unwrap_or(0);
        let theirs = set.set.spec.min_ready_seconds;
        if theirs.unwrap_or(0) != ours {
            patch["spec"]["minReadySeconds"] = ours.into();
        }
        (patch != json!({})).then_some((set, patch))
    }

    /// The Deployment's revision, if it is not the right one yet.
    pub(in crate::deployment) fn revision_of_deployment(&self) -> Option<String> {
        let revision = self.revision_of_new(self.new_set()?).to_string();
        let annotations = self.deployment.metadata.annotations.as_ref();
        let current = annotations.and_then(|a| a.get(REVISION));
        (current != Some(&revision)).then_some(revision)
    }

    fn revision_of_new(&self, set: &Set) -> i32 {
        set.number(REVISION).unwrap_or(0).max(self.next_revision())
    }

    fn next_revision(&self) -> i32 {
        let revisions = self.old().filter_map(|s| s.number(REVISION));
        revisions.max().unwrap_or(0) + 1
    }

    fn copied(&self) -> Annotations {
        let all = self.deployment.metadata.annotations.iter().flatten();
        all.filter(|(name, _)| !OWN.contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }
}

fn history(history: Option<&str>, revision: &str) -> String {
    let mut entries: Vec<&str> = history.iter().flat_map(|h| h.split(',')).collect();
    entries.retain(|e| !e.is_empty());
    entries.push(revision);
    while entries.len() > 1 && entries.join(",").len() > HISTORY_MAX {
        entries.remove(0);
    }
    entries.join(",")
}
