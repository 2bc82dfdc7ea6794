//! Which fields differ between two values?

use std::collections::BTreeMap;

use serde_json::Value;

use super::validate::check_scalar;
use super::{Atom, ListAtom, MapAtom, Place, Problem, as_list, as_map, both_empty};
use crate::fields::{Path, Set, Step};
use crate::json_patch::same;

/// The difference between two values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Comparison {
    pub(crate) removed: Set,
    pub(crate) modified: Set,
    pub(crate) added: Set,
}

/// Compares two values of one type.
pub(crate) fn compare(
    place: Place<'_>,
    before: &Value,
    after: &Value,
) -> Result<Comparison, Vec<Problem>> {
    let mut walk = Walk {
        path: Vec::new(),
        out: Comparison::default(),
        problems: Vec::new(),
    };
    walk.visit(place, Some(before), Some(after));
    if walk.problems.is_empty() {
        Ok(walk.out)
    } else {
        Err(walk.problems)
    }
}

impl Comparison {
    /// Without what nobody may own.
    pub(crate) fn without(&self, ignored: &Set) -> Self {
        Self {
            removed: self.removed.recursive_difference(ignored),
            modified: self.modified.recursive_difference(ignored),
            added: self.added.recursive_difference(ignored),
        }
    }
}

struct Walk {
    path: Path,
    out: Comparison,
    problems: Vec<Problem>,
}

impl Walk {
    fn visit(&mut self, place: Place<'_>, lhs: Option<&Value>, rhs: Option<&Value>) {
        let (left, right) = (place.atom(lhs), place.atom(rhs));
        let leaf = if rhs.is_none() {
            self.atom(left, lhs, rhs)
        } else if lhs.is_none() || left == right {
            self.atom(right, lhs, rhs)
        } else {
            // The kind of value changed: look at it as both.
            self.atom(left, lhs, rhs);
            self.atom(right, lhs, rhs)
        };
        if leaf {
            return;
        }
        match (lhs, rhs) {
            (None, _) => self.out.added.insert(&self.path),
            (_, None) => self.out.removed.insert(&self.path),
            _ => {}
        }
    }

    /// Compares as one kind; tells whether it was a leaf.
    fn atom(&mut self, atom: Atom<'_>, lhs: Option<&Value>, rhs: Option<&Value>) -> bool {
        match atom {
            Atom::Scalar(scalar) => {
                let problems = [
                    check_scalar(scalar, lhs, "lhs: "),
                    check_scalar(scalar, rhs, "rhs: "),
                ];
                if problems.iter().all(Option::is_some) {
                    for problem in problems.into_iter().flatten() {
                        self.problem(problem);
                    }
                    return false;
                }
                self.leaf(lhs, rhs);
                true
            }
            Atom::Map(atom) => {
                let (left, right) = (as_map(lhs), as_map(rhs));
                let empty = both_empty(left.map(|map| map.len()), right.map(|map| map.len()));
                if atom.atomic || empty {
                    self.leaf(lhs, rhs);
                    return true;
                }
                self.map(atom, lhs, rhs);
                false
            }
            Atom::List(atom) => {
                let (left, right) = (as_list(lhs), as_list(rhs));
                if atom.is_atomic() || both_empty(left.map(Vec::len), right.map(Vec::len)) {
                    self.leaf(lhs, rhs);
                    return true;
                }
                self.list(atom, lhs, rhs);
                false
            }
        }
    }

    fn leaf(&mut self, lhs: Option<&Value>, rhs: Option<&Value>) {
        match (lhs, rhs) {
            (None, _) => self.out.added.insert(&self.path),
            (_, None) => self.out.removed.insert(&self.path),
            (Some(lhs), Some(rhs)) if !same(lhs, rhs) => self.out.modified.insert(&self.path),
            _ => {}
        }
    }

    fn problem(&mut self, mut problem: Problem) {
        problem.path.insert_str(0, &crate::fields::show(&self.path));
        self.problems.push(problem);
    }

    fn map(&mut self, atom: MapAtom<'_>, lhs: Option<&Value>, rhs: Option<&Value>) {
        let (left, right) = (as_map(lhs), as_map(rhs));
        let left_keys = left.into_iter().flat_map(|map| map.keys());
        let only_right = right.into_iter().flat_map(|map| map.keys());
        let only_right = only_right.filter(|key| !left.is_some_and(|map| map.contains_key(*key)));
        for key in left_keys.chain(only_right) {
            // Fields that the type does not know belong to nobody.
            let Some(member) = atom.member(key) else {
                continue;
            };
            self.path.push(Step::Field(key.clone()));
            let of = |map: Option<_>| map.and_then(|map: &serde_json::Map<_, _>| map.get(key));
            self.visit(member, of(left), of(right));
            self.path.pop();
        }
    }

    fn list(&mut self, atom: ListAtom<'_>, lhs: Option<&Value>, rhs: Option<&Value>) {
        let mut all: BTreeMap<Step, (Vec<&Value>, Vec<&Value>)> = BTreeMap::new();
        for (side, list) in [as_list(lhs), as_list(rhs)].into_iter().enumerate() {
            for (at, item) in list.into_iter().flatten().enumerate() {
                match atom.step(item) {
                    Ok(step) => {
                        let sides = all.entry(step).or_default();
                        if side == 0 {
                            sides.0.push(item);
                        } else {
                            sides.1.push(item);
                        }
                    }
                    Err(text) => self.problem(Problem::here(format!("element {at}: {text}"))),
                }
            }
        }
        for (step, (left, right)) in all {
            self.path.push(step);
            self.items(atom.item(), &left, &right);
            self.path.pop();
        }
    }

    /// Compares what both lists hold under one key. Items that are there twice are compared as one value.
    fn items(&mut self, item: Place<'_>, left: &[&Value], right: &[&Value]) {
        match (left, right) {
            ([] | [_], [] | [_]) => {
                self.visit(item, left.first().copied(), right.first().copied());
            }
            ([_, _, ..], [_, _, ..]) => {
                let equal =
                    left.len() == right.len() && left.iter().zip(right).all(|(l, r)| same(l, r));
                if !equal {
                    self.out.modified.insert(&self.path);
                }
            }
            ([_, _, ..], single) => {
                if let [only] = single {
                    self.visit(item, None, Some(only));
                }
                self.out.removed.insert(&self.path);
            }
            (single, [_, _, ..]) => {
                if let [only] = single {
                    self.visit(item, Some(only), None);
                }
                self.out.added.insert(&self.path);
            }
        }
    }
}
