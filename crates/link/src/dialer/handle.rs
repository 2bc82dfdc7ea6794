//! The dialer as the rest of the program holds it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::watch;

use super::{LinkState, Shared};
use crate::{Session, Stream, StreamKind};

/// What the rest of the program sees of the uplink. Cheap to clone.
#[derive(Debug, Clone)]
pub struct DialerHandle {
    pub(super) shared: Arc<Shared>,
}

impl DialerHandle {
    /// Tries at once, if it is waiting to try again: the network came back, or somebody asked.
    pub fn poke(&self) {
        self.shared.poke.notify_waiters();
    }

    /// How the uplink is, and when that changes.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<LinkState> {
        self.shared.state.subscribe()
    }

    /// The live session.
    #[must_use]
    pub fn session(&self) -> Option<Session> {
        self.shared
            .session
            .borrow()
            .clone()
            .filter(|session| !session.is_closed())
    }

    /// Waits for the next stream that the parent opens, over all sessions to come. `None` when the dialer has stopped.
    ///
    /// *Cancel safety*: safe.
    pub async fn accept(&self) -> Option<(StreamKind, Stream)> {
        let mut sessions = self.shared.session.subscribe();
        loop {
            let session = sessions.borrow_and_update().clone();
            if let Some(session) = session
                && let Some(accepted) = session.accept().await
            {
                return Some(accepted);
            }
            sessions.changed().await.ok()?;
        }
    }

    /// How often a link came up.
    #[must_use]
    pub fn connects(&self) -> u64 {
        self.shared.connects.load(Ordering::Relaxed)
    }
}
