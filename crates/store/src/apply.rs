//! Propose → applied: what one transaction does to the tables. Deterministic, so that a replicated log can decide the
//! order of proposals later.

use std::sync::Arc;

use bytes::Bytes;
use redb::{Table, WriteTransaction};

use crate::tables::{INDEX, LOG, META, Place, Record, find, item};
use crate::types::{Batch, Event, EventKind, Expect, Item, Key, Txn, Write};

/// The tables, open in a write transaction of the engine.
pub(crate) struct Tables<'t> {
    pub(crate) log: Table<'t, (u64, u32), &'static [u8]>,
    pub(crate) index: Table<'t, (&'static str, u64), u32>,
    pub(crate) meta: Table<'t, &'static str, u64>,
}

/// What became of a proposal.
#[derive(Debug, Clone)]
pub(crate) enum Applied {
    /// It changed something, at this revision.
    Changed(Arc<Batch>),
    /// It held, and there was nothing to change.
    Nothing,
    /// A key is not as expected.
    Conflict { key: Key, current: Option<Item> },
}

// === impl Tables ===

impl<'t> Tables<'t> {
    pub(crate) fn open(txn: &'t WriteTransaction) -> Result<Self, redb::Error> {
        Ok(Self {
            log: txn.open_table(LOG)?,
            index: txn.open_table(INDEX)?,
            meta: txn.open_table(META)?,
        })
    }

    /// Does a transaction, at `revision` if it changes anything.
    pub(crate) fn apply(&mut self, txn: &Txn, revision: u64) -> Result<Applied, redb::Error> {
        for (key, expect) in &txn.expect {
            if !self.holds(key, *expect)? {
                let current = item(&self.index, &self.log, key, u64::MAX)?;
                let key = key.clone();
                return Ok(Applied::Conflict { key, current });
            }
        }
        let mut events = Vec::with_capacity(txn.writes.len());
        for write in &txn.writes {
            let place = u32::try_from(events.len()).expect("operations are limited");
            events.extend(self.write(write, revision, place)?);
        }
        if events.is_empty() {
            return Ok(Applied::Nothing);
        }
        Ok(Applied::Changed(Arc::new(Batch {
            revision: revision.into(),
            events,
        })))
    }

    /// Writes again what an earlier, lost commit had written.
    pub(crate) fn replay(&mut self, batch: &Batch) -> Result<(), redb::Error> {
        for (event, place) in batch.events.iter().zip(0..) {
            let write = match event.kind {
                EventKind::Put { .. } => Write::put(event.key.clone(), event.value.clone()),
                EventKind::Delete => Write::delete(event.key.clone()),
            };
            self.write(&write, batch.revision.get(), place)?;
        }
        Ok(())
    }

    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, redb::Error> {
        use redb::ReadableTable as _;
        Ok(self.meta.get(name)?.map(|n| n.value()))
    }

    pub(crate) fn set(&mut self, name: &str, number: u64) -> Result<(), redb::Error> {
        self.meta.insert(name, number)?;
        Ok(())
    }

    fn holds(&self, key: &str, expect: Expect) -> Result<bool, redb::Error> {
        if expect == Expect::Any {
            return Ok(true);
        }
        let live = find(&self.index, key, u64::MAX)?.filter(|place| !place.deleted);
        Ok(match expect {
            Expect::Any => true,
            Expect::Absent => live.is_none(),
            Expect::Present => live.is_some(),
            Expect::At(revision) => live.is_some_and(|place| place.revision == revision.get()),
        })
    }

    fn write(
        &mut self,
        write: &Write,
        revision: u64,
        place: u32,
    ) -> Result<Option<Event>, redb::Error> {
        let key = write.key();
        let before = item(&self.index, &self.log, key, u64::MAX)?;
        let (deleted, value) = match (write, &before) {
            (Write::Delete { .. }, None) => return Ok(None),
            (Write::Delete { .. }, Some(_)) => (true, Bytes::new()),
            (Write::Put { value, .. }, _) => (false, value.clone()),
        };
        let record = Record {
            deleted,
            created: before.as_ref().map_or(revision, |i| i.created.get()),
            version: before.as_ref().map_or(1, |i| i.version + 1),
            key,
            value: &value,
        };
        let at = Place {
            revision,
            place,
            deleted,
        };
        self.log
            .insert((revision, place), record.encode().as_slice())?;
        self.index.insert((&**key, revision), at.row())?;
        Ok(Some(Event {
            key: key.clone(),
            kind: if deleted {
                EventKind::Delete
            } else {
                EventKind::Put {
                    created: before.is_none(),
                }
            },
            value,
            previous: before.map(|i| i.value),
            revision: revision.into(),
        }))
    }
}
