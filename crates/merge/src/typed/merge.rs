//! Merges what is applied into what is live.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Map, Value};

use super::validate::check_scalar;
use super::{Atom, ListAtom, MapAtom, Place, Problem, as_list, as_map, both_empty};
use crate::fields::Step;

/// The live value with the applied one over it; nothing if nothing is left.
pub(crate) fn merge(
    place: Place<'_>,
    live: Option<&Value>,
    applied: Option<&Value>,
) -> Result<Option<Value>, Vec<Problem>> {
    let (left, right) = (place.atom(live), place.atom(applied));
    if applied.is_none() {
        merge_as(left, live, applied)
    } else if live.is_none() || left == right {
        merge_as(right, live, applied)
    } else {
        // The kind of value changed. Both views must be sound, the applied one counts.
        merge_as(left, live, applied)?;
        merge_as(right, live, applied)
    }
}

fn merge_as(
    atom: Atom<'_>,
    live: Option<&Value>,
    applied: Option<&Value>,
) -> Result<Option<Value>, Vec<Problem>> {
    let leaf = || Ok(applied.or(live).cloned());
    match atom {
        Atom::Scalar(scalar) => {
            let problems = [
                check_scalar(scalar, live, "lhs: "),
                check_scalar(scalar, applied, "rhs: "),
            ];
            if problems.iter().all(Option::is_some) {
                return Err(problems.into_iter().flatten().collect());
            }
            leaf()
        }
        Atom::Map(atom) => {
            let (left, right) = (as_map(live), as_map(applied));
            if atom.atomic || both_empty(left.map(Map::len), right.map(Map::len)) {
                return leaf();
            }
            merge_maps(atom, left, right)
        }
        Atom::List(atom) => {
            let (left, right) = (as_list(live), as_list(applied));
            if atom.is_atomic() || both_empty(left.map(Vec::len), right.map(Vec::len)) {
                return leaf();
            }
            merge_lists(
                atom,
                left.map_or(&[], Vec::as_slice),
                right.map_or(&[], Vec::as_slice),
            )
        }
    }
}

fn merge_maps(
    atom: MapAtom<'_>,
    live: Option<&Map<String, Value>>,
    applied: Option<&Map<String, Value>>,
) -> Result<Option<Value>, Vec<Problem>> {
    let mut out = Map::new();
    let mut problems = Vec::new();
    let live_keys = live.into_iter().flat_map(Map::keys);
    let new_keys = applied.into_iter().flat_map(Map::keys);
    let new_keys = new_keys.filter(|key| !live.is_some_and(|map| map.contains_key(*key)));
    for key in live_keys.chain(new_keys) {
        let step = Step::Field(key.clone());
        let (left, right) = (
            live.and_then(|map| map.get(key)),
            applied.and_then(|map| map.get(key)),
        );
        let merged = match (atom.member(key), right) {
            (Some(member), _) => merge(member, left, right),
            // Stored by an earlier version of the schema: not ours to judge.
            (None, None) => Ok(left.cloned()),
            (None, Some(_)) => Err(vec![Problem::here("field not declared in schema")]),
        };
        match merged {
            Ok(Some(value)) => {
                out.insert(key.clone(), value);
            }
            Ok(None) => {}
            Err(inner) => problems.extend(inner.into_iter().map(|problem| problem.below(&step))),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok((!out.is_empty()).then_some(Value::Object(out)))
}

/// One side of two lists that are merged.
struct Side<'v> {
    steps: Vec<Step>,
    items: BTreeMap<Step, &'v Value>,
}

static NULL: Value = Value::Null;

impl<'v> Side<'v> {
    fn index(
        atom: ListAtom<'_>,
        list: &'v [Value],
        duplicates: bool,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut side = Self {
            steps: Vec::with_capacity(list.len()),
            items: BTreeMap::new(),
        };
        for (at, item) in list.iter().enumerate() {
            let step = match atom.step(item) {
                Ok(step) => step,
                Err(text) => {
                    problems.push(Problem::here(format!("element {at}: {text}")));
                    continue;
                }
            };
            if side.items.contains_key(&step) {
                if !duplicates {
                    problems.push(Problem::here(format!("duplicate entries for key {step}")));
                    continue;
                }
                // Which of them would the applied item be merged with? With none.
                side.items.insert(step.clone(), &NULL);
            } else {
                side.items.insert(step.clone(), item);
            }
            side.steps.push(step);
        }
        side
    }
}

/// Merges lists item by item. The applied items keep their order; live ones stay where they stood between those
/// that both sides have.
fn merge_lists(
    atom: ListAtom<'_>,
    live: &[Value],
    applied: &[Value],
) -> Result<Option<Value>, Vec<Problem>> {
    let mut problems = Vec::new();
    let right = Side::index(atom, applied, false, &mut problems);
    let left = Side::index(atom, live, true, &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut out = Vec::with_capacity(live.len().max(applied.len()));
    let mut emit = |step: &Step, live: Option<&Value>, applied: Option<&Value>| {
        if let Ok(Some(value)) = merge(atom.item(), live, applied) {
            out.push(value);
        }
        let _ = step;
    };
    // Items on both sides, in the applied order: what separates the live items into runs.
    let mut shared: VecDeque<&Step> = right
        .steps
        .iter()
        .filter(|step| left.items.contains_key(*step))
        .collect();
    let mut done: BTreeSet<&Step> = BTreeSet::new();
    let (mut at_left, mut at_right) = (0, 0);
    while at_left < left.steps.len() || at_right < right.steps.len() {
        if let (Some(mine), Some(theirs)) = (left.steps.get(at_left), right.steps.get(at_right)) {
            if mine == theirs {
                done.insert(mine);
                emit(
                    mine,
                    left.items.get(mine).copied(),
                    right.items.get(mine).copied(),
                );
                at_left += 1;
                at_right += 1;
                shared.pop_front();
                continue;
            }
            let next = shared.front();
            if right.items.contains_key(mine) && next.is_some_and(|next| *next != mine) {
                // On both sides, but its turn comes later or has been.
                at_left += 1;
                continue;
            }
        }
        if let Some(mine) = left.steps.get(at_left) {
            if !right.items.contains_key(mine) {
                emit(mine, live.get(at_left), None);
                at_left += 1;
                continue;
            }
            if done.contains(mine) {
                at_left += 1;
            }
        }
        if let Some(theirs) = right.steps.get(at_right) {
            done.insert(theirs);
            emit(
                theirs,
                left.items.get(theirs).copied(),
                right.items.get(theirs).copied(),
            );
            at_right += 1;
            if shared.front().is_some_and(|next| *next == theirs) {
                shared.pop_front();
            }
        }
    }
    Ok((!out.is_empty()).then_some(Value::Array(out)))
}
