//! Reads show what was known when they began, or later; lists show one state as a whole.

use std::collections::BTreeMap;

use super::Violation;
use super::floor::Floor;
use super::log::Log;
use crate::history::{Call, Deed, History, Key, Note, Outcome, Seen};

/// A list that is to be held against the state at its revision.
struct Claim<'a> {
    kind: usize,
    revision: u64,
    items: &'a [(u32, u64)],
}

/// Holds every read against the log.
pub(super) fn check(history: &History, log: &Log, floor: &Floor, found: &mut Vec<Violation>) {
    let mut claims = Vec::new();
    for call in &history.calls {
        match (&call.deed, &call.outcome) {
            (Deed::Get { key }, Outcome::Read(answer)) => {
                get(call, *key, answer.as_ref(), log, floor, found);
            }
            (Deed::List { kind }, Outcome::Listed { pages, items }) => {
                let (Some(first), Some(last)) = (pages.first(), pages.last()) else {
                    continue;
                };
                if pages.iter().any(|page| page != first) {
                    found.push(Violation::Torn(*kind, pages.clone()));
                    continue;
                }
                fresh(*last, call.start, floor, found);
                claims.push(Claim {
                    kind: *kind,
                    revision: *last,
                    items,
                });
            }
            _ => {}
        }
    }
    for watching in &history.watchers {
        for note in &watching.notes {
            if let Note::Listed {
                start,
                revision,
                items,
            } = note
            {
                fresh(*revision, *start, floor, found);
                claims.push(Claim {
                    kind: watching.kind,
                    revision: *revision,
                    items,
                });
            }
        }
    }
    claims.extend(history.last.iter().map(|last| Claim {
        kind: last.kind,
        revision: last.revision,
        items: &last.items,
    }));
    replay(claims, log, found);
}

fn fresh(revision: u64, start: u64, floor: &Floor, found: &mut Vec<Violation>) {
    let known = floor.before(start);
    if revision < known {
        found.push(Violation::OutOfOrder(known, revision));
    }
}

fn get(
    call: &Call,
    key: Key,
    answer: Option<&Seen>,
    log: &Log,
    floor: &Floor,
    found: &mut Vec<Violation>,
) {
    let known = floor.before(call.start);
    let Some(seen) = answer else {
        // Absent is right if it was so at some time from `known` on.
        let mut absent_until = log
            .chain(key)
            .iter()
            .map(|revision| (*revision, log.get(*revision)));
        let was_absent_then = log
            .before(key, known + 1)
            .is_none_or(|entry| entry.change.is_end());
        let later = absent_until
            .any(|(revision, e)| revision > known && e.is_some_and(|e| e.change.is_end()));
        if !was_absent_then && !later {
            found.push(Violation::Stale(key, known, 0));
        }
        return;
    };
    match log.get(seen.revision) {
        Some(entry) if entry.key == key && entry.seen == *seen && !entry.change.is_end() => {
            if let Some(next) = log.after(key, seen.revision)
                && next.seen.revision <= known
            {
                found.push(Violation::Stale(key, known, seen.revision));
            }
        }
        _ => found.push(Violation::Phantom(key, seen.revision)),
    }
}

/// Goes through the log once and stops at each list.
fn replay(mut claims: Vec<Claim<'_>>, log: &Log, found: &mut Vec<Violation>) {
    claims.sort_by_key(|claim| claim.revision);
    let mut states: Vec<BTreeMap<u32, u64>> = Vec::new();
    let mut entries = log.entries().peekable();
    for claim in claims {
        while let Some((revision, entry)) = entries.next_if(|(at, _)| *at <= claim.revision) {
            if states.len() <= entry.key.kind {
                states.resize(entry.key.kind + 1, BTreeMap::new());
            }
            let state = &mut states[entry.key.kind];
            if entry.change.is_end() {
                state.remove(&entry.key.index);
            } else {
                state.insert(entry.key.index, revision);
            }
        }
        let empty = BTreeMap::new();
        let state = states.get(claim.kind).unwrap_or(&empty);
        let items: BTreeMap<u32, u64> = claim.items.iter().copied().collect();
        let differs = items
            .iter()
            .find(|(index, revision)| state.get(index) != Some(revision))
            .or_else(|| state.iter().find(|(index, _)| !items.contains_key(index)));
        match differs {
            Some((index, _)) => {
                found.push(Violation::WrongList(claim.kind, claim.revision, *index));
            }
            // An item stands there twice.
            None if items.len() != claim.items.len() => {
                found.push(Violation::WrongList(claim.kind, claim.revision, u32::MAX));
            }
            None => {}
        }
    }
}
