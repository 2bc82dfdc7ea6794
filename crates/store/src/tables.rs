//! What is on disk: three tables of redb, and how they are read.
//!
//! | table | key | value |
//! |---|---|---|
//! | `log` | (revision, place in the transaction) | what was written: the whole history, in order |
//! | `index` | (key, revision) | place in the transaction × 2, plus 1 for a deletion |
//! | `meta` | name | number |
//!
//! A value is stored once, in the log, whose tail is written sequentially; the index rows are small. A range at a
//! revision walks the index; a watch that catches up walks the log.

use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use bytes::Bytes;
use redb::{ReadableTable, TableDefinition};

use crate::types::{Batch, Event, EventKind, Item, Revision};

pub(crate) const LOG: TableDefinition<'_, (u64, u32), &[u8]> = TableDefinition::new("log");
pub(crate) const INDEX: TableDefinition<'_, (&str, u64), u32> = TableDefinition::new("index");
pub(crate) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

/// Names of the numbers in `meta`.
pub(crate) mod meta {
    /// The layout of this file.
    pub(crate) const FORMAT: &str = "format";
    /// The store's identity, two halves.
    pub(crate) const LINEAGE: [&str; 2] = ["lineage-high", "lineage-low"];
    /// No revision above this was ever given out.
    pub(crate) const RESERVED: &str = "reserved";
    /// The revision at a clean end; absent while the store is open or after a crash.
    pub(crate) const CLEAN: &str = "clean";
    /// History below this is not to be read.
    pub(crate) const COMPACTED: &str = "compacted";
    /// History up to this has been removed.
    pub(crate) const SWEPT: &str = "swept";
}

/// The layout described above.
pub(crate) const FORMAT: u64 = 1;

/// A table of revisions, open for reading or writing.
pub(crate) trait Log: ReadableTable<(u64, u32), &'static [u8]> {}
impl<T: ReadableTable<(u64, u32), &'static [u8]>> Log for T {}

/// A table of keys, open for reading or writing.
pub(crate) trait Index: ReadableTable<(&'static str, u64), u32> {}
impl<T: ReadableTable<(&'static str, u64), u32>> Index for T {}

/// Where a version of a key stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) revision: u64,
    pub(crate) place: u32,
    pub(crate) deleted: bool,
}

/// What the log says at one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) deleted: bool,
    pub(crate) created: u64,
    pub(crate) version: u64,
    pub(crate) key: &'a str,
    pub(crate) value: &'a [u8],
}

const HEADER: usize = 1 + 8 + 8 + 4;

// === impl Place ===

impl Place {
    pub(crate) fn from_row(revision: u64, row: u32) -> Self {
        Self {
            revision,
            place: row >> 1,
            deleted: row & 1 == 1,
        }
    }

    pub(crate) fn row(self) -> u32 {
        self.place << 1 | u32::from(self.deleted)
    }
}

// === impl Record ===

impl<'a> Record<'a> {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let key_bytes = u32::try_from(self.key.len()).expect("keys are limited");
        let mut out = Vec::with_capacity(HEADER + self.key.len() + self.value.len());
        out.push(u8::from(self.deleted));
        out.extend_from_slice(&self.created.to_be_bytes());
        out.extend_from_slice(&self.version.to_be_bytes());
        out.extend_from_slice(&key_bytes.to_be_bytes());
        out.extend_from_slice(self.key.as_bytes());
        out.extend_from_slice(self.value);
        out
    }

    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self, redb::Error> {
        Self::parse(bytes).ok_or_else(|| redb::Error::Corrupted("a log record".to_owned()))
    }

    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (deleted, rest) = bytes.split_first()?;
        let (created, rest) = rest.split_first_chunk()?;
        let (version, rest) = rest.split_first_chunk()?;
        let (key_bytes, rest) = rest.split_first_chunk()?;
        let key_bytes = usize::try_from(u32::from_be_bytes(*key_bytes)).ok()?;
        let (key, value) = rest.split_at_checked(key_bytes)?;
        Some(Self {
            deleted: *deleted != 0,
            created: u64::from_be_bytes(*created),
            version: u64::from_be_bytes(*version),
            key: std::str::from_utf8(key).ok()?,
            value,
        })
    }

    fn item(&self, revision: u64) -> Item {
        Item {
            key: self.key.into(),
            value: Bytes::copy_from_slice(self.value),
            created: self.created.into(),
            modified: revision.into(),
            version: self.version,
        }
    }
}

// === reading ===

/// The newest version of a key at a revision, a deletion included.
pub(crate) fn find(index: &impl Index, key: &str, at: u64) -> Result<Option<Place>, redb::Error> {
    let mut versions = index.range((key, 0)..=(key, at))?;
    let Some(row) = versions.next_back() else {
        return Ok(None);
    };
    let (name, row) = row?;
    Ok(Some(Place::from_row(name.value().1, row.value())))
}

/// What a key holds at a revision.
pub(crate) fn item(
    index: &impl Index,
    log: &impl Log,
    key: &str,
    at: u64,
) -> Result<Option<Item>, redb::Error> {
    match find(index, key, at)? {
        Some(place) if !place.deleted => item_at(log, place).map(Some),
        _ => Ok(None),
    }
}

fn item_at(log: &impl Log, place: Place) -> Result<Item, redb::Error> {
    with_record(log, place, |record| record.item(place.revision))
}

fn with_record<T>(
    log: &impl Log,
    place: Place,
    f: impl FnOnce(Record<'_>) -> T,
) -> Result<T, redb::Error> {
    let row = log.get((place.revision, place.place))?.ok_or_else(|| {
        redb::Error::Corrupted(format!("no log record at revision {}", place.revision))
    })?;
    Ok(f(Record::decode(row.value())?))
}

/// Which part of the keys to read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span<'a> {
    pub(crate) prefix: &'a str,
    pub(crate) after: Option<&'a str>,
    pub(crate) at: u64,
}

/// The first live items of a span, `limit` of them (0: all), and whether others follow.
pub(crate) fn range(
    index: &impl Index,
    log: &impl Log,
    span: Span<'_>,
    limit: usize,
) -> Result<(Vec<Item>, bool), redb::Error> {
    let mut items = Vec::new();
    let mut more = false;
    live(index, span, |place| {
        more = limit > 0 && items.len() == limit;
        if more {
            return Ok(ControlFlow::Break(()));
        }
        items.push(item_at(log, place)?);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok((items, more))
}

/// How many live items a span has.
pub(crate) fn count(index: &impl Index, span: Span<'_>) -> Result<u64, redb::Error> {
    let mut count = 0;
    live(index, span, |_| {
        count += 1;
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(count)
}

/// Shows `take` where each key of a span that was not deleted stands, in order, until it has enough.
fn live(
    index: &impl Index,
    span: Span<'_>,
    mut take: impl FnMut(Place) -> Result<ControlFlow<()>, redb::Error>,
) -> Result<(), redb::Error> {
    let start = match span.after {
        Some(after) if after >= span.prefix => Bound::Excluded((after, u64::MAX)),
        _ => Bound::Included((span.prefix, 0)),
    };
    let mut key = String::new();
    let mut newest: Option<Place> = None;
    for row in index.range::<(&str, u64)>((start, Bound::Unbounded))? {
        let (name, row) = row?;
        let (name, revision) = name.value();
        if !name.starts_with(span.prefix) {
            break;
        }
        if name != key {
            if let Some(place) = newest.take().filter(|place| !place.deleted)
                && take(place)?.is_break()
            {
                return Ok(());
            }
            key.clear();
            key.push_str(name);
        }
        if revision <= span.at {
            newest = Some(Place::from_row(revision, row.value()));
        }
    }
    if let Some(place) = newest.filter(|place| !place.deleted) {
        _ = take(place)?;
    }
    Ok(())
}

/// A part of the history.
#[derive(Debug)]
pub(crate) struct Stretch {
    /// What changed below the prefix.
    pub(crate) batches: Vec<Arc<Batch>>,
    /// The stretch is complete up to here.
    pub(crate) until: u64,
}

/// Reads the changes below a prefix that follow `after`, up to `until`, and about `rows` rows of the log.
pub(crate) fn history(
    index: &impl Index,
    log: &impl Log,
    prefix: &str,
    (after, until): (u64, u64),
    rows: usize,
) -> Result<Stretch, redb::Error> {
    let mut batches: Vec<Arc<Batch>> = Vec::new();
    let mut events: Vec<Event> = Vec::new();
    let mut current = after;
    for (count, row) in log.range((after + 1, 0)..=(until, u32::MAX))?.enumerate() {
        let (place, row) = row?;
        let (revision, _) = place.value();
        if revision != current {
            finish(&mut batches, &mut events, current);
            // Never in the middle of a transaction.
            if count >= rows {
                let until = current;
                return Ok(Stretch { batches, until });
            }
            current = revision;
        }
        let record = Record::decode(row.value())?;
        if record.key.starts_with(prefix) {
            events.push(event(index, log, &record, revision)?);
        }
    }
    finish(&mut batches, &mut events, current);
    Ok(Stretch { batches, until })
}

fn finish(batches: &mut Vec<Arc<Batch>>, events: &mut Vec<Event>, revision: u64) {
    if !events.is_empty() {
        batches.push(Arc::new(Batch {
            revision: revision.into(),
            events: std::mem::take(events),
        }));
    }
}

fn event(
    index: &impl Index,
    log: &impl Log,
    record: &Record<'_>,
    revision: u64,
) -> Result<Event, redb::Error> {
    let previous = match find(index, record.key, revision - 1)? {
        Some(place) if !place.deleted => Some(with_record(log, place, |r| {
            Bytes::copy_from_slice(r.value)
        })?),
        _ => None,
    };
    Ok(Event {
        key: record.key.into(),
        kind: if record.deleted {
            EventKind::Delete
        } else {
            EventKind::Put {
                created: record.version == 1,
            }
        },
        value: Bytes::copy_from_slice(record.value),
        previous,
        revision: Revision::new(revision),
    })
}

/// The newest revision in the log; 0 if there is none.
pub(crate) fn newest(log: &impl Log) -> Result<u64, redb::Error> {
    Ok(log.last()?.map_or(0, |(place, _)| place.value().0))
}
