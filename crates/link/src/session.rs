//! One live link.

use std::sync::Arc;

use tokio::io::DuplexStream;

use crate::{PeerId, Refusal, SessionError};

/// What a stream is for; its first byte says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StreamKind {
    /// Tables; one per session, opened by this crate itself.
    Sync,
    /// HTTP/1.1.
    Request,
    /// Bytes for somebody further away.
    Relay,
}

/// A stream: `AsyncRead + AsyncWrite`.
pub type Stream = DuplexStream;

/// Why a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closed {
    /// The peer closed it, or the network did.
    Lost(String),
    /// Nothing was heard for as long as silence is borne.
    Silent,
    /// The peer, or we, said why.
    Refused(Refusal),
    /// We are stopping.
    Local,
}

/// What a session has carried.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Bytes received, as TLS carried them.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
}

/// One live link. Cheap to clone; it ends when either end closes it, not when clones are dropped.
#[derive(Debug, Clone)]
pub struct Session {
    peer: Arc<PeerId>,
}

impl Session {
    /// Who is at the other end.
    #[must_use]
    pub fn peer(&self) -> &PeerId {
        &self.peer
    }

    /// Opens a stream to the peer.
    ///
    /// # Errors
    /// When the session has ended or the peer takes no more.
    pub async fn open(&self, kind: StreamKind) -> Result<Stream, SessionError> {
        let _ = kind;
        Err(SessionError::Closed)
    }

    /// The next stream that the peer opened; `None` when the session has ended. One caller at a time.
    ///
    /// *Cancel safety*: safe.
    pub async fn accept(&self) -> Option<(StreamKind, Stream)> {
        None
    }

    /// Completes when the session has ended, with the reason.
    ///
    /// *Cancel safety*: safe.
    pub async fn closed(&self) -> Closed {
        Closed::Local
    }

    /// Ends the session, telling the peer why.
    pub fn close(&self, reason: Refusal) {
        let _ = reason;
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        true
    }

    /// What it has carried.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters::default()
    }
}
