//! What waits for the disk, and what waits for that.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use crate::{Hash, Key, Meta, Record};

/// Things to be stored in one transaction. Saves of a table are stored in the order of their tickets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Save {
    /// To be given back when it is durable.
    pub ticket: u64,
    /// The table's meta record, if it has changed.
    pub meta: Option<Meta>,
    /// Records, `None` to drop.
    pub records: BTreeMap<Key, Option<Record>>,
    /// Values that records of this save refer to and that may not be stored yet.
    pub values: BTreeMap<Hash, Bytes>,
    /// Nothing waits for it: it may become durable a little later.
    pub relaxed: bool,
}

/// Collects changes into [`Save`]s and remembers what is to happen once they are durable.
#[derive(Debug)]
pub(crate) struct Journal<After> {
    open: Save,
    dirty: bool,
    durable: u64,
    after: VecDeque<(u64, After)>,
}

impl<After> Journal<After> {
    pub(crate) fn new() -> Self {
        let open = Save {
            ticket: 1,
            relaxed: true,
            ..Save::default()
        };
        Self {
            open,
            dirty: false,
            durable: 0,
            after: VecDeque::new(),
        }
    }

    /// Notes a record; gives the ticket with which it becomes durable.
    pub(crate) fn record(&mut self, key: &Key, record: Option<Record>, relaxed: bool) -> u64 {
        self.open.records.insert(Key::clone(key), record);
        self.touch(relaxed)
    }

    pub(crate) fn value(&mut self, hash: Hash, value: Bytes) {
        self.open.values.insert(hash, value);
    }

    pub(crate) fn meta(&mut self, meta: Meta, relaxed: bool) -> u64 {
        self.open.meta = Some(meta);
        self.touch(relaxed)
    }

    /// Does `after` once everything noted so far is durable.
    pub(crate) fn after(&mut self, after: After) {
        let ticket = if self.dirty {
            self.open.ticket
        } else {
            self.open.ticket - 1
        };
        self.after.push_back((ticket, after));
    }

    pub(crate) fn is_durable(&self, ticket: u64) -> bool {
        ticket <= self.durable
    }

    /// The ticket of the latest change.
    pub(crate) fn latest(&self) -> u64 {
        if self.dirty {
            self.open.ticket
        } else {
            self.open.ticket - 1
        }
    }

    pub(crate) fn take(&mut self) -> Option<Save> {
        if !self.dirty {
            return None;
        }
        self.dirty = false;
        let next = Save {
            ticket: self.open.ticket + 1,
            relaxed: true,
            ..Save::default()
        };
        Some(std::mem::replace(&mut self.open, next))
    }

    /// The saves up to `ticket` are durable: gives what waited for them.
    pub(crate) fn persisted(&mut self, ticket: u64) -> Vec<After> {
        self.durable = self.durable.max(ticket);
        self.ready()
    }

    /// What waited for nothing.
    pub(crate) fn ready(&mut self) -> Vec<After> {
        let count = self
            .after
            .iter()
            .take_while(|(t, _)| *t <= self.durable)
            .count();
        self.after.drain(..count).map(|(_, after)| after).collect()
    }

    fn touch(&mut self, relaxed: bool) -> u64 {
        self.dirty = true;
        self.open.relaxed &= relaxed;
        self.open.ticket
    }
}
