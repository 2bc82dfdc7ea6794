//! A writer's side of a session: the comparison, what is sent, what comes back.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use cedge_wire::limits::VALUE_INLINE_MAX;
use cedge_wire::table::{Body, Open, Put, Settled, Welcome};

use super::{After, RESYNC_AFTER, Writer};
use crate::digest::{bucket_bits, digest, sums};
use crate::types::check_version;
use crate::{Key, Outgoing, Policy, ProtocolError, Record};

/// Puts that may be on their way at once: enough to fill a path, few enough that a newer value overtakes.
const IN_FLIGHT_MAX: usize = 64;

#[derive(Debug)]
pub(super) struct Session {
    /// The reader's opening has been answered: rows may be spoken of.
    pub(super) live: bool,
    /// The reader's number for the present round.
    pub(super) round: u32,
    pub(super) opened: Option<Open>,
    pub(super) bits: u32,
    pub(super) comparing: bool,
    pub(super) parts_seen: BTreeSet<u32>,
    /// Our counter when the digests were made: what is above it was not in them.
    pub(super) compared_high: u64,
    pub(super) listed: BTreeSet<u32>,
    pub(super) unknown_sent: u32,
    pub(super) unknown_open: BTreeSet<u32>,
    pub(super) settled: bool,
    /// Keys whose record the reader should get, each once.
    pub(super) queue: VecDeque<Key>,
    pub(super) queued: BTreeSet<Key>,
    /// What was sent and not answered: one version per key.
    pub(super) in_flight: BTreeMap<Key, u64>,
    /// When anything last moved.
    pub(super) moved: Duration,
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

    pub(super) fn landed(&mut self, key: &str, version: u64) {
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

    pub(super) fn live_rows(&self) -> impl Iterator<Item = (&Key, &Record, u64)> {
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
