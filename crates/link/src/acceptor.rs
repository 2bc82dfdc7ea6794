//! The hub's end: takes connections of children.

use std::sync::Arc;
use std::time::Duration;

use cedge_api::ClusterId;
use cedge_tasks::Shutdown;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{Hub, Refusal, Session};

/// Settings of an [`Acceptor`].
#[derive(Debug, Clone)]
pub struct AcceptorOptions {
    /// After how much silence a link is given up; 45 s. Heartbeats follow from it.
    pub silence: Duration,
    /// This cluster's name, told to children.
    pub name: String,
}

/// Takes connections of children; one live session per identity, a newer one replaces the older.
#[derive(Debug, Clone)]
pub struct Acceptor {
    options: Arc<AcceptorOptions>,
}

impl Acceptor {
    /// An acceptor that asks `hub`; its sessions end with `shutdown`.
    #[must_use]
    pub fn new(hub: Arc<dyn Hub>, options: AcceptorOptions, shutdown: Shutdown) -> Self {
        let _ = (hub, shutdown);
        Self {
            options: Arc::new(options),
        }
    }

    /// Serves one connection whose ALPN is `edge-link/1` or `edge-join/1`, until it ends.
    pub async fn serve<IO>(&self, connection: tokio_rustls::server::TlsStream<IO>)
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let _ = (connection, &self.options);
    }

    /// The live session of a child.
    #[must_use]
    pub fn session(&self, id: &ClusterId) -> Option<Session> {
        let _ = id;
        None
    }

    /// All live sessions.
    #[must_use]
    pub fn sessions(&self) -> Vec<Session> {
        Vec::new()
    }

    /// Ends the session of a child, telling it why.
    pub fn drop_peer(&self, id: &ClusterId, reason: &Refusal) {
        let _ = (id, reason);
    }
}
