//! The child's end: keeps one link to the parent.

use std::time::Duration;

use cedge_tasks::Shutdown;
use tokio::sync::{mpsc, watch};

use crate::{Endpoint, PeerId, Refusal, Session};

/// An HTTP proxy that links go through (`CONNECT`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// `host:port`.
    pub address: String,
    /// User and password, if it asks for them.
    pub credentials: Option<(String, String)>,
}

/// Who we are and whom we trust.
#[derive(Clone)]
pub struct Credentials {
    /// Our certificate, and what lies between it and the CA; DER, leaf first.
    pub chain: Vec<Vec<u8>>,
    /// Our key, PKCS#8 DER.
    pub key: Vec<u8>,
    /// The parent's CA, DER: pinned at join.
    pub ca: Vec<u8>,
}

/// Settings of a [`Dialer`].
#[derive(Debug, Clone)]
pub struct DialerOptions {
    /// The parent's addresses, `host:port`, in order; the first is preferred.
    pub addresses: Vec<String>,
    /// A proxy on the way.
    pub proxy: Option<Proxy>,
    /// After how much silence the link is given up; 45 s.
    pub silence: Duration,
    /// Shortest delay between attempts; 0.5 s.
    pub retry_delay_min: Duration,
    /// Longest delay between attempts; 30 s.
    pub retry_delay_max: Duration,
    /// Our name, for messages.
    pub name: String,
}

/// How the uplink is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkState {
    /// Trying `address`.
    Connecting {
        /// Where.
        address: String,
    },
    /// Up.
    Connected {
        /// Where.
        address: String,
        /// Who the parent is.
        parent: PeerId,
        /// The parent's name for itself.
        parent_name: String,
        /// How many seconds our clock is ahead of the parent's.
        clock_ahead: i64,
    },
    /// Down; another attempt will come.
    Disconnected {
        /// Why.
        error: String,
    },
    /// The parent answered and said no; attempts go on, slowly.
    Refused(Refusal),
    /// Who answers is another cluster than the one that was joined. Terminal until `cedge join --replace`.
    ParentChanged {
        /// Where.
        address: String,
    },
    /// Stopped.
    Stopped,
}

/// A renewed certificate: to be stored by the owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewed {
    /// The chain, DER, leaf first.
    pub chain: Vec<Vec<u8>>,
}

/// Keeps one link to the parent.
#[derive(Debug)]
pub struct Dialer {
    state: watch::Sender<LinkState>,
    renewed: mpsc::Sender<Renewed>,
}

/// What the rest of the program sees of the uplink. Cheap to clone.
#[derive(Debug, Clone)]
pub struct DialerHandle {
    state: watch::Receiver<LinkState>,
}

impl Dialer {
    /// A dialer for `tables`; renewed certificates come out of `renewed`.
    #[must_use]
    pub fn new(
        credentials: Credentials,
        options: DialerOptions,
        tables: Vec<Endpoint>,
        renewed: mpsc::Sender<Renewed>,
    ) -> (Self, DialerHandle) {
        let _ = (credentials, options, tables);
        let (state, seen) = watch::channel(LinkState::Stopped);
        (Self { state, renewed }, DialerHandle { state: seen })
    }

    /// Dials, and dials again, until told to stop.
    pub async fn run(self, shutdown: Shutdown) {
        let _ = (&self.state, &self.renewed);
        shutdown.wait().await;
    }
}

impl DialerHandle {
    /// Tries at once, if it is waiting to try again: the network came back, or somebody asked.
    pub fn poke(&self) {}

    /// How the uplink is, and when that changes.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<LinkState> {
        self.state.clone()
    }

    /// The live session.
    #[must_use]
    pub fn session(&self) -> Option<Session> {
        None
    }

    /// Waits for the next stream that the parent opens, over all sessions to come.
    pub async fn accept(&self) -> Option<(crate::StreamKind, crate::Stream)> {
        None
    }

    /// How often a link came up.
    #[must_use]
    pub fn connects(&self) -> u64 {
        0
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("chain", &self.chain.len())
            .finish_non_exhaustive()
    }
}
