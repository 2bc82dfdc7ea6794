//! Which kinds are followed: each once, for everybody.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use cedge_tasks::{Group, Trigger};
use kube::api::ApiResource;
use kube::{Client, Resource};

use crate::{Cache, reflector};

/// The caches of one cluster. Cheap to clone; when the last clone is dropped all watches end, and caches stay as they
/// are.
#[derive(Clone)]
pub struct Informers {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    group: Group,
    followed: Mutex<HashMap<Id, Followed>>,
}

#[derive(PartialEq, Eq, Hash)]
struct Id {
    api_version: String,
    plural: String,
    whole: bool,
}

struct Followed {
    cache: Cache,
    /// Dropped to end the watch.
    _stop: Trigger,
}

impl Informers {
    /// Caches that are filled through `client` by tasks of `group`.
    #[must_use]
    pub fn new(client: Client, group: Group) -> Self {
        Self {
            inner: Arc::new(Inner {
                client,
                group,
                followed: Mutex::default(),
            }),
        }
    }

    /// The client that the caches use.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.inner.client
    }

    /// The cache of a built-in kind; starts to follow it when asked for the first time.
    #[must_use]
    pub fn of<K>(&self) -> Cache
    where
        K: Resource<DynamicType = ()>,
    {
        self.kind(&ApiResource::erase::<K>(&()))
    }

    /// The cache of any kind; starts to follow it when asked for the first time.
    #[must_use]
    pub fn kind(&self, resource: &ApiResource) -> Cache {
        self.follow(resource, true)
    }

    /// A cache that keeps only headers of a kind (and asks the server for no more), or the whole one if there is one.
    #[must_use]
    pub fn headers(&self, resource: &ApiResource) -> Cache {
        if let Some(whole) = self.lock().get(&Id::new(resource, true)) {
            return whole.cache.clone();
        }
        self.follow(resource, false)
    }

    /// Ends following a kind that is no longer served. Its cache stays as it is for whoever holds it.
    pub fn forget(&self, resource: &ApiResource) {
        let mut followed = self.lock();
        followed.remove(&Id::new(resource, true));
        followed.remove(&Id::new(resource, false));
    }

    /// Completes when every kind asked for so far has its first list.
    ///
    /// *Cancel safety*: safe.
    pub async fn synced(&self) {
        let caches: Vec<Cache> = self.lock().values().map(|f| f.cache.clone()).collect();
        for cache in caches {
            cache.synced().await;
        }
    }

    fn follow(&self, resource: &ApiResource, whole: bool) -> Cache {
        let mut followed = self.lock();
        let entry = followed
            .entry(Id::new(resource, whole))
            .or_insert_with(|| self.start(Cache::new(resource.clone(), whole)));
        entry.cache.clone()
    }

    fn start(&self, cache: Cache) -> Followed {
        let (stop, shutdown) = self.inner.group.shutdown().child();
        let client = self.inner.client.clone();
        let name = format!("informer/{}", cache.resource().plural);
        self.inner.group.spawn(name, {
            let cache = cache.clone();
            async move {
                shutdown.or(reflector::follow(client, cache)).await;
            }
        });
        Followed { cache, _stop: stop }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Id, Followed>> {
        self.inner
            .followed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Id {
    fn new(resource: &ApiResource, whole: bool) -> Self {
        Self {
            api_version: resource.api_version.clone(),
            plural: resource.plural.clone(),
            whole,
        }
    }
}

impl fmt::Debug for Informers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Informers({})", self.lock().len())
    }
}
