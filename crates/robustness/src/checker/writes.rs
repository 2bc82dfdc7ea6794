//! Acknowledged writes happened as they were acknowledged, refused ones did not, unknown ones at most once; each upon
//! what it named.

use std::collections::{HashMap, HashSet};

use super::Violation;
use super::floor::Floor;
use super::log::{Entry, Log};
use crate::history::{Call, Deed, History, Key, Outcome, Seen};

const CONFLICT: u16 = 409;

/// Holds every write against the log; how many unknown ones happened.
pub(super) fn check(
    history: &History,
    log: &Log,
    floor: &Floor,
    found: &mut Vec<Violation>,
) -> usize {
    let mut unknown_happened = 0;
    let mut known = HashSet::new();
    let by_tag: HashMap<u64, &Call> = history
        .calls
        .iter()
        .filter_map(|call| Some((call.deed.tag()?, call)))
        .collect();
    for call in &history.calls {
        let Some(key) = call.deed.key() else { continue };
        match (&call.deed, &call.outcome) {
            (Deed::Delete { uid, revision, .. }, _) => {
                if let Outcome::Deleted { uid: gone } = &call.outcome {
                    let at = log.deletion_of(gone);
                    if let Some(at) = at {
                        known.insert(at);
                        in_order(call, at, floor, found);
                    }
                    let Some(at) = at.filter(|at| log.get(*at).is_some_and(|e| e.key == key))
                    else {
                        found.push(Violation::LostDelete(key, gone.clone()));
                        continue;
                    };
                    if !allows(log, key, at, uid.as_deref(), *revision) {
                        found.push(Violation::WrongDeleted(key, at));
                    }
                } else if call.outcome == Outcome::Refused(CONFLICT) {
                    conflict(call, key, revision.as_ref(), log, &by_tag, history, found);
                }
            }
            (deed, outcome) => {
                let Some(tag) = deed.tag() else { continue };
                unknown_happened += written(call, key, tag, outcome, log, floor, found);
                if let (Deed::Update { base, .. }, Outcome::Refused(CONFLICT)) = (deed, outcome) {
                    conflict(call, key, Some(base), log, &by_tag, history, found);
                }
            }
        }
    }
    nobody_asked(log, &by_tag, found);
    unknown_happened + unknown_deletions(history, log, &known, found)
}

#[expect(
    clippy::too_many_arguments,
    reason = "one call, and what it is held against"
)]
fn written(
    call: &Call,
    key: Key,
    tag: u64,
    outcome: &Outcome,
    log: &Log,
    floor: &Floor,
    found: &mut Vec<Violation>,
) -> usize {
    let happened = log.happened(tag);
    if happened.len() > 1 {
        found.push(Violation::Twice(key, tag));
    }
    match (outcome, happened.first()) {
        (Outcome::Wrote(seen), None) => found.push(Violation::LostWrite(key, seen.revision)),
        (Outcome::Wrote(seen), Some(at)) if log.get(*at).is_none_or(|e| e.seen != *seen) => {
            found.push(Violation::OtherRevision(key, seen.revision, *at));
        }
        (Outcome::Refused(_), Some(at)) => found.push(Violation::RefusedHappened(key, *at)),
        _ => {}
    }
    for at in happened {
        in_order(call, *at, floor, found);
        if let (Deed::Update { base, .. }, Some(before)) = (&call.deed, log.before(key, *at))
            && before.seen.revision != *base
        {
            found.push(Violation::NotOnItsBase(key, *base, before.seen.revision));
        }
    }
    usize::from(matches!(outcome, Outcome::Unknown(_)) && !happened.is_empty())
}

fn in_order(call: &Call, given: u64, floor: &Floor, found: &mut Vec<Violation>) {
    let known = floor.before(call.start);
    if given <= known {
        found.push(Violation::OutOfOrder(known, given));
    }
}

/// Whether what was there before the deletion is what the preconditions name.
fn allows(log: &Log, key: Key, at: u64, uid: Option<&str>, revision: Option<u64>) -> bool {
    let Some(Entry { seen: gone, .. }) = log.before(key, at) else {
        return false;
    };
    uid.is_none_or(|uid| uid == gone.uid) && revision.is_none_or(|r| r == gone.revision)
}

/// A conflict has a reason: the named state was replaced by something that began before the refusal.
#[expect(
    clippy::too_many_arguments,
    reason = "one call, and what it is held against"
)]
fn conflict(
    call: &Call,
    key: Key,
    named: Option<&u64>,
    log: &Log,
    by_tag: &HashMap<u64, &Call>,
    history: &History,
    found: &mut Vec<Violation>,
) {
    let Some(base) = named else { return };
    // A precondition may also name the uid of an object that is gone.
    if log.get(*base).is_none_or(|e| e.key != key) {
        return;
    }
    let reason = match log.after(key, *base) {
        None => false,
        Some(next) if next.change.is_end() => history.calls.iter().any(|other| {
            matches!(other.deed, Deed::Delete { key: k, .. } if k == key) && other.start < call.end
        }),
        Some(next) => by_tag
            .get(&next.seen.tag)
            .is_none_or(|other| other.start < call.end),
    };
    if !reason {
        found.push(Violation::ConflictOutOfNowhere(key, *base));
    }
}

/// Every state was written by a call to that object.
fn nobody_asked(log: &Log, by_tag: &HashMap<u64, &Call>, found: &mut Vec<Violation>) {
    for (revision, Entry { change, key, seen }) in log.entries() {
        let call = by_tag.get(&seen.tag);
        let asked = call.is_some_and(|call| call.deed.key() == Some(*key) && made(call, seen));
        if !asked && !change.is_end() {
            found.push(Violation::FromNowhere(*key, revision));
        }
    }
}

fn made(call: &Call, seen: &Seen) -> bool {
    match call.deed {
        Deed::Create { tag, .. } => seen.seed == Some(tag),
        _ => true,
    }
}

/// Deletions of which no answer tells are those of calls of which nothing is known; each call deletes once.
fn unknown_deletions(
    history: &History,
    log: &Log,
    known: &HashSet<u64>,
    found: &mut Vec<Violation>,
) -> usize {
    let mut calls: HashMap<Key, Vec<&Call>> = HashMap::new();
    for call in &history.calls {
        if let (Deed::Delete { key, .. }, Outcome::Unknown(_)) = (&call.deed, &call.outcome) {
            calls.entry(*key).or_default().push(call);
        }
    }
    // Those that name what they delete come first, so that the others are left for what nobody named.
    for calls in calls.values_mut() {
        calls.sort_by_key(|call| match &call.deed {
            Deed::Delete { uid, revision, .. } => (revision.is_none(), uid.is_none()),
            _ => (true, true),
        });
    }
    let mut happened = 0;
    for (revision, entry) in log.entries() {
        if !entry.change.is_end() || known.contains(&revision) {
            continue;
        }
        let open = calls.entry(entry.key).or_default();
        let fits = open.iter().position(|call| match &call.deed {
            Deed::Delete {
                key,
                uid,
                revision: named,
            } => allows(log, *key, revision, uid.as_deref(), *named),
            _ => false,
        });
        match fits {
            Some(fits) => {
                open.remove(fits);
                happened += 1;
            }
            None => found.push(Violation::FromNowhere(entry.key, revision)),
        }
    }
    happened
}
