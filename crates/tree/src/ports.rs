//! The tables of a link, as propagation wants them.

use std::time::Duration;

use bytes::Bytes;
use cedge_link::{Delivery, Reader, TableError, Writer};
use cedge_propagation::ports::{Change, Incoming, Outgoing, PortError};
use futures::FutureExt as _;
use futures::future::BoxFuture;

/// After a disk refused.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

/// A table that this cluster writes.
#[derive(Debug, Clone)]
pub(crate) struct Out(pub(crate) Writer);

/// A table that a peer writes.
#[derive(Debug, Clone)]
pub(crate) struct In(pub(crate) Reader);

fn refused(table: &'static str, key: &str, cause: &TableError) -> PortError {
    let cause = match std::error::Error::source(cause) {
        Some(deeper) => format!("{cause}: {deeper}"),
        None => cause.to_string(),
    };
    PortError {
        table,
        key: key.to_owned(),
        cause,
    }
}

/// Tells `due` the key of every change of a table, as long as it lives. A disk that refuses to note that a change is done
/// (it is full, say) keeps nobody from the next one: the table itself stores it as soon as it can.
pub(crate) async fn listen(table: impl Incoming, due: impl Fn(&str)) {
    loop {
        let change = table.next().await;
        let (Change::Put { key, version, .. } | Change::Removed { key, version }) = &change;
        due(key);
        if let Err(error) = table.done(key, *version).await {
            tracing::warn!(%error, "what a peer said may come again");
            tokio::time::sleep(LISTEN_AGAIN).await;
        }
    }
}

impl Outgoing for Out {
    fn get(&self, key: &str) -> Option<Bytes> {
        self.0.get(key).ok().flatten()
    }

    fn keys(&self) -> Vec<String> {
        self.0
            .iter()
            .into_iter()
            .filter(|row| row.delivery != Delivery::Removing)
            .map(|row| row.key)
            .collect()
    }

    fn acked(&self, key: &str) -> bool {
        matches!(
            self.0.delivery(key),
            Delivery::Acknowledged | Delivery::Absent
        )
    }

    fn is_given(&self, key: &str) -> bool {
        match self.0.delivery(key) {
            Delivery::Pending | Delivery::Acknowledged | Delivery::Removing => true,
            // Said of what is put and was refused, and of what only the peer knows.
            Delivery::Regressed => self.get(key).is_some(),
            Delivery::Absent => false,
        }
    }

    fn put<'a>(&'a self, key: &'a str, value: Bytes) -> BoxFuture<'a, Result<(), PortError>> {
        async move {
            let put = self.0.put(key, value).await;
            put.map(drop)
                .map_err(|e| refused(self.0.spec().name, key, &e))
        }
        .boxed()
    }

    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), PortError>> {
        async move {
            self.0
                .remove(key)
                .await
                .map_err(|e| refused(self.0.spec().name, key, &e))
        }
        .boxed()
    }
}

impl Incoming for In {
    fn get(&self, key: &str) -> Option<Bytes> {
        self.0.get(key).ok().flatten()
    }

    fn keys(&self) -> Vec<String> {
        self.0.iter().into_iter().map(|item| item.key).collect()
    }

    fn regressed(&self) -> Vec<String> {
        self.0.regressed()
    }

    fn next(&self) -> BoxFuture<'_, Change> {
        async move {
            match self.0.next_change().await {
                cedge_link::Change::Put {
                    key,
                    version,
                    value,
                } => Change::Put {
                    key,
                    version,
                    value,
                },
                cedge_link::Change::Removed { key, version } => Change::Removed { key, version },
            }
        }
        .boxed()
    }

    fn done<'a>(&'a self, key: &'a str, version: u64) -> BoxFuture<'a, Result<(), PortError>> {
        async move {
            self.0
                .done(key, version)
                .await
                .map_err(|e| refused(self.0.spec().name, key, &e))
        }
        .boxed()
    }

    fn forget<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), PortError>> {
        async move {
            self.0
                .forget(key)
                .await
                .map_err(|e| refused(self.0.spec().name, key, &e))
        }
        .boxed()
    }

    fn again(&self, key: &str) {
        self.0.again(key);
    }
}

#[cfg(test)]
mod tests;
