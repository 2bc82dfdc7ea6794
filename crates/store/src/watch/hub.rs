//! Where the writer publishes what it committed, and watchers take it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::options::Lag;
use crate::types::Batch;

/// What a topic's channel holds once the store is closed.
pub(super) const CLOSED: u64 = u64::MAX;
/// A cursor that holds nothing back: its watcher still reads from disk.
const READS_FROM_DISK: u64 = u64::MAX;
/// Batches that a ring keeps although every watcher has seen them; small, as they are memory of an idle cluster.
const KEPT: usize = 32;
/// Topics with more watchers than this are woken by a thread of their own: waking 10,000 tasks takes milliseconds,
/// which the writer has not.
const MANY: usize = 64;
/// Topics that may wait for that thread.
const WAITING_TOPICS: usize = 256;

/// All topics, and the revision up to which they are complete.
#[derive(Debug)]
pub(crate) struct Hub {
    published: AtomicU64,
    lag: Lag,
    topics: Mutex<Topics>,
}

#[derive(Debug, Default)]
struct Topics {
    by_prefix: HashMap<Arc<str>, Arc<Topic>>,
    /// How many prefixes of each length there are: the lengths to look up a key by.
    lengths: BTreeMap<usize, usize>,
    /// The thread that wakes topics with many watchers; started when the first such topic is published to.
    crier: Option<SyncSender<Arc<Topic>>>,
    closed: bool,
}

/// What the watchers of one prefix share.
#[derive(Debug)]
pub(super) struct Topic {
    prefix: Arc<str>,
    ring: Mutex<Ring>,
    wake: watch::Sender<u64>,
    /// Whether the crier has been asked already.
    waiting: AtomicBool,
}

/// Recent batches of a prefix. Complete for everything above `floor`.
#[derive(Debug)]
struct Ring {
    batches: VecDeque<Arc<Batch>>,
    bytes: usize,
    floor: u64,
    /// When to look again what all watchers have seen.
    tidy_at: usize,
    cursors: HashMap<u64, Arc<AtomicU64>>,
    next_id: u64,
}

/// What a watcher finds in the ring.
#[derive(Debug)]
pub(super) enum Pull {
    /// Its next batch.
    Batch(Arc<Batch>),
    /// It has seen everything.
    UpToDate,
    /// Its next batch may be no longer here.
    Behind,
}

// === impl Hub ===

impl Hub {
    pub(crate) fn new(revision: u64, lag: Lag) -> Self {
        Self {
            published: AtomicU64::new(revision),
            lag,
            topics: Mutex::default(),
        }
    }

    /// The revision that readers and watchers may know of.
    pub(crate) fn published(&self) -> u64 {
        self.published.load(Ordering::Acquire)
    }

    /// Makes committed batches known, up to `revision`. Called by the writer alone, in order.
    pub(crate) fn publish(&self, batches: &[Arc<Batch>], revision: u64) {
        let mut topics = lock(&self.topics);
        let mut touched: Vec<Arc<Topic>> = Vec::new();
        for batch in batches {
            for (topic, part) in topics.split(batch) {
                topic.push(part, self.lag);
                if !touched.iter().any(|t| Arc::ptr_eq(t, &topic)) {
                    touched.push(topic);
                }
            }
        }
        self.published.store(revision, Ordering::Release);
        for topic in touched {
            topics.wake(topic, revision);
        }
    }

    pub(super) fn subscribe(&self, prefix: &str) -> (Arc<Topic>, u64, Arc<AtomicU64>) {
        let mut topics = lock(&self.topics);
        let topic = if let Some(topic) = topics.by_prefix.get(prefix) {
            topic.clone()
        } else {
            topics.add(prefix, self.published())
        };
        let (id, cursor) = topic.enter();
        (topic, id, cursor)
    }

    pub(super) fn unsubscribe(&self, topic: &Arc<Topic>, id: u64) {
        let mut topics = lock(&self.topics);
        if topic.leave(id) == 0 {
            topics.remove(&topic.prefix);
        }
    }

    /// Tells all watchers that nothing more will come.
    pub(crate) fn close(&self) {
        let mut topics = lock(&self.topics);
        topics.closed = true;
        topics.crier = None;
        for topic in topics.by_prefix.values() {
            topic.wake.send_replace(CLOSED);
        }
    }
}

// === impl Topics ===

impl Topics {
    fn add(&mut self, prefix: &str, revision: u64) -> Arc<Topic> {
        let prefix: Arc<str> = prefix.into();
        let state = if self.closed { CLOSED } else { revision };
        let topic = Arc::new(Topic {
            prefix: prefix.clone(),
            ring: Mutex::new(Ring::new(revision)),
            wake: watch::Sender::new(state),
            waiting: AtomicBool::new(false),
        });
        *self.lengths.entry(prefix.len()).or_default() += 1;
        self.by_prefix.insert(prefix, topic.clone());
        topic
    }

    fn remove(&mut self, prefix: &str) {
        if self.by_prefix.remove(prefix).is_none() {
            return;
        }
        if let Some(count) = self.lengths.get_mut(&prefix.len()) {
            *count -= 1;
            if *count == 0 {
                self.lengths.remove(&prefix.len());
            }
        }
    }

    /// The topics that a batch concerns, each with its part: the same shared batch if all of it matches.
    fn split(&self, batch: &Arc<Batch>) -> Vec<(Arc<Topic>, Arc<Batch>)> {
        let mut parts: Vec<(&Arc<Topic>, Vec<usize>)> = Vec::new();
        for (i, event) in batch.events.iter().enumerate() {
            for topic in self.matching(&event.key) {
                match parts.iter_mut().find(|(t, _)| Arc::ptr_eq(t, topic)) {
                    Some((_, events)) => events.push(i),
                    None => parts.push((topic, vec![i])),
                }
            }
        }
        let part = |events: Vec<usize>| {
            if events.len() == batch.events.len() {
                return batch.clone();
            }
            Arc::new(Batch {
                revision: batch.revision,
                events: events.iter().map(|&i| batch.events[i].clone()).collect(),
            })
        };
        parts
            .into_iter()
            .map(|(topic, events)| (topic.clone(), part(events)))
            .collect()
    }

    fn matching<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a Arc<Topic>> {
        self.lengths
            .keys()
            .take_while(|length| **length <= key.len())
            .filter_map(|length| self.by_prefix.get(key.get(..*length)?))
    }

    fn wake(&mut self, topic: Arc<Topic>, revision: u64) {
        if topic.wake.receiver_count() <= MANY {
            topic.wake.send_replace(revision);
        } else if !topic.waiting.swap(true, Ordering::AcqRel) {
            let crier = self.crier.get_or_insert_with(start_crier);
            if let Err(e) = crier.try_send(topic) {
                let (std::sync::mpsc::TrySendError::Full(topic)
                | std::sync::mpsc::TrySendError::Disconnected(topic)) = e;
                topic.cry();
            }
        }
    }
}

/// Ends when its sender is dropped.
fn start_crier() -> SyncSender<Arc<Topic>> {
    let (sender, receiver) = sync_channel::<Arc<Topic>>(WAITING_TOPICS);
    let cry = move || {
        for topic in receiver {
            topic.cry();
        }
    };
    if let Err(e) = std::thread::Builder::new()
        .name("store-crier".to_owned())
        .spawn(cry)
    {
        // The receiver is gone with the closure: the writer wakes by itself.
        tracing::warn!(error = %e, "no thread to wake many watchers with");
    }
    sender
}

// === impl Topic ===

impl Topic {
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.wake.subscribe()
    }

    /// What follows `position`; what is found is noted in `cursor`, so that it is not forgotten too early.
    pub(super) fn pull(&self, position: u64, cursor: &AtomicU64) -> Pull {
        let ring = lock(&self.ring);
        let pull = ring.pull(position);
        match &pull {
            Pull::Batch(batch) => cursor.store(batch.revision.get(), Ordering::Relaxed),
            Pull::UpToDate => cursor.store(position, Ordering::Relaxed),
            Pull::Behind => {}
        }
        pull
    }

    pub(super) fn is_up_to_date(&self, position: u64) -> bool {
        matches!(lock(&self.ring).pull(position), Pull::UpToDate)
    }

    fn enter(&self) -> (u64, Arc<AtomicU64>) {
        let mut ring = lock(&self.ring);
        let id = ring.next_id;
        ring.next_id += 1;
        let cursor = Arc::new(AtomicU64::new(READS_FROM_DISK));
        ring.cursors.insert(id, cursor.clone());
        (id, cursor)
    }

    /// How many watchers are left.
    fn leave(&self, id: u64) -> usize {
        let mut ring = lock(&self.ring);
        ring.cursors.remove(&id);
        ring.cursors.len()
    }

    fn push(&self, batch: Arc<Batch>, lag: Lag) {
        lock(&self.ring).push(batch, lag);
    }

    fn cry(&self) {
        self.waiting.store(false, Ordering::Release);
        self.wake.send_modify(|_| {});
    }
}

// === impl Ring ===

impl Ring {
    fn new(floor: u64) -> Self {
        Self {
            batches: VecDeque::new(),
            bytes: 0,
            floor,
            tidy_at: KEPT,
            cursors: HashMap::new(),
            next_id: 0,
        }
    }

    fn pull(&self, position: u64) -> Pull {
        if position < self.floor {
            return Pull::Behind;
        }
        let next = self
            .batches
            .partition_point(|batch| batch.revision.get() <= position);
        match self.batches.get(next) {
            Some(batch) => Pull::Batch(batch.clone()),
            None => Pull::UpToDate,
        }
    }

    fn push(&mut self, batch: Arc<Batch>, lag: Lag) {
        self.bytes += batch.bytes();
        self.batches.push_back(batch);
        if self.batches.len() > self.tidy_at {
            self.tidy();
        }
        while self.batches.len() > lag.batches || (self.bytes > lag.bytes && self.batches.len() > 1)
        {
            self.forget();
        }
    }

    /// Forgets what every watcher has seen.
    fn tidy(&mut self) {
        let seen = |cursor: &Arc<AtomicU64>| cursor.load(Ordering::Relaxed);
        let seen_by_all = self.cursors.values().map(seen).min().unwrap_or(u64::MAX);
        while self
            .batches
            .front()
            .is_some_and(|batch| batch.revision.get() <= seen_by_all)
        {
            self.forget();
        }
        self.tidy_at = (self.batches.len() * 2).max(KEPT);
    }

    fn forget(&mut self) {
        if let Some(batch) = self.batches.pop_front() {
            self.floor = batch.revision.get();
            self.bytes -= batch.bytes();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
