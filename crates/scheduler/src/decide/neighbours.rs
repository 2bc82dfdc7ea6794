//! Where a pod may be because of the pods that are there: what it must be near, what it must not be near, who does not
//! want it near, how evenly its like are spread, and who holds what only one may hold.
//!
//! Counted once for a pod, then corrected while one asks "and if those were gone?".

use std::collections::HashMap;

use cedge_informer::Key;

use super::spread::Spread;
use super::{Causes, Refusal, Wish, World};
use crate::node::{Node, Placed};

/// How many pods count in each domain of each topology: label of nodes → its value → pods.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts(HashMap<String, HashMap<String, i64>>);

#[derive(Debug, Clone)]
pub(super) struct Neighbours<'a> {
    wish: &'a Wish<'a>,
    /// Pods that meet all terms of affinity.
    near: Counts,
    /// Pods that meet a term of anti-affinity.
    far: Counts,
    /// Terms of others that speak against this pod.
    unwanted: Counts,
    /// Whether the pod meets all of its own terms: then it may be the first.
    meets_itself: bool,
    spreads: Vec<Spread<'a>>,
    /// Claims that one pod only may use.
    exclusive: &'a [Key],
    /// How many pods use one of those.
    holders: i64,
}

// === impl Neighbours ===

impl<'a> Neighbours<'a> {
    pub(super) fn new(wish: &'a Wish<'a>, world: &World, exclusive: &'a [Key]) -> Self {
        let own = &wish.placed.terms;
        let mut all = Self {
            wish,
            near: Counts::default(),
            far: Counts::default(),
            unwanted: Counts::default(),
            meets_itself: meets_all(wish, &wish.placed, world),
            spreads: Spread::forbidding(wish, world),
            exclusive,
            holders: 0,
        };
        let asks = !own.near.is_empty() || !own.far.is_empty();
        for place in world.places.values() {
            let Some(node) = place.node.as_deref() else {
                continue;
            };
            for pod in place.outspoken() {
                all.note_refusals(pod, node, world, 1);
            }
            if asks {
                for pod in place.pods.values() {
                    all.note_matches(pod, node, world, 1);
                }
            }
        }
        all.holders = exclusive
            .iter()
            .map(|claim| i64::from(world.users.contains_key(claim)))
            .sum();
        all
    }

    /// Counts a pod on a node as there (1) or gone (−1).
    pub(super) fn note(&mut self, pod: &Placed, node: &Node, world: &World, change: i64) {
        self.note_refusals(pod, node, world, change);
        self.note_matches(pod, node, world, change);
        for spread in &mut self.spreads {
            spread.note(pod, node, self.wish, change);
        }
        let used = |claim: &&Key| {
            *claim.namespace == *pod.namespace && pod.claims.iter().any(|c| **c == *claim.name)
        };
        let used = self.exclusive.iter().filter(used).count();
        self.holders += change * i64::try_from(used).unwrap_or(0);
    }

    fn note_refusals(&mut self, pod: &Placed, node: &Node, world: &World, change: i64) {
        let own = &self.wish.placed;
        for term in &pod.terms.far {
            if term.selects(&own.namespace, &own.labels, &world.namespaces) {
                self.unwanted.add(node, &term.key, change);
            }
        }
    }

    fn note_matches(&mut self, pod: &Placed, node: &Node, world: &World, change: i64) {
        let own = &self.wish.placed.terms;
        if !own.near.is_empty() && meets_all(self.wish, pod, world) {
            for term in &own.near {
                self.near.add(node, &term.key, change);
            }
        }
        for term in &own.far {
            if term.selects(&pod.namespace, &pod.labels, &world.namespaces) {
                self.far.add(node, &term.key, change);
            }
        }
    }

    /// Whether somebody else uses a claim that is for one only.
    pub(super) fn is_held(&self) -> bool {
        self.holders > 0
    }

    pub(super) fn check(&self, node: &Node) -> Result<(), Refusal> {
        for spread in &self.spreads {
            spread.check(node)?;
        }
        let own = &self.wish.placed.terms;
        if !own.near.is_empty() && !self.is_near(node) {
            let reason = "node(s) didn't match pod affinity rules";
            return Err(Refusal::final_because(reason, Causes::NEIGHBOURS));
        }
        let because = |reason: &str| Err(Refusal::because(reason, Causes::NEIGHBOURS));
        if own.far.iter().any(|term| self.far.at(node, &term.key) > 0) {
            return because("node(s) didn't match pod anti-affinity rules");
        }
        if self.unwanted.any(node) {
            return because("node(s) didn't satisfy existing pods anti-affinity rules");
        }
        Ok(())
    }

    fn is_near(&self, node: &Node) -> bool {
        let near = &self.wish.placed.terms.near;
        let known = |key: &str| node.labels.contains_key(key);
        if !near.iter().all(|term| known(&term.key)) {
            return false;
        }
        near.iter().all(|term| self.near.at(node, &term.key) > 0)
            || (self.meets_itself && self.near.is_empty())
    }
}

fn meets_all(wish: &Wish<'_>, pod: &Placed, world: &World) -> bool {
    let mut near = wish.placed.terms.near.iter();
    near.all(|term| term.selects(&pod.namespace, &pod.labels, &world.namespaces))
}

// === impl Counts ===

impl Counts {
    pub(super) fn add(&mut self, node: &Node, key: &str, amount: i64) {
        let Some(domain) = node.labels.get(key) else {
            return;
        };
        if !self.0.contains_key(key) {
            self.0.insert(key.to_owned(), HashMap::new());
        }
        let Some(domains) = self.0.get_mut(key) else {
            return;
        };
        match domains.get_mut(domain) {
            Some(count) => *count += amount,
            None => {
                domains.insert(domain.clone(), amount);
            }
        }
    }

    pub(super) fn at(&self, node: &Node, key: &str) -> i64 {
        let count = || self.0.get(key)?.get(node.labels.get(key)?).copied();
        count().unwrap_or(0)
    }

    /// All that counts for a node together.
    pub(super) fn sum(&self, node: &Node) -> i64 {
        let count = |(key, domains): (&String, &HashMap<String, i64>)| {
            let domain = node.labels.get(key)?;
            domains.get(domain).copied()
        };
        self.0.iter().filter_map(count).sum()
    }

    fn any(&self, node: &Node) -> bool {
        let mut keys = self.0.keys();
        keys.any(|key| self.at(node, key) > 0)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.values().flat_map(HashMap::values).all(|n| *n == 0)
    }
}
