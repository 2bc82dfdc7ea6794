//! A running tree, as the program around it sees it.

use std::sync::Arc;

use cedge_propagation::Propagation;
use tokio::sync::watch;

use crate::hub::Hub;
use crate::reach::Reach;
use crate::uplink::Running;

/// Sums over the live links of children.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LinkCounters {
    /// How many there are.
    pub live: u32,
    /// Bytes received over them.
    pub bytes_in: u64,
    /// Bytes sent over them.
    pub bytes_out: u64,
}

/// What the uplink counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UplinkCounters {
    /// How often it has come up since the start.
    pub connects: u64,
    /// Whether it is up.
    pub live: bool,
    /// Bytes received since it came up.
    pub bytes_in: u64,
    /// Bytes sent since it came up.
    pub bytes_out: u64,
}

/// A running tree. Cheap to clone.
#[derive(Clone)]
pub struct Tree {
    pub(crate) hub: Hub,
    pub(crate) reach: Reach,
    pub(crate) acceptor: cedge_link::Acceptor,
    pub(crate) propagation: Propagation,
    pub(crate) uplink: Arc<watch::Sender<Option<Running>>>,
}

impl std::fmt::Debug for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tree")
            .field("hub", &self.hub)
            .finish_non_exhaustive()
    }
}

impl Tree {
    /// Takes connections of children (ALPN `edge-link/1`, `edge-join/1`).
    #[must_use]
    pub fn acceptor(&self) -> &cedge_link::Acceptor {
        &self.acceptor
    }

    /// Answers requests at the hub's port.
    #[must_use]
    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    /// Who is below.
    #[must_use]
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// The Missions.
    #[must_use]
    pub fn propagation(&self) -> &Propagation {
        &self.propagation
    }

    /// What the live links of children have carried.
    #[must_use]
    pub fn link_counters(&self) -> LinkCounters {
        let mut sum = LinkCounters::default();
        for session in self.acceptor.sessions() {
            let counters = session.counters();
            sum.live += 1;
            sum.bytes_in += counters.bytes_in;
            sum.bytes_out += counters.bytes_out;
        }
        sum
    }

    /// What the uplink counts, if there is one.
    #[must_use]
    pub fn uplink_counters(&self) -> Option<UplinkCounters> {
        let running = self.uplink.borrow();
        let dialer = &running.as_ref()?.dialer;
        let session = dialer.session();
        let carried = session.as_ref().map(cedge_link::Session::counters);
        let carried = carried.unwrap_or_default();
        Some(UplinkCounters {
            connects: dialer.connects(),
            live: session.is_some(),
            bytes_in: carried.bytes_in,
            bytes_out: carried.bytes_out,
        })
    }
}
