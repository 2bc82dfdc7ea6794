//! How the uplink is.

use crate::{Closed, PeerId, Refusal};

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
    /// The parent answered and said no; attempts go on, slowly, unless it detached us.
    Refused(Refusal),
    /// Who answers is another cluster than the one that was joined. Terminal until `cedge join --replace`.
    ParentChanged {
        /// Where.
        address: String,
    },
    /// Stopped.
    Stopped,
}

/// How a link ended, as a state.
pub(super) fn after(closed: Closed) -> LinkState {
    match closed {
        Closed::Refused(refusal) => LinkState::Refused(refusal),
        Closed::Silent => LinkState::Disconnected {
            error: "the parent fell silent".to_owned(),
        },
        Closed::Lost(error) => LinkState::Disconnected { error },
        Closed::Local => LinkState::Stopped,
    }
}

/// Of two failures, the one that somebody should know.
pub(super) fn graver(a: LinkState, b: LinkState) -> LinkState {
    let weight = |state: &LinkState| match state {
        LinkState::ParentChanged { .. } => 3,
        LinkState::Refused(_) => 2,
        LinkState::Disconnected { .. } => 1,
        LinkState::Connecting { .. } | LinkState::Connected { .. } | LinkState::Stopped => 0,
    };
    if weight(&a) > weight(&b) { a } else { b }
}
