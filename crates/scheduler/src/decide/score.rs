//! Which of the nodes that take a pod is best. Each view gives 0 to 100; the weights are those of Kubernetes.

use super::{Candidate, affinity, taints};
use crate::pod::Pod;
use crate::resources::{Requests, Resources};

const MAX: i64 = 100;
const WEIGHT_TAINTS: i64 = 3;
const WEIGHT_AFFINITY: i64 = 2;
const WEIGHT_SPREAD: i64 = 2;
const WEIGHT_ROOM: i64 = 1;
const WEIGHT_BALANCE: i64 = 1;

/// The places, among the candidates, of those with the best score. There is at least one candidate.
pub(super) fn best(pod: &Pod, requests: &Requests, candidates: &[Candidate<'_>]) -> Vec<usize> {
    let of = |view: &dyn Fn(&Candidate<'_>) -> i64| candidates.iter().map(view).collect();
    let disfavour = |c: &Candidate<'_>| {
        i64::try_from(taints::disfavour(&c.node.taints, pod.tolerations())).unwrap_or(MAX)
    };
    let views: [(i64, Vec<i64>); 5] = [
        (WEIGHT_TAINTS, fewest(of(&disfavour))),
        (
            WEIGHT_AFFINITY,
            most(of(&|c| affinity::preference(pod, c.node))),
        ),
        (WEIGHT_SPREAD, fewest(of(&|c| siblings(pod, c)))),
        (WEIGHT_ROOM, of(&|c| room(requests, c))),
        (WEIGHT_BALANCE, of(&|c| balance(requests, c))),
    ];
    let total = |i: usize| -> i64 { views.iter().map(|(weight, v)| weight * v[i]).sum() };
    let totals: Vec<i64> = (0..candidates.len()).map(total).collect();
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

/// Pods of the same owner that are there already.
fn siblings(pod: &Pod, candidate: &Candidate<'_>) -> i64 {
    let Some(owner) = pod.controller() else {
        return 0;
    };
    let same = |p: &&std::sync::Arc<crate::node::Placed>| p.controller.as_deref() == Some(owner);
    let count = candidate.place.pods.values().filter(same).count();
    i64::try_from(count).unwrap_or(i64::MAX / MAX)
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
