//! The caches of all kinds that can be collected, kept up with what the cluster serves.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use cedge_informer::{Cache, Key, Next, Object, Owner, Queue};
use cedge_tasks::Backoff;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use kube::api::ApiResource;

use super::{Collector, KindId};
use crate::discovery::{Served, discover};

/// Events own nothing, are owned by nothing, and are many.
const IGNORED: (&str, [&str; 2]) = ("events", ["", "events.k8s.io"]);
/// A definition is served a moment after it says so, and an aggregated server after its Service works.
const SETTLE: [Duration; 3] = [
    Duration::from_millis(100),
    Duration::from_secs(1),
    Duration::from_secs(5),
];
/// A kind whose list does not come (its server is away) must not hold up the others for longer.
const SYNC_MAX: Duration = Duration::from_secs(30);

#[derive(Clone, Default)]
pub(super) struct Kinds {
    known: Arc<RwLock<HashMap<KindId, Kind>>>,
}

#[derive(Clone)]
struct Kind {
    cache: Cache,
    namespaced: bool,
}

/// Where an owner must be, seen from its dependent.
pub(super) enum Place {
    At(ApiResource, Key),
    /// The kind is not served.
    Unknown,
    /// A namespaced owner of an object without a namespace: it can never be resolved.
    Impossible,
}

impl Kinds {
    pub(super) fn get(&self, kind: &KindId, key: &Key) -> Option<Arc<Object>> {
        self.read(|known| known.get(kind)?.cache.get_key(key))
    }

    /// The objects with an owner reference to this uid, of all kinds.
    pub(super) fn dependents(&self, uid: &str) -> Vec<Arc<Object>> {
        self.read(|known| known.values().flat_map(|k| k.cache.by_owner(uid)).collect())
    }

    /// The owner that a dependent refers to, if a cache has it under that identity.
    pub(super) fn owner(&self, dependent: &Object, owner: &Owner) -> Option<Arc<Object>> {
        let Place::At(_, key) = self.place(dependent.namespace(), owner) else {
            return None;
        };
        let found = self.get(&KindId::of_owner(owner), &key)?;
        (found.uid() == &*owner.uid).then_some(found)
    }

    pub(super) fn place(&self, namespace: &str, owner: &Owner) -> Place {
        self.read(|known| match known.get(&KindId::of_owner(owner)) {
            None => Place::Unknown,
            Some(kind) if kind.namespaced && namespace.is_empty() => Place::Impossible,
            Some(kind) => {
                let namespace = if kind.namespaced { namespace } else { "" };
                let resource = kind.cache.resource().clone();
                Place::At(resource, Key::new(namespace, &owner.name))
            }
        })
    }

    pub(super) fn are_synced(&self) -> bool {
        self.read(|known| known.values().all(|k| k.cache.is_synced()))
    }

    fn caches(&self) -> Vec<Cache> {
        self.read(|known| known.values().map(|k| k.cache.clone()).collect())
    }

    /// Takes what is served now; returns the kinds that are new, and those that are gone.
    fn take(&self, collector: &Collector, served: Vec<Served>) -> (Vec<Cache>, Vec<ApiResource>) {
        let informers = &collector.ctx.informers;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let mut now = HashMap::new();
        let mut new = Vec::new();
        for kind in served.into_iter().filter(is_collectable) {
            let id = KindId::of(&kind.resource);
            let before = known
                .remove(&id)
                .filter(|k| *k.cache.resource() == kind.resource);
            let entry = before.unwrap_or_else(|| {
                let cache = informers.headers(&kind.resource);
                new.push(cache.clone());
                Kind {
                    cache,
                    namespaced: kind.namespaced,
                }
            });
            now.insert(id, entry);
        }
        let gone = known.drain().map(|(_, k)| k.cache.resource().clone());
        let gone = gone.collect();
        *known = now;
        (new, gone)
    }

    fn read<R>(&self, f: impl FnOnce(&HashMap<KindId, Kind>) -> R) -> R {
        f(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn is_collectable(kind: &Served) -> bool {
    let (events, groups) = IGNORED;
    let ignored = kind.resource.plural == events && groups.contains(&&*kind.resource.group);
    !ignored && kind.can(&["list", "watch", "delete"])
}

/// Follows what the cluster serves: asked at the start, and again whenever a definition or an aggregated server changes.
pub(super) fn keep_up(collector: &Collector) {
    let queue: Queue<usize> = Queue::new("garbage-collector/kinds");
    let informers = &collector.ctx.informers;
    let sources = [
        informers.of::<CustomResourceDefinition>(),
        informers.headers(&ApiResource::erase::<APIService>(&())),
    ];
    for source in sources {
        let queue = queue.clone();
        source.subscribe(move |_| queue.add(0));
    }
    queue.add(0);
    let this = collector.clone();
    let again = queue.clone();
    collector.ctx.work(&queue, &[], 1, move |step: usize| {
        let (this, again) = (this.clone(), again.clone());
        async move {
            refresh(&this).await?;
            if let Some(wait) = SETTLE.get(step) {
                again.add_after(step + 1, *wait);
            }
            Ok(Next::OnChange)
        }
    });
}

async fn refresh(collector: &Collector) -> Result<(), crate::error::Error> {
    let discovered = discover(&collector.ctx.client).await?;
    let failed = !discovered.failures.is_empty();
    if failed {
        // Half an answer ends nothing: kinds of a group that is away stay known.
        tracing::debug!(failures = ?discovered.failures, "discovery is incomplete");
        return Err(crate::error::Error::Wait(
            "discovery is incomplete".to_owned(),
        ));
    }
    let (new, gone) = collector.kinds.take(collector, discovered.served);
    for resource in &gone {
        collector.ctx.informers.forget(resource);
    }
    for cache in &new {
        let this = collector.clone();
        cache.subscribe(move |change| this.observe(change));
    }
    if !new.is_empty() {
        collector.take_up_unresolved();
    }
    Ok(())
}

/// Completes when every cache has its list, or has had time enough.
pub(super) async fn synced(kinds: &Kinds) {
    let all = async {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_millis(500));
        while kinds.caches().is_empty() {
            tokio::time::sleep(backoff.next_delay()).await;
        }
        for cache in kinds.caches() {
            cache.synced().await;
        }
    };
    let _ = tokio::time::timeout(SYNC_MAX, all).await;
}
