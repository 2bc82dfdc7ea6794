//! The end of a table that reads.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use crate::cell::Cell;
use crate::store::Owner;
use crate::{ConfirmError, TableError, TableSpec};

/// A disk that does not give a value back is asked again after this time.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// One row, without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its key.
    pub key: String,
    /// Its version.
    pub version: u64,
}

/// What happened to a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It has a (new) value.
    Put {
        /// The key.
        key: String,
        /// The version, for [`Reader::done`].
        version: u64,
        /// The value.
        value: Bytes,
    },
    /// It is gone.
    Removed {
        /// The key.
        key: String,
        /// The version of the removal, for [`Reader::done`].
        version: u64,
    },
}

/// Deletions that wait for somebody to confirm them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldBatch {
    /// Names exactly this set: it changes when the set does.
    pub id: String,
    /// What would be deleted.
    pub keys: Vec<String>,
}

/// The end of a table that reads. Cheap to clone; changes go to one caller at a time.
#[derive(Debug, Clone)]
pub struct Reader {
    cell: Arc<Cell<cedge_sync::Reader>>,
    notices: watch::Receiver<u64>,
    /// Keeps the file open.
    _owner: Arc<Owner>,
}

impl Reader {
    pub(crate) fn new(cell: Arc<Cell<cedge_sync::Reader>>, owner: Arc<Owner>) -> Self {
        Self {
            notices: cell.notices(),
            cell,
            _owner: owner,
        }
    }

    pub(crate) fn cell(&self) -> &Arc<Cell<cedge_sync::Reader>> {
        &self.cell
    }

    /// The table.
    #[must_use]
    pub fn spec(&self) -> TableSpec {
        self.cell.spec
    }

    /// The value of a key.
    ///
    /// # Errors
    /// The disk.
    pub fn get(&self, key: &str) -> Result<Option<Bytes>, TableError> {
        let stored = self.cell.engine().get(self.cell.id, key)?;
        Ok(stored.and_then(|(_, value)| value))
    }

    /// All rows that are held, in order of their keys.
    #[must_use]
    pub fn iter(&self) -> Vec<Item> {
        self.cell.read(|machine| {
            let live = machine
                .iter()
                .filter(|(_, record)| record.content.is_some());
            live.map(|(key, record)| Item {
                key: key.to_string(),
                version: record.version,
            })
            .collect()
        })
    }

    /// The next change. *Guarantees*: at least once; one that was not [`Reader::done`] comes again after a restart; of
    /// several changes of a key only the latest may be seen.
    ///
    /// *Cancel safety*: safe.
    pub async fn next_change(&self) -> Change {
        loop {
            let Some(key) = self.cell.pop_inbox() else {
                self.cell.arrival().await;
                continue;
            };
            match self.change_of(&key) {
                Ok(Some(change)) => {
                    // Another caller may wait for what else is there.
                    self.cell.push_inbox([]);
                    return change;
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(%error, table = self.cell.spec.name, "a change cannot be read");
                    self.cell.push_inbox([key]);
                    tokio::time::sleep(READ_AGAIN_AFTER).await;
                }
            }
        }
    }

    /// What is stored of a key, unless it was taken care of meanwhile.
    fn change_of(&self, key: &cedge_sync::Key) -> Result<Option<Change>, TableError> {
        let Some((record, value)) = self.cell.engine().get(self.cell.id, key)? else {
            return Ok(None);
        };
        let (key, version) = (key.to_string(), record.version);
        Ok(match value {
            _ if record.settled => None,
            Some(value) => Some(Change::Put {
                key,
                version,
                value,
            }),
            None => Some(Change::Removed { key, version }),
        })
    }

    /// The change was taken care of and need not come again. Ignored if the key has changed since.
    ///
    /// # Errors
    /// The disk.
    pub async fn done(&self, key: &str, version: u64) -> Result<(), TableError> {
        self.cell
            .change(|machine| machine.done(&key.into(), version));
        self.cell.stored().await
    }

    /// Makes the value of `key` come again from [`Reader::next_change`], after those that wait: it could not be taken
    /// care of, or what was made of it is gone.
    pub fn again(&self, key: &str) {
        self.cell.change(|machine| machine.again(&key.into()));
    }

    /// Drops a row that a *former* parent assigned: somebody else took it over. A live parent would bring it back.
    ///
    /// # Errors
    /// The disk.
    pub async fn forget(&self, key: &str) -> Result<(), TableError> {
        self.cell.change(|machine| machine.forget(&key.into()));
        self.cell.stored().await
    }

    /// The deletions that are held.
    #[must_use]
    pub fn held(&self) -> Option<HeldBatch> {
        let held = self.cell.read(cedge_sync::Reader::held)?;
        let keys = held.keys.iter().map(ToString::to_string).collect();
        Some(HeldBatch { id: held.id, keys })
    }

    /// Lets a held batch be deleted.
    ///
    /// # Errors
    /// When nothing or another batch is held.
    pub async fn confirm(&self, id: &str) -> Result<(), ConfirmError> {
        let confirmed = self.cell.change(|machine| machine.confirm(id));
        if confirmed {
            return Ok(self.cell.stored().await?);
        }
        let held = self.held().ok_or(ConfirmError::NothingHeld)?;
        Err(ConfirmError::Changed {
            given: id.to_owned(),
            now: held.id,
        })
    }

    /// Keys that we hold and the writer lost or holds in an older version, as of the last comparison.
    #[must_use]
    pub fn regressed(&self) -> Vec<String> {
        let keys = self.cell.read(cedge_sync::Reader::regressed);
        keys.iter().map(ToString::to_string).collect()
    }

    /// Completes when rows, or what is held or regressed, have changed since the last call on this clone.
    ///
    /// *Cancel safety*: safe.
    pub async fn changed(&mut self) {
        if self.notices.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
