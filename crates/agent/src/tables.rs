//! Where pods come from and where statuses go: the tables of a link, or anything like them.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;

pub use cedge_link::TableError;

/// What happened to a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The key.
    pub key: String,
    /// For [`Handover::done`].
    pub version: u64,
    /// Its value; `None`: it was removed, by name.
    pub value: Option<Bytes>,
}

/// Keyed values that somebody above hands us, kept on our own disk.
pub trait Handover: fmt::Debug + Send + Sync {
    /// Every key that is held.
    fn keys(&self) -> Vec<String>;
    /// The value of a key.
    ///
    /// # Errors
    /// The disk.
    fn get(&self, key: &str) -> Result<Option<Bytes>, TableError>;
    /// The next change; comes again after a restart until it is `done`.
    fn next_change(&self) -> BoxFuture<'_, Change>;
    /// A change is dealt with.
    fn done<'a>(&'a self, key: &'a str, version: u64) -> BoxFuture<'a, Result<(), TableError>>;
}

/// Keyed values that we report.
pub trait Reports: fmt::Debug + Send + Sync {
    /// Every key that is reported.
    fn keys(&self) -> Vec<String>;
    /// Reports a value; the same one again costs nothing.
    fn put<'a>(&'a self, key: &'a str, value: Bytes) -> BoxFuture<'a, Result<(), TableError>>;
    /// Reports it no longer.
    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), TableError>>;
}

/// The tables of a node.
#[derive(Debug, Clone)]
pub struct Tables {
    /// `NS/NAME/UID` → Pod.
    pub pods: Arc<dyn Handover>,
    /// `configmaps/NS/NAME`, `secrets/NS/NAME`, `persistentvolumeclaims/NS/NAME`, `persistentvolumes/-/NAME` → object.
    pub objects: Arc<dyn Handover>,
    /// `node` → Node.
    pub node: Arc<dyn Reports>,
    /// `NS/NAME/UID` → `{"status": PodStatus, "terminated": bool}`.
    pub podstatus: Arc<dyn Reports>,
    /// The event's name → Event.
    pub events: Arc<dyn Reports>,
}

impl Handover for cedge_link::Reader {
    fn keys(&self) -> Vec<String> {
        self.iter().into_iter().map(|item| item.key).collect()
    }

    fn get(&self, key: &str) -> Result<Option<Bytes>, TableError> {
        Self::get(self, key)
    }

    fn next_change(&self) -> BoxFuture<'_, Change> {
        let change = Self::next_change(self).map(|change| match change {
            cedge_link::Change::Put {
                key,
                version,
                value,
            } => Change {
                key,
                version,
                value: Some(value),
            },
            cedge_link::Change::Removed { key, version } => Change {
                key,
                version,
                value: None,
            },
        });
        change.boxed()
    }

    fn done<'a>(&'a self, key: &'a str, version: u64) -> BoxFuture<'a, Result<(), TableError>> {
        Self::done(self, key, version).boxed()
    }
}

impl Reports for cedge_link::Writer {
    fn keys(&self) -> Vec<String> {
        self.iter().into_iter().map(|row| row.key).collect()
    }

    fn put<'a>(&'a self, key: &'a str, value: Bytes) -> BoxFuture<'a, Result<(), TableError>> {
        Self::put(self, key, value)
            .map(|done| done.map(drop))
            .boxed()
    }

    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), TableError>> {
        Self::remove(self, key).boxed()
    }
}
