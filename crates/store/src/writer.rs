//! The one writer: a thread that drains the queue into one commit, publishes it, and only then answers.

mod commit;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

use crate::apply::{Applied, Tables};
use crate::compaction::Ages;
use crate::engine::Opened;
use crate::error::{CommitError, WriteError};
use crate::options::Options;
use crate::store::Shared;
use crate::tables::meta;
use crate::types::{Durability, Revision, Txn};
use commit::{Broken, Plan, RelaxedTail};

/// Transactions of one commit. More would make the first of them wait for the last without saving a sync.
const GROUP_MAX: usize = 1024;
/// Bytes of one commit, about.
const GROUP_BYTES_MAX: usize = 4 << 20;
/// Rows that compaction looks at within a commit that others wait for: about a millisecond.
const SWEEP_WITH_OTHERS: usize = 128;
/// Rows that it looks at when nobody waits.
const SWEEP_ALONE: usize = 1024;
/// How long nobody must have written before compaction gets a commit of its own.
const QUIET: Duration = Duration::from_secs(1);
/// Relaxed transactions that may wait to become durable; they are also kept in memory until then.
const RELAXED_MAX: usize = 512;
/// Bytes of these.
const RELAXED_BYTES_MAX: usize = 1 << 20;
/// How long to wait before a file that could not be opened again is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// What is asked of the writer.
#[derive(Debug)]
pub(crate) enum Request {
    Propose(Box<Proposal>),
    Control(Control),
}

/// A transaction that waits for its turn.
#[derive(Debug)]
pub(crate) struct Proposal {
    pub(crate) txn: Txn,
    pub(crate) reply: oneshot::Sender<Result<Revision, CommitError>>,
    /// Its place in the queue; given back with the answer.
    pub(crate) _room: OwnedSemaphorePermit,
}

type Done = oneshot::Sender<Result<(), WriteError>>;

/// Anything but a transaction.
#[derive(Debug)]
pub(crate) enum Control {
    Compact { before: Revision, reply: Done },
    Flush { reply: Done },
    Check,
    Close { reply: Done },
}

#[derive(Debug)]
pub(crate) struct Writer {
    shared: Arc<Shared>,
    requests: Receiver<Request>,
    options: Options,
    /// The last revision given out.
    revision: u64,
    /// The durable mark: relaxed transactions stay below it.
    reserved: u64,
    relaxed: RelaxedTail,
    ages: Ages,
    /// History up to here is to be removed; durable once `floor_durable` says the same.
    floor: u64,
    floor_durable: u64,
    swept: u64,
    last_write: Instant,
    broken: Option<Broken>,
}

// === impl Writer ===

impl Writer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        requests: Receiver<Request>,
        opened: Opened,
        options: Options,
    ) -> Self {
        let now = Instant::now();
        Self {
            shared,
            requests,
            ages: Ages::new(options.retention, now, opened.revision),
            options,
            revision: opened.revision,
            reserved: opened.reserved,
            relaxed: RelaxedTail::default(),
            floor: opened.compacted,
            floor_durable: opened.compacted,
            swept: opened.swept,
            last_write: now,
            broken: None,
        }
    }

    /// Until the last handle is dropped, or it is asked to close.
    pub(crate) fn run(mut self) {
        loop {
            let request = match self.due() {
                None => self
                    .requests
                    .recv()
                    .map_err(|_| RecvTimeoutError::Disconnected),
                Some(at) => self
                    .requests
                    .recv_timeout(at.saturating_duration_since(Instant::now())),
            };
            match request {
                Ok(Request::Propose(first)) => {
                    let (group, control) = self.gather(*first);
                    self.commit_group(group);
                    if let Some(Control::Close { reply }) = control.and_then(|c| self.obey(c)) {
                        return self.close(Some(reply));
                    }
                }
                Ok(Request::Control(control)) => {
                    if let Some(Control::Close { reply }) = self.obey(control) {
                        return self.close(Some(reply));
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.keep_house(),
                Err(RecvTimeoutError::Disconnected) => return self.close(None),
            }
        }
    }

    /// Takes what else waits, up to a request that is not a transaction.
    fn gather(&self, first: Proposal) -> (Vec<Proposal>, Option<Control>) {
        let mut bytes = first.txn.bytes();
        let mut group = vec![first];
        while group.len() < GROUP_MAX && bytes < GROUP_BYTES_MAX {
            match self.requests.try_recv() {
                Ok(Request::Propose(next)) => {
                    bytes += next.txn.bytes();
                    group.push(*next);
                }
                Ok(Request::Control(control)) => return (group, Some(control)),
                Err(_) => break,
            }
        }
        (group, None)
    }

    /// Does what a control asks; hands back a `Close`, which ends the loop.
    fn obey(&mut self, control: Control) -> Option<Control> {
        match control {
            Control::Compact { before, reply } => {
                self.raise_floor(before.get().min(self.revision));
                let _ = reply.send(self.commit_upkeep(SWEEP_ALONE));
            }
            Control::Flush { reply } => {
                let _ = reply.send(self.commit_upkeep(0));
            }
            Control::Check => {
                self.shared.suspect.store(false, Ordering::Release);
                self.recover(Vec::new());
            }
            close @ Control::Close { .. } => return Some(close),
        }
        None
    }

    fn commit_group(&mut self, group: Vec<Proposal>) {
        let now = Instant::now();
        self.last_write = now;
        let floor = self.ages.floor(now, self.revision);
        self.raise_floor(floor);
        let asks = |p: &Proposal| p.txn.durability == Durability::Durable;
        let plan = Plan {
            group: &group,
            durable: group.iter().any(asks) || self.must_sync(group.len()),
            sweep_rows: SWEEP_WITH_OTHERS,
        };
        let result = self.commit(&plan);
        self.ages.note(now, self.revision);
        match result {
            Ok(applied) => {
                for (proposal, applied) in group.into_iter().zip(applied) {
                    // A caller that has gone away does not want to know.
                    let _ = proposal.reply.send(self.answer(applied));
                }
            }
            Err(e) => {
                for proposal in group {
                    let _ = proposal.reply.send(Err(CommitError::Write(e.clone())));
                }
            }
        }
    }

    /// Commits what no caller waits for: compaction, and relaxed transactions whose time is up.
    fn commit_upkeep(&mut self, sweep_rows: usize) -> Result<(), WriteError> {
        if self.relaxed.batches.is_empty() && !self.compaction_waits() {
            return Ok(());
        }
        let plan = Plan {
            group: &[],
            durable: true,
            sweep_rows,
        };
        self.commit(&plan).map(|_| ())
    }

    fn answer(&self, applied: Applied) -> Result<Revision, CommitError> {
        match applied {
            Applied::Changed(batch) => Ok(batch.revision),
            Applied::Nothing => Ok(self.revision.into()),
            Applied::Conflict { key, current } => {
                self.shared.counters.conflicts.add(1);
                Err(CommitError::Conflict { key, current })
            }
        }
    }

    fn must_sync(&self, proposals: usize) -> bool {
        self.revision + proposals as u64 > self.reserved
            || self.relaxed.batches.len() + proposals > RELAXED_MAX
            || self.relaxed.bytes > RELAXED_BYTES_MAX
            || self.flush_at().is_some_and(|at| at <= Instant::now())
    }

    fn raise_floor(&mut self, floor: u64) {
        self.floor = self.floor.max(floor);
    }

    fn compaction_waits(&self) -> bool {
        self.floor > self.floor_durable || self.swept < self.floor
    }

    fn flush_at(&self) -> Option<Instant> {
        Some(self.relaxed.since? + self.options.relaxed_delay_max)
    }

    /// When the writer has something to do although nobody asks. An idle store sleeps.
    fn due(&self) -> Option<Instant> {
        if let Some(broken) = &self.broken {
            return Some(broken.retry_at);
        }
        let sweep_at = self.compaction_waits().then(|| self.last_write + QUIET);
        let lost_at = self.relaxed.lost.then(|| self.last_write + RETRY);
        [self.flush_at(), self.ages.due(), sweep_at, lost_at]
            .into_iter()
            .flatten()
            .min()
    }

    fn keep_house(&mut self) {
        if self.broken.is_some() {
            return self.recover(Vec::new());
        }
        let now = Instant::now();
        let floor = self.ages.floor(now, self.revision);
        self.raise_floor(floor);
        if self.commit_upkeep(SWEEP_ALONE).is_err() {
            // Said already. Not at once again.
            self.last_write = now;
        }
    }

    fn close(mut self, reply: Option<oneshot::Sender<Result<(), WriteError>>>) {
        let flushed = self.commit_upkeep(0);
        let revision = self.revision;
        let closed = flushed.and_then(|()| {
            self.shared.engine.write(|txn| {
                Tables::open(&txn)?.set(meta::CLEAN, revision)?;
                Ok(txn.commit()?)
            })
        });
        if let Err(e) = &closed {
            tracing::warn!(error = %e, "the store could not note that it was closed");
        }
        self.shared.hub.close();
        self.shared.engine.close();
        if let Some(reply) = reply {
            let _ = reply.send(closed);
        }
    }
}
