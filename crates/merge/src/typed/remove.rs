//! Takes the members of a set out of a value.

use serde_json::{Map, Value};

use super::{Atom, ListAtom, MapAtom, Place};
use crate::fields::{Set, Step};

/// The value without the members of the set. What loses all its parts becomes null.
pub(crate) fn remove(place: Place<'_>, value: &Value, set: &Set) -> Value {
    match (place.atom(Some(value)), value) {
        (Atom::Map(atom), Value::Object(object)) => remove_keys(atom, object, set),
        (Atom::List(atom), Value::Array(items)) => remove_items(atom, items, set),
        (Atom::Map(_) | Atom::List(_), _) => Value::Null,
        (Atom::Scalar(_), scalar) => scalar.clone(),
    }
}

fn remove_keys(atom: MapAtom<'_>, object: &Map<String, Value>, set: &Set) -> Value {
    if atom.atomic {
        return Value::Null;
    }
    let mut out = Map::new();
    for (key, value) in object {
        let step = Step::Field(key.clone());
        if set.has_member(&step) {
            continue;
        }
        let value = match (set.below(&step), atom.member(key)) {
            (Some(below), Some(member)) => remove(member, value, below),
            _ => value.clone(),
        };
        out.insert(key.clone(), value);
    }
    if out.is_empty() {
        Value::Null
    } else {
        Value::Object(out)
    }
}

fn remove_items(atom: ListAtom<'_>, items: &[Value], set: &Set) -> Value {
    if atom.is_atomic() {
        return Value::Null;
    }
    let mut out = Vec::new();
    for item in items {
        let step = atom.step(item).ok();
        if step.as_ref().is_some_and(|step| set.has_member(step)) {
            continue;
        }
        let below = step.as_ref().and_then(|step| set.below(step));
        out.push(match below {
            Some(below) => remove(atom.item(), item, below),
            None => item.clone(),
        });
    }
    if out.is_empty() {
        Value::Null
    } else {
        Value::Array(out)
    }
}
