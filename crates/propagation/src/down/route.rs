//! Station 2 of the walk: is the Mission for this cluster, and for which children may it be?
//! Before: `accept`. After: `hand_over` for the children, `deploy` here.
//! Durable: nothing; it can be recomputed. Never: asks anybody.

use std::collections::BTreeMap;

use cedge_api::{ClusterName, Mission};

use crate::accept::Accepted;
use crate::topology::Topology;

/// Where a Mission goes from here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Whether it is deployed in this cluster.
    pub here: bool,
    /// For each child, whether it is to hold the Mission.
    pub children: BTreeMap<ClusterName, bool>,
}

/// Decides. A cordoned child keeps what it has and gets nothing new.
#[must_use]
pub fn decide(mission: &Mission, accepted: &Accepted, topology: &Topology) -> Route {
    let placement = mission.spec.placement.as_ref();
    let here = cedge_placement::is_placed(placement, topology.site(&accepted.path));
    let key = accepted.key.to_string();
    let children = topology.children.iter().map(|(name, child)| {
        let path = accepted.path.child(name.clone());
        let wanted = cedge_placement::route(placement, &path, &child.roster);
        let holds = child.missions.get(&key).is_some();
        (name.clone(), wanted && (!child.cordoned || holds))
    });
    Route {
        here,
        children: children.collect(),
    }
}
