//! The log of what happened, put together from what all watchers were told.

use std::collections::{BTreeMap, HashMap};

use super::Violation;
use crate::history::{Change, History, Key, Note, Seen};

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) change: Change,
    pub(super) key: Key,
    pub(super) seen: Seen,
}

/// All changes by revision, and what follows from them.
#[derive(Debug, Default)]
pub(super) struct Log {
    entries: BTreeMap<u64, Entry>,
    /// The revisions of each object's changes.
    chains: HashMap<Key, Vec<u64>>,
    /// Where each write happened.
    tags: HashMap<u64, Vec<u64>>,
    /// Where each object ended.
    ends: HashMap<String, u64>,
    /// The revisions of each kind's changes.
    kinds: Vec<Vec<u64>>,
}

// === impl Log ===

impl Log {
    pub(super) fn of(history: &History, found: &mut Vec<Violation>) -> Self {
        let mut log = Self::default();
        for watching in &history.watchers {
            for note in &watching.notes {
                if let Note::Event {
                    change,
                    index,
                    seen,
                    ..
                } = note
                {
                    let key = Key {
                        kind: watching.kind,
                        index: *index,
                    };
                    log.add(*change, key, seen, found);
                }
            }
        }
        log.index(found);
        log
    }

    fn add(&mut self, change: Change, key: Key, seen: &Seen, found: &mut Vec<Violation>) {
        let entry = Entry {
            change,
            key,
            seen: seen.clone(),
        };
        match self.entries.get(&seen.revision) {
            None => {
                self.entries.insert(seen.revision, entry);
            }
            Some(known) if *known == entry => {}
            Some(_) => found.push(Violation::Disagree(seen.revision)),
        }
    }

    fn index(&mut self, found: &mut Vec<Violation>) {
        let mut state: HashMap<Key, &Entry> = HashMap::new();
        for (revision, entry) in &self.entries {
            let key = entry.key;
            let before = state.get(&key).filter(|e| !e.change.is_end());
            let follows = match (before, entry.change) {
                (None, Change::Added) => true,
                (Some(before), Change::Modified | Change::Deleted) => {
                    before.seen.uid == entry.seen.uid
                }
                _ => false,
            };
            if !follows {
                found.push(Violation::Impossible(key, *revision));
            }
            if before.is_some_and(|b| follows && b.seen.seed != entry.seen.seed) {
                found.push(Violation::Trampled(key, *revision));
            }
            if entry.change.is_end() {
                self.ends.insert(entry.seen.uid.clone(), *revision);
            } else {
                self.tags.entry(entry.seen.tag).or_default().push(*revision);
            }
            self.chains.entry(key).or_default().push(*revision);
            if self.kinds.len() <= key.kind {
                self.kinds.resize(key.kind + 1, Vec::new());
            }
            self.kinds[key.kind].push(*revision);
            state.insert(key, entry);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn get(&self, revision: u64) -> Option<&Entry> {
        self.entries.get(&revision)
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (u64, &Entry)> {
        self.entries
            .iter()
            .map(|(revision, entry)| (*revision, entry))
    }

    /// Where a write happened: nowhere, once, or more often than it should.
    pub(super) fn happened(&self, tag: u64) -> &[u64] {
        self.tags.get(&tag).map_or(&[], Vec::as_slice)
    }

    pub(super) fn deletion_of(&self, uid: &str) -> Option<u64> {
        self.ends.get(uid).copied()
    }

    /// The revisions of a kind's changes, in order.
    pub(super) fn of_kind(&self, kind: usize) -> &[u64] {
        self.kinds.get(kind).map_or(&[], Vec::as_slice)
    }

    /// The revisions of an object's changes, in order.
    pub(super) fn chain(&self, key: Key) -> &[u64] {
        self.chains.get(&key).map_or(&[], Vec::as_slice)
    }

    /// The change of the object before a revision.
    pub(super) fn before(&self, key: Key, revision: u64) -> Option<&Entry> {
        let chain = self.chain(key);
        let at = chain.partition_point(|r| *r < revision);
        self.get(*chain.get(at.checked_sub(1)?)?)
    }

    /// The change of the object after a revision.
    pub(super) fn after(&self, key: Key, revision: u64) -> Option<&Entry> {
        let chain = self.chain(key);
        let at = chain.partition_point(|r| *r <= revision);
        self.get(*chain.get(at)?)
    }
}
