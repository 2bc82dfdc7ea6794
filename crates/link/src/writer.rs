//! The end of a table that writes.

use std::sync::Arc;

use bytes::Bytes;
use cedge_sync::Progress;
use cedge_wire::limits;
use tokio::sync::watch;

use crate::cell::Cell;
use crate::store::Owner;
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
    cell: Arc<Cell<cedge_sync::Writer>>,
    notices: watch::Receiver<u64>,
    /// Keeps the file open.
    _owner: Arc<Owner>,
}

impl Writer {
    pub(crate) fn new(cell: Arc<Cell<cedge_sync::Writer>>, owner: Arc<Owner>) -> Self {
        Self {
            notices: cell.notices(),
            cell,
            _owner: owner,
        }
    }

    pub(crate) fn cell(&self) -> &Arc<Cell<cedge_sync::Writer>> {
        &self.cell
    }

    /// The table.
    #[must_use]
    pub fn spec(&self) -> TableSpec {
        self.cell.spec
    }

    /// Writes a value and gives its version; durable (for a mirror: stored, and durable within a second) when it
    /// returns, sent when there is a link. The same value again does nothing, even for a regressed key: see
    /// [`Writer::write_again`].
    ///
    /// # Errors
    /// Too large, full, or the disk.
    ///
    /// *Cancel safety*: the value is written although nobody waits for it.
    pub async fn put(&self, key: &str, value: Bytes) -> Result<u64, TableError> {
        if key.is_empty() || key.len() > limits::KEY_MAX {
            return Err(TableError::Key(key.len()));
        }
        if value.len() > limits::VALUE_MAX {
            return Err(TableError::Value(value.len()));
        }
        let TableSpec {
            name: table,
            rows_max,
            ..
        } = self.cell.spec;
        let put = self.cell.change(|machine| {
            let full = machine.len() >= rows_max && machine.record(key).is_none();
            (!full).then(|| machine.put(&key.into(), value))
        });
        let version = put.ok_or(TableError::Full { table, rows_max })?;
        self.cell.stored().await?;
        Ok(version)
    }

    /// Gives a row a new version although its value is the same: the user wrote it again, after a regression.
    ///
    /// # Errors
    /// The disk.
    pub async fn write_again(&self, key: &str) -> Result<(), TableError> {
        self.cell.change(|machine| machine.write_again(&key.into()));
        self.cell.stored().await
    }

    /// Removes a key: a tombstone that lives until the peer has acknowledged it. Also for a regressed key that only the
    /// peer has. Nothing happens if there is neither.
    ///
    /// # Errors
    /// The disk.
    pub async fn remove(&self, key: &str) -> Result<(), TableError> {
        self.cell.change(|machine| machine.remove(&key.into()));
        self.cell.stored().await
    }

    /// The value of a key.
    ///
    /// # Errors
    /// The disk.
    pub fn get(&self, key: &str) -> Result<Option<Bytes>, TableError> {
        let stored = self.cell.engine().get(self.cell.id, key)?;
        Ok(stored.and_then(|(_, value)| value))
    }

    /// All rows, tombstones included, in order of their keys.
    #[must_use]
    pub fn iter(&self) -> Vec<Row> {
        self.cell.read(|machine| {
            let row = |(key, record): (&cedge_sync::Key, &cedge_sync::Record)| Row {
                key: key.to_string(),
                version: record.version,
                delivery: machine.progress(key).into(),
            };
            machine.iter().map(row).collect()
        })
    }

    /// How far a key has come.
    #[must_use]
    pub fn delivery(&self, key: &str) -> Delivery {
        self.cell.read(|machine| machine.progress(key)).into()
    }

    /// How many rows the peer has not acknowledged.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.cell.read(cedge_sync::Writer::pending)
    }

    /// What the peer holds from a past that we lost, as of the last comparison.
    #[must_use]
    pub fn regressed(&self) -> Vec<Regressed> {
        let lost = self.cell.read(cedge_sync::Writer::regressed);
        let regressed = |lost: cedge_sync::Regression| Regressed {
            key: lost.key.to_string(),
            theirs: lost.theirs,
            ours: lost.ours,
        };
        lost.into_iter().map(regressed).collect()
    }

    /// Completes when something was written, acknowledged or refused since the last call on this clone.
    ///
    /// *Cancel safety*: safe.
    pub async fn changed(&mut self) {
        if self.notices.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl From<Progress> for Delivery {
    fn from(progress: Progress) -> Self {
        match progress {
            Progress::Absent => Self::Absent,
            Progress::Pending => Self::Pending,
            Progress::Acknowledged => Self::Acknowledged,
            Progress::Removing | Progress::Holding => Self::Removing,
            Progress::Regressed => Self::Regressed,
        }
    }
}
