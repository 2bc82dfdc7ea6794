//! What this cluster says of itself, and of all below it.

use std::collections::BTreeMap;

use cedge_api::EdgeCluster;
use cedge_api::edgecluster::SubtreeCounts;
use cedge_api::exchange::{ClusterFacts, RosterLine};
use cedge_propagation::Propagation;
use kube::ResourceExt as _;

use super::{ChildState, Hub, facts_of, state_of};
use crate::{facts, roster};

impl Hub {
    /// What this cluster says of itself.
    pub(crate) fn own_facts(&self) -> ClusterFacts {
        let missions = self
            .parts
            .missions
            .get()
            .map(Propagation::counts)
            .unwrap_or_default();
        let nodes = facts::nodes(&self.parts.node_cache);
        let health = self.parts.health.borrow().clone();
        facts::facts(
            &self.parts.constant,
            &health,
            nodes,
            &missions,
            self.subtree(),
        )
    }

    fn subtree(&self) -> SubtreeCounts {
        let mut sum = SubtreeCounts::default();
        for (child, line) in self.lines() {
            let below = roster::subtree(&child.roster, child.is_connected());
            let own = roster::count(&line);
            sum.clusters += below.clusters + own.clusters;
            sum.healthy += below.healthy + own.healthy;
            sum.unreachable += below.unreachable + own.unreachable;
            sum.unhealthy += below.unhealthy + own.unhealthy;
            sum.nodes += below.nodes + own.nodes;
            sum.depth = sum.depth.max(below.depth + 1);
        }
        sum
    }

    /// The roster that this cluster sends up.
    pub(crate) fn roster_up(&self) -> BTreeMap<String, Vec<u8>> {
        roster::upward(&self.lines())
    }

    fn lines(&self) -> Vec<(ChildState, RosterLine)> {
        let lines = self.children.all().into_iter().filter_map(|child| {
            let object = self
                .clusters
                .decode::<EdgeCluster>("", child.name.as_str())
                .ok()
                .flatten()?;
            let facts = facts_of(&child);
            let state = state_of(&object, child.is_connected(), facts.as_ref());
            let (below, complete) = roster::read(&child.roster);
            let leaf = below.is_empty() && complete;
            let line = roster::own_line(&child, state, object.labels(), facts.as_ref(), leaf);
            Some((child, line))
        });
        lines.collect()
    }

    /// From now on the own line counts Missions.
    pub(crate) fn count_missions(&self, propagation: &Propagation) {
        let _ = self.parts.missions.set(propagation.clone());
        let around = self.parts.around.clone();
        propagation.on_change(move || around.changed());
        self.parts.around.changed();
    }
}
