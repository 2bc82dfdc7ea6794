//! What both ends know: keys, records, what is durable about a table.

use std::sync::Arc;

use cedge_wire::limits;
use cedge_wire::table::{Body, Put};

use crate::ProtocolError;

/// A key of a table.
pub type Key = Arc<str>;
/// BLAKE3 of a value.
pub type Hash = [u8; 32];

/// What the reader does with what the writer does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Keeps it, unless a tombstone names it (I3). With `hold`, mass deletions wait for a confirmation.
    Retain {
        /// Whether mass deletions are held.
        hold: bool,
    },
    /// Drops it: the writer is authoritative.
    Mirror,
}

/// A value, seen from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content {
    /// Its hash.
    pub hash: Hash,
    /// Its length in bytes.
    pub length: u32,
}

/// The durable state of a key, at either end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// The version, given by the writer; 1 or more.
    pub version: u64,
    /// The value; `None` is a tombstone (writer) or the memory of a removal (reader).
    pub content: Option<Content>,
    /// Writer: the reader has acknowledged it. Reader: its user has taken care of it.
    pub settled: bool,
    /// Reader: a tombstone of this version has come and is held.
    pub held: Option<u64>,
}

/// The durable state of a table beside its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Meta {
    /// Writer: which life this is, drawn at random when the table was created. Reader: the writer's life that it met
    /// last, 0 for none.
    pub life: u64,
    /// Writer: the highest version given out or heard of. Reader: the highest version recorded.
    pub high: u64,
    /// Writer: records up to this version were written before this life knew what the reader holds from another one.
    pub doubt_until: u64,
    /// Writer: the other life for which `doubt_until` was set.
    pub doubted: u64,
}

/// Something to be sent.
#[derive(Debug, Clone, PartialEq)]
pub enum Outgoing {
    /// As it is.
    Message(Body),
    /// A put whose value (by its hash) is to be filled in from the disk. If it is gone, the record has changed since:
    /// send nothing and say so ([`crate::Writer::unsent`]), a newer put follows.
    Inline(Put),
    /// A value in pieces of [`limits::CHUNK_MAX`], as [`cedge_wire::table::Data`]. If it is gone: as above.
    Value {
        /// Of this key,
        key: Key,
        /// in this version.
        version: u64,
        /// By its hash.
        hash: Hash,
    },
}

pub(crate) fn check_key(key: &str) -> Result<Key, ProtocolError> {
    if key.is_empty() || key.len() > limits::KEY_MAX {
        return Err(ProtocolError::Key(key.len()));
    }
    Ok(Key::from(key))
}

pub(crate) fn check_version(version: u64) -> Result<u64, ProtocolError> {
    if version == 0 || version >= limits::VERSION_LIMIT {
        return Err(ProtocolError::Version(version));
    }
    Ok(version)
}
