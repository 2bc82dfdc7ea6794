//! Follows the changes of one kind from some revision on, without a queue of its own.
//!
//! A watcher is a position in the recent changes. One that is slow, or comes back after a while, reads what it
//! missed from the store's history and joins the others again; if that is compacted, it is told to start anew.
//! So nothing is buffered for anybody.

use std::sync::Arc;
use std::time::Duration;

use cedge_store::{Batch, Ended, EventKind, ReadError, Revision};
use tokio::sync::watch;

use super::{Cache, Event, KindCache, Object};
use crate::status::{Error, Result};

/// Changes that are taken at once.
const BATCH: usize = 64;
/// How often a watcher that reads history looks whether it may join the others.
const JOIN_INTERVAL: Duration = Duration::from_millis(25);

/// A position in the changes of one kind.
#[derive(Debug)]
pub(crate) struct Watcher {
    cache: Arc<Cache>,
    kind: Arc<KindCache>,
    /// The number of the last change that was given out, while the recent changes are followed.
    seen: u64,
    /// Everything up to this revision was given out.
    revision: u64,
    /// Up to here the history told of everything before the others were joined; they may only come to it now.
    joined_at: u64,
    changed: watch::Receiver<u64>,
    /// Set while history is read from the store.
    history: Option<cedge_store::Watch>,
}

/// What a watcher sees.
#[derive(Debug)]
pub(crate) enum Seen {
    Changes(Vec<Arc<Event>>),
    /// The history that it needs is gone.
    TooOld(Error),
    /// The store is closed.
    Closed,
}

// === impl Watcher ===

impl Watcher {
    /// Follows what comes after a list.
    pub(crate) fn from_list(cache: &Arc<Cache>, kind: &Arc<KindCache>, seen: u64, at: u64) -> Self {
        Self {
            cache: cache.clone(),
            kind: kind.clone(),
            seen,
            revision: at,
            joined_at: 0,
            changed: kind.subscribe(),
            history: None,
        }
    }

    /// Follows what comes after a revision.
    ///
    /// # Errors
    /// The history after it is compacted.
    pub(crate) fn after(cache: &Arc<Cache>, kind: &Arc<KindCache>, revision: u64) -> Result<Self> {
        let mut watcher = Self::from_list(cache, kind, 0, revision);
        match kind.resume(revision) {
            Ok(seen) => watcher.seen = seen,
            Err(_) => watcher.read_history()?,
        }
        Ok(watcher)
    }

    /// The revision up to which everything was given out.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// The next changes. Waits for them.
    ///
    /// *Cancel safety*: safe.
    pub(crate) async fn next(&mut self) -> Seen {
        loop {
            let changes = if self.history.is_some() {
                match self.take_history().await {
                    Ok(changes) => changes,
                    Err(ended) => return ended,
                }
            } else {
                match self.take_recent() {
                    Ok(changes) => changes,
                    Err(error) => return Seen::TooOld(error),
                }
            };
            if let Some(last) = changes.last() {
                self.revision = self.revision.max(last.revision());
                return Seen::Changes(changes);
            }
            if self.history.is_none() && self.changed.changed().await.is_err() {
                return Seen::Closed;
            }
        }
    }

    /// Says that nothing was missed up to what the whole cache has applied, if all changes of the kind have been
    /// given out; the revision for a bookmark.
    pub(crate) fn bookmark(&mut self) -> u64 {
        let applied = self.cache.revision();
        let caught_up = self.history.is_none()
            && self
                .kind
                .changes(self.seen, 1)
                .is_ok_and(|changes| changes.is_empty());
        if caught_up {
            self.revision = self.revision.max(applied);
        }
        self.revision
    }

    fn take_recent(&mut self) -> Result<Vec<Arc<Event>>> {
        self.changed.mark_unchanged();
        while let Ok(mut changes) = self.kind.changes(self.seen, BATCH) {
            let taken = changes.len() as u64;
            self.seen += taken;
            changes.retain(|event| event.revision() > self.joined_at);
            if taken == 0 || !changes.is_empty() {
                return Ok(changes);
            }
        }
        self.read_history()?;
        Ok(Vec::new())
    }

    fn read_history(&mut self) -> Result<()> {
        let after = Revision::new(self.revision);
        match self.cache.store().watch(self.kind.prefix(), after) {
            Ok(history) => {
                self.history = Some(history);
                Ok(())
            }
            Err(e) => Err(too_old(&e)),
        }
    }

    async fn take_history(&mut self) -> Result<Vec<Arc<Event>>, Seen> {
        let Some(history) = self.history.as_mut() else {
            return Ok(Vec::new());
        };
        match tokio::time::timeout(JOIN_INTERVAL, history.next()).await {
            Ok(Ok(batch)) => return self.events(&batch).map_err(Seen::TooOld),
            Ok(Err(Ended::Closed)) => return Err(Seen::Closed),
            Ok(Err(Ended::Lagged { .. })) => {
                self.history = None;
                self.read_history().map_err(Seen::TooOld)?;
            }
            Ok(Err(ended)) => return Err(Seen::TooOld(Error::Expired(ended.to_string(), None))),
            Err(_) => {
                let progress = history.progress().get().max(self.revision);
                if let Ok(seen) = self.kind.resume(progress) {
                    self.history = None;
                    // The store tells of a change before the cache has it: it must not be told again from there.
                    (self.seen, self.joined_at) = (seen, progress);
                }
            }
        }
        Ok(Vec::new())
    }

    fn events(&self, batch: &Batch) -> Result<Vec<Arc<Event>>> {
        let index = self.kind.indexer();
        let revision = batch.revision.get();
        let object =
            |key, value: &[u8], revision| Object::new(key, value, revision, index.as_ref());
        let mut events = Vec::with_capacity(batch.events.len());
        for change in &batch.events {
            let previous = change.previous.as_ref();
            // The previous value's own revision is not known here; nobody is shown it.
            let previous = previous
                .map(|v| object(&change.key, v, revision))
                .transpose()?;
            events.extend(match (change.kind, previous) {
                (EventKind::Put { .. }, previous) => {
                    let new = Arc::new(object(&change.key, &change.value, revision)?);
                    Some(Event::put(new, previous.map(Arc::new)))
                }
                (EventKind::Delete, Some(previous)) => Some(Event::delete(&previous, revision)),
                (EventKind::Delete, None) => None,
            });
        }
        Ok(events.into_iter().map(Arc::new).collect())
    }
}

/// What Kubernetes says of a revision whose history is gone.
pub(crate) fn too_old(error: &ReadError) -> Error {
    match error {
        ReadError::Compacted {
            requested,
            compacted,
        } => Error::Expired(
            format!("too old resource version: {requested} ({compacted})"),
            None,
        ),
        ReadError::Future {
            requested,
            revision,
        } => Error::FromTheFuture {
            wanted: requested.get(),
            current: revision.get(),
        },
        ReadError::Closed => Error::Unavailable("the server is shutting down".into()),
        ReadError::Engine(e) => Error::internal(e),
    }
}
