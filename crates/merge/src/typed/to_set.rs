//! Which fields does a value have? What its applier owns.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{Atom, ListAtom, MapAtom, Place};
use crate::fields::{Path, Set, Step};

/// The paths of all leaves, of all items of lists, and of all keys of maps.
pub(crate) fn to_set(place: Place<'_>, value: &Value) -> Set {
    let mut set = Set::default();
    visit(place, value, &mut Vec::new(), &mut set);
    set
}

fn visit(place: Place<'_>, value: &Value, path: &mut Path, set: &mut Set) {
    match (place.atom(Some(value)), value) {
        (Atom::Scalar(_), _) => set.insert(path),
        (Atom::Map(atom), _) if atom.atomic => set.insert(path),
        (Atom::List(atom), _) if atom.is_atomic() => set.insert(path),
        (Atom::Map(atom), Value::Object(object)) => visit_map(atom, object, path, set),
        (Atom::List(atom), Value::Array(items)) => visit_list(atom, items, path, set),
        (Atom::Map(_) | Atom::List(_), _) => {}
    }
}

fn visit_map(atom: MapAtom<'_>, object: &Map<String, Value>, path: &mut Path, set: &mut Set) {
    for (key, value) in object {
        let Some(member) = atom.member(key) else {
            continue;
        };
        path.push(Step::Field(key.clone()));
        visit(member, value, path, set);
        let empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
        if empty || !atom.is_named(key) {
            set.insert(path);
        }
        path.pop();
    }
}

fn visit_list(atom: ListAtom<'_>, items: &[Value], path: &mut Path, set: &mut Set) {
    let steps: Vec<Option<Step>> = items.iter().map(|item| atom.step(item).ok()).collect();
    let mut seen: BTreeMap<&Step, usize> = BTreeMap::new();
    for step in steps.iter().flatten() {
        *seen.entry(step).or_default() += 1;
    }
    let twice: BTreeSet<&Step> = seen
        .iter()
        .filter(|(_, count)| **count > 1)
        .map(|(step, _)| *step)
        .collect();
    for (item, step) in items.iter().zip(&steps) {
        let Some(step) = step else { continue };
        path.push(step.clone());
        // Of items that are there twice only the fact is owned.
        if !twice.contains(step) {
            visit(atom.item(), item, path, set);
        }
        set.insert(path);
        path.pop();
    }
}
