//! Fields that an applier stopped applying fall away, unless somebody else owns them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::versions::{Versions, convert};
use crate::fields::Set;
use crate::managers::{Manager, Managers, Owned};
use crate::typed::{self, Place};

/// The merged object without what `me` applied last time and not this time and nobody owns.
pub(super) fn prune(
    versions: &dyn Versions,
    merged: Value,
    managers: &Managers,
    me: &Manager,
    last: Option<&Owned>,
) -> Value {
    let Some(last) = last.filter(|last| !last.set.is_empty()) else {
        return merged;
    };
    let version = &last.api_version;
    let (Some(seen), Some(ty)) = (convert(versions, &merged, version), versions.of(version)) else {
        return merged;
    };
    let place = Place::of(ty);
    let last_set = last.set.with_named_fields(Some(ty));
    let pruned = typed::remove(place, &seen, &last_set);
    let (seen, pruned) = keep_owned(versions, seen, pruned, version, managers);
    let pruned = keep_dangling(place, &seen, &pruned, &last_set);
    let target = managers
        .all
        .get(me)
        .map_or(version, |owned| &owned.api_version);
    convert(versions, &pruned, target).unwrap_or(merged)
}

/// Adds back what was removed and somebody owns, the applier's new fields included.
fn keep_owned(
    versions: &dyn Versions,
    merged: Value,
    pruned: Value,
    version: &str,
    managers: &Managers,
) -> (Value, Value) {
    let mut by_version: BTreeMap<&str, Set> = BTreeMap::new();
    for owned in managers.all.values() {
        by_version
            .entry(&owned.api_version)
            .or_default()
            .add(&owned.set);
    }
    // The version of the objects first, so that nothing lacks that a conversion needs.
    let first = by_version.remove_entry(version);
    let mut at = (merged, pruned);
    for (version, owned) in first.into_iter().chain(by_version) {
        at = keep_owned_in(versions, at, version, &owned);
    }
    let back = |object: Value| convert(versions, &object, version).unwrap_or(object);
    (back(at.0), back(at.1))
}

fn keep_owned_in(
    versions: &dyn Versions,
    (merged, pruned): (Value, Value),
    version: &str,
    owned: &Set,
) -> (Value, Value) {
    let seen = |object: &Value| convert(versions, object, version);
    let (Some(in_merged), Some(in_pruned), Some(ty)) =
        (seen(&merged), seen(&pruned), versions.of(version))
    else {
        return (merged, pruned);
    };
    let place = Place::of(ty);
    let all = typed::to_set(place, &in_merged).with_named_fields(Some(ty));
    let left = typed::to_set(place, &in_pruned).with_named_fields(Some(ty));
    let kept = left.union(&owned.with_named_fields(Some(ty)));
    let pruned = typed::remove(place, &in_merged, &all.difference(&kept));
    (in_merged, pruned)
}

/// Removes only what the applier itself owned last time: what nobody owns stays.
fn keep_dangling(place: Place<'_>, merged: &Value, pruned: &Value, last: &Set) -> Value {
    let all = typed::to_set(place, merged).with_named_fields(place.ty());
    let left = typed::to_set(place, pruned).with_named_fields(place.ty());
    typed::remove(place, merged, &all.difference(&left).intersection(last))
}
