//! Who owns what after a change: managers lose the fields that others changed.

use std::collections::BTreeMap;

use serde_json::Value;

use super::conflict::Conflicts;
use super::versions::{Versions, convert};
use crate::fields::Set;
use crate::managers::{Manager, Managers};
use crate::typed::{self, Comparison, Place};

/// A change of an object.
#[derive(Clone, Copy)]
pub(super) struct Change<'a> {
    pub(super) versions: &'a dyn Versions,
    /// Version of both objects.
    pub(super) api_version: &'a str,
    pub(super) before: &'a Value,
    pub(super) after: &'a Value,
    /// What nobody may own by this request.
    pub(super) ignored: &'a Set,
    /// Who changes it.
    pub(super) manager: &'a Manager,
}

/// Why a change is not recorded.
#[derive(Debug)]
pub(super) enum TransferError {
    Conflicts(Conflicts),
    Incomparable(String),
}

/// Brings the sets of all managers in line with types that changed since they were written; managers of versions
/// that are gone are forgotten.
pub(super) fn reconcile(versions: &dyn Versions, _live: &Value, managers: &mut Managers) {
    managers.all.retain(|_, owned| {
        let Some(ty) = versions.of(&owned.api_version) else {
            return false;
        };
        if let Some(set) = typed::reconcile(Place::of(ty), &owned.set) {
            owned.set = set;
        }
        true
    });
}

/// Takes changed fields away from all other managers; what the change itself is comes back.
pub(super) fn transfer(
    change: &Change<'_>,
    managers: &mut Managers,
    force: bool,
) -> Result<Comparison, TransferError> {
    let mut seen: BTreeMap<String, Option<Comparison>> = BTreeMap::new();
    let own = compare(change, change.api_version)?.unwrap_or_default();
    seen.insert(change.api_version.to_owned(), Some(own.clone()));
    let mut conflicts: Vec<(Manager, Set)> = Vec::new();
    let mut gone = Vec::new();
    for (manager, owned) in &managers.all {
        if manager == change.manager {
            continue;
        }
        if !seen.contains_key(&owned.api_version) {
            let comparison = compare(change, &owned.api_version)?;
            seen.insert(owned.api_version.clone(), comparison);
        }
        let Some(Some(comparison)) = seen.get(&owned.api_version) else {
            gone.push(manager.clone());
            continue;
        };
        let changed = comparison.modified.union(&comparison.added);
        let taken = owned.set.intersection(&changed);
        if !taken.is_empty() {
            conflicts.push((manager.clone(), taken));
        }
    }
    if !force && let Some(conflicts) = Conflicts::of(&conflicts) {
        return Err(TransferError::Conflicts(conflicts));
    }
    for manager in &gone {
        managers.all.remove(manager);
    }
    for (manager, taken) in &conflicts {
        if let Some(owned) = managers.all.get_mut(manager) {
            owned.set = owned.set.difference(taken);
        }
    }
    for (manager, owned) in &mut managers.all {
        if let (true, Some(Some(comparison))) =
            (manager != change.manager, seen.get(&owned.api_version))
        {
            owned.set = owned.set.difference(&comparison.removed);
        }
    }
    managers.all.retain(|_, owned| !owned.set.is_empty());
    Ok(own)
}

/// The change as it looks in an API version; nothing if the kind has no such version.
fn compare(change: &Change<'_>, api_version: &str) -> Result<Option<Comparison>, TransferError> {
    let seen = |object: &Value| convert(change.versions, object, api_version);
    let (before, after) = if api_version == change.api_version {
        (Some(change.before.clone()), Some(change.after.clone()))
    } else {
        (seen(change.before), seen(change.after))
    };
    let (Some(before), Some(after), Some(ty)) = (before, after, change.versions.of(api_version))
    else {
        return Ok(None);
    };
    let compared = typed::compare(Place::of(ty), &before, &after).map_err(|problems| {
        let text = typed::tell(&problems);
        TransferError::Incomparable(format!("failed to compare objects: {text}"))
    })?;
    Ok(Some(compared.without(change.ignored)))
}
