//! Which node a pod gets: a pure decision over the nodes and what is on them.
//!
//! The filters run in the order of Kubernetes, the first that refuses a node gives its reason; among the nodes that
//! are left the best score wins, and of equal ones it is each one's turn. If none is left, `preempt.rs` looks for less
//! important pods that could go.

mod affinity;
mod filter;
mod images;
mod neighbours;
mod preempt;
mod score;
mod spread;
mod storage;
mod taints;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use cedge_informer::{Key, Selector};

use crate::node::{Node, Place, Placed};
use crate::pod::Pod;
use crate::terms::Namespaces;
use crate::volumes::{Bindings, Volumes};
use filter::Filters;
pub(crate) use preempt::{Budget, Preemption};
use storage::Storage;

/// Everything that a decision looks at beside the pod.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) places: BTreeMap<Arc<str>, Place>,
    /// The labels of namespaces, for pod affinity that selects namespaces.
    pub(crate) namespaces: Namespaces,
    pub(crate) volumes: Volumes,
    /// How many pods on nodes use a claim.
    pub(crate) users: HashMap<Key, usize>,
    /// Pods for which room is being made, by node.
    pub(crate) nominated: HashMap<Arc<str>, BTreeMap<Key, Arc<Placed>>>,
    /// Pods that were told to go and do not show it yet.
    pub(crate) doomed: HashSet<Key>,
    pub(crate) budgets: BTreeMap<Key, Budget>,
}

/// A pod that wants a node.
#[derive(Debug)]
pub(crate) struct Wish<'a> {
    pub(crate) key: &'a Key,
    pub(crate) pod: &'a Pod,
    /// How it will look on its node.
    pub(crate) placed: Arc<Placed>,
    /// Which pods are its like, as its services and its owner say.
    pub(crate) like: Option<&'a Selector>,
}

/// The node that a pod gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub(crate) node: Arc<str>,
    /// What its volumes need before.
    pub(crate) bindings: Bindings,
}

/// Why no node takes a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unfit {
    /// As Kubernetes words it.
    pub(crate) message: String,
    /// What would have to change.
    pub(crate) causes: Causes,
    /// Which less important pods go for it.
    pub(crate) preemption: Option<Preemption>,
    /// Whether the room that was being made for it does not help any more.
    pub(crate) ends_nomination: bool,
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
    /// A claim, a volume or a class that comes or changes.
    pub(crate) storage: bool,
}

/// Why one node does not take a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reasons: Vec<String>,
    pub(crate) causes: Causes,
    /// Whether it stands whatever pods leave the node.
    pub(crate) is_final: bool,
}

/// A node that takes the pod, on its way to be compared.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate<'a> {
    pub(crate) node: &'a Node,
    pub(crate) place: &'a Place,
}

/// Decides. `turn` is any number that grows: it picks among equals.
pub(crate) fn decide(wish: &Wish<'_>, world: &World, turn: usize) -> Result<Chosen, Unfit> {
    let known = world.candidates();
    if known.is_empty() {
        return Err(Unfit {
            message: "no nodes available to schedule pods".to_owned(),
            causes: Causes::NODES,
            preemption: None,
            ends_nomination: false,
        });
    }
    let refused = |refusal: Refusal| {
        let reason = refusal.reasons.join(", ");
        Unfit {
            // The last words come from a part of Kubernetes that looks for its own notes and finds none; people know them.
            message: format!("0/{} nodes are available: {reason}. not found", known.len()),
            causes: refusal.causes,
            preemption: None,
            ends_nomination: false,
        }
    };
    let storage = Storage::new(wish, world).map_err(refused)?;
    let filters = Filters::new(wish, world, &storage).map_err(refused)?;
    if let Some(node) = nominated(wish, world, &filters) {
        return chosen(node, &storage, world);
    }
    let mut fit = Vec::new();
    let mut refusals = Vec::new();
    for candidate in &known {
        match filters.check(candidate) {
            Ok(()) => fit.push(*candidate),
            Err(refusal) => refusals.push((*candidate, refusal)),
        }
    }
    if fit.is_empty() {
        let outcome = preempt::preempt(&filters, &refusals, turn);
        let reasons = refusals.iter().flat_map(|(_, refusal)| &refusal.reasons);
        let causes = refusals
            .iter()
            .fold(Causes::default(), |all, (_, r)| all.or(r.causes));
        return Err(Unfit::new(
            &unavailable(known.len(), reasons.map(|r| (&**r, 1))),
            causes,
            outcome,
        ));
    }
    let best = score::best(wish, world, &fit);
    chosen(fit[best[turn % best.len()]].node, &storage, world)
}

/// The node where room was made, if it takes the pod now.
fn nominated<'a>(wish: &Wish<'_>, world: &'a World, filters: &Filters<'_>) -> Option<&'a Node> {
    let place = world.places.get(wish.pod.nominated()?)?;
    let node = place.node.as_deref()?;
    let candidate = Candidate { node, place };
    filters.check(&candidate).is_ok().then_some(node)
}

fn chosen(node: &Node, storage: &Storage<'_>, world: &World) -> Result<Chosen, Unfit> {
    let node_name = node.name.as_str().into();
    match storage.bindings(node, world) {
        Ok(bindings) => Ok(Chosen {
            node: node_name,
            bindings,
        }),
        // The filter asked the same question of the same world.
        Err(refusal) => Err(Unfit {
            message: refusal.reasons.join(", "),
            causes: refusal.causes,
            preemption: None,
            ends_nomination: false,
        }),
    }
}

/// Which of `nodes` nodes say what, as Kubernetes words it: each reason with its count, sorted as text.
fn unavailable<'a>(nodes: usize, reasons: impl Iterator<Item = (&'a str, usize)>) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (reason, count) in reasons {
        *counts.entry(reason).or_default() += count;
    }
    let mut reasons: Vec<String> = counts
        .iter()
        .map(|(reason, count)| format!("{count} {reason}"))
        .collect();
    reasons.sort();
    format!("0/{nodes} nodes are available: {}.", reasons.join(", "))
}

// === impl World ===

impl World {
    fn candidates(&self) -> Vec<Candidate<'_>> {
        let places = self.places.values();
        let known = places.filter_map(|place| {
            let node = place.node.as_deref()?;
            Some(Candidate { node, place })
        });
        known.collect()
    }
}

// === impl Unfit ===

impl Unfit {
    fn new(message: &str, causes: Causes, outcome: preempt::Outcome) -> Self {
        Self {
            message: format!("{message} preemption: {}", outcome.message),
            causes,
            preemption: outcome.preemption,
            ends_nomination: outcome.ends_nomination,
        }
    }
}

// === impl Causes ===

impl Causes {
    const NONE: Self = Self {
        nodes: false,
        leaving: false,
        coming: false,
        storage: false,
    };
    pub(crate) const NODES: Self = Self {
        nodes: true,
        ..Self::NONE
    };
    pub(crate) const LEAVING: Self = Self {
        leaving: true,
        ..Self::NONE
    };
    pub(crate) const COMING: Self = Self {
        coming: true,
        ..Self::NONE
    };
    pub(crate) const ROOM: Self = Self {
        nodes: true,
        leaving: true,
        ..Self::NONE
    };
    pub(crate) const NEIGHBOURS: Self = Self {
        nodes: true,
        leaving: true,
        coming: true,
        ..Self::NONE
    };
    pub(crate) const STORAGE: Self = Self {
        nodes: true,
        storage: true,
        ..Self::NONE
    };
    /// A change of storage alone.
    pub(crate) const STORED: Self = Self {
        storage: true,
        ..Self::NONE
    };

    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            nodes: self.nodes || other.nodes,
            leaving: self.leaving || other.leaving,
            coming: self.coming || other.coming,
            storage: self.storage || other.storage,
        }
    }

    /// Whether something that changed in this way is worth another try.
    pub(crate) fn meets(self, change: Self) -> bool {
        (self.nodes && change.nodes)
            || (self.leaving && change.leaving)
            || (self.coming && change.coming)
            || (self.storage && change.storage)
    }
}

// === impl Refusal ===

impl Refusal {
    /// A refusal that may end when pods leave the node.
    pub(crate) fn because(reason: impl Into<String>, causes: Causes) -> Self {
        Self {
            reasons: vec![reason.into()],
            causes,
            is_final: false,
        }
    }

    /// A refusal that stands whatever pods leave the node.
    pub(crate) fn final_because(reason: impl Into<String>, causes: Causes) -> Self {
        Self {
            is_final: true,
            ..Self::because(reason, causes)
        }
    }
}
