//! What can go wrong, by what was asked for.

use std::fmt;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use crate::{Item, Key, Revision};

/// What the engine below said. Shared, as one failed commit answers many callers.
#[derive(Debug, Clone)]
pub struct Cause(Arc<redb::Error>);

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another `Store` of this one, holds the file.
    #[error("`{}` is in use by another process", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The file is not a store, or is damaged. Terminal: restore a backup, or move it away.
    #[error("`{}` is damaged or not a store: {detail}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// A newer program wrote the file.
    #[error("`{}` has format {found}, this program knows up to {known}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u64,
        /// The newest format that is known here.
        known: u64,
    },
    /// This user may not read and write the file.
    #[error("no permission to read and write `{}`", path.display())]
    Permission {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: Cause,
    },
    /// The disk refused.
    #[error("could not open `{}`", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// What the disk said.
        #[source]
        cause: WriteError,
    },
    /// The writer's thread could not be started.
    #[error("could not start the writer of the store")]
    Thread(#[source] std::io::Error),
}

/// Why something could not be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    /// The history at that revision is gone: read anew.
    #[error("revision {requested} is compacted, history begins at {compacted}")]
    Compacted {
        /// What was asked for.
        requested: Revision,
        /// The oldest revision that can be read.
        compacted: Revision,
    },
    /// That revision has not been written yet.
    #[error("revision {requested} is in the future, the store is at {revision}")]
    Future {
        /// What was asked for.
        requested: Revision,
        /// The newest revision.
        revision: Revision,
    },
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
    /// The disk or the file failed. Retry.
    #[error("could not read the store")]
    Engine(#[source] WriteError),
}

/// Why a transaction was not done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// A key is not as expected. Nothing was written.
    #[error("`{key}` is not as expected")]
    Conflict {
        /// The key.
        key: Key,
        /// What it holds now.
        current: Option<Item>,
    },
    /// The transaction breaks a limit. Nothing was written. Terminal.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The disk or the file failed. The writes may or may not be there later: read, then retry.
    #[error("could not write the store")]
    Write(#[from] WriteError),
    /// The store is closed. Nothing was written, unless it closed while this was waiting for its turn.
    #[error("the store is closed")]
    Closed,
}

/// A limit that a transaction breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// A key is empty.
    #[error("a key is empty")]
    EmptyKey,
    /// A key is too long.
    #[error("a key has {bytes} bytes, more than {max}")]
    KeyTooLong {
        /// Its length.
        bytes: usize,
        /// What is allowed.
        max: usize,
    },
    /// A value is too long.
    #[error("the value of `{key}` has {bytes} bytes, more than {max}")]
    ValueTooLong {
        /// Whose value.
        key: Key,
        /// Its length.
        bytes: usize,
        /// What is allowed.
        max: usize,
    },
    /// Too many expectations and writes.
    #[error("a transaction of {count} operations, more than {max}")]
    TooMany {
        /// How many.
        count: usize,
        /// What is allowed.
        max: usize,
    },
    /// A key is written twice.
    #[error("`{key}` is written twice in one transaction")]
    Twice {
        /// The key.
        key: Key,
    },
}

/// What the disk or the file did. The next attempt reopens the file.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WriteError {
    /// The disk is full.
    #[error("no space left on the disk")]
    NoSpace(#[source] Cause),
    /// The disk, or the file, cannot be written.
    #[error("the disk is read-only")]
    ReadOnly(#[source] Cause),
    /// The disk failed.
    #[error("the disk failed")]
    Io(#[source] Cause),
    /// The file is damaged.
    #[error("the file is damaged")]
    Corrupt(#[source] Cause),
    /// The file is closed after an earlier failure, and could not be opened again yet.
    #[error("the file could not be opened again after a failure")]
    Unavailable,
    /// Anything else that the engine says.
    #[error("the engine failed")]
    Engine(#[source] Cause),
}

// === impl Cause ===

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Cause {}

impl From<redb::Error> for Cause {
    fn from(e: redb::Error) -> Self {
        Self(Arc::new(e))
    }
}

// === impl WriteError ===

impl WriteError {
    /// The CamelCase word for conditions and events.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoSpace(_) => "NoSpace",
            Self::ReadOnly(_) => "ReadOnly",
            Self::Io(_) => "DiskFailed",
            Self::Corrupt(_) => "StoreDamaged",
            Self::Unavailable => "StoreUnavailable",
            Self::Engine(_) => "EngineFailed",
        }
    }
}

impl From<redb::Error> for WriteError {
    fn from(e: redb::Error) -> Self {
        match &e {
            redb::Error::Io(io) => match io.kind() {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                    Self::NoSpace(e.into())
                }
                ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => {
                    Self::ReadOnly(e.into())
                }
                ErrorKind::InvalidData => Self::Corrupt(e.into()),
                _ => Self::Io(e.into()),
            },
            redb::Error::Corrupted(_) => Self::Corrupt(e.into()),
            _ => Self::Engine(e.into()),
        }
    }
}
