//! The end of a table that reads.

mod asked;
mod receive;
mod session;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use bytes::Bytes;
use cedge_wire::table::{Body, KeyVersion, Keys};

use crate::digest::hash_key;
use crate::hold::Settling;
use crate::journal::Journal;
use crate::{Content, Hash, Key, Meta, Outgoing, Policy, Record, Save};
use session::Session;

/// Removals that are remembered, so that what was removed is not brought back by a writer from the past. Beyond this
/// the oldest are forgotten: then such a writer could bring those back, nothing else.
const GRAVES_MAX: usize = 4096;
/// The same for a mirror, where only what a session still has under way could come back.
const GRAVES_MAX_MIRROR: usize = 256;

#[derive(Debug)]
struct Row {
    record: Record,
    key_hash: u64,
    ticket: u64,
}

#[derive(Debug)]
enum After {
    Open(u32),
    Stored { key: Key, version: u64 },
    Holding { key: Key, version: u64 },
}

/// A large value on its way.
#[derive(Debug)]
struct Incoming {
    version: u64,
    content: Content,
    bytes: Vec<u8>,
}

/// What happened that users may want to know.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ReaderEvents {
    /// Keys whose durable record has changed.
    pub changed: Vec<Key>,
    /// What is held or regressed has changed.
    pub noticed: bool,
}

/// The end of a table that reads.
#[derive(Debug)]
pub struct Reader {
    policy: Policy,
    rows_max: usize,
    meta: Meta,
    rows: BTreeMap<Key, Row>,
    /// How many of them have a value.
    live: usize,
    /// How many rows have a value of that hash.
    values: HashMap<Hash, usize>,
    journal: Journal<After>,
    out: VecDeque<Outgoing>,
    session: Option<Session>,
    incoming: BTreeMap<Key, Incoming>,
    asking: VecDeque<Key>,
    settling: Settling,
    /// What the writer says it lost, and the round in which it said so.
    regressed: BTreeMap<Key, u64>,
    rounds: u64,
    events: ReaderEvents,
}

impl Reader {
    /// A machine that goes on from what is durable.
    pub fn restore(
        policy: Policy,
        rows_max: usize,
        meta: Meta,
        records: impl IntoIterator<Item = (Key, Record)>,
    ) -> Self {
        let mut reader = Self {
            policy,
            rows_max,
            meta,
            rows: BTreeMap::new(),
            live: 0,
            values: HashMap::new(),
            journal: Journal::new(),
            out: VecDeque::new(),
            session: None,
            incoming: BTreeMap::new(),
            asking: VecDeque::new(),
            settling: Settling::default(),
            regressed: BTreeMap::new(),
            rounds: 0,
            events: ReaderEvents::default(),
        };
        for (key, record) in records {
            let key_hash = hash_key(&key);
            reader.count(record.content, true);
            reader.rows.insert(
                key,
                Row {
                    record,
                    key_hash,
                    ticket: 0,
                },
            );
        }
        reader
    }

    fn count(&mut self, content: Option<Content>, more: bool) {
        let Some(content) = content else { return };
        let known = self.values.entry(content.hash).or_insert(0);
        if more {
            *known += 1;
            self.live += 1;
        } else {
            *known = known.saturating_sub(1);
            self.live -= 1;
            if *known == 0 {
                self.values.remove(&content.hash);
            }
        }
    }

    /// Makes `record` the record of `key`, and notes it for the disk.
    fn store(&mut self, key: &Key, record: Record, relaxed: bool) {
        let old = self.rows.get(key).and_then(|row| row.record.content);
        self.count(old, false);
        self.count(record.content, true);
        self.meta.high = self
            .meta
            .high
            .max(record.version)
            .max(record.held.unwrap_or(0));
        if !relaxed {
            self.journal.meta(self.meta, false);
        }
        let ticket = self.journal.record(key, Some(record), relaxed);
        let key_hash = hash_key(key);
        let ticket = match self.rows.get(key) {
            // What is only relaxed stays as durable as it was.
            Some(row) if relaxed => row.ticket,
            _ => ticket,
        };
        self.rows.insert(
            Key::clone(key),
            Row {
                record,
                key_hash,
                ticket,
            },
        );
    }

    /// Carries out a removal: the row goes, the memory of it stays.
    fn bury(&mut self, key: &Key, version: u64) {
        let old = self.rows.get(key).map(|row| row.record);
        let had_value = old.is_some_and(|record| record.content.is_some());
        let version = version.max(old.map_or(0, |record| record.version));
        // There is nothing to tell the user about a removal of what it never saw.
        let record = Record {
            version,
            content: None,
            settled: !had_value,
            held: None,
        };
        self.store(key, record, false);
        self.forget_incoming(key);
        self.regressed.remove(key);
        self.journal.after(After::Stored {
            key: Key::clone(key),
            version,
        });
        if had_value {
            self.events.noticed = true;
        }
        self.forget_old_graves();
    }

    fn forget_old_graves(&mut self) {
        let graves = self.rows.len() - self.live;
        let max = if self.policy == Policy::Mirror {
            GRAVES_MAX_MIRROR
        } else {
            GRAVES_MAX
        };
        if graves <= max {
            return;
        }
        let mut oldest: Vec<(u64, Key)> = self
            .rows
            .iter()
            .filter(|(_, row)| row.record.content.is_none() && row.record.settled)
            .map(|(key, row)| (row.record.version, Key::clone(key)))
            .collect();
        oldest.sort_unstable();
        for (_, key) in oldest.into_iter().take(max / 8) {
            self.rows.remove(&key);
            self.journal.record(&key, None, true);
        }
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
        let mut stored = Vec::new();
        let mut holding = Vec::new();
        let mut changed = BTreeSet::new();
        for step in after {
            match step {
                After::Open(round) => self.open_round(round),
                After::Holding { key, version } => holding.push(key_version(&key, version)),
                After::Stored { key, version } => {
                    stored.push(key_version(&key, version));
                    if self.rows.get(&key).is_some_and(|row| !row.record.settled) {
                        changed.insert(key);
                    }
                }
            }
        }
        self.events.changed.extend(changed);
        self.say_keys(&stored, Body::Ack);
        self.say_keys(&holding, Body::Holding);
    }

    fn say_keys(&mut self, keys: &[KeyVersion], body: fn(Keys) -> Body) {
        if self.session.is_none() {
            return;
        }
        for part in keys.chunks(cedge_wire::limits::KEYS_MAX) {
            self.say(body(Keys {
                keys: part.to_vec(),
            }));
        }
    }

    fn say(&mut self, body: Body) {
        self.out.push_back(Outgoing::Message(body));
    }

    /// The next thing to send.
    pub fn next_send(&mut self) -> Option<Outgoing> {
        self.out.pop_front()
    }

    /// What happened since the last call.
    pub fn take_events(&mut self) -> ReaderEvents {
        std::mem::take(&mut self.events)
    }

    // --- What users do and ask.

    /// The user has taken care of the record of that version.
    pub fn done(&mut self, key: &Key, version: u64) {
        let Some(row) = self
            .rows
            .get(key)
            .filter(|row| row.record.version == version)
        else {
            return;
        };
        if !row.record.settled {
            let record = Record {
                settled: true,
                ..row.record
            };
            self.store(key, record, true);
        }
    }

    /// The record of a key is to come to the user again.
    pub fn again(&mut self, key: &Key) {
        let Some(row) = self.rows.get(key) else {
            return;
        };
        let (record, durable) = (row.record, self.journal.is_durable(row.ticket));
        self.store(
            key,
            Record {
                settled: false,
                ..record
            },
            true,
        );
        if durable {
            self.events.changed.push(Key::clone(key));
        }
    }

    /// Drops a row by a decision of this end: what a former parent assigned was taken over. Not to be used while the
    /// writer is alive: it would bring it back.
    pub fn forget(&mut self, key: &Key) {
        let Some(row) = self.rows.remove(key) else {
            return;
        };
        self.count(row.record.content, false);
        self.journal.record(key, None, false);
        // What is not there can neither be lost, nor settle, nor be on its way.
        self.settling.keys.remove(key);
        self.forget_incoming(key);
        let marked = self.regressed.remove(key).is_some();
        self.events.noticed |= marked || row.record.held.is_some();
    }
}

fn key_version(key: &str, version: u64) -> KeyVersion {
    KeyVersion {
        key: key.to_owned(),
        version,
    }
}

fn hash_bytes(hash: &Hash) -> Bytes {
    Bytes::copy_from_slice(hash)
}
