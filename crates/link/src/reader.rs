//! The end of a table that reads.

use bytes::Bytes;

use crate::{ConfirmError, TableError, TableSpec};

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
    table: TableSpec,
}

impl Reader {
    pub(crate) fn new(table: TableSpec) -> Self {
        Self { table }
    }

    /// The table.
    #[must_use]
    pub fn spec(&self) -> TableSpec {
        self.table
    }

    /// The value of a key.
    ///
    /// # Errors
    /// The disk.
    pub fn get(&self, key: &str) -> Result<Option<Bytes>, TableError> {
        let _ = key;
        Ok(None)
    }

    /// All rows that are held, in order of their keys.
    #[must_use]
    pub fn iter(&self) -> Vec<Item> {
        Vec::new()
    }

    /// The next change. *Guarantees*: at least once; one that was not [`Reader::done`] comes again after a restart; of
    /// several changes of a key only the latest may be seen.
    ///
    /// *Cancel safety*: safe.
    pub async fn next_change(&self) -> Change {
        std::future::pending().await
    }

    /// The change was taken care of and need not come again. Ignored if the key has changed since.
    ///
    /// # Errors
    /// The disk.
    pub async fn done(&self, key: &str, version: u64) -> Result<(), TableError> {
        let _ = (key, version);
        Ok(())
    }

    /// The change could not be taken care of: [`Reader::next_change`] gives it out again, after those that wait.
    pub fn again(&self, key: &str) {
        let _ = key;
    }

    /// The deletions that are held.
    #[must_use]
    pub fn held(&self) -> Option<HeldBatch> {
        None
    }

    /// Lets a held batch be deleted.
    ///
    /// # Errors
    /// When nothing or another batch is held.
    pub async fn confirm(&self, id: &str) -> Result<(), ConfirmError> {
        let _ = id;
        Err(ConfirmError::NothingHeld)
    }

    /// Keys that we hold and the writer lost or holds in an older version, as of the last comparison.
    #[must_use]
    pub fn regressed(&self) -> Vec<String> {
        Vec::new()
    }

    /// Completes when what is held or regressed has changed since the last call on this clone.
    ///
    /// *Cancel safety*: safe.
    pub async fn changed(&mut self) {
        std::future::pending::<()>().await;
    }
}
