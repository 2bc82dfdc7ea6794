//! Brings old sets in line with a schema that changed since: what became one value is owned as one value.

use super::{Atom, Place};
use crate::fields::{Path, Set, Step};

/// The set as the type has it now; nothing if it did not change.
pub(crate) fn reconcile(place: Place<'_>, set: &Set) -> Option<Set> {
    let mut atomic = Set::default();
    visit(place, Some(set), false, &mut Vec::new(), &mut atomic);
    if atomic.is_empty() {
        return None;
    }
    Some(set.recursive_difference(&atomic).union(&atomic))
}

/// Collects the paths that are one value now and have parts in the set. `leaf`: the set has nothing below.
fn visit(place: Place<'_>, set: Option<&Set>, leaf: bool, path: &mut Path, atomic: &mut Set) {
    // Types that are deduced from values cannot have changed.
    let Place::Typed(_) = place else { return };
    match place.atom(None) {
        Atom::Scalar(_) => {}
        Atom::List(list) if list.is_atomic() => {
            if !leaf {
                atomic.insert(path);
            }
        }
        Atom::Map(map) if map.atomic => {
            if !leaf && set.is_some_and(|set| !set.is_empty()) {
                atomic.insert(path);
            }
        }
        Atom::List(list) => {
            each(set, |step, below, leaf| {
                path.push(step.clone());
                visit(list.item(), below, leaf, path, atomic);
                path.pop();
            });
        }
        Atom::Map(map) => {
            each(set, |step, below, leaf| {
                let member = match step {
                    Step::Field(name) => map.member(name),
                    Step::Key(_) | Step::Value(_) | Step::Index(_) => None,
                };
                if let Some(member) = member {
                    path.push(step.clone());
                    visit(member, below, leaf, path, atomic);
                    path.pop();
                }
            });
        }
    }
}

fn each(set: Option<&Set>, mut visit: impl FnMut(&Step, Option<&Set>, bool)) {
    for (step, member, children) in set.into_iter().flat_map(Set::steps) {
        let below = (!children.is_empty()).then_some(children);
        visit(step, below, member && below.is_none());
    }
}
