//! The cache of one kind: objects, indices, and who wants to know of changes.

mod store;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use kube::api::ApiResource;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::object::DecodeError;
use crate::{Key, Object, Selector};
use store::Store;

type Handler = Arc<dyn Fn(&Change) + Send + Sync>;

/// What happened to an object.
#[derive(Debug, Clone)]
pub enum Change {
    /// It is new here.
    Added(Arc<Object>),
    /// It changed (the identity is the same: an object deleted and made again is `Deleted`, then `Added`).
    Updated {
        /// As it was known before.
        old: Arc<Object>,
        /// As it is.
        new: Arc<Object>,
    },
    /// It is gone; the object is its last known state.
    Deleted(Arc<Object>),
}

/// All objects of one kind. Cheap to clone; every clone is the same cache.
///
/// *Guarantees*: reads never wait for the network; once [`Cache::synced`] has completed, every object that existed
/// is here; each change is told to each subscriber once, in the order of the cluster, deletions that happened while
/// the watch was broken included.
#[derive(Clone)]
pub struct Cache {
    inner: Arc<Inner>,
}

struct Inner {
    resource: Arc<ApiResource>,
    /// Whether bytes are kept, or only headers.
    whole: bool,
    store: RwLock<Store>,
    /// Held for reading while a change is stored and told, for writing while a subscriber joins.
    handlers: RwLock<Vec<Handler>>,
    synced: watch::Sender<bool>,
}

// === impl Change ===

impl Change {
    /// The object, in its last known state.
    #[must_use]
    pub fn object(&self) -> &Arc<Object> {
        match self {
            Self::Added(o) | Self::Deleted(o) | Self::Updated { new: o, .. } => o,
        }
    }

    /// The state before, if there was one.
    #[must_use]
    pub fn old(&self) -> Option<&Arc<Object>> {
        match self {
            Self::Updated { old, .. } => Some(old),
            Self::Added(_) | Self::Deleted(_) => None,
        }
    }
}

// === impl Cache: reading ===

impl Cache {
    /// Which kind this is.
    #[must_use]
    pub fn resource(&self) -> &ApiResource {
        &self.inner.resource
    }

    /// Completes when the first list is in.
    ///
    /// *Cancel safety*: safe.
    pub async fn synced(&self) {
        let mut synced = self.inner.synced.subscribe();
        // The sender lives in `self`, so this cannot fail.
        let _ = synced.wait_for(|s| *s).await;
    }

    /// Whether the first list is in.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        *self.inner.synced.borrow()
    }

    /// One object. The namespace is empty for cluster-scoped kinds.
    #[must_use]
    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<Object>> {
        self.get_key(&Key::new(namespace, name))
    }

    /// One object.
    #[must_use]
    pub fn get_key(&self, key: &Key) -> Option<Arc<Object>> {
        self.read(|store| store.get(key))
    }

    /// One object, decoded.
    ///
    /// *Errors*: it is there and cannot be decoded.
    pub fn decode<T: DeserializeOwned>(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<T>, DecodeError> {
        self.get(namespace, name).map(|o| o.decode()).transpose()
    }

    /// All objects, ordered by namespace and name.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<Object>> {
        self.read(Store::all)
    }

    /// How many objects there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.read(Store::len)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The objects of a namespace, ordered by name.
    #[must_use]
    pub fn namespace(&self, namespace: &str) -> Vec<Arc<Object>> {
        self.read(|store| store.namespace(namespace))
    }

    /// The objects of a namespace that a selector matches.
    #[must_use]
    pub fn select(&self, namespace: &str, selector: &Selector) -> Vec<Arc<Object>> {
        let mut found = self.namespace(namespace);
        found.retain(|o| selector.matches(o.labels()));
        found
    }

    /// The objects with an owner reference to this uid.
    #[must_use]
    pub fn by_owner(&self, uid: &str) -> Vec<Arc<Object>> {
        self.read(|store| store.by_owner(uid))
    }

    /// The objects that the index `name` files under `key`. Empty if there is no such index.
    #[must_use]
    pub fn by_index(&self, name: &str, key: &str) -> Vec<Arc<Object>> {
        self.read(|store| store.by_index(name, key))
    }

    /// Adds an index: `keys` says under which keys an object is filed, such as a pod's node. Asked twice for the
    /// same name, the first stays.
    pub fn index(
        &self,
        name: &'static str,
        keys: impl Fn(&Object) -> Vec<String> + Send + Sync + 'static,
    ) {
        self.write(|store| store.add_index(name, Box::new(keys)));
    }

    /// Calls `handler` for every object here (as `Added`), then for every change, in order.
    ///
    /// The handler runs on the watch's own task: it puts a key into a [`crate::Queue`] or the like, does not block, and
    /// does not subscribe.
    pub fn subscribe(&self, handler: impl Fn(&Change) + Send + Sync + 'static) {
        let mut handlers = self
            .inner
            .handlers
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        for object in self.list() {
            handler(&Change::Added(object));
        }
        handlers.push(Arc::new(handler));
    }
}

// === impl Cache: writing, by the reflector ===

impl Cache {
    pub(crate) fn new(resource: ApiResource, whole: bool) -> Self {
        Self {
            inner: Arc::new(Inner {
                resource: Arc::new(resource),
                whole,
                store: RwLock::default(),
                handlers: RwLock::default(),
                synced: watch::channel(false).0,
            }),
        }
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.inner.whole
    }

    pub(crate) fn parse(&self, json: &[u8]) -> Result<Object, serde_json::Error> {
        Object::parse(&self.inner.resource, json, self.inner.whole)
    }

    /// Takes an object as it is now. One that is already here at this revision is not told again.
    pub(crate) fn put(&self, object: Object) {
        let object = Arc::new(object);
        self.change(|store| {
            let Some(old) = store.put(&object) else {
                return vec![Change::Added(object)];
            };
            if old.uid() != object.uid() {
                vec![Change::Deleted(old), Change::Added(object)]
            } else if old.revision() == object.revision() {
                Vec::new()
            } else {
                vec![Change::Updated { old, new: object }]
            }
        });
    }

    /// Takes a deletion; the last state that the cluster tells replaces the one that was known.
    pub(crate) fn remove(&self, object: Object) {
        self.change(|store| match store.remove(object.key()) {
            Some(_) => vec![Change::Deleted(Arc::new(object))],
            None => Vec::new(),
        });
    }

    /// Ends a list: what was not in it is gone.
    pub(crate) fn keep_only(&self, seen: &HashSet<Key>) {
        self.change(|store| {
            let gone = store.remove_unless(|key| seen.contains(key));
            gone.into_iter().map(Change::Deleted).collect()
        });
        self.inner.synced.send_replace(true);
    }

    fn change(&self, apply: impl FnOnce(&mut Store) -> Vec<Change>) {
        let handlers = self
            .inner
            .handlers
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        for change in self.write(apply) {
            for handler in handlers.iter() {
                handler(&change);
            }
        }
    }

    fn read<R>(&self, f: impl FnOnce(&Store) -> R) -> R {
        f(&self
            .inner
            .store
            .read()
            .unwrap_or_else(PoisonError::into_inner))
    }

    fn write<R>(&self, f: impl FnOnce(&mut Store) -> R) -> R {
        f(&mut self
            .inner
            .store
            .write()
            .unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cache({}, {})", self.inner.resource.plural, self.len())
    }
}
