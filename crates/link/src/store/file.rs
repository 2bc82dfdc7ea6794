//! The database file of the tables. The engine below refuses everything after one failure, until the file is opened
//! again; a full disk is such a failure.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{PoisonError, RwLock};

use cedge_dbfile::{Allocated, Disk as _, OnDisk};
use redb::Database;

use super::engine::{Boxed, prepare};

/// The file, open or not.
pub(super) struct File {
    disk: OnDisk,
    cache_size: usize,
    /// Readers hold it for one short transaction; it is taken exclusively to open the file again.
    state: RwLock<Option<Database>>,
}

impl File {
    /// Opens the file, or makes it; tells its format.
    pub(super) fn open(path: &Path, cache_size: usize) -> Result<(Self, u64), Boxed> {
        let disk = OnDisk(path.to_owned());
        let start = |file| start(file, cache_size);
        let database = cedge_dbfile::open(&disk, start, |new| prepare(new).map(drop))?;
        // A later version may have added tables.
        let format = prepare(&database)?;
        let file = Self {
            disk,
            cache_size,
            state: RwLock::new(Some(database)),
        };
        Ok((file, format))
    }

    pub(super) fn with<T>(
        &self,
        f: impl FnOnce(&Database) -> Result<T, Boxed>,
    ) -> Result<T, Boxed> {
        match &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
            Some(database) => f(database),
            None => Err("the file could not be opened again after a failure".into()),
        }
    }

    /// Closes the file and opens it again.
    pub(super) fn reopen(&self) -> Result<(), Boxed> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        *state = None;
        *state = Some(start(self.disk.open()?, self.cache_size)?);
        Ok(())
    }
}

fn start(file: Allocated, cache_size: usize) -> Result<Database, Boxed> {
    let mut builder = redb::Builder::new();
    let opened = catch_unwind(AssertUnwindSafe(|| {
        builder.set_cache_size(cache_size).create_with_backend(file)
    }));
    // A damaged file may trip an assertion of the engine.
    Ok(opened.map_err(|_| "the engine gave up on the file: it is damaged")??)
}

/// Whether it was the file that failed, and not what was found in it.
pub(super) fn is_of_the_file(error: &Boxed) -> bool {
    error.is::<redb::Error>()
        || error.is::<redb::StorageError>()
        || error.is::<redb::TransactionError>()
        || error.is::<redb::TableError>()
        || error.is::<redb::CommitError>()
}
