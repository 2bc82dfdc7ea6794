//! What propagation knows of the tree around its cluster; the `tree` crate keeps it current.

use std::collections::BTreeMap;
use std::sync::Arc;

use cedge_api::{ClusterId, ClusterName, ClusterPath};
use cedge_placement::{Labels, Roster, Site};

use crate::ports::{Incoming, Outgoing};

/// This cluster.
#[derive(Debug, Clone)]
pub struct Here {
    /// Its identity.
    pub id: ClusterId,
    /// Its name.
    pub name: ClusterName,
    /// Its effective labels: its own, with what its parent laid over them.
    pub labels: Labels,
    /// Origins that lost their keys, and who they are now.
    pub replaced: BTreeMap<ClusterId, ClusterId>,
}

/// A direct child.
#[derive(Debug, Clone)]
pub struct Child {
    /// Handovers to it.
    pub missions: Arc<dyn Outgoing>,
    /// Reports from it.
    pub reports: Arc<dyn Incoming>,
    /// What is known of the clusters at and below it.
    pub roster: Roster,
    /// Whether the link is up.
    pub connected: bool,
    /// When it was last heard of (RFC 3339).
    pub as_of: Option<String>,
    /// No Mission is newly placed there.
    pub cordoned: bool,
    /// No handover is sent.
    pub paused: bool,
}

/// The parent.
#[derive(Debug, Clone)]
pub struct Parent {
    /// Its identity.
    pub id: ClusterId,
    /// Handovers from it.
    pub missions: Arc<dyn Incoming>,
    /// Reports to it.
    pub reports: Arc<dyn Outgoing>,
}

/// The tree around this cluster.
#[derive(Debug, Clone)]
pub struct Topology {
    /// This cluster.
    pub here: Here,
    /// Its children.
    pub children: BTreeMap<ClusterName, Child>,
    /// Its parent, if it ever had one.
    pub parent: Option<Parent>,
}

impl Topology {
    /// This cluster as a placement sees it, at `path` from the origin.
    pub(crate) fn site<'a>(&'a self, path: &'a ClusterPath) -> Site<'a> {
        Site {
            path,
            labels: Some(&self.here.labels),
            leaf: Some(self.children.is_empty()),
        }
    }
}
