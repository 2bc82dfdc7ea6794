//! What the API lost and a node still holds (I3).
//!
//! An API that was wiped, or restored from a backup, lacks pods that run. That is not a wish: such a pod stays with its
//! node, with the config maps and secrets that it needs, until the API has it again under its name, another of the same
//! owner has taken its place, or it has ended. What is lost is noted in a file before anything else is done.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use cedge_api::ClusterId;
use cedge_link::TableError;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Caches, NodeState};

/// Keys of a node's tables that the API lacks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Missing {
    /// `NAMESPACE/NAME/UID`.
    pub(crate) pods: BTreeSet<String>,
    /// `RESOURCE/NAMESPACE/NAME`.
    pub(crate) objects: BTreeSet<String>,
}

/// What is remembered of one node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct OfNode {
    /// How often the API had regressed when it was last compared with this node.
    regressions: u64,
    #[serde(flatten)]
    lost: Missing,
}

/// The file. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    file: PathBuf,
    regressions: u64,
    nodes: Arc<Mutex<BTreeMap<String, OfNode>>>,
}

// === impl Kept ===

impl Kept {
    /// What the file says; `regressions` counts how often the API turned out to be another, or an older one.
    pub(crate) fn open(file: PathBuf, regressions: u64) -> Self {
        let nodes = std::fs::read(&file)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Self {
            file,
            regressions,
            nodes: Arc::new(Mutex::new(nodes.unwrap_or_default())),
        }
    }

    /// What of `missing` was lost rather than deleted. At the first comparison after a regression that is all of it.
    ///
    /// # Errors
    /// If it cannot be noted; then nothing may be removed.
    pub(crate) fn of(&self, node: &ClusterId, missing: Missing) -> Result<Missing, TableError> {
        let mut nodes = self.lock();
        let known = nodes.get(node.as_str()).cloned().unwrap_or_default();
        if known.regressions < self.regressions {
            let count = missing.pods.len();
            if count > 0 {
                tracing::warn!(
                    node = %node, pods = count,
                    "the API has regressed; what it lacks stays on the node until it is written again"
                );
            }
            let lost = OfNode {
                regressions: self.regressions,
                lost: missing.clone(),
            };
            nodes.insert(node.to_string(), lost);
            self.save(&nodes)?;
            return Ok(missing);
        }
        let still = |lost: &BTreeSet<String>, missing: &BTreeSet<String>| {
            lost.intersection(missing).cloned().collect()
        };
        Ok(Missing {
            pods: still(&known.lost.pods, &missing.pods),
            objects: still(&known.lost.objects, &missing.objects),
        })
    }

    /// Notes what is still kept.
    ///
    /// # Errors
    /// If it cannot be noted.
    pub(crate) fn settle(&self, node: &ClusterId, kept: Missing) -> Result<(), TableError> {
        let mut nodes = self.lock();
        let now = OfNode {
            regressions: self.regressions,
            lost: kept,
        };
        if nodes.get(node.as_str()) == Some(&now) {
            return Ok(());
        }
        nodes.insert(node.to_string(), now);
        self.save(&nodes)
    }

    /// Whether a node keeps anything that the API lost.
    pub(crate) fn concerns(&self, node: &ClusterId) -> bool {
        self.lock()
            .get(node.as_str())
            .is_some_and(|known| !known.lost.pods.is_empty())
    }

    fn save(&self, nodes: &BTreeMap<String, OfNode>) -> Result<(), TableError> {
        let draft = self.file.with_extension("new");
        let bytes = serde_json::to_vec(nodes).unwrap_or_default();
        let written = std::fs::File::create(&draft)
            .and_then(|mut file| {
                file.write_all(&bytes)?;
                file.sync_all()
            })
            .and_then(|()| std::fs::rename(&draft, &self.file));
        written.map_err(|e| TableError::Store(format!("{}: {e}", self.file.display())))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, OfNode>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Those of the lost pods that nothing stands for yet, as the node has them.
///
/// # Errors
/// The disk.
pub(super) fn still_kept(
    caches: &Caches,
    node: &NodeState,
    lost: &BTreeSet<String>,
) -> Result<BTreeMap<String, Bytes>, TableError> {
    let mut kept = BTreeMap::new();
    if lost.is_empty() {
        return Ok(kept);
    }
    let pods = caches.pods.list();
    let known: Vec<Value> = pods.iter().filter_map(|pod| pod.value().ok()).collect();
    for key in lost {
        let Some(value) = node.tables.pods.get(key)? else {
            continue;
        };
        let said = node.tables.pod_status.get(key)?;
        let said = said.and_then(|said| serde_json::from_slice::<Value>(&said).ok());
        let Ok(pod) = serde_json::from_slice::<Value>(&value) else {
            continue;
        };
        if !said.is_some_and(|said| has_ended(&said)) && !is_replaced(&pod, &known) {
            kept.insert(key.clone(), value);
        }
    }
    Ok(kept)
}

fn has_ended(said: &Value) -> bool {
    said["terminated"] == true
        || matches!(
            said["status"]["phase"].as_str(),
            Some("Succeeded" | "Failed")
        )
}

/// Whether the API has the pod again, or a younger one of the same owner that is ready (of a `DaemonSet`: on the same
/// node).
fn is_replaced(lost: &Value, known: &[Value]) -> bool {
    let owner = owner(lost);
    known.iter().any(|pod| {
        if pod["metadata"]["namespace"] != lost["metadata"]["namespace"] {
            return false;
        }
        if pod["metadata"]["name"] == lost["metadata"]["name"] {
            return true;
        }
        let in_place = match &owner {
            None => false,
            Some((kind, _)) if kind == "DaemonSet" => {
                pod["spec"]["nodeName"] == lost["spec"]["nodeName"]
            }
            Some(_) => true,
        };
        let born = |pod: &Value| {
            pod["metadata"]["creationTimestamp"]
                .as_str()
                .map(str::to_owned)
        };
        in_place && owner == self::owner(pod) && born(pod) > born(lost) && is_ready(pod)
    })
}

/// Kind and name of the controller, without the hash of a template: a workload that was written again makes the same.
fn owner(pod: &Value) -> Option<(String, String)> {
    let owners = pod["metadata"]["ownerReferences"].as_array()?;
    let owner = owners.iter().find(|owner| owner["controller"] == true)?;
    let (kind, name) = (owner["kind"].as_str()?, owner["name"].as_str()?);
    let hash = pod["metadata"]["labels"]["pod-template-hash"].as_str();
    let short = hash.and_then(|hash| name.strip_suffix(hash)?.strip_suffix('-'));
    Some((kind.to_owned(), short.unwrap_or(name).to_owned()))
}

fn is_ready(pod: &Value) -> bool {
    let mut conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    pod["metadata"]["deletionTimestamp"].is_null()
        && conditions.any(|c| c["type"] == "Ready" && c["status"] == "True")
}

#[cfg(test)]
mod tests;
