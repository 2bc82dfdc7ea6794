//! The end of a table that writes.

use bytes::Bytes;

use crate::{TableError, TableSpec};

/// How far a key has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// We have nothing under this key, nor a tombstone.
    Absent,
    /// The peer has not acknowledged it yet.
    Pending,
    /// The peer has it, durably.
    Acknowledged,
    /// Removed here; the peer has not acknowledged that yet.
    Removing,
    /// The peer holds something newer from a past that we lost: see [`Writer::regressed`].
    Regressed,
}

/// One row, without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its key.
    pub key: String,
    /// Its version.
    pub version: u64,
    /// How far it has come.
    pub delivery: Delivery,
}

/// A key that the peer holds from a past that we lost (we were wiped, or restored from an old backup).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Regressed {
    /// The key.
    pub key: String,
    /// The version that the peer holds.
    pub theirs: u64,
    /// Our version, if we have something under this key.
    pub ours: Option<u64>,
}

/// The end of a table that writes. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Writer {
    table: TableSpec,
}

impl Writer {
    pub(crate) fn new(table: TableSpec) -> Self {
        Self { table }
    }

    /// The table.
    #[must_use]
    pub fn spec(&self) -> TableSpec {
        self.table
    }

    /// Writes a value; durable (for a mirror: accepted) when it returns, sent when there is a link. The same value again
    /// does nothing, even for a regressed key: see [`Writer::write_again`].
    ///
    /// # Errors
    /// Too large, full, or the disk.
    pub async fn put(&self, key: &str, value: Bytes) -> Result<u64, TableError> {
        let _ = (key, value);
        Ok(0)
    }

    /// Gives a row a new version although its value is the same: the user wrote it again, after a regression.
    ///
    /// # Errors
    /// The disk.
    pub async fn write_again(&self, key: &str) -> Result<(), TableError> {
        let _ = key;
        Ok(())
    }

    /// Removes a key: a tombstone that lives until the peer has acknowledged it. Also for a regressed key that only the
    /// peer has. Nothing happens if there is neither.
    ///
    /// # Errors
    /// The disk.
    pub async fn remove(&self, key: &str) -> Result<(), TableError> {
        let _ = key;
        Ok(())
    }

    /// The value of a key.
    ///
    /// # Errors
    /// The disk.
    pub fn get(&self, key: &str) -> Result<Option<Bytes>, TableError> {
        let _ = key;
        Ok(None)
    }

    /// All rows, tombstones included, in order of their keys.
    #[must_use]
    pub fn iter(&self) -> Vec<Row> {
        Vec::new()
    }

    /// How far a key has come.
    #[must_use]
    pub fn delivery(&self, key: &str) -> Delivery {
        let _ = key;
        Delivery::Absent
    }

    /// How many rows the peer has not acknowledged.
    #[must_use]
    pub fn pending(&self) -> usize {
        0
    }

    /// What the peer holds from a past that we lost, as of the last comparison.
    #[must_use]
    pub fn regressed(&self) -> Vec<Regressed> {
        Vec::new()
    }

    /// Completes when an acknowledgement or a regression was noted since the last call on this clone.
    ///
    /// *Cancel safety*: safe.
    pub async fn changed(&mut self) {
        std::future::pending::<()>().await;
    }
}
