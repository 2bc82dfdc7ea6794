//! What every controller holds.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use cedge_informer::{Cache, Events, Informers, Key, Next, Object, Queue, work};
use cedge_tasks::Group;
use kube::Client;

use crate::Config;
use crate::error::Error;

#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) informers: Informers,
    pub(crate) events: Events,
    pub(crate) group: Group,
    pub(crate) config: Arc<Config>,
}

impl Context {
    /// Starts workers as soon as `caches` are complete.
    pub(crate) fn work<K, F, R>(&self, queue: &Queue<K>, caches: &[&Cache], count: usize, f: F)
    where
        K: Eq + Hash + Clone + fmt::Debug + Send + Sync + 'static,
        F: Fn(K) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Result<Next, Error>> + Send + 'static,
    {
        let caches: Vec<Cache> = caches.iter().map(|c| (*c).clone()).collect();
        let (queue, group) = (queue.clone(), self.group.clone());
        let shutdown = group.shutdown().clone();
        self.group
            .spawn(format!("{}/start", queue.name()), async move {
                let synced = async {
                    for cache in &caches {
                        cache.synced().await;
                    }
                };
                if shutdown.or(synced).await.is_some() {
                    work(&queue, &group, count, f);
                }
            });
    }
}

/// Puts every object of `cache` that changes into `queue`.
pub(crate) fn feed(cache: &Cache, queue: &Queue<Key>) {
    let queue = queue.clone();
    cache.subscribe(move |change| queue.add(change.object().key().clone()));
}

/// The key of the controller of `object` if that is of this kind (and group).
pub(crate) fn controller_key(object: &Object, api_version: &str, kind: &str) -> Option<Key> {
    let owner = object.controller()?;
    let group = |v: &str| {
        v.split_once('/')
            .map_or(String::new(), |(g, _)| g.to_owned())
    };
    (*owner.kind == *kind && group(&owner.api_version) == group(api_version))
        .then(|| Key::new(object.namespace(), &owner.name))
}
