//! The database file: opened, opened again after a failure, read in short transactions.

use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use cedge_dbfile::{Allocated, Disk, OnDisk};
use redb::{Database, ReadOnlyTable, ReadableDatabase as _, WriteTransaction};

use crate::apply::Tables;
use crate::error::{OpenError, ReadError, WriteError};
use crate::tables::{FORMAT, INDEX, LOG, meta, newest};

/// How many revisions are reserved at once. One durable commit in so many makes the mark move; a crash skips at most
/// so many.
pub(crate) const BLOCK: u64 = 4096;

pub(crate) struct Engine {
    path: PathBuf,
    disk: Box<dyn Disk>,
    cache_bytes: usize,
    /// Readers hold it for one short transaction; the writer takes it exclusively to close or reopen the file.
    state: RwLock<State>,
}

enum State {
    Open(Database),
    Broken,
    Closed,
}

/// What the file said when it was opened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opened {
    pub(crate) revision: u64,
    pub(crate) reserved: u64,
    pub(crate) compacted: u64,
    pub(crate) swept: u64,
    pub(crate) lineage: u128,
}

/// What the file says when it was opened again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reopened {
    pub(crate) newest: u64,
    pub(crate) reserved: u64,
    pub(crate) swept: u64,
}

/// The tables, in a read transaction.
pub(crate) struct Reading {
    pub(crate) log: ReadOnlyTable<(u64, u32), &'static [u8]>,
    pub(crate) index: ReadOnlyTable<(&'static str, u64), u32>,
}

// === impl Engine ===

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("path", &self.path).finish()
    }
}

impl Engine {
    pub(crate) fn open(path: &Path, cache_bytes: usize) -> Result<(Self, Opened), OpenError> {
        let disk = Box::new(OnDisk(path.to_owned()));
        Self::open_on(disk, path, cache_bytes)
    }

    pub(crate) fn open_on(
        disk: Box<dyn Disk>,
        path: &Path,
        cache_bytes: usize,
    ) -> Result<(Self, Opened), OpenError> {
        let refused = |e| refusal(path, e);
        let start = |file| open_database(file, cache_bytes);
        let database = cedge_dbfile::open(&*disk, start, fill).map_err(refused)?;
        let opened = begin(&database)
            .map_err(refused)?
            .map_err(|found| OpenError::Format {
                path: path.to_owned(),
                found,
                known: FORMAT,
            })?;
        let engine = Self {
            path: path.to_owned(),
            disk,
            cache_bytes,
            state: RwLock::new(State::Open(database)),
        };
        Ok((engine, opened))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `f` on a snapshot. Short: the file only grows while one lives.
    pub(crate) fn read<T>(
        &self,
        f: impl FnOnce(&Reading) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let failed = |e: redb::Error| ReadError::Engine(e.into());
        match &*self.share() {
            State::Open(database) => f(&Reading::begin(database).map_err(failed)?),
            State::Broken => Err(ReadError::Engine(WriteError::Unavailable)),
            State::Closed => Err(ReadError::Closed),
        }
    }

    /// Runs `f` in a write transaction, which `f` commits.
    pub(crate) fn write<T>(
        &self,
        f: impl FnOnce(WriteTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, WriteError> {
        match &*self.share() {
            State::Open(database) => {
                let txn = database.begin_write().map_err(redb::Error::from)?;
                Ok(f(txn)?)
            }
            State::Broken | State::Closed => Err(WriteError::Unavailable),
        }
    }

    /// Closes the file and opens it again: after a failure the engine asks for it.
    pub(crate) fn reopen(&self) -> Result<Reopened, WriteError> {
        let mut state = self.own();
        *state = State::Broken;
        let database = open_database(self.disk.open()?, self.cache_bytes)?;
        let reopened = look(&database)?;
        *state = State::Open(database);
        Ok(reopened)
    }

    pub(crate) fn close(&self) {
        *self.own() = State::Closed;
    }

    fn share(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn own(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reading {
    fn begin(database: &Database) -> Result<Self, redb::Error> {
        let txn = database.begin_read()?;
        Ok(Self {
            log: txn.open_table(LOG)?,
            index: txn.open_table(INDEX)?,
        })
    }
}

fn open_database(backend: Allocated, cache_bytes: usize) -> Result<Database, redb::Error> {
    // A damaged file may trip an assertion of the engine.
    std::panic::catch_unwind(AssertUnwindSafe(|| {
        redb::Builder::new()
            .set_cache_size(cache_bytes)
            .set_repair_callback(|repair| {
                tracing::info!(
                    progress = repair.progress(),
                    "checking the store after a crash"
                );
            })
            .create_with_backend(backend)
    }))
    .map_err(|_| redb::Error::Corrupted("the engine gave up on the file".to_owned()))?
    .map_err(redb::Error::from)
}

/// Reads where the history stands, and reserves the first revisions. `Err` is a format that is too new.
fn begin(database: &Database) -> Result<Result<Opened, u64>, redb::Error> {
    let txn = database.begin_write()?;
    let opened = {
        let mut tables = Tables::open(&txn)?;
        match tables.number(meta::FORMAT)? {
            Some(FORMAT) => {}
            Some(found) => return Ok(Err(found)),
            None => {
                return Err(redb::Error::Corrupted(
                    "a database of something else".to_owned(),
                ));
            }
        }
        let reserved = tables.number(meta::RESERVED)?.unwrap_or(1);
        // After a crash nobody knows how much of the block was given out: go on after it.
        let revision = tables.number(meta::CLEAN)?.unwrap_or(reserved);
        let revision = revision.max(newest(&tables.log)?);
        tables.meta.remove(meta::CLEAN)?;
        tables.set(meta::RESERVED, revision + BLOCK)?;
        let [high, low] = meta::LINEAGE;
        let half = |tables: &Tables<'_>, name| tables.number(name).map(Option::unwrap_or_default);
        Opened {
            revision,
            reserved: revision + BLOCK,
            compacted: half(&tables, meta::COMPACTED)?,
            swept: half(&tables, meta::SWEPT)?,
            lineage: u128::from(half(&tables, high)?) << 64 | u128::from(half(&tables, low)?),
        }
    };
    txn.commit()?;
    Ok(Ok(opened))
}

/// What a store without any history holds.
fn fill(database: &Database) -> Result<(), redb::Error> {
    let txn = database.begin_write()?;
    let mut tables = Tables::open(&txn)?;
    let [high, low] = meta::LINEAGE;
    tables.set(meta::FORMAT, FORMAT)?;
    tables.set(meta::RESERVED, 1)?;
    tables.set(meta::CLEAN, 1)?;
    tables.set(high, rand::random())?;
    tables.set(low, rand::random())?;
    drop(tables);
    Ok(txn.commit()?)
}

fn look(database: &Database) -> Result<Reopened, redb::Error> {
    let txn = database.begin_read()?;
    let numbers = txn.open_table(crate::tables::META)?;
    let number = |name: &str| -> Result<u64, redb::Error> {
        Ok(numbers.get(name)?.map_or(0, |n| n.value()))
    };
    Ok(Reopened {
        newest: newest(&txn.open_table(LOG)?)?,
        reserved: number(meta::RESERVED)?,
        swept: number(meta::SWEPT)?,
    })
}

fn refusal(path: &Path, e: redb::Error) -> OpenError {
    use std::io::ErrorKind;
    let path = path.to_owned();
    let detail = e.to_string();
    match e {
        redb::Error::DatabaseAlreadyOpen => OpenError::Locked { path },
        redb::Error::Corrupted(_) | redb::Error::UpgradeRequired(_) => {
            OpenError::Corrupt { path, detail }
        }
        redb::Error::Io(io)
            if matches!(io.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) =>
        {
            OpenError::Corrupt { path, detail }
        }
        redb::Error::Io(io) if io.kind() == ErrorKind::PermissionDenied => OpenError::Permission {
            path,
            cause: redb::Error::Io(io).into(),
        },
        e @ (redb::Error::TableTypeMismatch { .. }
        | redb::Error::TableIsMultimap(_)
        | redb::Error::TypeDefinitionChanged { .. }) => OpenError::Corrupt {
            path,
            detail: e.to_string(),
        },
        e => OpenError::Disk {
            path,
            cause: e.into(),
        },
    }
}
