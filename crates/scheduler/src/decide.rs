//! Which node a pod gets: a pure decision over the nodes and what is on them.
//!
//! The filters run in the order of Kubernetes, the first that refuses a node gives its reason; among the nodes that
//! are left the best score wins, and of equal ones it is each one's turn.

mod affinity;
mod filter;
mod neighbours;
mod score;
mod taints;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use cedge_informer::Labels;

use crate::node::{Node, Place};
use crate::pod::Pod;
use crate::resources::Requests;
use filter::Filters;

/// Everything that a decision looks at beside the pod.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) places: BTreeMap<Arc<str>, Place>,
    /// The labels of namespaces, for pod affinity that selects namespaces.
    pub(crate) namespaces: BTreeMap<String, Labels>,
}

/// Why no node takes a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unfit {
    /// As Kubernetes words it.
    pub(crate) message: String,
    /// What would have to change.
    pub(crate) causes: Causes,
}

/// Which changes may make a pod fit that did not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Causes {
    /// A node that comes, or changes its labels, taints or size.
    pub(crate) nodes: bool,
    /// A pod that leaves its node: room, ports.
    pub(crate) leaving: bool,
    /// A pod that comes to a node, or changes its labels.
    pub(crate) coming: bool,
}

/// Why one node does not take a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reasons: Vec<String>,
    pub(crate) causes: Causes,
}

/// A node that takes the pod, on its way to be compared.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate<'a> {
    pub(crate) node: &'a Node,
    pub(crate) place: &'a Place,
}

/// Decides. `turn` is any number that grows: it picks among equals.
pub(crate) fn decide(pod: &Pod, world: &World, turn: usize) -> Result<Arc<str>, Unfit> {
    let requests = pod.requests();
    let candidates = fitting(pod, &requests, world)?;
    let best = score::best(pod, &requests, &candidates);
    let name = &candidates[best[turn % best.len()]].node.name;
    Ok(name.as_str().into())
}

fn fitting<'a>(
    pod: &Pod,
    requests: &Requests,
    world: &'a World,
) -> Result<Vec<Candidate<'a>>, Unfit> {
    let known: Vec<Candidate<'_>> = world
        .places
        .values()
        .filter_map(|place| {
            let node = place.node.as_deref()?;
            Some(Candidate { node, place })
        })
        .collect();
    if known.is_empty() {
        return Err(Unfit {
            message: "no nodes available to schedule pods".to_owned(),
            causes: Causes::NODES,
        });
    }
    let filters = Filters::new(pod, requests, world).map_err(|refusal| {
        let reason = refusal.reasons.join(", ");
        Unfit {
            message: format!("0/{} nodes are available: {reason}.", known.len()),
            causes: refusal.causes,
        }
    })?;
    let mut fit = Vec::new();
    let mut refusals = Vec::new();
    for candidate in &known {
        match filters.check(candidate) {
            Ok(()) => fit.push(*candidate),
            Err(refusal) => refusals.push(refusal),
        }
    }
    if fit.is_empty() {
        return Err(Unfit::new(known.len(), &refusals));
    }
    Ok(fit)
}

// === impl Unfit ===

impl Unfit {
    fn new(nodes: usize, refusals: &[Refusal]) -> Self {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for reason in refusals.iter().flat_map(|r| &r.reasons) {
            *counts.entry(reason).or_default() += 1;
        }
        // Sorted with their counts, as Kubernetes sorts them.
        let mut reasons: Vec<String> = counts
            .iter()
            .map(|(reason, count)| format!("{count} {reason}"))
            .collect();
        reasons.sort();
        let causes = refusals
            .iter()
            .fold(Causes::default(), |all, r| all.or(r.causes));
        Self {
            message: format!("0/{nodes} nodes are available: {}.", reasons.join(", ")),
            causes,
        }
    }
}

// === impl Causes ===

impl Causes {
    pub(crate) const NODES: Self = Self {
        nodes: true,
        leaving: false,
        coming: false,
    };
    pub(crate) const ROOM: Self = Self {
        nodes: true,
        leaving: true,
        coming: false,
    };
    pub(crate) const NEIGHBOURS: Self = Self {
        nodes: true,
        leaving: true,
        coming: true,
    };

    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            nodes: self.nodes || other.nodes,
            leaving: self.leaving || other.leaving,
            coming: self.coming || other.coming,
        }
    }

    /// Whether something that changed in this way is worth another try.
    pub(crate) fn meets(self, change: Self) -> bool {
        (self.nodes && change.nodes)
            || (self.leaving && change.leaving)
            || (self.coming && change.coming)
    }
}

// === impl Refusal ===

impl Refusal {
    pub(crate) fn because(reason: impl Into<String>, causes: Causes) -> Self {
        Self {
            reasons: vec![reason.into()],
            causes,
        }
    }
}
