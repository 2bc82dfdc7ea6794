//! Why something about a table or a link did not work.

/// Why the file of tables did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file is not ours, is broken, or the disk refused.
    #[error("could not open the tables in {path}")]
    File {
        /// Where it lies.
        path: String,
        /// What the engine said.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file was written by a newer version of this program.
    #[error("the tables in {path} have format {found}, this program knows up to {known}")]
    Format {
        /// Where it lies.
        path: String,
        /// What is written there.
        found: u64,
        /// What this program knows.
        known: u64,
    },
}

/// Why a table refused a call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// A key is 1 to 512 bytes long.
    #[error("key of {0} bytes: a key has 1 to 512")]
    Key(usize),
    /// A value is at most 1.5 MiB.
    #[error("value of {0} bytes is too large: 1572864 are the limit")]
    Value(usize),
    /// The table is full.
    #[error("table `{table}` is full: it takes {rows_max} rows")]
    Full {
        /// Which.
        table: &'static str,
        /// Its bound.
        rows_max: usize,
    },
    /// The disk refused, or the store was closed. Retry.
    #[error("the tables could not be stored: {0}")]
    Store(String),
}

/// Why a held batch was not confirmed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfirmError {
    /// Nothing is held.
    #[error("no deletion is held")]
    NothingHeld,
    /// More was added to the batch, or some of it released, since it was read.
    #[error("the held batch is {now} by now, not {given}: look at it again")]
    Changed {
        /// What was given.
        given: String,
        /// What it is.
        now: String,
    },
    /// The disk refused. Retry.
    #[error(transparent)]
    Table(#[from] TableError),
}

/// Why a stream was not opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// The session has ended.
    #[error("the link is closed")]
    Closed,
    /// The peer has too many streams of ours open already.
    #[error("too many streams are open on this link")]
    TooManyStreams,
    /// The peer did not take the stream in time.
    #[error("the peer did not answer in time")]
    Timeout,
}
