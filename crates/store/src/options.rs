//! What can be tuned, and the limits on everything.

use std::time::Duration;

/// How a store behaves. The defaults fit a small site: little memory, slow flash.
#[derive(Debug, Clone)]
pub struct Options {
    /// Bytes of pages that the engine keeps in memory. Default 8 MiB: the API server caches objects itself, so the
    /// pages read again are those of the index and of compare-and-swap.
    pub cache_bytes: usize,
    /// Whether each commit saves the allocator's state. Default no: a commit would need a second sync (half the
    /// writes a second on slow flash), to save a check of the file after a crash that takes 30 ms for 40 MiB.
    pub quick_repair: bool,
    /// What history is kept.
    pub retention: Retention,
    /// How long a relaxed write may wait for a durable one to ride on, before it is made durable by itself.
    /// Default 30 s: three renewals of a node lease.
    pub relaxed_delay_max: Duration,
    /// What is refused.
    pub limits: Limits,
    /// How far a watcher may fall behind.
    pub lag: Lag,
}

/// What history is kept by itself.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// History younger than this is kept, unless there are too many revisions of it. Default 5 min, as Kubernetes
    /// keeps; zero turns the automatic compaction off.
    pub age: Duration,
    /// No more revisions than this are kept. Default 100,000.
    pub revisions: u64,
}

/// Sizes that are refused when exceeded.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of a key. Default 1,024: a namespace, a name and a group of greatest length fit.
    pub key_bytes: usize,
    /// Bytes of a value. Default 1.5 MiB, as etcd allows for a request.
    pub value_bytes: usize,
    /// Expectations and writes of a transaction. Default 128, as in etcd.
    pub operations: usize,
    /// Bytes that wait for the writer, about; beyond, callers wait. Default 16 MiB, also one transaction's most.
    pub queue_bytes: usize,
}

/// How far a watcher may fall behind before it is ended.
#[derive(Debug, Clone, Copy)]
pub struct Lag {
    /// Transactions. Default 4,096.
    pub batches: usize,
    /// Bytes of keys and values. Default 8 MiB, shared by all watchers of a prefix.
    pub bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cache_bytes: 8 << 20,
            quick_repair: false,
            retention: Retention::default(),
            relaxed_delay_max: Duration::from_secs(30),
            limits: Limits::default(),
            lag: Lag::default(),
        }
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            age: Duration::from_secs(300),
            revisions: 100_000,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            key_bytes: 1024,
            value_bytes: 3 << 19,
            operations: 128,
            queue_bytes: 16 << 20,
        }
    }
}

impl Default for Lag {
    fn default() -> Self {
        Self {
            batches: 4096,
            bytes: 8 << 20,
        }
    }
}
