//! The handle of a store.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::engine::{Engine, Opened, Reading};
use crate::error::{CommitError, LimitError, OpenError, ReadError, WriteError};
use crate::options::{Limits, Options};
use crate::stats::{Counters, Stats};
use crate::tables::{self, Span};
use crate::types::{Item, Page, Revision, Txn, Write};
use crate::watch::{Hub, Watch};
use crate::writer::{Control, Proposal, Request, Writer};

/// Bytes that one permit of the queue stands for.
const PERMIT_BYTES: usize = 4096;
/// Requests that fit into the queue beside transactions.
const CONTROLS: usize = 64;

/// A store of revisioned keys. Clones share it; the last one dropped closes it, which waits for the writer to finish
/// (a sync of the disk). [`Store::close`] does so without blocking.
///
/// *Guarantees*: what [`Store::commit`] has answered, and whatever a read or watch shows, is on disk, relaxed
/// transactions excepted. Transactions happen one after the other, each with a revision of its own.
#[derive(Debug, Clone)]
pub struct Store {
    handle: Arc<Handle>,
}

#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    limits: Limits,
    lineage: u128,
    queue: Arc<Semaphore>,
    requests: Option<std::sync::mpsc::SyncSender<Request>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// What readers, watchers and the writer have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) hub: Hub,
    pub(crate) counters: Counters,
    /// History below this is refused. The writer raises it before it removes anything.
    pub(crate) compacted: AtomicU64,
    /// Set by a reader that failed, until the writer has looked at the file.
    pub(crate) suspect: AtomicBool,
}

// === impl Store ===

impl Store {
    /// Opens the store in a file, which is created if there is none; its folder must exist.
    ///
    /// # Errors
    /// The file is in use, damaged, of another format, not permitted, or the disk refuses.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<Self, OpenError> {
        let (engine, opened) = Engine::open(path.as_ref(), options.cache_bytes)?;
        Self::start(engine, opened, options)
    }

    fn start(engine: Engine, opened: Opened, options: Options) -> Result<Self, OpenError> {
        let shared = Arc::new(Shared {
            engine,
            hub: Hub::new(opened.revision, options.lag),
            counters: Counters::default(),
            compacted: AtomicU64::new(opened.compacted),
            suspect: AtomicBool::new(false),
        });
        let limits = options.limits;
        let permits = (limits.queue_bytes / PERMIT_BYTES).max(1);
        let (requests, receiver) = std::sync::mpsc::sync_channel(permits + CONTROLS);
        let writer = Writer::new(shared.clone(), receiver, opened, options);
        let writer = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(OpenError::Thread)?;
        Ok(Self {
            handle: Arc::new(Handle {
                shared,
                limits,
                lineage: opened.lineage,
                queue: Arc::new(Semaphore::new(permits)),
                requests: Some(requests),
                writer: Mutex::new(Some(writer)),
            }),
        })
    }

    /// The newest revision that can be read.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.handle.shared.hub.published().into()
    }

    /// The oldest revision that can be read, and watched from.
    #[must_use]
    pub fn compacted(&self) -> Revision {
        self.handle.shared.compacted.load(Ordering::Acquire).into()
    }

    /// The identity of this history, made when the file was created: a copy has the same, an emptied store another.
    #[must_use]
    pub fn lineage(&self) -> String {
        // The form of a random UUID, version 4.
        let id = self.handle.lineage & !(0xf << 76) & !(0b11 << 62) | 4 << 76 | 0b10 << 62;
        let hex = format!("{id:032x}");
        let parts = [
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..],
        ];
        parts.join("-")
    }

    /// What a key holds, now or at a revision. Reads the disk if the page is not cached.
    ///
    /// # Errors
    /// The revision is compacted or in the future, or the disk fails.
    pub fn get(&self, key: &str, at: Option<Revision>) -> Result<Option<Item>, ReadError> {
        let at = self.resolve(at)?;
        self.read(at, |reading| {
            tables::item(&reading.index, &reading.log, key, at.get())
        })
    }

    /// The keys below a prefix in order, `limit` of them (0: all) after the key `after`, now or at a revision. Reads no
    /// further than the page.
    ///
    /// # Errors
    /// The revision is compacted or in the future, or the disk fails.
    pub fn range(
        &self,
        prefix: &str,
        after: Option<&str>,
        at: Option<Revision>,
        limit: usize,
    ) -> Result<Page, ReadError> {
        let revision = self.resolve(at)?;
        let span = Span {
            prefix,
            after,
            at: revision.get(),
        };
        let (items, more) = self.read(revision, |reading| {
            tables::range(&reading.index, &reading.log, span, limit)
        })?;
        Ok(Page {
            items,
            more,
            revision,
        })
    }

    /// How many keys there are below a prefix after the key `after`, now or at a revision. Reads every version of them.
    ///
    /// # Errors
    /// The revision is compacted or in the future, or the disk fails.
    pub fn count(
        &self,
        prefix: &str,
        after: Option<&str>,
        at: Option<Revision>,
    ) -> Result<u64, ReadError> {
        let revision = self.resolve(at)?;
        let span = Span {
            prefix,
            after,
            at: revision.get(),
        };
        self.read(revision, |reading| tables::count(&reading.index, span))
    }

    /// Watches the keys below a prefix for what changes after a revision.
    ///
    /// # Errors
    /// The history after that revision is compacted, or the disk fails.
    pub fn watch(&self, prefix: &str, after: Revision) -> Result<Watch, ReadError> {
        let compacted = self.compacted();
        if after < compacted {
            let requested = after;
            return Err(ReadError::Compacted {
                requested,
                compacted,
            });
        }
        Ok(Watch::new(self.handle.shared.clone(), prefix, after))
    }

    /// Does a transaction, and answers with its revision; with the current one if it holds and changes nothing.
    /// Waits while the queue is full.
    ///
    /// *Cancel safety*: dropped before its turn, it may happen or not; never by half.
    ///
    /// # Errors
    /// A key is not as expected, a limit is broken, the disk refuses, or the store is closed.
    pub async fn commit(&self, txn: Txn) -> Result<Revision, CommitError> {
        check(&txn, self.handle.limits)?;
        let room = self.room(txn.bytes()).await?;
        let (reply, answer) = oneshot::channel();
        self.send(Request::Propose(Box::new(Proposal {
            txn,
            reply,
            _room: room,
        })))
        .map_err(|()| CommitError::Closed)?;
        answer.await.unwrap_or(Err(CommitError::Closed))
    }

    /// Forgets the history before a revision: older versions can no longer be read, what was current then still can.
    /// Answers once that is durable; space is given back in the background.
    ///
    /// # Errors
    /// The disk refuses, or the store is closed.
    pub async fn compact(&self, before: Revision) -> Result<(), CommitError> {
        self.control(|reply| Control::Compact { before, reply })
            .await
    }

    /// Makes relaxed transactions durable now.
    ///
    /// # Errors
    /// The disk refuses, or the store is closed.
    pub async fn flush(&self) -> Result<(), CommitError> {
        self.control(|reply| Control::Flush { reply }).await
    }

    /// Finishes what is queued and closes the file, for all clones. Watches end with `Closed`.
    pub async fn close(&self) {
        // A failure means that it is closed already, or that the next start has to check the file.
        let _ = self.control(|reply| Control::Close { reply }).await;
    }

    /// What has been counted so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.handle.shared.counters.read()
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.handle.shared.engine.path()
    }

    async fn control(
        &self,
        make: impl FnOnce(oneshot::Sender<Result<(), WriteError>>) -> Control,
    ) -> Result<(), CommitError> {
        // One permit, so that controls are bounded with everything else.
        let _room = self.room(0).await?;
        let (reply, answer) = oneshot::channel();
        self.send(Request::Control(make(reply)))
            .map_err(|()| CommitError::Closed)?;
        match answer.await {
            Ok(result) => Ok(result?),
            Err(_) => Err(CommitError::Closed),
        }
    }

    async fn room(&self, bytes: usize) -> Result<OwnedSemaphorePermit, CommitError> {
        let queue = &self.handle.queue;
        let all = (self.handle.limits.queue_bytes / PERMIT_BYTES).max(1);
        let permits = (1 + bytes / PERMIT_BYTES).min(all);
        let permits = u32::try_from(permits).unwrap_or(u32::MAX);
        let room = queue.clone().acquire_many_owned(permits).await;
        room.map_err(|_| CommitError::Closed)
    }

    fn send(&self, request: Request) -> Result<(), ()> {
        let requests = self.handle.requests.as_ref().ok_or(())?;
        // The permits are fewer than the places, so it is never full.
        requests.try_send(request).map_err(|_| ())
    }

    fn resolve(&self, at: Option<Revision>) -> Result<Revision, ReadError> {
        let revision = self.revision();
        match at {
            Some(requested) if requested > revision => Err(ReadError::Future {
                requested,
                revision,
            }),
            Some(at) => Ok(at),
            None => Ok(revision),
        }
    }

    fn read<T>(
        &self,
        at: Revision,
        f: impl FnOnce(&Reading) -> Result<T, redb::Error>,
    ) -> Result<T, ReadError> {
        let result = self.handle.shared.read(at, f);
        if let Err(ReadError::Engine(_)) = result
            && !self.handle.shared.suspect.swap(true, Ordering::AcqRel)
        {
            // The writer looks at the file, and opens it again if it must.
            let _ = self.send(Request::Control(Control::Check));
        }
        result
    }
}

// === impl Handle ===

impl Drop for Handle {
    fn drop(&mut self) {
        self.requests = None;
        let writer = self
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(writer) = writer {
            // A writer that panicked has said so.
            let _ = writer.join();
        }
    }
}

// === impl Shared ===

impl Shared {
    /// Reads a snapshot that shows `at`.
    pub(crate) fn read<T>(
        &self,
        at: Revision,
        f: impl FnOnce(&Reading) -> Result<T, redb::Error>,
    ) -> Result<T, ReadError> {
        self.engine.read(|reading| {
            // After the snapshot was taken: whatever had been removed from it, the mark says so by now.
            let compacted = Revision::new(self.compacted.load(Ordering::Acquire));
            if at < compacted {
                return Err(ReadError::Compacted {
                    requested: at,
                    compacted,
                });
            }
            f(reading).map_err(|e| ReadError::Engine(e.into()))
        })
    }
}

fn check(txn: &Txn, limits: Limits) -> Result<(), LimitError> {
    let count = txn.expect.len() + txn.writes.len();
    if count > limits.operations {
        let max = limits.operations;
        return Err(LimitError::TooMany { count, max });
    }
    let keys = txn.expect.iter().map(|(key, _)| key);
    for key in keys.chain(txn.writes.iter().map(Write::key)) {
        let (bytes, max) = (key.len(), limits.key_bytes);
        if bytes == 0 {
            return Err(LimitError::EmptyKey);
        }
        if bytes > max {
            return Err(LimitError::KeyTooLong { bytes, max });
        }
    }
    for (i, write) in txn.writes.iter().enumerate() {
        let key = write.key();
        if txn.writes[..i].iter().any(|earlier| earlier.key() == key) {
            return Err(LimitError::Twice { key: key.clone() });
        }
        if let Write::Put { value, .. } = write
            && value.len() > limits.value_bytes
        {
            return Err(LimitError::ValueTooLong {
                key: key.clone(),
                bytes: value.len(),
                max: limits.value_bytes,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod power;
