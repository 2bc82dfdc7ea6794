//! A work queue of keys.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fmt;
use std::hash::Hash;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// The first delay after a failure, as client-go's.
const RETRY_FIRST: Duration = Duration::from_millis(5);
/// The longest delay after failures. client-go waits up to 1,000 s; a site should not stand still that long for a key
/// that would work by now.
const RETRY_MAX: Duration = Duration::from_secs(60);

/// Keys that want work. Cheap to clone; every clone is the same queue.
///
/// *Guarantees*: a key that is added many times before it is taken is taken once; a key that is added while it is being
/// worked on is taken again afterwards, and never by two workers at a time. What is in the queue is bounded by the
/// number of keys, as each is in it once.
pub struct Queue<K> {
    inner: Arc<Inner<K>>,
}

struct Inner<K> {
    name: &'static str,
    first: Duration,
    max: Duration,
    state: Mutex<State<K>>,
    changed: Notify,
}

struct State<K> {
    ready: VecDeque<K>,
    /// In `ready`, or added again while being worked on.
    wanted: HashSet<K>,
    working: HashSet<K>,
    /// Ordered by time; the counter keeps equal times apart.
    later: BTreeMap<(Instant, u64), K>,
    later_at: HashMap<K, (Instant, u64)>,
    counter: u64,
    failures: HashMap<K, u32>,
}

/// A key that is being worked on, until this is dropped.
pub struct Lease<K: Eq + Hash + Clone> {
    key: K,
    queue: Queue<K>,
}

// === impl Queue ===

impl<K: Eq + Hash + Clone> Queue<K> {
    /// An empty queue; the name is for logs.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self::with_backoff(name, RETRY_FIRST, RETRY_MAX)
    }

    /// An empty queue whose retries wait `first`, then twice as long each time, up to `max`.
    #[must_use]
    pub fn with_backoff(name: &'static str, first: Duration, max: Duration) -> Self {
        Self {
            inner: Arc::new(Inner {
                name,
                first,
                max,
                state: Mutex::default(),
                changed: Notify::new(),
            }),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.inner.name
    }

    /// Wants work for a key as soon as a worker is free.
    pub fn add(&self, key: K) {
        self.lock().want(key);
        self.inner.changed.notify_waiters();
    }

    /// Wants work for a key after a while, to the precision of the timer. Of several waits for one key the shortest counts.
    pub fn add_after(&self, key: K, delay: Duration) {
        if delay.is_zero() {
            return self.add(key);
        }
        self.lock().want_at(key, Instant::now() + delay);
        self.inner.changed.notify_waiters();
    }

    /// Wants work for a key after its back-off, which this makes longer. Returns the number of failures so far.
    pub fn retry(&self, key: K) -> u32 {
        let failures = {
            let mut state = self.lock();
            let failures = state.failures.entry(key.clone()).or_default();
            *failures += 1;
            *failures
        };
        let delay = self
            .inner
            .first
            .saturating_mul(1 << (failures - 1).min(24))
            .min(self.inner.max);
        self.add_after(key, delay);
        failures
    }

    /// Ends the back-off of a key: it worked.
    pub fn forget(&self, key: &K) {
        self.lock().failures.remove(key);
    }

    /// How many keys are ready to be taken.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().ready.len()
    }

    /// Whether no key is ready to be taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The next key. It belongs to the caller until the lease is dropped.
    ///
    /// *Cancel safety*: safe; no key is lost.
    pub async fn next(&self) -> Lease<K> {
        loop {
            let mut changed = pin!(self.inner.changed.notified());
            changed.as_mut().enable();
            let due = {
                let mut state = self.lock();
                let due = state.wake(Instant::now());
                if let Some(key) = state.take() {
                    return Lease {
                        key,
                        queue: self.clone(),
                    };
                }
                due
            };
            match due {
                None => changed.await,
                Some(due) => {
                    let _ = tokio::time::timeout_at(due, changed).await;
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<K>> {
        self.inner
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash + Clone> State<K> {
    fn want(&mut self, key: K) {
        if self.wanted.insert(key.clone()) && !self.working.contains(&key) {
            self.ready.push_back(key);
        }
    }

    fn want_at(&mut self, key: K, at: Instant) {
        if let Some(old) = self.later_at.get(&key) {
            if old.0 <= at {
                return;
            }
            self.later.remove(old);
        }
        self.counter += 1;
        self.later.insert((at, self.counter), key.clone());
        self.later_at.insert(key, (at, self.counter));
    }

    /// Moves what is due; returns when the next will be.
    fn wake(&mut self, now: Instant) -> Option<Instant> {
        while let Some(first) = self.later.first_entry() {
            if first.key().0 > now {
                return Some(first.key().0);
            }
            let key = first.remove();
            self.later_at.remove(&key);
            self.want(key);
        }
        None
    }

    fn take(&mut self) -> Option<K> {
        let key = self.ready.pop_front()?;
        self.wanted.remove(&key);
        self.working.insert(key.clone());
        Some(key)
    }

    fn done(&mut self, key: &K) {
        self.working.remove(key);
        if self.wanted.contains(key) {
            self.ready.push_back(key.clone());
        }
    }
}

impl<K> Default for State<K> {
    fn default() -> Self {
        Self {
            ready: VecDeque::new(),
            wanted: HashSet::new(),
            working: HashSet::new(),
            later: BTreeMap::new(),
            later_at: HashMap::new(),
            counter: 0,
            failures: HashMap::new(),
        }
    }
}

impl<K> Clone for Queue<K> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
        }
    }
}

impl<K> fmt::Debug for Queue<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Queue({})", self.inner.name)
    }
}

// === impl Lease ===

impl<K: Eq + Hash + Clone> Lease<K> {
    /// The key.
    #[must_use]
    pub fn key(&self) -> &K {
        &self.key
    }
}

impl<K: Eq + Hash + Clone> Drop for Lease<K> {
    fn drop(&mut self) {
        self.queue.lock().done(&self.key);
        self.queue.inner.changed.notify_waiters();
    }
}

impl<K: Eq + Hash + Clone + fmt::Debug> fmt::Debug for Lease<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lease({:?})", self.key)
    }
}
