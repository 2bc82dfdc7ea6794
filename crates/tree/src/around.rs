//! What this cluster is in the tree, as far as it knows: its path and labels, and the news that something changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use cedge_api::{ClusterId, ClusterPath};
use cedge_placement::Labels;
use tokio::sync::watch;

/// Where this cluster stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// Path from the root, as far as the ancestors have told it.
    pub path: ClusterPath,
    /// Labels that the parent laid over its own.
    pub labels: Labels,
    /// Origins that lost their keys, and who they are now.
    pub replaced: BTreeMap<ClusterId, ClusterId>,
}

/// Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Around {
    place: Arc<watch::Sender<Place>>,
    news: Arc<watch::Sender<u64>>,
}

impl Around {
    pub(crate) fn new(place: Place) -> Self {
        Self {
            place: Arc::new(watch::channel(place).0),
            news: Arc::new(watch::channel(0).0),
        }
    }

    pub(crate) fn place(&self) -> Place {
        self.place.borrow().clone()
    }

    /// The parent, or a join, said where we stand.
    pub(crate) fn set_place(&self, place: Place) {
        let changed = self.place.send_if_modified(|now| {
            let differs = *now != place;
            *now = place;
            differs
        });
        if changed {
            self.changed();
        }
    }

    /// Something in the tree around changed.
    pub(crate) fn changed(&self) {
        self.news.send_modify(|n| *n += 1);
    }

    /// Completes at the next change.
    pub(crate) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    pub(crate) fn places(&self) -> watch::Receiver<Place> {
        self.place.subscribe()
    }
}
