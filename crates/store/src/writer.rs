//! The one writer: a thread that drains the queue into one commit, publishes it, and only then answers.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

use crate::apply::{Applied, Tables};
use crate::compaction::{Ages, sweep};
use crate::engine::{BLOCK, Opened};
use crate::error::{CommitError, WriteError};
use crate::options::Options;
use crate::store::Shared;
use crate::tables::meta;
use crate::types::{Batch, Durability, Revision, Txn};

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

/// Relaxed transactions that no durable commit has followed yet.
#[derive(Debug, Default)]
struct RelaxedTail {
    batches: Vec<Arc<Batch>>,
    bytes: usize,
    since: Option<Instant>,
    /// The file was opened again and has forgotten them: they are to be written again, as they were visible.
    lost: bool,
}

/// The file could not be opened again after a failure.
#[derive(Debug)]
struct Broken {
    retry_at: Instant,
    cause: WriteError,
    /// What the failed commit would have published: whether it happened is seen when the file opens.
    uncertain: Vec<Arc<Batch>>,
}

/// What one commit did.
struct Committed {
    applied: Vec<Applied>,
    revision: u64,
    reserved: u64,
    swept: u64,
    removed: u64,
}

/// What one commit is to do.
struct Plan<'a> {
    group: &'a [Box<Proposal>],
    durable: bool,
    sweep_rows: usize,
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
                    let (group, control) = self.gather(first);
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
    fn gather(&self, first: Box<Proposal>) -> (Vec<Box<Proposal>>, Option<Control>) {
        let mut bytes = first.txn.bytes();
        let mut group = vec![first];
        while group.len() < GROUP_MAX && bytes < GROUP_BYTES_MAX {
            match self.requests.try_recv() {
                Ok(Request::Propose(next)) => {
                    bytes += next.txn.bytes();
                    group.push(next);
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

    fn commit_group(&mut self, group: Vec<Box<Proposal>>) {
        let now = Instant::now();
        self.last_write = now;
        let floor = self.ages.floor(now, self.revision);
        self.raise_floor(floor);
        let asks = |p: &Box<Proposal>| p.txn.durability == Durability::Durable;
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

    fn commit(&mut self, plan: &Plan<'_>) -> Result<Vec<Applied>, WriteError> {
        if self.broken.is_some() {
            self.recover(Vec::new());
        }
        if let Some(broken) = &self.broken {
            return Err(broken.cause.clone());
        }
        let begun = Instant::now();
        let mut tentative = Vec::new();
        let result = self.try_commit(plan, &mut tentative);
        let counters = &self.shared.counters;
        counters.commit_micros.add_micros(begun.elapsed());
        match result {
            Ok(committed) => Ok(self.committed(plan, committed)),
            Err(e) => {
                counters.commits_failed.add(1);
                let reason = e.reason();
                tracing::error!(error = %e, reason, "the store could not be written");
                self.recover(tentative);
                Err(e)
            }
        }
    }

    /// One write transaction of the engine. `tentative` tells what it would publish, should it fail.
    fn try_commit(
        &self,
        plan: &Plan<'_>,
        tentative: &mut Vec<Arc<Batch>>,
    ) -> Result<Committed, WriteError> {
        let durable = plan.durable || self.relaxed.lost;
        // Before anything is removed: readers check the mark after they took their snapshot.
        self.shared
            .compacted
            .fetch_max(self.floor, Ordering::AcqRel);
        self.shared.engine.write(|mut txn| {
            txn.set_durability(if durable {
                redb::Durability::Immediate
            } else {
                redb::Durability::None
            })?;
            txn.set_quick_repair(durable && self.options.quick_repair);
            let mut tables = Tables::open(&txn)?;
            if self.relaxed.lost {
                for batch in &self.relaxed.batches {
                    tables.replay(batch)?;
                }
            }
            let mut done = Committed {
                applied: Vec::with_capacity(plan.group.len()),
                revision: self.revision,
                reserved: self.reserved,
                swept: self.swept,
                removed: 0,
            };
            for proposal in plan.group {
                let applied = tables.apply(&proposal.txn, done.revision + 1)?;
                if let Applied::Changed(batch) = &applied {
                    done.revision += 1;
                    tentative.push(batch.clone());
                }
                done.applied.push(applied);
            }
            let idle = plan.group.is_empty() || !tentative.is_empty();
            if durable && idle {
                self.keep_marks(&mut tables, plan.sweep_rows, &mut done)?;
            }
            drop(tables);
            if tentative.is_empty() && !plan.group.is_empty() && !self.relaxed.lost {
                txn.abort()?;
            } else {
                txn.commit()?;
            }
            Ok(done)
        })
    }

    /// Moves the marks that a durable commit carries, and does a step of compaction.
    fn keep_marks(
        &self,
        tables: &mut Tables<'_>,
        sweep_rows: usize,
        done: &mut Committed,
    ) -> Result<(), redb::Error> {
        if done.reserved < done.revision + BLOCK / 2 {
            done.reserved = done.revision + BLOCK;
            tables.set(meta::RESERVED, done.reserved)?;
        }
        if self.floor > self.floor_durable {
            tables.set(meta::COMPACTED, self.floor)?;
        }
        if self.swept < self.floor && sweep_rows > 0 {
            (done.swept, done.removed) = sweep(tables, (self.swept, self.floor), sweep_rows)?;
            tables.set(meta::SWEPT, done.swept)?;
        }
        Ok(())
    }

    /// After a commit that succeeded: publishes, and takes note.
    fn committed(&mut self, plan: &Plan<'_>, done: Committed) -> Vec<Applied> {
        let batches: Vec<Arc<Batch>> = done.applied.iter().filter_map(Applied::batch).collect();
        let counters = &self.shared.counters;
        counters.compacted.add(done.removed);
        let nothing = batches.is_empty() && !plan.group.is_empty() && !self.relaxed.lost;
        if nothing {
            return done.applied;
        }
        counters.transactions.add(batches.len() as u64);
        counters.batch_max.max(plan.group.len() as u64);
        let bytes: usize = batches.iter().map(|b| b.bytes()).sum();
        counters.bytes_written.add(bytes as u64);
        if plan.durable || self.relaxed.lost {
            counters.commits_durable.add(1);
            self.relaxed = RelaxedTail::default();
            self.reserved = done.reserved;
            self.swept = done.swept;
            self.floor_durable = self.floor;
        } else {
            counters.commits_relaxed.add(1);
            self.relaxed.push(&batches, Instant::now());
        }
        self.revision = done.revision;
        self.shared.hub.publish(&batches, self.revision);
        done.applied
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

    /// Opens the file again. What `uncertain` tells is published if it turns out to be there.
    fn recover(&mut self, mut uncertain: Vec<Arc<Batch>>) {
        if let Some(broken) = self.broken.take() {
            uncertain = broken.uncertain;
        }
        match self.shared.engine.reopen() {
            Ok(found) => {
                self.shared.counters.reopened.add(1);
                tracing::info!(newest = found.newest, "the store's file is open again");
                self.reserved = found.reserved;
                self.swept = found.swept;
                // One commit is there as a whole or not at all.
                let there = |batch: &Arc<Batch>| batch.revision.get() <= found.newest;
                if let Some(last) = uncertain.last().filter(|batch| there(batch)) {
                    self.revision = last.revision.get();
                    self.shared.hub.publish(&uncertain, self.revision);
                }
                self.relaxed.lost = self.relaxed.batches.last().is_some_and(|b| !there(b));
                if !self.relaxed.lost {
                    self.relaxed = RelaxedTail::default();
                }
            }
            Err(e) => {
                tracing::error!(error = %e, "the store's file could not be opened again");
                self.broken = Some(Broken {
                    retry_at: Instant::now() + RETRY,
                    cause: e,
                    uncertain,
                });
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

// === impl RelaxedTail ===

impl RelaxedTail {
    fn push(&mut self, batches: &[Arc<Batch>], now: Instant) {
        self.bytes += batches.iter().map(|b| b.bytes()).sum::<usize>();
        self.batches.extend_from_slice(batches);
        self.since.get_or_insert(now);
    }
}

// === impl Applied ===

impl Applied {
    fn batch(&self) -> Option<Arc<Batch>> {
        match self {
            Self::Changed(batch) => Some(batch.clone()),
            Self::Nothing | Self::Conflict { .. } => None,
        }
    }
}
