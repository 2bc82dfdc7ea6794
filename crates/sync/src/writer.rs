//! The end of a table that writes.

mod answers;
mod compare;
mod session;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use cedge_wire::limits;
use cedge_wire::table::{Body, KeyVersion, Keys, Remove};

use crate::digest::{hash_key, hash_of};
use crate::journal::Journal;
use crate::{Content, Hash, Key, Meta, Outgoing, Policy, Record, Save};
use session::Session;

/// After how long without any progress a round begins again: something got lost, or the reader's disk is stuck.
pub const RESYNC_AFTER: Duration = Duration::from_secs(60);

/// How far a key has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Nothing here, nor a tombstone.
    Absent,
    /// Not acknowledged yet.
    Pending,
    /// Acknowledged.
    Acknowledged,
    /// Removed, not acknowledged yet.
    Removing,
    /// Removed; the reader holds the deletion until somebody confirms it.
    Holding,
    /// The reader holds something else, from a past that was lost here.
    Regressed,
}

/// A key that the reader holds from a past that was lost here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Regression {
    /// The key.
    pub key: Key,
    /// The version that the reader has recorded.
    pub theirs: u64,
    /// Our version, if there is something under this key.
    pub ours: Option<u64>,
}

#[derive(Debug)]
struct Row {
    record: Record,
    key_hash: u64,
    /// With which save the record becomes durable.
    ticket: u64,
    /// The reader refused it for this version of its own; as of that round.
    refused: Option<(u64, u64)>,
    /// The reader holds the deletion.
    holding: bool,
}

#[derive(Debug)]
enum After {
    /// Tell the reader of a record.
    Push(Key),
    /// Answer the reader's opening of that round.
    Welcome(u64),
}

/// The end of a table that writes.
#[derive(Debug)]
pub struct Writer {
    policy: Policy,
    meta: Meta,
    rows: BTreeMap<Key, Row>,
    /// What the reader holds and we have nothing of: its version, and the round in which it was said.
    strange: BTreeMap<Key, (u64, u64)>,
    journal: Journal<After>,
    out: VecDeque<Outgoing>,
    session: Option<Session>,
    /// Rounds since this machine was made: marks of older ones are dropped when a newer one is settled.
    rounds: u64,
    changed: bool,
    /// Our counter when this machine was made, until the reader was met: it cannot have heard of more than that, unless
    /// we are from a backup.
    begun_at: Option<u64>,
}

impl Writer {
    /// A machine that goes on from what is durable. For a new table, `meta.life` is a fresh random number.
    pub fn restore(
        policy: Policy,
        meta: Meta,
        records: impl IntoIterator<Item = (Key, Record)>,
    ) -> Self {
        let row = |(key, record): (Key, Record)| {
            let key_hash = hash_key(&key);
            (
                key,
                Row {
                    record,
                    key_hash,
                    ticket: 0,
                    refused: None,
                    holding: false,
                },
            )
        };
        Self {
            policy,
            meta,
            rows: records.into_iter().map(row).collect(),
            strange: BTreeMap::new(),
            journal: Journal::new(),
            out: VecDeque::new(),
            session: None,
            rounds: 0,
            changed: false,
            begun_at: Some(meta.high),
        }
    }

    /// Writes a value. The same value again changes nothing, even if the reader refused it: that is how a restored
    /// parent that states everything anew rolls nothing back.
    pub fn put(&mut self, key: &Key, value: Bytes) -> u64 {
        let hash = hash_of(&value);
        if let Some(row) = self.rows.get(key)
            && row.record.content.is_some_and(|c| c.hash == hash)
        {
            return row.record.version;
        }
        let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
        self.journal.value(hash, value);
        self.write(key, Some(Content { hash, length }))
    }

    /// Gives a value that is there a new version, so that it replaces what the reader holds.
    pub fn write_again(&mut self, key: &Key) -> Option<u64> {
        let content = self.rows.get(key)?.record.content?;
        Some(self.write(key, Some(content)))
    }

    /// Removes a key: a tombstone, until the reader acknowledges it. Also for a key that only the reader has.
    pub fn remove(&mut self, key: &Key) -> Option<u64> {
        let ours = self
            .rows
            .get(key)
            .is_some_and(|row| row.record.content.is_some());
        (ours || self.strange.contains_key(key)).then(|| self.write(key, None))
    }

    fn write(&mut self, key: &Key, content: Option<Content>) -> u64 {
        self.meta.high += 1;
        let record = Record {
            version: self.meta.high,
            content,
            settled: false,
            held: None,
        };
        self.strange.remove(key);
        self.store(key, record);
        record.version
    }

    fn store(&mut self, key: &Key, record: Record) {
        let relaxed = self.policy == Policy::Mirror;
        self.journal.meta(self.meta, relaxed);
        let ticket = self.journal.record(key, Some(record), relaxed);
        let key_hash = hash_key(key);
        let row = Row {
            record,
            key_hash,
            ticket,
            refused: None,
            holding: false,
        };
        self.rows.insert(Key::clone(key), row);
        self.journal.after(After::Push(Key::clone(key)));
        self.changed = true;
    }

    /// The next things to store, if there are any.
    pub fn take_save(&mut self) -> Option<Save> {
        self.journal.take()
    }

    /// The ticket with which everything done so far is durable.
    #[must_use]
    pub fn latest_ticket(&self) -> u64 {
        self.journal.latest()
    }

    /// The saves up to `ticket` are durable.
    pub fn persisted(&mut self, ticket: u64) {
        let after = self.journal.persisted(ticket);
        self.perform(after);
    }

    fn perform(&mut self, after: Vec<After>) {
        let mut keys = Vec::new();
        for step in after {
            match step {
                After::Push(key) => keys.push(key),
                After::Welcome(round) => self.welcome(round),
            }
        }
        self.push(&keys);
    }

    /// Whether a row may be spoken of: only when it is stored. (A mirror's saves are relaxed: what it loses in a crash
    /// after speaking of it, the next comparison replaces.)
    fn is_told(&self, row: &Row) -> bool {
        self.journal.is_durable(row.ticket)
    }

    /// Tells the reader of rows that became durable.
    fn push(&mut self, keys: &[Key]) {
        if !self.session.as_ref().is_some_and(|session| session.live) {
            return;
        }
        let mut tombstones = Vec::new();
        for key in keys {
            let Some(row) = self.rows.get(key).filter(|row| self.is_told(row)) else {
                continue;
            };
            if row.record.content.is_none() {
                tombstones.push((Key::clone(key), row.record.version));
            } else if let Some(session) = &mut self.session {
                session.mark(key);
            }
        }
        self.send_tombstones(&tombstones);
        self.pump();
    }

    fn send_tombstones(&mut self, tombstones: &[(Key, u64)]) {
        // What is doubtful is told apart, as the mark is per message.
        let (doubtful, sure): (Vec<_>, Vec<_>) = tombstones
            .iter()
            .partition(|(_, version)| *version <= self.meta.doubt_until);
        for (keys, doubtful) in [(sure, false), (doubtful, true)] {
            let parts = keys.len().div_ceil(limits::KEYS_MAX);
            for (i, part) in keys.chunks(limits::KEYS_MAX).enumerate() {
                let keys = part.iter().map(|(k, v)| key_version(k, *v)).collect();
                self.say(Body::Remove(Remove {
                    keys,
                    more: i + 1 < parts,
                    doubtful,
                }));
            }
        }
    }

    fn say(&mut self, body: Body) {
        self.out.push_back(Outgoing::Message(body));
    }

    fn say_regressed(&mut self, key: &Key, version: u64) {
        self.say(Body::Regressed(Keys {
            keys: vec![key_version(key, version)],
        }));
    }

    /// The next thing to send.
    pub fn next_send(&mut self) -> Option<Outgoing> {
        self.out.pop_front()
    }

    /// Whether something was written, acknowledged, refused since the last call.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    // --- What users ask.

    /// The record of a key.
    #[must_use]
    pub fn record(&self, key: &str) -> Option<Record> {
        self.rows.get(key).map(|row| row.record)
    }

    /// All keys with their records, in order, tombstones included.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Record)> {
        self.rows.iter().map(|(key, row)| (key, &row.record))
    }

    /// How many rows there are, tombstones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How far a key has come.
    #[must_use]
    pub fn progress(&self, key: &str) -> Progress {
        let Some(row) = self.rows.get(key) else {
            let strange = self.strange.contains_key(key);
            return if strange {
                Progress::Regressed
            } else {
                Progress::Absent
            };
        };
        match (row.record.content, row.record.settled) {
            _ if row.refused.is_some() => Progress::Regressed,
            (Some(_), true) => Progress::Acknowledged,
            (Some(_), false) => Progress::Pending,
            (None, _) if row.holding => Progress::Holding,
            (None, _) => Progress::Removing,
        }
    }

    /// How many rows are not acknowledged.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.rows.values().filter(|row| !row.record.settled).count()
    }

    /// What the reader holds from a past that was lost here, as of the last comparison.
    #[must_use]
    pub fn regressed(&self) -> Vec<Regression> {
        let refused = self.rows.iter().filter_map(|(key, row)| {
            let (theirs, _) = row.refused?;
            Some(Regression {
                key: Key::clone(key),
                theirs,
                ours: Some(row.record.version),
            })
        });
        let strange = self.strange.iter().map(|(key, (theirs, _))| Regression {
            key: Key::clone(key),
            theirs: *theirs,
            ours: None,
        });
        refused.chain(strange).collect()
    }

    /// The durable state beside the records.
    #[must_use]
    pub fn meta(&self) -> Meta {
        self.meta
    }

    /// Whether a value is one of this table's present ones: nothing else is ever given to the peer.
    #[must_use]
    pub fn has_value(&self, key: &str, version: u64) -> Option<Hash> {
        let record = self.record(key)?;
        record
            .content
            .filter(|_| record.version == version)
            .map(|content| content.hash)
    }
}

fn key_version(key: &str, version: u64) -> KeyVersion {
    KeyVersion {
        key: key.to_owned(),
        version,
    }
}
