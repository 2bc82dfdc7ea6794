//! Which less important pods could go so that a pod gets a node: as few and as unimportant ones as possible, and as few
//! disruption budgets broken as possible.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

use cedge_informer::{Key, Selector};

use super::filter::Filters;
use super::{Candidate, Refusal, unavailable};
use crate::node::Placed;

/// Nodes that are tried at least, if there are as many; beyond that a tenth of them, as in Kubernetes.
const CANDIDATES_MIN: usize = 100;
const NOT_HELPFUL: &str = "Preemption is not helpful for scheduling";

/// Who goes, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Preemption {
    pub(crate) node: Arc<str>,
    pub(crate) victims: Vec<Victim>,
    /// Less important pods that were promised room there.
    pub(crate) outbid: Vec<Key>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Victim {
    pub(crate) key: Key,
    pub(crate) uid: String,
    /// Whether it goes already.
    pub(crate) is_deleting: bool,
}

/// A disruption budget, as far as it is looked at.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Budget {
    pub(crate) selector: Selector,
    pub(crate) allowed: i64,
    /// Names of pods whose eviction was counted already.
    pub(crate) disrupted: BTreeSet<String>,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Outcome {
    /// As Kubernetes words it.
    pub(super) message: String,
    pub(super) preemption: Option<Preemption>,
    pub(super) ends_nomination: bool,
}

/// A node that would do, and what it would cost.
struct Offer<'a> {
    node: &'a str,
    victims: Vec<(Key, Arc<Placed>)>,
    violations: usize,
}

pub(super) fn preempt(
    filters: &Filters<'_>,
    refusals: &[(Candidate<'_>, Refusal)],
    turn: usize,
) -> Outcome {
    if !filters.wish.pod.may_preempt() {
        return Outcome::not_eligible("preemptionPolicy=Never.");
    }
    if awaits_victims(filters, refusals) {
        return Outcome::not_eligible("a terminating pod on the nominated node.");
    }
    let hopeful: Vec<&Candidate<'_>> = refusals
        .iter()
        .filter(|(_, refusal)| !refusal.is_final)
        .map(|(candidate, _)| candidate)
        .collect();
    let wanted = (refusals.len() / 10).max(CANDIDATES_MIN);
    let mut offers: Vec<Offer<'_>> = Vec::new();
    let mut reasons: Vec<String> = Vec::new();
    for i in 0..hopeful.len() {
        let candidate = hopeful[(turn + i) % hopeful.len()];
        match offer(filters, candidate) {
            Ok(offer) => offers.push(offer),
            Err(why) => reasons.extend(why),
        }
        if offers.len() >= wanted && offers.iter().any(|offer| offer.violations == 0) {
            break;
        }
    }
    match cheapest(offers) {
        Some(offer) => Outcome::done(filters, offer),
        None => {
            let rest = refusals.len() - hopeful.len();
            let rest = (rest > 0).then_some((NOT_HELPFUL, rest));
            let reasons = reasons.iter().map(|reason| (&**reason, 1));
            Outcome::nothing(unavailable(refusals.len(), reasons.chain(rest)))
        }
    }
}

/// Whether pods that went for this one are not gone yet: more need not go.
fn awaits_victims(filters: &Filters<'_>, refusals: &[(Candidate<'_>, Refusal)]) -> bool {
    let Some(nominated) = filters.wish.pod.nominated() else {
        return false;
    };
    let here = refusals.iter().find(|(c, _)| c.node.name == nominated);
    here.is_some_and(|(candidate, refusal)| {
        let goes = |(key, pod): (&Key, &Arc<Placed>)| {
            pod.priority < filters.wish.placed.priority
                && ((pod.is_deleting && pod.is_preempted) || filters.world.doomed.contains(key))
        };
        !refusal.is_final && candidate.place.pods.iter().any(goes)
    })
}

/// The least that must go from a node; fails if even all less important pods together are not enough.
fn offer<'a>(filters: &Filters<'_>, candidate: &Candidate<'a>) -> Result<Offer<'a>, Vec<String>> {
    let node = candidate.node;
    let mut place = candidate.place.clone();
    let mut neighbours = filters.neighbours.clone();
    let is_less = |(_, pod): &(Key, Arc<Placed>)| pod.priority < filters.wish.placed.priority;
    let pods = candidate.place.pods.iter();
    let pods = pods.map(|(key, pod)| (key.clone(), pod.clone()));
    let mut less: Vec<(Key, Arc<Placed>)> = pods.filter(is_less).collect();
    if less.is_empty() {
        let reason = "No preemption victims found for incoming pod";
        return Err(vec![reason.to_owned()]);
    }
    for (key, pod) in &less {
        place.remove(key);
        neighbours.note(pod, node, filters.world, -1);
    }
    let fits = filters.check_with_nominated(node, &place, &neighbours);
    fits.map_err(|refusal| refusal.reasons)?;
    less.sort_by(|(_, a), (_, b)| importance(a).cmp(&importance(b)));
    let (breaking, harmless) = by_budget(filters, less);
    let breaking_count = breaking.len();
    let mut victims = Vec::new();
    let mut violations = 0;
    // The most important come back first, and before them those whose leaving breaks a budget.
    for (i, (key, pod)) in breaking.into_iter().chain(harmless).enumerate() {
        place.put(key.clone(), pod.clone());
        neighbours.note(&pod, node, filters.world, 1);
        if filters
            .check_with_nominated(node, &place, &neighbours)
            .is_err()
        {
            place.remove(&key);
            neighbours.note(&pod, node, filters.world, -1);
            violations += usize::from(i < breaking_count);
            victims.push((key, pod));
        }
    }
    if victims.is_empty() {
        return Err(Vec::new());
    }
    victims.sort_by(|(_, a), (_, b)| importance(a).cmp(&importance(b)));
    Ok(Offer {
        node: &node.name,
        victims,
        violations,
    })
}

/// Sorts the most important first: by priority, then whoever runs longer.
fn importance(pod: &Placed) -> (Reverse<i32>, &str) {
    (Reverse(pod.priority), since(pod))
}

/// Since when a pod runs; one that does not yet is younger than all others.
fn since(pod: &Placed) -> &str {
    pod.started.as_deref().unwrap_or("~")
}

type Pods = Vec<(Key, Arc<Placed>)>;

/// Those whose leaving would break a disruption budget, and the others.
fn by_budget(filters: &Filters<'_>, pods: Pods) -> (Pods, Pods) {
    let budgets = &filters.world.budgets;
    let mut left: Vec<(&Key, &Budget, i64)> =
        budgets.iter().map(|(k, b)| (k, b, b.allowed)).collect();
    pods.into_iter().partition(|(key, pod)| {
        !pod.labels.is_empty()
            && left.iter_mut().any(|(budget_key, budget, allowed)| {
                let counts = budget_key.namespace == key.namespace
                    && !budget.selector.is_everything()
                    && budget.selector.matches(&pod.labels)
                    && !budget.disrupted.contains(&*key.name);
                if counts {
                    *allowed -= 1;
                }
                counts && *allowed < 0
            })
    })
}

/// The order of what matters is that of Kubernetes; of equal offers the first.
fn cheapest(offers: Vec<Offer<'_>>) -> Option<Offer<'_>> {
    let cost = |offer: &Offer<'_>| {
        let priorities = || offer.victims.iter().map(|(_, pod)| pod.priority);
        let highest = priorities().max().unwrap_or(i32::MIN);
        // All above zero, so that fewer of the same are cheaper whatever their sign.
        let sum: i64 = priorities().map(|p| i64::from(p) + (1 << 31)).sum();
        let most_important = offer.victims.iter().filter(|(_, p)| p.priority == highest);
        let oldest = most_important.map(|(_, p)| since(p).to_owned()).min();
        let size = offer.victims.len();
        (offer.violations, highest, sum, size, Reverse(oldest))
    };
    offers.into_iter().min_by_key(cost)
}

// === impl Outcome ===

impl Outcome {
    fn not_eligible(why: &str) -> Self {
        Self {
            message: format!("not eligible due to {why}"),
            preemption: None,
            ends_nomination: false,
        }
    }

    fn nothing(message: String) -> Self {
        Self {
            message,
            preemption: None,
            ends_nomination: true,
        }
    }

    fn done(filters: &Filters<'_>, offer: Offer<'_>) -> Self {
        let nominated = filters.world.nominated.get(offer.node);
        let outbid = nominated.into_iter().flatten();
        let outbid = outbid.filter(|(_, pod)| pod.priority < filters.wish.placed.priority);
        let victims = offer.victims.into_iter().map(|(key, pod)| Victim {
            key,
            uid: pod.uid.clone(),
            is_deleting: pod.is_deleting,
        });
        let preemption = Preemption {
            node: offer.node.into(),
            victims: victims.collect(),
            outbid: outbid.map(|(key, _)| key.clone()).collect(),
        };
        Self {
            message: format!(
                "found a potential placement for pod on node {}, preempting {} victims",
                offer.node,
                preemption.victims.len()
            ),
            preemption: Some(preemption),
            ends_nomination: false,
        }
    }
}
