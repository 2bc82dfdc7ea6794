//! What the store counts. Whoever serves metrics reads it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counters since the store was opened, and gauges of now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Transactions that changed something.
    pub transactions: u64,
    /// Transactions refused because a key was not as expected.
    pub conflicts: u64,
    /// Commits that were synced to the disk.
    pub commits_durable: u64,
    /// Commits of relaxed transactions alone, not synced.
    pub commits_relaxed: u64,
    /// Commits that failed.
    pub commits_failed: u64,
    /// Transactions in the largest commit.
    pub batch_max: u64,
    /// Time spent in commits, in microseconds.
    pub commit_micros: u64,
    /// Bytes of keys and values written.
    pub bytes_written: u64,
    /// Old versions removed by compaction.
    pub compacted: u64,
    /// Watchers now.
    pub watchers: u64,
    /// Watchers that were ended because they fell behind.
    pub lagged: u64,
    /// How often the file was opened again after a failure.
    pub reopened: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) transactions: Counter,
    pub(crate) conflicts: Counter,
    pub(crate) commits_durable: Counter,
    pub(crate) commits_relaxed: Counter,
    pub(crate) commits_failed: Counter,
    pub(crate) batch_max: Counter,
    pub(crate) commit_micros: Counter,
    pub(crate) bytes_written: Counter,
    pub(crate) compacted: Counter,
    pub(crate) watchers: Counter,
    pub(crate) lagged: Counter,
    pub(crate) reopened: Counter,
}

#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn sub(&self, n: u64) {
        self.0.fetch_sub(n, Ordering::Relaxed);
    }

    pub(crate) fn max(&self, n: u64) {
        self.0.fetch_max(n, Ordering::Relaxed);
    }

    pub(crate) fn add_micros(&self, d: Duration) {
        self.add(u64::try_from(d.as_micros()).unwrap_or(u64::MAX));
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    pub(crate) fn read(&self) -> Stats {
        Stats {
            transactions: self.transactions.get(),
            conflicts: self.conflicts.get(),
            commits_durable: self.commits_durable.get(),
            commits_relaxed: self.commits_relaxed.get(),
            commits_failed: self.commits_failed.get(),
            batch_max: self.batch_max.get(),
            commit_micros: self.commit_micros.get(),
            bytes_written: self.bytes_written.get(),
            compacted: self.compacted.get(),
            watchers: self.watchers.get(),
            lagged: self.lagged.get(),
            reopened: self.reopened.get(),
        }
    }
}
