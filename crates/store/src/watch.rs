//! Watching: every change below a prefix after a revision, in order, without a gap or a duplicate.
//!
//! Watchers of one prefix share a [`Topic`]: a bounded ring of recent batches, filtered once. A watcher that starts
//! behind the ring reads the history on disk until it has caught up, then lives on the ring. One that was live and
//! falls out of the ring is ended with [`Ended::Lagged`]; nobody else notices.

mod hub;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::sync::watch;

use crate::error::{ReadError, WriteError};
use crate::store::Shared;
use crate::tables;
use crate::types::{Batch, Revision};

pub(crate) use hub::Hub;
use hub::{CLOSED, Pull, Topic};

/// Rows of the log that a watcher which catches up reads at once, before it lets others run.
const CATCH_UP_ROWS: usize = 256;

/// A stream of changes. Dropping it ends it.
#[derive(Debug)]
pub struct Watch {
    shared: Arc<Shared>,
    topic: Arc<Topic>,
    id: u64,
    /// The last revision that was delivered; read by the topic to forget what everybody has seen.
    cursor: Arc<AtomicU64>,
    changes: watch::Receiver<u64>,
    /// Everything up to here has been delivered or does not concern this watcher.
    position: u64,
    /// Read from disk, not yet delivered.
    ahead: VecDeque<Arc<Batch>>,
    /// What was read is complete up to here.
    ahead_until: u64,
    live: bool,
    ended: Option<Ended>,
}

/// Why a watch is over. It stays so; watch anew.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Ended {
    /// The watcher was too slow: its next change has left memory.
    #[error("the watcher fell behind at revision {at}")]
    Lagged {
        /// The last revision that it saw.
        at: Revision,
    },
    /// The history that it was to catch up with has been compacted meanwhile.
    #[error("the history after revision {at} is compacted, it begins at {compacted}")]
    Compacted {
        /// The last revision that it saw.
        at: Revision,
        /// The oldest revision that can be read.
        compacted: Revision,
    },
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
    /// The history could not be read.
    #[error("could not read the history")]
    Engine(#[source] WriteError),
}

// === impl Watch ===

impl Watch {
    pub(crate) fn new(shared: Arc<Shared>, prefix: &str, after: Revision) -> Self {
        let (topic, id, cursor) = shared.hub.subscribe(prefix);
        shared.counters.watchers.add(1);
        Self {
            changes: topic.changes(),
            shared,
            topic,
            id,
            cursor,
            position: after.get(),
            ahead: VecDeque::new(),
            ahead_until: 0,
            live: false,
            ended: None,
        }
    }

    /// The next change. Waits for it.
    ///
    /// *Cancel safety*: safe.
    ///
    /// # Errors
    /// The watch is over; every further call says the same.
    pub async fn next(&mut self) -> Result<Arc<Batch>, Ended> {
        loop {
            // Marked as seen before looking, so that a change between looking and waiting wakes us.
            let closed = *self.changes.borrow_and_update() == CLOSED;
            if let Some(batch) = self.try_next()? {
                return Ok(batch);
            }
            if self.live && closed {
                return Err(self.end(Ended::Closed));
            }
            if self.live {
                // The sender lives in `topic`, so this only ends with a change.
                let _ = self.changes.changed().await;
            } else {
                tokio::task::yield_now().await;
            }
        }
    }

    /// The next change, if there is one already. `None` may also mean that history on disk is still being read.
    ///
    /// # Errors
    /// As [`Watch::next`].
    pub fn try_next(&mut self) -> Result<Option<Arc<Batch>>, Ended> {
        if let Some(ended) = &self.ended {
            return Err(ended.clone());
        }
        if let Some(batch) = self.next_ahead() {
            return Ok(Some(batch));
        }
        match self.topic.pull(self.position, &self.cursor) {
            Pull::Batch(batch) => {
                self.live = true;
                self.position = batch.revision.get();
                Ok(Some(batch))
            }
            Pull::UpToDate => {
                self.live = true;
                Ok(None)
            }
            Pull::Behind if self.live => {
                self.shared.counters.lagged.add(1);
                let at = Revision::new(self.position);
                Err(self.end(Ended::Lagged { at }))
            }
            Pull::Behind => {
                self.catch_up()?;
                Ok(self.next_ahead())
            }
        }
    }

    /// A revision up to which every change below the prefix has been delivered: what a bookmark may say.
    #[must_use]
    pub fn progress(&self) -> Revision {
        let published = self.shared.hub.published();
        let nothing_read = self.ended.is_none() && self.ahead.is_empty();
        // Everything up to `published` was in the ring before that number could be read.
        if nothing_read && self.topic.is_up_to_date(self.position) {
            Revision::new(self.position.max(published))
        } else {
            Revision::new(self.position)
        }
    }

    fn next_ahead(&mut self) -> Option<Arc<Batch>> {
        let batch = self.ahead.pop_front()?;
        self.position = batch.revision.get();
        if self.ahead.is_empty() {
            self.position = self.position.max(self.ahead_until);
        }
        Some(batch)
    }

    /// Reads the next stretch of history from disk.
    fn catch_up(&mut self) -> Result<(), Ended> {
        let until = self.shared.hub.published();
        let (at, prefix) = (self.position, self.topic.prefix());
        let stretch = self.shared.read(Revision::new(at), |reading| {
            let (index, log) = (&reading.index, &reading.log);
            tables::history(index, log, prefix, (at, until), CATCH_UP_ROWS)
        });
        let at = Revision::new(at);
        match stretch {
            Ok(stretch) => {
                self.ahead.extend(stretch.batches);
                self.ahead_until = stretch.until;
                if self.ahead.is_empty() {
                    self.position = stretch.until;
                }
                Ok(())
            }
            Err(ReadError::Compacted { compacted, .. }) => {
                Err(self.end(Ended::Compacted { at, compacted }))
            }
            Err(ReadError::Engine(cause)) => Err(self.end(Ended::Engine(cause))),
            Err(ReadError::Closed | ReadError::Future { .. }) => Err(self.end(Ended::Closed)),
        }
    }

    fn end(&mut self, ended: Ended) -> Ended {
        self.ahead.clear();
        self.ended = Some(ended.clone());
        ended
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.hub.unsubscribe(&self.topic, self.id);
        self.shared.counters.watchers.sub(1);
    }
}

#[cfg(test)]
mod tests;
