//! The words of the store: keys, revisions, items, transactions, events.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;

/// A key, shared between the events and items that name it: `/registry/apps/deployments/ns/name`.
pub type Key = Arc<str>;

/// A point in the history of a store. Every transaction that changes something gets the next one; none is ever
/// given out twice, a crash included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(u64);

impl Revision {
    /// Before everything: a watch after it sees the whole history that is kept.
    pub const ZERO: Self = Self(0);

    /// The revision of that number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Revision {
    type Err = ParseIntError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        s.parse().map(Self)
    }
}

impl From<u64> for Revision {
    fn from(number: u64) -> Self {
        Self(number)
    }
}

/// A key with its value at some revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The key.
    pub key: Key,
    /// The value.
    pub value: Bytes,
    /// The revision that created the key, since it was last absent.
    pub created: Revision,
    /// The revision that wrote this value.
    pub modified: Revision,
    /// How often the key was written since it was created; 1 for a new one.
    pub version: u64,
}

/// A part of an ordered range, all of it as of one revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The items, in the order of their keys.
    pub items: Vec<Item>,
    /// Whether items follow; `Store::count` says how many. Ask with `after` the last key and `at` the page's revision to go on consistently.
    pub more: bool,
    /// The revision that the page shows.
    pub revision: Revision,
}

/// A transaction: either all its expectations hold and all its writes happen at one revision, or nothing does.
#[derive(Debug, Clone, Default)]
pub struct Txn {
    /// What must be so.
    pub expect: Vec<(Key, Expect)>,
    /// What is written; each key at most once.
    pub writes: Vec<Write>,
    /// When it may be answered.
    pub durability: Durability,
}

/// What a transaction expects of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// The key does not exist.
    Absent,
    /// The key exists, and this revision wrote it.
    At(Revision),
    /// The key exists, at whatever revision.
    Present,
    /// No condition.
    Any,
}

/// One write of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Sets a key.
    Put {
        /// The key.
        key: Key,
        /// Its new value.
        value: Bytes,
    },
    /// Removes a key; nothing happens if there is none.
    Delete {
        /// The key.
        key: Key,
    },
}

/// When a transaction may be answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// Once it is on disk.
    #[default]
    Durable,
    /// Once it is applied; a power loss within the next seconds may undo it. For values that are sent again by
    /// themselves, such as node leases.
    Relaxed,
}

/// What one transaction changed, as its watchers see it. Shared between all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The revision of all its events.
    pub revision: Revision,
    /// The changes, in the order of the transaction. Never empty.
    pub events: Vec<Event>,
}

/// A change of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The key.
    pub key: Key,
    /// What happened.
    pub kind: EventKind,
    /// The new value; empty for a deletion.
    pub value: Bytes,
    /// The value before; `None` if the key was absent.
    pub previous: Option<Bytes>,
    /// The revision of the change.
    pub revision: Revision,
}

/// What happened to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// It got a value.
    Put {
        /// Whether it was absent before.
        created: bool,
    },
    /// It was removed.
    Delete,
}

// === impl Txn ===

impl Txn {
    /// A durable transaction that creates a key.
    pub fn create(key: impl Into<Key>, value: impl Into<Bytes>) -> Self {
        let key = key.into();
        Self {
            expect: vec![(key.clone(), Expect::Absent)],
            writes: vec![Write::put(key, value)],
            durability: Durability::Durable,
        }
    }

    /// A durable transaction that replaces what `at` wrote.
    pub fn update(key: impl Into<Key>, at: Revision, value: impl Into<Bytes>) -> Self {
        let key = key.into();
        Self {
            expect: vec![(key.clone(), Expect::At(at))],
            writes: vec![Write::put(key, value)],
            durability: Durability::Durable,
        }
    }

    /// A durable transaction that sets a key, whatever it holds.
    pub fn put(key: impl Into<Key>, value: impl Into<Bytes>) -> Self {
        Self {
            expect: Vec::new(),
            writes: vec![Write::put(key, value)],
            durability: Durability::Durable,
        }
    }

    /// A durable transaction that removes a key that `at` wrote.
    pub fn delete(key: impl Into<Key>, at: Revision) -> Self {
        let key = key.into();
        Self {
            expect: vec![(key.clone(), Expect::At(at))],
            writes: vec![Write::delete(key)],
            durability: Durability::Durable,
        }
    }

    /// The same, answered before it is on disk.
    #[must_use]
    pub fn relaxed(mut self) -> Self {
        self.durability = Durability::Relaxed;
        self
    }

    /// What it weighs in the queue.
    pub(crate) fn bytes(&self) -> usize {
        let expected: usize = self.expect.iter().map(|(key, _)| key.len()).sum();
        let written: usize = self.writes.iter().map(Write::bytes).sum();
        expected + written
    }
}

// === impl Write ===

impl Write {
    /// Sets a key.
    pub fn put(key: impl Into<Key>, value: impl Into<Bytes>) -> Self {
        Self::Put {
            key: key.into(),
            value: value.into(),
        }
    }

    /// Removes a key.
    pub fn delete(key: impl Into<Key>) -> Self {
        Self::Delete { key: key.into() }
    }

    /// The key that it writes.
    #[must_use]
    pub fn key(&self) -> &Key {
        match self {
            Self::Put { key, .. } | Self::Delete { key } => key,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Put { key, value } => key.len() + value.len(),
            Self::Delete { key } => key.len(),
        }
    }
}

// === impl Batch ===

impl Batch {
    /// What it holds in memory, about: keys and values, old ones included.
    pub(crate) fn bytes(&self) -> usize {
        let of =
            |e: &Event| e.key.len() + e.value.len() + e.previous.as_ref().map_or(0, Bytes::len);
        self.events.iter().map(of).sum()
    }
}
