//! What is seen of deployed objects: one watch per kind, by the mark of a Mission. Drift and health come from here.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

use cedge_api::marks;
use cedge_api::mission::InventoryEntry;
use cedge_tasks::{Group, OnError};
use futures::{StreamExt as _, pin_mut};
use kube::api::DynamicObject;
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, ResourceExt as _};
use serde_json::Value;
use tokio::sync::mpsc;

use super::health::{self, Health, Replicas};

/// Which object, whatever version of its API it was written with.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ObjectKey {
    pub(crate) group: String,
    pub(crate) kind: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl From<&InventoryEntry> for ObjectKey {
    fn from(e: &InventoryEntry) -> Self {
        Self {
            group: e.group.clone(),
            kind: e.kind.clone(),
            namespace: e.namespace.clone(),
            name: e.name.clone(),
        }
    }
}

/// What was last seen of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) uid: String,
    /// The Mission whose mark it bears.
    pub(crate) mission: String,
    /// Everything but status and bookkeeping: differs when somebody changed it.
    pub(crate) digest: blake3::Hash,
    pub(crate) health: Health,
    pub(crate) replicas: Replicas,
}

/// What this process applied last: while neither side changes, nothing is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Applied {
    wanted: blake3::Hash,
    result: blake3::Hash,
}

/// All that is seen, and the watches that see it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Observed {
    client: Client,
    state: Arc<Mutex<State>>,
    /// Names of Missions to look at again.
    due: mpsc::Sender<String>,
    tasks: Group,
}

#[derive(Debug, Default)]
struct State {
    watched: HashSet<GroupVersionKind>,
    seen: HashMap<ObjectKey, Seen>,
    applied: HashMap<ObjectKey, Applied>,
}

impl Observed {
    pub(crate) fn new(client: Client, due: mpsc::Sender<String>, tasks: Group) -> Self {
        Self {
            client,
            state: Arc::default(),
            due,
            tasks,
        }
    }

    /// What was last seen of an object that bears a mark.
    pub(crate) fn seen(&self, key: &ObjectKey) -> Option<Seen> {
        self.lock().seen.get(key).cloned()
    }

    /// Whether `wanted` was applied and nobody changed the object since.
    pub(crate) fn is_settled(&self, key: &ObjectKey, wanted: blake3::Hash) -> bool {
        let state = self.lock();
        match (state.applied.get(key), state.seen.get(key)) {
            (Some(applied), Some(seen)) => {
                applied.wanted == wanted && applied.result == seen.digest
            }
            _ => false,
        }
    }

    /// Notes what the API answered to an apply.
    pub(crate) fn applied(&self, key: ObjectKey, wanted: blake3::Hash, result: &Value) {
        let seen = look(result);
        let mut state = self.lock();
        state.applied.insert(
            key.clone(),
            Applied {
                wanted,
                result: seen.digest,
            },
        );
        state.seen.insert(key, seen);
    }

    /// Forgets an object that is no longer deployed.
    pub(crate) fn forget(&self, key: &ObjectKey) {
        let mut state = self.lock();
        state.applied.remove(key);
        state.seen.remove(key);
    }

    /// Watches a kind from now on.
    pub(crate) fn watch(&self, resource: &ApiResource) {
        let kind = GroupVersionKind::gvk(&resource.group, &resource.version, &resource.kind);
        if !self.lock().watched.insert(kind.clone()) {
            return;
        }
        let (this, resource) = (self.clone(), resource.clone());
        let name = format!("deployed/{}", resource.plural);
        self.tasks.supervise(name, OnError::Restart, move || {
            let (this, resource) = (this.clone(), resource.clone());
            async move { this.follow(resource).await }
        });
    }

    async fn follow(self, resource: ApiResource) -> Result<(), watcher::Error> {
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource);
        let config = watcher::Config::default().labels(marks::MISSION);
        let events = watcher(api, config).default_backoff();
        pin_mut!(events);
        let mut present: Option<HashSet<ObjectKey>> = None;
        while let Some(event) = events.next().await {
            match event {
                Ok(watcher::Event::Init) => present = Some(HashSet::new()),
                Ok(watcher::Event::InitApply(o) | watcher::Event::Apply(o)) => {
                    let key = key_of(&resource, &o);
                    if let Some(present) = &mut present {
                        present.insert(key.clone());
                    }
                    self.saw(key, o).await;
                }
                Ok(watcher::Event::InitDone) => {
                    let present = present.take().unwrap_or_default();
                    self.gone_except(&resource, &present).await;
                }
                Ok(watcher::Event::Delete(o)) => self.gone(&key_of(&resource, &o)).await,
                Err(error) => {
                    tracing::debug!(kind = resource.kind, %error, "watch of deployed objects interrupted");
                }
            }
        }
        Ok(())
    }

    async fn saw(&self, key: ObjectKey, object: DynamicObject) {
        let Ok(value) = serde_json::to_value(&object) else {
            return;
        };
        let seen = look(&value);
        let mission = seen.mission.clone();
        let before = self.lock().seen.insert(key, seen.clone());
        if before.as_ref() == Some(&seen) {
            return;
        }
        if let Some(before) = before.filter(|b| b.mission != mission) {
            self.trigger(before.mission).await;
        }
        self.trigger(mission).await;
    }

    async fn gone(&self, key: &ObjectKey) {
        let before = self.lock().seen.remove(key);
        if let Some(before) = before {
            self.trigger(before.mission).await;
        }
    }

    async fn gone_except(&self, resource: &ApiResource, present: &HashSet<ObjectKey>) {
        let of_kind = |k: &&ObjectKey| k.group == resource.group && k.kind == resource.kind;
        let vanished: Vec<ObjectKey> = self
            .lock()
            .seen
            .keys()
            .filter(of_kind)
            .filter(|k| !present.contains(*k))
            .cloned()
            .collect();
        for key in vanished {
            self.gone(&key).await;
        }
    }

    async fn trigger(&self, mission: String) {
        // Fails only when the walk has ended, and then nobody wants to know.
        let _ = self.due.send(mission).await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn key_of(resource: &ApiResource, object: &DynamicObject) -> ObjectKey {
    ObjectKey {
        group: resource.group.clone(),
        kind: resource.kind.clone(),
        namespace: object.namespace().unwrap_or_default(),
        name: object.name_any(),
    }
}

fn look(object: &Value) -> Seen {
    let labels = object.pointer("/metadata/labels");
    let mark = labels
        .and_then(|l| l.get(marks::MISSION))
        .and_then(Value::as_str);
    Seen {
        uid: super::render::text(object, "/metadata/uid").to_owned(),
        mission: mark.unwrap_or_default().to_owned(),
        digest: digest(object),
        health: health::judge(object),
        replicas: health::replicas(object),
    }
}

/// A digest of what people and Missions write: labels, annotations and all but metadata and status.
fn digest(object: &Value) -> blake3::Hash {
    let mut parts: BTreeMap<&str, &Value> = BTreeMap::new();
    for (name, value) in object.as_object().into_iter().flatten() {
        if name != "metadata" && name != "status" {
            parts.insert(name, value);
        }
    }
    for name in ["labels", "annotations", "finalizers", "deletionTimestamp"] {
        if let Some(value) = object.get("metadata").and_then(|m| m.get(name)) {
            parts.insert(name, value);
        }
    }
    blake3::hash(&serde_json::to_vec(&parts).unwrap_or_default())
}
