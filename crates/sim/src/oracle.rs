//! Knows who really wrote and deleted what, and when; judges every durable step of every reader.
//!
//! It knows nothing of versions: a *write* is an application giving a writer a value that it did not have, a *deletion*
//! an application removing a key. What an application states anew after a restart keeps the time when it first learned it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cedge_sync::{Hash, Key, Save};

use crate::app::parse;

/// The way from a parent to a child.
pub type Way = (usize, usize);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Seen {
    /// A value, and when it had been written at the time when the reader took it. (It may be written again later.)
    Live {
        seq: u64,
        at: u64,
    },
    Removed {
        at: u64,
    },
}

/// The one who knows.
#[derive(Debug, Default)]
pub struct Oracle {
    written: HashMap<(Way, Key, u64), u64>,
    deleted: HashMap<(Way, Key), BTreeSet<u64>>,
    seen: BTreeMap<Way, BTreeMap<Key, Seen>>,
}

impl Oracle {
    /// An application wrote.
    pub fn wrote(&mut self, way: Way, key: &Key, seq: u64, at: u64) {
        let known = self
            .written
            .entry((way, Key::clone(key), seq))
            .or_insert(at);
        *known = at.max(*known);
    }

    /// An application deleted.
    pub fn deleted(&mut self, way: Way, key: &Key, at: u64) {
        self.deleted
            .entry((way, Key::clone(key)))
            .or_default()
            .insert(at);
    }

    /// A reader's memory is another one now: it begins anew with what is there.
    pub fn reset<'a>(
        &mut self,
        way: Way,
        values: impl Iterator<Item = (&'a Key, Option<&'a [u8]>)>,
    ) {
        let seen = values
            .map(|(key, value)| {
                let seen = match value {
                    Some(value) => self.taken(way, key, parse(value).1),
                    None => Seen::Removed { at: 0 },
                };
                (Key::clone(key), seen)
            })
            .collect();
        self.seen.insert(way, seen);
    }

    /// A reader of a retaining table stored something.
    pub fn check(
        &mut self,
        way: Way,
        save: &Save,
        values: &BTreeMap<Hash, bytes::Bytes>,
    ) -> Result<(), String> {
        for (key, record) in &save.records {
            let content = record.and_then(|record| record.content);
            let before = self.seen.get(&way).and_then(|seen| seen.get(key)).copied();
            let after = match content {
                Some(content) => {
                    let (named, seq) = parse(&values[&content.hash]);
                    if *named != **key {
                        return Err(format!("I7: {way:?} {key} holds a value of {named}"));
                    }
                    Some(self.check_put(way, key, before, seq)?)
                }
                None => self.check_removal(way, key, before, record.is_some())?,
            };
            let seen = self.seen.entry(way).or_default();
            match after {
                Some(after) => seen.insert(Key::clone(key), after),
                None => seen.remove(key),
            };
        }
        Ok(())
    }

    fn written_at(&self, way: Way, key: &Key, seq: u64) -> Result<u64, String> {
        let at = self.written.get(&(way, Key::clone(key), seq));
        at.copied()
            .ok_or_else(|| format!("I6: {way:?} {key} holds {seq}, never written there"))
    }

    /// What a reader holds after a restart: the same as before, or what it was restored to.
    fn taken(&self, way: Way, key: &Key, seq: u64) -> Seen {
        let before = self.seen.get(&way).and_then(|seen| seen.get(key)).copied();
        match before {
            Some(Seen::Live { seq: old, .. }) if old == seq => before.expect("just seen"),
            _ => Seen::Live {
                seq,
                at: self.written_at(way, key, seq).unwrap_or(0),
            },
        }
    }

    fn check_put(
        &self,
        way: Way,
        key: &Key,
        before: Option<Seen>,
        seq: u64,
    ) -> Result<Seen, String> {
        let at = self.written_at(way, key, seq)?;
        match before {
            Some(Seen::Live { seq: old, at: then }) if old != seq && then >= at => Err(format!(
                "I3: {way:?} {key} was rolled back from {old} to {seq}"
            )),
            Some(Seen::Removed { at: removed }) if removed >= at => Err(format!(
                "I3: {way:?} {key} was brought back as {seq} after its removal"
            )),
            // The same value under another version: it was taken when it was taken first.
            Some(Seen::Live { seq: old, .. }) if old == seq => Ok(before.expect("just seen")),
            _ => Ok(Seen::Live { seq, at }),
        }
    }

    fn check_removal(
        &self,
        way: Way,
        key: &Key,
        before: Option<Seen>,
        remembered: bool,
    ) -> Result<Option<Seen>, String> {
        let Some(Seen::Live { seq, at: written }) = before else {
            // Nothing was there: there is nothing to justify, and no more known than before.
            let seen = before.unwrap_or(Seen::Removed { at: 0 });
            return Ok(remembered.then_some(seen));
        };
        // The first deletion after the value was written is the one that it may have gone by.
        let deletions = self.deleted.get(&(way, Key::clone(key)));
        let deletion = deletions.and_then(|times| times.range(written + 1..).next());
        match deletion {
            Some(at) => Ok(remembered.then_some(Seen::Removed { at: *at })),
            None => Err(format!(
                "I3: {way:?} {key} was removed, nobody deleted {seq}"
            )),
        }
    }
}
