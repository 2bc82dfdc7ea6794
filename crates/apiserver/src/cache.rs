//! The watch cache: every object as bytes, with a small header, and the recent changes of each kind.
//!
//! One task ([`feed`]) follows the store and applies its changes in order; lists and watches read from here and
//! never decode an object unless they must. Readers that want the newest state wait until the cache has
//! reached the store's revision, which is nearly always at once.

mod event;
mod feed;
mod kind;
mod marks;
mod object;
mod watcher;

pub(crate) use event::{Change, Event, line};
pub(crate) use feed::{Listener, follow, load};
pub(crate) use kind::{Indexer, KindCache, Listed};
pub(crate) use marks::Marks;
pub(crate) use object::{Object, key_of};
pub(crate) use watcher::{Seen, Watcher, too_old};

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use cedge_store::{Revision, Store};
use tokio::sync::watch;

use crate::status::{Error, Result};

/// How long a read waits for a revision that is not there yet, as in Kubernetes.
const REVISION_WAIT: Duration = Duration::from_secs(3);
/// How long a read waits for what the store has already. On a machine that is short of everything (a site that boots
/// after a power loss, with all its pods) this process may stand still for seconds, and timers run out meanwhile.
const STALL_MAX: Duration = Duration::from_secs(30);

/// All kinds.
#[derive(Debug)]
pub(crate) struct Cache {
    store: Store,
    /// By `group/plural`.
    kinds: RwLock<HashMap<Arc<str>, Arc<KindCache>>>,
    /// The revision up to which everything is applied; written by the feed.
    applied: watch::Sender<u64>,
    /// The revision at which everything was loaded: no change before it is known here.
    loaded_at: AtomicU64,
}

// === impl Cache ===

impl Cache {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            kinds: RwLock::default(),
            applied: watch::channel(0).0,
            loaded_at: AtomicU64::new(0),
        }
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// The objects of a kind, made when first asked for.
    pub(crate) fn kind(&self, group: &str, plural: &str) -> Arc<KindCache> {
        let name = if group.is_empty() {
            format!("core/{plural}")
        } else {
            format!("{group}/{plural}")
        };
        self.kind_named(&name)
    }

    fn kind_named(&self, name: &str) -> Arc<KindCache> {
        let kinds = self.kinds.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(kind) = kinds.get(name) {
            return kind.clone();
        }
        drop(kinds);
        let mut kinds = self.kinds.write().unwrap_or_else(PoisonError::into_inner);
        let name: Arc<str> = name.into();
        kinds
            .entry(name.clone())
            .or_insert_with(|| {
                Arc::new(KindCache::new(
                    &name,
                    self.loaded_at.load(Ordering::Acquire),
                ))
            })
            .clone()
    }

    /// Every kind that has been asked for or seen.
    pub(crate) fn all(&self) -> Vec<Arc<KindCache>> {
        let kinds = self.kinds.read().unwrap_or_else(PoisonError::into_inner);
        kinds.values().cloned().collect()
    }

    /// The revision up to which everything is applied.
    pub(crate) fn revision(&self) -> u64 {
        *self.applied.borrow()
    }

    /// Waits until every write that was acknowledged before this call can be read.
    ///
    /// # Errors
    /// The server cannot follow its own store.
    pub(crate) async fn fresh(&self) -> Result<()> {
        self.catch_up(self.store.revision().get()).await
    }

    /// Waits until a revision can be read.
    ///
    /// # Errors
    /// It is not reached in time: it lies in the future.
    pub(crate) async fn reach(&self, revision: u64) -> Result<()> {
        if self.wait_for(revision, REVISION_WAIT).await? {
            return Ok(());
        }
        let current = self.store.revision().get();
        if revision <= current {
            // Not the client is ahead, we are behind.
            return self.catch_up(revision).await;
        }
        Err(Error::FromTheFuture {
            wanted: revision,
            current,
        })
    }

    /// Waits for a revision that the store has.
    async fn catch_up(&self, revision: u64) -> Result<()> {
        if self.wait_for(revision, STALL_MAX).await? {
            return Ok(());
        }
        let behind = revision.saturating_sub(self.revision());
        tracing::error!(behind, "the watch cache does not follow the store");
        Err(Error::Unavailable(
            "the watch cache is behind the store; try again".into(),
        ))
    }

    /// Whether a revision is reached within a time.
    async fn wait_for(&self, revision: u64, limit: Duration) -> Result<bool> {
        if self.revision() >= revision {
            return Ok(true);
        }
        let mut applied = self.applied.subscribe();
        let reached = applied.wait_for(|now| *now >= revision);
        match tokio::time::timeout(limit, reached).await {
            Ok(Ok(_)) => Ok(true),
            Ok(Err(_)) => Err(Error::Unavailable("the server is shutting down".into())),
            Err(_) => Ok(false),
        }
    }

    fn set_applied(&self, revision: Revision) {
        self.applied.send_replace(revision.get());
    }
}

#[cfg(test)]
mod tests;
