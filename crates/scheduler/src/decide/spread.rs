//! How evenly pods of one kind are spread over zones, machines, or whatever nodes are labelled with: constraints that
//! forbid, those that prefer, and what stands in for them where a pod has none.

use std::collections::HashMap;

use cedge_informer::Selector;
use k8s_openapi::api::core::v1::TopologySpreadConstraint;

use super::{Candidate, Causes, Refusal, Wish, World, affinity, taints};
use crate::node::{Node, Place, Placed};
use crate::terms::{add_keys, compile};

const HOST: &str = "kubernetes.io/hostname";
const ZONE: &str = "topology.kubernetes.io/zone";
/// What a pod of a service or a set prefers that says nothing itself: label and greatest difference.
const USUAL: [(&str, i64); 2] = [(HOST, 3), (ZONE, 5)];

/// One constraint, ready to be asked.
#[derive(Debug, Clone)]
struct Constraint<'a> {
    key: &'a str,
    max_skew: i64,
    min_domains: i64,
    honours_affinity: bool,
    honours_taints: bool,
    selector: Selector,
}

/// A constraint that forbids, with the counts of now.
#[derive(Debug, Clone)]
pub(super) struct Spread<'a> {
    constraint: Constraint<'a>,
    /// All keys of all constraints: a node counts only if it has them all.
    keys: Vec<&'a str>,
    counts: HashMap<String, i64>,
    least: i64,
    /// 1 if the pod itself counts.
    own: i64,
}

// === impl Constraint ===

impl<'a> Constraint<'a> {
    fn new(raw: &'a TopologySpreadConstraint, wish: &Wish<'_>) -> Self {
        let mut selector = raw.label_selector.clone();
        if let Some(selector) = &mut selector {
            let keys = raw.match_label_keys.as_deref();
            add_keys(selector, keys, &wish.placed.labels, "In");
        }
        let is = |policy: &Option<String>, word: &str| policy.as_deref() == Some(word);
        Self {
            key: &raw.topology_key,
            max_skew: i64::from(raw.max_skew),
            min_domains: i64::from(raw.min_domains.unwrap_or(1)),
            honours_affinity: !is(&raw.node_affinity_policy, "Ignore"),
            honours_taints: is(&raw.node_taints_policy, "Honor"),
            selector: selector.as_ref().map_or_else(Selector::nothing, compile),
        }
    }

    fn all(wish: &'a Wish<'_>, action: &str) -> Vec<Self> {
        let raw = wish.pod.spec.topology_spread_constraints.iter().flatten();
        raw.filter(|c| c.when_unsatisfiable == action)
            .map(|c| Self::new(c, wish))
            .collect()
    }

    /// What applies to pods that state no constraint, if something else says which pods are their like.
    fn usual(like: &Selector) -> Vec<Self> {
        let one = |(key, max_skew)| Self {
            key,
            max_skew,
            min_domains: 1,
            honours_affinity: true,
            honours_taints: false,
            selector: like.clone(),
        };
        USUAL.into_iter().map(one).collect()
    }

    /// Whether a node counts: by default those that the pod's affinity accepts, whatever their taints.
    fn counts(&self, wish: &Wish<'_>, node: &Node) -> bool {
        (!self.honours_affinity || affinity::accepts(wish.pod, node))
            && (!self.honours_taints || !taints::repel(&node.taints, wish.pod.tolerations()))
    }

    fn is_like(&self, wish: &Wish<'_>, pod: &Placed) -> bool {
        !pod.is_deleting
            && pod.namespace == wish.placed.namespace
            && self.selector.matches(&pod.labels)
    }

    fn like_on(&self, wish: &Wish<'_>, place: &Place) -> i64 {
        if self.selector.is_everything() {
            return 0;
        }
        let pods = place.pods.values();
        let count = pods.filter(|pod| self.is_like(wish, pod)).count();
        i64::try_from(count).unwrap_or(i64::MAX)
    }
}

// === impl Spread ===

impl<'a> Spread<'a> {
    /// The constraints that forbid.
    pub(super) fn forbidding(wish: &'a Wish<'a>, world: &World) -> Vec<Self> {
        let constraints = Constraint::all(wish, "DoNotSchedule");
        let keys: Vec<&str> = constraints.iter().map(|c| c.key).collect();
        let counted = |constraint: Constraint<'a>| {
            let mut spread = Self {
                own: i64::from(constraint.selector.matches(&wish.placed.labels)),
                constraint,
                keys: keys.clone(),
                counts: HashMap::new(),
                least: 0,
            };
            for place in world.places.values() {
                if let Some(node) = place.node.as_deref()
                    && let Some(domain) = spread.domain(node, wish)
                {
                    let count = spread.constraint.like_on(wish, place);
                    *spread.counts.entry(domain.to_owned()).or_default() += count;
                }
            }
            spread.see_least();
            spread
        };
        constraints.into_iter().map(counted).collect()
    }

    fn domain<'n>(&self, node: &'n Node, wish: &Wish<'_>) -> Option<&'n str> {
        let has_all = self.keys.iter().all(|key| node.labels.contains_key(*key));
        let counts = has_all && self.constraint.counts(wish, node);
        let domain = node.labels.get(self.constraint.key)?;
        counts.then_some(domain)
    }

    fn see_least(&mut self) {
        let found = i64::try_from(self.counts.len()).unwrap_or(i64::MAX);
        let least = self.counts.values().min().copied().unwrap_or(0);
        self.least = if found < self.constraint.min_domains {
            0
        } else {
            least
        };
    }

    pub(super) fn note(&mut self, pod: &Placed, node: &Node, wish: &Wish<'_>, change: i64) {
        if !self.constraint.is_like(wish, pod) {
            return;
        }
        if let Some(domain) = self.domain(node, wish) {
            *self.counts.entry(domain.to_owned()).or_default() += change;
            self.see_least();
        }
    }

    pub(super) fn check(&self, node: &Node) -> Result<(), Refusal> {
        let Some(domain) = node.labels.get(self.constraint.key) else {
            let reason =
                "node(s) didn't match pod topology spread constraints (missing required label)";
            return Err(Refusal::final_because(reason, Causes::NEIGHBOURS));
        };
        let count = self.counts.get(domain).copied().unwrap_or(0);
        if count + self.own - self.least > self.constraint.max_skew {
            let reason = "node(s) didn't match pod topology spread constraints";
            return Err(Refusal::because(reason, Causes::NEIGHBOURS));
        }
        Ok(())
    }
}

// === preference ===

/// For each candidate 0 to 100: the more even, the more. Candidates that lack a label get nothing.
pub(super) fn preference(
    wish: &Wish<'_>,
    world: &World,
    candidates: &[Candidate<'_>],
) -> Option<Vec<i64>> {
    let states_own = wish
        .pod
        .spec
        .topology_spread_constraints
        .as_ref()
        .is_some_and(|constraints| !constraints.is_empty());
    let constraints = match wish.like {
        _ if states_own => Constraint::all(wish, "ScheduleAnyway"),
        Some(like) => Constraint::usual(like),
        None => return None,
    };
    if constraints.is_empty() {
        return None;
    }
    let has_all = |node: &Node| constraints.iter().all(|c| node.labels.contains_key(c.key));
    let is_left_out = |node: &Node| states_own && !has_all(node);
    let views: Vec<View<'_>> = constraints
        .iter()
        .map(|c| View::new(c, wish, world, candidates, &is_left_out))
        .collect();
    let skew = |candidate: &Candidate<'_>| {
        (!is_left_out(candidate.node)).then(|| {
            let all: f64 = views.iter().map(|v| v.skew(wish, candidate)).sum();
            all.round()
        })
    };
    Some(even_is_best(
        &candidates.iter().map(skew).collect::<Vec<_>>(),
    ))
}

/// A constraint that prefers, with the counts of the domains that the candidates are in.
struct View<'a> {
    constraint: &'a Constraint<'a>,
    counts: HashMap<&'a str, i64>,
    /// The more domains, the less does a difference between two of them count as the greatest possible.
    weight: f64,
}

impl<'a> View<'a> {
    fn new(
        constraint: &'a Constraint<'a>,
        wish: &Wish<'_>,
        world: &'a World,
        candidates: &[Candidate<'a>],
        is_left_out: &dyn Fn(&Node) -> bool,
    ) -> Self {
        let taking_part = || candidates.iter().filter(|c| !is_left_out(c.node));
        let mut counts: HashMap<&str, i64> = HashMap::new();
        let size = if constraint.key == HOST {
            taking_part().count()
        } else {
            for candidate in taking_part() {
                counts.insert(label(candidate.node, constraint.key), 0);
            }
            counts.len()
        };
        if constraint.key != HOST {
            for place in world.places.values() {
                if let Some(node) = place.node.as_deref()
                    && !is_left_out(node)
                    && constraint.counts(wish, node)
                    && let Some(count) = counts.get_mut(label(node, constraint.key))
                {
                    *count += constraint.like_on(wish, place);
                }
            }
        }
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        let weight = (f64::from(size) + 2.0).ln();
        Self {
            constraint,
            counts,
            weight,
        }
    }

    fn skew(&self, wish: &Wish<'_>, candidate: &Candidate<'_>) -> f64 {
        let Some(domain) = candidate.node.labels.get(self.constraint.key) else {
            return 0.0;
        };
        let count = if self.constraint.key == HOST {
            self.constraint.like_on(wish, candidate.place)
        } else {
            self.counts.get(domain.as_str()).copied().unwrap_or(0)
        };
        // Counts are far below what a float holds exactly.
        let float = |n: i64| f64::from(i32::try_from(n).unwrap_or(i32::MAX));
        float(count) * self.weight + float(self.constraint.max_skew - 1)
    }
}

fn label<'n>(node: &'n Node, key: &str) -> &'n str {
    node.labels.get(key).map_or("", String::as_str)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "skews are small whole numbers"
)]
fn even_is_best(skews: &[Option<f64>]) -> Vec<i64> {
    let known = || skews.iter().flatten().map(|skew| *skew as i64);
    let (least, most) = (known().min().unwrap_or(0), known().max().unwrap_or(0));
    let score = |skew: &Option<f64>| match skew {
        None => 0,
        Some(_) if most == 0 => 100,
        Some(skew) => 100 * (most + least - *skew as i64) / most,
    };
    skews.iter().map(score).collect()
}
