//! What this crate needs of the tables of a link. The `tree` crate hands in the real ones.

use bytes::Bytes;
use futures::future::BoxFuture;

/// A table could not be written: the disk refused, or a bound was passed. Retry.
#[derive(Debug, thiserror::Error)]
#[error("table {table}, key {key}: {cause}")]
pub struct PortError {
    /// The table.
    pub table: &'static str,
    /// The key.
    pub key: String,
    /// What the table said.
    pub cause: String,
}

/// A table that this end writes for one peer.
pub trait Outgoing: Send + Sync + std::fmt::Debug {
    /// The value last put, unless removed.
    fn get(&self, key: &str) -> Option<Bytes>;
    /// The keys that are put and not removed.
    fn keys(&self) -> Vec<String>;
    /// Whether the peer has acknowledged the latest value, or the removal, of `key`.
    fn acked(&self, key: &str) -> bool;
    /// Whether the peer was given `key`, as far as this end knows by itself: it is put, or its removal is not acknowledged.
    /// That the peer says that it holds it is not enough.
    fn is_given(&self, key: &str) -> bool;
    /// Makes `value` durable and due to the peer. The same value again is nothing new.
    fn put<'a>(&'a self, key: &'a str, value: Bytes) -> BoxFuture<'a, Result<(), PortError>>;
    /// Makes a tombstone durable and due to the peer (I3).
    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), PortError>>;
}

/// What a peer did to a table that it writes for this end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A new value.
    Put {
        /// Key.
        key: String,
        /// Version of this hop.
        version: u64,
        /// Value.
        value: Bytes,
    },
    /// A tombstone.
    Removed {
        /// Key.
        key: String,
        /// Version of this hop.
        version: u64,
    },
}

/// A table that a peer writes for this end; what is read here is durable.
pub trait Incoming: Send + Sync + std::fmt::Debug {
    /// The value held.
    fn get(&self, key: &str) -> Option<Bytes>;
    /// The keys held.
    fn keys(&self) -> Vec<String>;
    /// Keys held that the peer no longer asserts, or asserts only in an older version (I3).
    fn regressed(&self) -> Vec<String>;
    /// The next change that is not done. *Cancel safety*: safe; what is not done comes again.
    fn next(&self) -> BoxFuture<'_, Change>;
    /// The change is acted upon and need not come again.
    fn done<'a>(&'a self, key: &'a str, version: u64) -> BoxFuture<'a, Result<(), PortError>>;
    /// Drops a key that the peer lost: nothing here stands for it any more.
    fn forget<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), PortError>>;
    /// Makes the value of `key` come again as a change: what was made of it here is gone.
    fn again(&self, key: &str);
}
