//! Tool: revisioned keys with watch, on one file.
//!
//! What it is: keys → bytes with one revision counter and their history, as an API server needs it: compare-and-swap
//! transactions, ordered ranges at a revision, watch from a revision, compaction. A transaction is *proposed*, then
//! *applied* by one writer, which drains a queue into one durable commit; a replicated log can stand between the two
//! later. What it never does: know what a key or value means, keep objects in memory for reading.
//!
//! Start with [`Store`], then `writer.rs` (what is durable when), `tables.rs` (what is on disk), `watch.rs`.
//!
//! # Guarantees
//! - What is answered is on disk, and what is not on disk is seen by nobody: commits are published after their sync.
//!   [`Durability::Relaxed`] is the exception, for callers that ask for it.
//! - Revisions are reserved durably in blocks, so none is ever given out twice, whatever is lost with a crash.
//! - A commit is there as a whole or not at all, whenever the process is killed.
//! - Every queue, ring and size has a limit ([`Options`]).
//!
//! # Example
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = std::env::temp_dir().join(format!("cedge-store-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! use cedge_store::{Options, Store, Txn};
//!
//! let store = Store::open(folder.join("store.redb"), Options::default())?;
//! let mut watch = store.watch("/pods/", store.revision())?;
//! let created = store.commit(Txn::create("/pods/a", "one")).await?;
//! store.commit(Txn::update("/pods/a", created, "two")).await?;
//!
//! assert_eq!(watch.next().await?.events[0].value, "one");
//! assert_eq!(watch.next().await?.events[0].value, "two");
//! let then = store.get("/pods/a", Some(created))?.expect("it was created");
//! assert_eq!(then.value, "one");
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok(())
//! # }
//! ```
#![warn(missing_docs)]

mod apply;
mod compaction;
mod engine;
mod error;
mod options;
mod stats;
mod store;
mod tables;
mod types;
mod watch;
mod writer;

pub use error::{Cause, CommitError, LimitError, OpenError, ReadError, WriteError};
pub use options::{Lag, Limits, Options, Retention};
pub use stats::Stats;
pub use store::Store;
pub use types::{
    Batch, Durability, Event, EventKind, Expect, Item, Key, Page, Revision, Txn, Write,
};
pub use watch::{Ended, Watch};
