//! The durable side of all tables of a cluster or a node: one file.

use std::path::Path;

use cedge_api::ClusterId;

use crate::{OpenError, Reader, TableError, TableSpec, Writer};

/// Settings of a [`TableStore`].
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Bytes of page cache.
    pub cache_size: usize,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            cache_size: 1024 * 1024,
        }
    }
}

/// The durable side of all tables: one file, one thread that writes it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct TableStore {}

impl TableStore {
    /// Opens or creates the file.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn open(path: &Path, options: &StoreOptions) -> Result<Self, OpenError> {
        let _ = (path, options);
        Ok(Self {})
    }

    /// Our end of a table that we write for `peer`. The same handle for the same arguments.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn writer(&self, peer: &ClusterId, table: TableSpec) -> Result<Writer, TableError> {
        let _ = peer;
        Ok(Writer::new(table))
    }

    /// Our end of a table that `peer` writes. The same handle for the same arguments.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn reader(&self, peer: &ClusterId, table: TableSpec) -> Result<Reader, TableError> {
        let _ = peer;
        Ok(Reader::new(table))
    }

    /// The peers that there is anything of: the present parent, former ones, children.
    #[must_use]
    pub fn peers(&self) -> Vec<ClusterId> {
        Vec::new()
    }

    /// Drops every table of `peer`: it was evicted, or what it once assigned was taken over.
    ///
    /// # Errors
    /// When the disk refuses.
    #[expect(clippy::unused_async, reason = "waits for the disk")]
    pub async fn forget(&self, peer: &ClusterId) -> Result<(), TableError> {
        let _ = peer;
        Ok(())
    }
}
