//! Which of the nodes that take a pod is best. Each view gives 0 to 100; the weights are those of Kubernetes.

use super::neighbours::Counts;
use super::{Candidate, Wish, World, affinity, images, spread, taints};
use crate::resources::{Requests, Resources};

const MAX: i64 = 100;
const WEIGHT_TAINTS: i64 = 3;
const WEIGHT_AFFINITY: i64 = 2;
const WEIGHT_SPREAD: i64 = 2;
const WEIGHT_NEIGHBOURS: i64 = 2;
const WEIGHT_ROOM: i64 = 1;
const WEIGHT_BALANCE: i64 = 1;
const WEIGHT_IMAGES: i64 = 1;
/// What it is worth to a pod that must be near others that one more comes.
const REQUIRED_NEARNESS: i64 = 1;

/// The places, among the candidates, of those with the best score. There is at least one candidate.
pub(super) fn best(wish: &Wish<'_>, world: &World, candidates: &[Candidate<'_>]) -> Vec<usize> {
    let mut totals = vec![0i64; candidates.len()];
    let mut add = |weight: i64, view: Vec<i64>| {
        for (total, score) in totals.iter_mut().zip(view) {
            *total += weight * score;
        }
    };
    let of = |view: &dyn Fn(&Candidate<'_>) -> i64| candidates.iter().map(view).collect();
    let (pod, requests) = (wish.pod, &wish.placed.requests);
    let disfavour = |c: &Candidate<'_>| {
        i64::try_from(taints::disfavour(&c.node.taints, pod.tolerations())).unwrap_or(MAX)
    };
    add(WEIGHT_TAINTS, fewest(of(&disfavour)));
    if !pod.preferred_nodes().is_empty() {
        let preference = of(&|c| affinity::preference(pod, c.node));
        add(WEIGHT_AFFINITY, most(preference));
    }
    if let Some(view) = spread::preference(wish, world, candidates) {
        add(WEIGHT_SPREAD, view);
    }
    if let Some(view) = nearness(wish, world, candidates) {
        add(WEIGHT_NEIGHBOURS, view);
    }
    add(WEIGHT_ROOM, of(&|c| room(requests, c)));
    add(WEIGHT_BALANCE, of(&|c| balance(requests, c)));
    if let Some(view) = images::preference(wish, world, candidates) {
        add(WEIGHT_IMAGES, view);
    }
    let top = totals.iter().max().copied().unwrap_or(0);
    (0..totals.len()).filter(|i| totals[*i] == top).collect()
}

/// The greatest becomes 100, the others in proportion.
fn most(mut counts: Vec<i64>) -> Vec<i64> {
    let max = counts.iter().max().copied().unwrap_or(0);
    for count in &mut counts {
        *count = if max == 0 { 0 } else { *count * MAX / max };
    }
    counts
}

/// The greatest becomes 0, none is 100.
fn fewest(counts: Vec<i64>) -> Vec<i64> {
    most(counts).into_iter().map(|count| MAX - count).collect()
}

/// What the pod prefers of others, and others of it. `None` if nobody has a preference that matters.
fn nearness(wish: &Wish<'_>, world: &World, candidates: &[Candidate<'_>]) -> Option<Vec<i64>> {
    let own = &wish.placed;
    let mut counts = Counts::default();
    for place in world.places.values() {
        let Some(node) = place.node.as_deref() else {
            continue;
        };
        if own.terms.prefers() {
            for pod in place.pods.values() {
                let meets = |term: &crate::terms::Term| {
                    term.selects(&pod.namespace, &pod.labels, &world.namespaces)
                };
                for (weight, term) in own.terms.likes.iter().filter(|(_, t)| meets(t)) {
                    counts.add(node, &term.key, *weight);
                }
                for (weight, term) in own.terms.dislikes.iter().filter(|(_, t)| meets(t)) {
                    counts.add(node, &term.key, -weight);
                }
            }
        }
        for pod in place.outspoken() {
            let meets = |term: &crate::terms::Term| {
                term.selects(&own.namespace, &own.labels, &world.namespaces)
            };
            for term in pod.terms.near.iter().filter(|t| meets(t)) {
                counts.add(node, &term.key, REQUIRED_NEARNESS);
            }
            for (weight, term) in pod.terms.likes.iter().filter(|(_, t)| meets(t)) {
                counts.add(node, &term.key, *weight);
            }
            for (weight, term) in pod.terms.dislikes.iter().filter(|(_, t)| meets(t)) {
                counts.add(node, &term.key, -weight);
            }
        }
    }
    if counts.is_empty() {
        return None;
    }
    let sums: Vec<i64> = candidates.iter().map(|c| counts.sum(c.node)).collect();
    let (least, most) = (*sums.iter().min()?, *sums.iter().max()?);
    if least == most {
        return None;
    }
    let score = |sum: &i64| MAX * (sum - least) / (most - least);
    Some(sums.iter().map(score).collect())
}
/// How much of processor and memory stays free.
fn room(requests: &Requests, candidate: &Candidate<'_>) -> i64 {
    let has = &candidate.node.allocatable;
    let mut used = candidate.place.requested.scored.clone();
    used.add(&requests.scored);
    let free = |used: i64, has: i64| {
        if used > has {
            0
        } else {
            percent(has - used, has)
        }
    };
    let parts = [(used.milli_cpu, has.milli_cpu), (used.memory, has.memory)];
    let parts: Vec<i64> = parts
        .into_iter()
        .filter(|(_, has)| *has > 0)
        .map(|(used, has)| free(used, has))
        .collect();
    let count = i64::try_from(parts.len()).unwrap_or(1).max(1);
    parts.iter().sum::<i64>() / count
}

/// Whether processor and memory are used up evenly, compared with before; 75 if the pod changes nothing.
fn balance(requests: &Requests, candidate: &Candidate<'_>) -> i64 {
    let asked = &requests.resources;
    if asked.milli_cpu == 0 && asked.memory == 0 {
        return 0;
    }
    let has = &candidate.node.allocatable;
    let before = &candidate.place.requested.resources;
    let mut after = before.clone();
    after.add(asked);
    MAX / 2 + (MAX / 2 + evenness(&after, has) - evenness(before, has)) / 2
}

fn evenness(used: &Resources, has: &Resources) -> i64 {
    if has.milli_cpu == 0 || has.memory == 0 {
        return MAX;
    }
    let percent = |used: i64, has: i64| percent(used.max(0), has).min(MAX);
    let cpu = percent(used.milli_cpu, has.milli_cpu);
    let memory = percent(used.memory, has.memory);
    MAX - (cpu - memory).abs() / 2
}

fn percent(part: i64, whole: i64) -> i64 {
    let percent = i128::from(part) * i128::from(MAX) / i128::from(whole);
    i64::try_from(percent).unwrap_or(i64::MAX)
}
