//! One commit: what it writes, what is published after it, and what happens when the disk refuses.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::time::Instant;

use super::{Proposal, RETRY, Writer};
use crate::apply::{Applied, Tables};
use crate::compaction::sweep;
use crate::engine::BLOCK;
use crate::error::WriteError;
use crate::tables::meta;
use crate::types::Batch;

/// Relaxed transactions that no durable commit has followed yet.
#[derive(Debug, Default)]
pub(super) struct RelaxedTail {
    pub(super) batches: Vec<Arc<Batch>>,
    pub(super) bytes: usize,
    pub(super) since: Option<Instant>,
    /// The file was opened again and has forgotten them: they are to be written again, as they were visible.
    pub(super) lost: bool,
}

/// The file could not be opened again after a failure.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) retry_at: Instant,
    pub(super) cause: WriteError,
    /// What the failed commit would have published: whether it happened is seen when the file opens.
    pub(super) uncertain: Vec<Arc<Batch>>,
}

/// What one commit did.
pub(super) struct Committed {
    pub(super) applied: Vec<Applied>,
    pub(super) revision: u64,
    pub(super) reserved: u64,
    pub(super) swept: u64,
    pub(super) removed: u64,
}

/// What one commit is to do.
pub(super) struct Plan<'a> {
    pub(super) group: &'a [Proposal],
    pub(super) durable: bool,
    pub(super) sweep_rows: usize,
}

// === impl Writer ===

impl Writer {
    pub(super) fn commit(&mut self, plan: &Plan<'_>) -> Result<Vec<Applied>, WriteError> {
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
            let changes = plan.group.is_empty() || !tentative.is_empty();
            if durable && changes {
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

    /// Opens the file again. What `uncertain` tells is published if it turns out to be there.
    pub(super) fn recover(&mut self, mut uncertain: Vec<Arc<Batch>>) {
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
}

// === impl RelaxedTail ===

impl RelaxedTail {
    pub(super) fn push(&mut self, batches: &[Arc<Batch>], now: Instant) {
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
