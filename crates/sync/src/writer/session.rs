//! A writer's side of a session: the comparison, what is sent, what comes back.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use cedge_wire::limits::{KEYS_MAX, VALUE_INLINE_MAX};
use cedge_wire::table::{
    Body, Holds, Keys, Open, Put, Refused, Rows, Settled, Unknown, Want, Welcome,
};

use super::{After, RESYNC_AFTER, Writer};
use crate::digest::{bucket, bucket_bits, digest, sums};
use crate::types::{check_key, check_version};
use crate::{Key, Outgoing, Policy, ProtocolError, Record};

/// Puts that may be on their way at once: enough to fill a path, few enough that a newer value overtakes.
const IN_FLIGHT_MAX: usize = 64;
/// Hashes in one [`Unknown`].
const UNKNOWN_MAX: usize = 2048;

#[derive(Debug)]
pub(super) struct Session {
    /// The reader's opening has been answered: rows may be spoken of.
    pub(super) live: bool,
    /// The reader's number for the present round.
    round: u32,
    opened: Option<Open>,
    bits: u32,
    comparing: bool,
    parts_seen: BTreeSet<u32>,
    /// Our counter when the digests were made: what is above it was not in them.
    compared_high: u64,
    listed: BTreeSet<u32>,
    unknown_sent: u32,
    unknown_open: BTreeSet<u32>,
    settled: bool,
    /// Keys whose record the reader should get, each once.
    queue: VecDeque<Key>,
    queued: BTreeSet<Key>,
    /// What was sent and not answered: one version per key.
    in_flight: BTreeMap<Key, u64>,
    /// When anything last moved.
    moved: Duration,
}

impl Session {
    fn new(now: Duration) -> Self {
        Self {
            live: false,
            round: 0,
            opened: None,
            bits: 0,
            comparing: false,
            parts_seen: BTreeSet::new(),
            compared_high: 0,
            listed: BTreeSet::new(),
            unknown_sent: 0,
            unknown_open: BTreeSet::new(),
            settled: false,
            queue: VecDeque::new(),
            queued: BTreeSet::new(),
            in_flight: BTreeMap::new(),
            moved: now,
        }
    }

    pub(super) fn mark(&mut self, key: &Key) {
        if self.queued.insert(Key::clone(key)) {
            self.queue.push_back(Key::clone(key));
        }
    }

    fn landed(&mut self, key: &str, version: u64) {
        if self.in_flight.get(key) == Some(&version) {
            self.in_flight.remove(key);
        }
    }

    fn is_quiet(&self) -> bool {
        !self.comparing
            && self.queue.is_empty()
            && self.in_flight.is_empty()
            && self.unknown_open.is_empty()
    }
}

impl Writer {
    /// A link is up. The reader begins.
    pub fn connected(&mut self, now: Duration) {
        self.out.clear();
        self.session = Some(Session::new(now));
    }

    /// The link is gone.
    pub fn disconnected(&mut self) {
        self.out.clear();
        self.session = None;
    }

    /// Something was sent at `now`: a large value on a slow path is progress.
    pub fn sent(&mut self, now: Duration) {
        if let Some(session) = &mut self.session {
            session.moved = now;
        }
    }

    /// Time passes: asks for another round if nothing moves although something should.
    pub fn tick(&mut self, now: Duration) {
        let Some(session) = &mut self.session else {
            return;
        };
        let tombstones = || {
            self.rows
                .values()
                .any(|row| row.record.content.is_none() && !row.holding)
        };
        let waits = session.live && (!session.is_quiet() || tombstones());
        if waits && now.saturating_sub(session.moved) >= RESYNC_AFTER {
            session.moved = now;
            let round = session.round;
            self.say(Body::Settled(Settled { round, again: true }));
        }
    }

    /// The reader said something.
    ///
    /// # Errors
    /// When it must not say that; the link is to be closed.
    pub fn receive(&mut self, body: Body, now: Duration) -> Result<(), ProtocolError> {
        let Some(session) = &mut self.session else {
            return Ok(());
        };
        session.moved = now;
        match body {
            Body::Open(open) => self.opened(open)?,
            Body::Rows(rows) => self.compare(&rows)?,
            Body::Holds(holds) => self.held_there(holds)?,
            Body::Ack(keys) => self.acknowledged(&keys),
            Body::Refused(refused) => self.refused(&refused)?,
            Body::Holding(keys) => self.holding(&keys),
            Body::Want(want) => self.wanted(&want),
            Body::Welcome(_)
            | Body::Put(_)
            | Body::Remove(_)
            | Body::Unknown(_)
            | Body::Data(_)
            | Body::Regressed(_)
            | Body::Settled(_) => return Err(ProtocolError::WrongEnd("a writer's message")),
        }
        self.pump();
        Ok(())
    }

    /// Raises our counter above all that the reader has recorded, durably, before anything is said.
    fn opened(&mut self, open: Open) -> Result<(), ProtocolError> {
        if open.high != 0 {
            check_version(open.high)?;
        }
        let Some(session) = &mut self.session else {
            return Ok(());
        };
        if open.round <= session.round {
            return Ok(());
        }
        let moved = session.moved;
        *session = Session {
            round: open.round,
            opened: Some(open),
            ..Session::new(moved)
        };
        self.rounds += 1;
        let before = self.meta;
        self.meta.high = self.meta.high.max(open.high);
        self.doubt(&open);
        if self.meta != before {
            self.journal.meta(self.meta, false);
        }
        self.journal.after(After::Welcome(self.rounds));
        let ready = self.journal.ready();
        self.perform(ready);
        Ok(())
    }

    /// What we wrote before we met a reader that knows another past than ours replaces nothing that it holds: it may be
    /// old, and numbered as if it were new. Two signs of that: the reader met another life of ours, or it has recorded a
    /// version that we had not given out when we began.
    fn doubt(&mut self, open: &Open) {
        let begun_at = self.begun_at.take();
        if self.policy == Policy::Mirror {
            return;
        }
        let other_life = open.writer != 0 && open.writer != self.meta.life;
        if other_life && self.meta.doubted != open.writer {
            self.meta.doubted = open.writer;
            self.meta.doubt_until = self.meta.high;
        }
        if !other_life && begun_at.is_some_and(|begun_at| open.high > begun_at) {
            self.meta.doubt_until = self.meta.high;
        }
    }

    fn live_rows(&self) -> impl Iterator<Item = (&Key, &Record, u64)> {
        self.rows
            .iter()
            .filter(|(_, row)| row.record.content.is_some() && self.is_told(row))
            .map(|(key, row)| (key, &row.record, row.key_hash))
    }

    pub(super) fn welcome(&mut self, round: u64) {
        let Some(open) = self.session.as_ref().and_then(|session| session.opened) else {
            return;
        };
        if round != self.rounds {
            return;
        }
        let digests: Vec<_> = self
            .live_rows()
            .map(|(_, r, hash)| (hash, digest(hash, r)))
            .collect();
        let root = digests
            .iter()
            .fold(0u64, |sum, (_, digest)| sum.wrapping_add(*digest));
        let count = digests.len() as u64;
        let same = count == open.rows && root == open.root;
        let bits = bucket_bits(count.max(open.rows));
        if let Some(session) = &mut self.session {
            session.live = true;
            session.bits = bits;
            session.compared_high = self.meta.high;
            session.comparing = !same;
            // A welcome that says so is the end of the round.
            session.settled = same;
        }
        let sums = if same {
            Vec::new()
        } else {
            sums(digests.into_iter(), bits)
        };
        let writer = self.meta.life;
        self.say(Body::Welcome(Welcome {
            round: open.round,
            writer,
            same,
            bits,
            sums,
        }));
        if same {
            self.all_acknowledged();
        }
        let tombstones: Vec<_> = self
            .rows
            .iter()
            .filter(|(_, row)| row.record.content.is_none() && self.is_told(row))
            .map(|(key, row)| (Key::clone(key), row.record.version))
            .collect();
        self.send_tombstones(&tombstones);
        self.pump();
    }

    fn all_acknowledged(&mut self) {
        let keys: Vec<Key> = self
            .live_rows()
            .filter(|(_, record, _)| !record.settled)
            .map(|(key, ..)| Key::clone(key))
            .collect();
        for key in keys {
            self.settle(&key);
        }
        for row in self.rows.values_mut() {
            row.refused = None;
        }
        self.strange.clear();
        self.changed = true;
    }

    /// Notes that the reader has the present record of a key.
    fn settle(&mut self, key: &Key) {
        let Some(row) = self.rows.get_mut(key) else {
            return;
        };
        row.refused = None;
        if !row.record.settled {
            row.record.settled = true;
            // The row stays as durable as it was: that it is acknowledged may be lost.
            self.journal.record(key, Some(row.record), true);
            self.changed = true;
        }
    }

    /// The reader's rows in the buckets that differ.
    fn compare(&mut self, rows: &Rows) -> Result<(), ProtocolError> {
        let Some(session) = &mut self.session else {
            return Ok(());
        };
        if rows.round != session.round
            || !session.comparing
            || !session.parts_seen.insert(rows.part)
        {
            return Ok(());
        }
        if rows.parts > 4096 || rows.part >= rows.parts {
            return Err(ProtocolError::Malformed("parts of a list"));
        }
        let bits = session.bits;
        session.comparing = session.parts_seen.len() < rows.parts as usize;
        let mut listed: HashMap<u32, HashMap<u64, u64>> = HashMap::new();
        for bucket in &rows.buckets {
            if bucket.index >= 1 << bits || bucket.rows.len() % 2 != 0 {
                return Err(ProtocolError::Malformed("bucket"));
            }
            let pairs = bucket.rows.chunks_exact(2).map(|pair| (pair[0], pair[1]));
            session.listed.insert(bucket.index);
            listed.insert(bucket.index, pairs.collect());
        }
        let mut equal = Vec::new();
        let mut differing = Vec::new();
        for (key, row) in &self.rows {
            let Some(theirs) = listed.get_mut(&bucket(row.key_hash, bits)) else {
                continue;
            };
            let found = theirs.remove(&row.key_hash);
            if row.record.content.is_none() || !self.is_told(row) {
                continue;
            }
            let same = found == Some(digest(row.key_hash, &row.record));
            if same { &mut equal } else { &mut differing }.push(Key::clone(key));
        }
        for key in equal {
            self.settle(&key);
        }
        if let Some(session) = &mut self.session {
            differing.iter().for_each(|key| session.mark(key));
        }
        if self
            .session
            .as_ref()
            .is_some_and(|session| !session.comparing)
        {
            self.settle_unlisted();
        }
        self.ask_unknown(listed.into_values().flat_map(HashMap::into_keys).collect());
        Ok(())
    }

    /// The reader has the rows of all buckets that it did not list.
    fn settle_unlisted(&mut self) {
        let Some(session) = &self.session else { return };
        let keys: Vec<Key> = self
            .live_rows()
            .filter(|(key, record, key_hash)| {
                !record.settled
                    && record.version <= session.compared_high
                    && !session.listed.contains(&bucket(*key_hash, session.bits))
                    && !session.queued.contains(*key)
                    && !session.in_flight.contains_key(*key)
                    && self.rows[*key].refused.is_none()
            })
            .map(|(key, ..)| Key::clone(key))
            .collect();
        for key in keys {
            self.settle(&key);
        }
    }

    fn ask_unknown(&mut self, mut hashes: Vec<u64>) {
        hashes.sort_unstable();
        let floor = self.meta.high;
        for part in hashes.chunks(UNKNOWN_MAX) {
            let Some(session) = &mut self.session else {
                return;
            };
            let (round, number) = (session.round, session.unknown_sent);
            session.unknown_sent += 1;
            session.unknown_open.insert(number);
            let hashes = part.to_vec();
            self.say(Body::Unknown(Unknown {
                round,
                part: number,
                floor,
                hashes,
            }));
        }
    }

    /// What the reader keeps although we have nothing under these keys.
    fn held_there(&mut self, holds: Holds) -> Result<(), ProtocolError> {
        let Some(session) = &mut self.session else {
            return Ok(());
        };
        if holds.round != session.round || !session.unknown_open.contains(&holds.part) {
            return Ok(());
        }
        session.unknown_open.remove(&holds.part);
        if holds.keys.len() > UNKNOWN_MAX {
            return Err(ProtocolError::Malformed("holds"));
        }
        let mut told = Vec::new();
        for held in holds.keys {
            let key = check_key(&held.key)?;
            self.meta.high = self.meta.high.max(check_version(held.version)?);
            if !self.rows.contains_key(&key) && self.policy != Policy::Mirror {
                self.strange.insert(key, (held.version, self.rounds));
                told.push(held);
            }
        }
        for part in told.chunks(KEYS_MAX) {
            self.say(Body::Regressed(Keys {
                keys: part.to_vec(),
            }));
        }
        self.changed = true;
        Ok(())
    }

    fn acknowledged(&mut self, keys: &Keys) {
        // Before the reader has opened, it speaks of what another life of ours said.
        if !self.session.as_ref().is_some_and(|session| session.live) {
            return;
        }
        for acked in &keys.keys {
            if let Some(session) = &mut self.session {
                session.landed(&acked.key, acked.version);
            }
            let Some((key, row)) = self.rows.get_key_value(acked.key.as_str()) else {
                continue;
            };
            // An acknowledgement of what we have not even stored is of another life.
            if row.record.version != acked.version || !self.is_told(row) {
                continue;
            }
            let key = Key::clone(key);
            if row.record.content.is_some() {
                self.settle(&key);
            } else {
                self.rows.remove(&key);
                self.journal.record(&key, None, true);
                self.changed = true;
            }
        }
    }

    fn refused(&mut self, refused: &Refused) -> Result<(), ProtocolError> {
        let held = refused.held;
        if held != 0 {
            check_version(held)?;
        }
        if let Some(session) = &mut self.session {
            session.landed(&refused.key, refused.version);
        }
        let Some((key, row)) = self.rows.get_key_value(refused.key.as_str()) else {
            return Ok(());
        };
        if row.record.version != refused.version {
            return Ok(());
        }
        let (key, record) = (Key::clone(key), row.record);
        self.meta.high = self.meta.high.max(held);
        let same = record
            .content
            .is_some_and(|content| content.hash[..] == refused.hash[..]);
        match record.content {
            _ if refused.full => self.mark_refused(&key, held),
            _ if same || self.policy == Policy::Mirror => self.raise(&key, record),
            Some(_) => {
                self.mark_refused(&key, held);
                self.say_regressed(&key, held);
            }
            None => {
                // Our tombstone is from before what the reader holds: it is forgotten, not carried out.
                self.rows.remove(&key);
                self.journal.record(&key, None, false);
                self.strange.insert(Key::clone(&key), (held, self.rounds));
                self.say_regressed(&key, held);
            }
        }
        self.changed = true;
        Ok(())
    }

    fn mark_refused(&mut self, key: &Key, held: u64) {
        if let Some(row) = self.rows.get_mut(key) {
            row.refused = Some((held, self.rounds));
            row.record.settled = false;
        }
    }

    /// The same content with a version above everything.
    fn raise(&mut self, key: &Key, record: Record) {
        self.meta.high += 1;
        let version = self.meta.high;
        self.store(
            key,
            Record {
                version,
                settled: false,
                ..record
            },
        );
    }

    fn holding(&mut self, keys: &Keys) {
        for held in &keys.keys {
            if let Some(row) = self.rows.get_mut(held.key.as_str())
                && row.record.version == held.version
                && row.record.content.is_none()
            {
                row.holding = true;
                self.changed = true;
            }
        }
    }

    fn wanted(&mut self, want: &Want) {
        let found = self.rows.get_key_value(want.key.as_str());
        let content = found.and_then(|(key, row)| {
            let content = row
                .record
                .content
                .filter(|_| row.record.version == want.version)?;
            Some((Key::clone(key), content))
        });
        if let Some((key, content)) = content {
            let (version, hash) = (want.version, content.hash);
            self.out.push_back(Outgoing::Value { key, version, hash });
        } else if let Some(session) = &mut self.session {
            // It has changed since: the newer record waits in the queue and may go now.
            session.landed(&want.key, want.version);
        }
    }

    /// Sends what may be sent, and says when nothing is left.
    pub(super) fn pump(&mut self) {
        let Some(mut session) = self.session.take() else {
            return;
        };
        let mut later = VecDeque::new();
        while session.in_flight.len() < IN_FLIGHT_MAX
            && let Some(key) = session.queue.pop_front()
        {
            if session.in_flight.contains_key(&key) {
                later.push_back(key);
                continue;
            }
            session.queued.remove(&key);
            if let Some(version) = self.send_put(&key) {
                session.in_flight.insert(key, version);
            }
        }
        session.queue.extend(later);
        let done = session.live && !session.settled && session.is_quiet();
        if done {
            session.settled = true;
            self.end_round(session.round);
        }
        self.session = Some(session);
    }

    fn send_put(&mut self, key: &Key) -> Option<u64> {
        let row = self.rows.get(key).filter(|row| self.is_told(row))?;
        let (record, refused) = (row.record, row.refused.is_some());
        let content = record.content?;
        let doubtful = record.version <= self.meta.doubt_until;
        let put = Put {
            key: key.to_string(),
            version: record.version,
            hash: Bytes::copy_from_slice(&content.hash),
            length: content.length,
            value: None,
            doubtful,
        };
        // What will probably be refused again is not worth its bytes: the reader can still ask.
        let inline = content.length as usize <= VALUE_INLINE_MAX && !doubtful && !refused;
        self.out.push_back(if inline {
            Outgoing::Inline(put)
        } else {
            Outgoing::Message(Body::Put(put))
        });
        Some(record.version)
    }

    fn end_round(&mut self, round: u32) {
        let rounds = self.rounds;
        for row in self.rows.values_mut() {
            row.refused = row.refused.filter(|(_, seen)| *seen == rounds);
        }
        self.strange.retain(|_, (_, seen)| *seen == rounds);
        self.say(Body::Settled(Settled {
            round,
            again: false,
        }));
        self.changed = true;
    }
}
