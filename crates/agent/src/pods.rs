//! Which pods this node is to run: one worker for each.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use k8s_openapi::api::core::v1::Pod;
use tokio::sync::watch;

use crate::Node;
use crate::tables::{Handover, TableError};
use crate::worker::Worker;

/// What is wanted of a pod.
#[derive(Debug, Clone)]
pub(crate) enum Wanted {
    /// It is to be as written (which may be: deleted).
    Pod(Arc<Pod>),
    /// It was removed by name, with this version: nothing of it shall be left.
    Gone(u64),
}

/// The pods that have a worker, by `NS/NAME/UID`.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    entries: Mutex<BTreeMap<String, Entry>>,
}

#[derive(Debug)]
struct Entry {
    pod: Arc<Pod>,
    wanted: watch::Sender<Wanted>,
}

/// Takes what is held, then every change. A pod that is not in the table is left alone (I3): only a removal by name
/// ends it.
pub(crate) async fn follow(node: Arc<Node>, table: Arc<dyn Handover>) -> Result<(), TableError> {
    let mut keys = table.keys();
    // Those that ran before have their place already; new ones get what is left.
    keys.sort_by_key(|key| node.statuses.last(uid_of(key)).is_none());
    for key in &keys {
        if let Some(value) = table.get(key)? {
            take(&node, &table, key, &value);
        }
    }
    look_after_strangers(&node, &keys).await;
    loop {
        let change = table.next_change().await;
        match change.value {
            Some(value) => {
                take(&node, &table, &change.key, &value);
                table.done(&change.key, change.version).await?;
            }
            None => {
                if !node.pods.remove(&change.key, change.version) {
                    clear(&node, &change.key).await;
                    table.done(&change.key, change.version).await?;
                }
            }
        }
    }
}

fn take(node: &Arc<Node>, table: &Arc<dyn Handover>, key: &str, value: &Bytes) {
    let pod: Pod = match serde_json::from_slice(value) {
        Ok(pod) => pod,
        Err(error) => {
            return tracing::error!(key, %error, "a pod cannot be read; it is left as it is");
        }
    };
    if pod.metadata.uid.as_deref() != Some(uid_of(key)) {
        return tracing::error!(key, "a pod's uid is not the one of its key");
    }
    let Some(wanted) = node.pods.put(key, Arc::new(pod)) else {
        return;
    };
    let worker = Worker::new(Arc::clone(node), Arc::clone(table), key, wanted);
    node.tasks.spawn(format!("pod/{key}"), worker.run());
}

/// Sandboxes of pods that the table does not hold. What runs goes on and is told of: perhaps the table was lost, and
/// absence is not deletion. What does not run is only litter.
async fn look_after_strangers(node: &Node, known: &[String]) {
    let sandboxes = match node.runtime.sandboxes().await {
        Ok(sandboxes) => sandboxes,
        Err(error) => return tracing::warn!(%error, "the sandboxes cannot be listed"),
    };
    for sandbox in sandboxes {
        let key = format!("{}/{}/{}", sandbox.namespace, sandbox.name, sandbox.uid);
        if known.contains(&key) {
            continue;
        }
        let seen = node.runtime.seen(&sandbox.uid).await;
        if seen.is_ok_and(|s| s.any_running()) {
            tracing::warn!(
                key,
                "a pod runs that nobody has handed over; it is left running"
            );
            let status = node.statuses.last(&sandbox.uid).unwrap_or_default();
            node.statuses.put(&key, &sandbox.uid, &status, false).await;
        } else {
            clear(node, &key).await;
        }
    }
    for key in node.statuses.keys() {
        let stale = !known.contains(&key) && node.statuses.last(uid_of(&key)).is_none();
        if stale {
            node.statuses.forget(&key, uid_of(&key)).await;
        }
    }
}

/// Ends and removes whatever there is of a pod that has no worker.
async fn clear(node: &Node, key: &str) {
    let uid = uid_of(key);
    if let Ok(seen) = node.runtime.seen(uid).await {
        for container in seen.containers.iter().filter(|c| c.is_running()) {
            let grace = std::time::Duration::from_secs(2);
            if let Err(error) = node.runtime.stop_container(&container.id, grace).await {
                tracing::warn!(key, %error, "a container is left");
            }
        }
    }
    if let Err(error) = node.runtime.remove_sandbox(uid).await {
        tracing::warn!(key, %error, "a sandbox is left");
        return;
    }
    node.statuses.forget(key, uid).await;
}

fn uid_of(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or(key)
}

// === impl Directory ===

impl Directory {
    /// Notes what is wanted; a receiver comes back if the pod has no worker yet.
    fn put(&self, key: &str, pod: Arc<Pod>) -> Option<watch::Receiver<Wanted>> {
        let mut entries = self.entries();
        if let Some(entry) = entries.get_mut(key) {
            entry.pod = Arc::clone(&pod);
            entry.wanted.send_replace(Wanted::Pod(pod));
            return None;
        }
        let (wanted, receiver) = watch::channel(Wanted::Pod(Arc::clone(&pod)));
        entries.insert(key.to_owned(), Entry { pod, wanted });
        Some(receiver)
    }

    /// Tells a pod's worker that it is gone; `false` if it has none.
    fn remove(&self, key: &str, version: u64) -> bool {
        let entries = self.entries();
        let entry = entries.get(key);
        entry.is_some_and(|e| {
            e.wanted.send_replace(Wanted::Gone(version));
            true
        })
    }

    /// A worker has ended, unless the pod has come back meanwhile.
    pub(crate) fn leave(&self, key: &str) -> bool {
        let mut entries = self.entries();
        let back = entries
            .get(key)
            .is_some_and(|e| matches!(*e.wanted.borrow(), Wanted::Pod(_)));
        if !back {
            entries.remove(key);
        }
        !back
    }

    /// A pod by its name; the youngest, should there be two.
    pub(crate) fn find(&self, ns: &str, name: &str, uid: Option<&str>) -> Option<Arc<Pod>> {
        let entries = self.entries();
        let named = entries.values().map(|e| &e.pod).filter(|pod| {
            let meta = &pod.metadata;
            meta.namespace.as_deref() == Some(ns)
                && meta.name.as_deref() == Some(name)
                && uid.is_none_or(|uid| meta.uid.as_deref() == Some(uid))
        });
        named
            .max_by_key(|pod| pod.metadata.creation_timestamp.clone())
            .cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Pod>> {
        self.entries()
            .values()
            .map(|e| Arc::clone(&e.pod))
            .collect()
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
