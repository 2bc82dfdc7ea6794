//! What its user asks of a reader: the records, and what waits for a person.

use std::time::Duration;

use super::Reader;
use crate::hold::{Held, batch_id};
use crate::{Key, Meta, Record};

impl Reader {
    /// The durable record of a key.
    #[must_use]
    pub fn record(&self, key: &str) -> Option<Record> {
        self.rows.get(key).map(|row| row.record)
    }

    /// All keys with their records, in order, removals that are remembered included.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Record)> {
        self.rows.iter().map(|(key, row)| (key, &row.record))
    }

    /// How many rows have a value.
    #[must_use]
    pub fn len(&self) -> usize {
        self.live
    }

    /// Whether none has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// The keys that the user has not taken care of.
    pub fn undelivered(&self) -> impl Iterator<Item = &Key> {
        self.rows
            .iter()
            .filter(|(_, row)| !row.record.settled)
            .map(|(key, _)| key)
    }

    pub(super) fn held_rows(&self) -> impl Iterator<Item = (&Key, u64)> {
        self.rows
            .iter()
            .filter_map(|(key, row)| Some((key, row.record.held?)))
    }

    /// The deletions that wait for a confirmation.
    #[must_use]
    pub fn held(&self) -> Option<Held> {
        let keys: Vec<Key> = self.held_rows().map(|(key, _)| Key::clone(key)).collect();
        (!keys.is_empty()).then(|| Held {
            id: batch_id(self.held_rows()),
            keys,
        })
    }

    /// Carries out the held deletions; false if `id` does not name exactly them.
    pub fn confirm(&mut self, id: &str) -> bool {
        if self.held().is_none_or(|held| held.id != id) {
            return false;
        }
        let held: Vec<_> = self
            .held_rows()
            .map(|(key, v)| (Key::clone(key), v))
            .collect();
        for (key, version) in held {
            self.bury(&key, version);
        }
        true
    }

    /// The keys that we hold and the writer lost, as of the last comparison.
    #[must_use]
    pub fn regressed(&self) -> Vec<Key> {
        self.regressed.keys().map(Key::clone).collect()
    }

    /// The durable state beside the records.
    #[must_use]
    pub fn meta(&self) -> Meta {
        self.meta
    }

    /// When [`Reader::tick`] has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        self.settling.deadline()
    }
}
