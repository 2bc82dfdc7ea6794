//! A reader's side of a session: it begins, and shows what it holds.

use std::collections::BTreeSet;
use std::time::Duration;

use cedge_wire::limits::{BUCKET_BITS_MAX, BUCKET_BITS_MIN};
use cedge_wire::table::{Body, Bucket, Holds, KeyVersion, Open, Rows, Settled, Unknown, Welcome};

use super::{After, Reader, key_version};
use crate::digest::{bucket, digest, sums};
use crate::hold::Settling;
use crate::types::check_version;
use crate::writer::RESYNC_AFTER;
use crate::{Policy, ProtocolError};

/// Bytes of rows in one part of a list.
const PART_MAX: usize = 32 * 1024;

#[derive(Debug)]
pub(super) struct Session {
    round: u32,
    welcomed: bool,
    /// When the present round was begun.
    begun: Duration,
}

impl Reader {
    /// A link is up: begins, as soon as nothing waits for the disk.
    pub fn connected(&mut self, now: Duration) {
        self.forget_session();
        self.session = Some(Session {
            round: 0,
            welcomed: false,
            begun: now,
        });
        self.begin(now);
    }

    /// The link is gone. Deletions that still settle are forgotten: the writer will name them again, all of them.
    pub fn disconnected(&mut self) {
        self.forget_session();
        self.session = None;
    }

    fn forget_session(&mut self) {
        self.out.clear();
        self.incoming.clear();
        self.asking.clear();
        // Deletions that were carried out still count; those that settle come again.
        self.settling.take();
    }

    fn begin(&mut self, now: Duration) {
        let Some(session) = &mut self.session else {
            return;
        };
        session.round += 1;
        session.welcomed = false;
        session.begun = now;
        self.rounds += 1;
        self.incoming.clear();
        self.asking.clear();
        let round = session.round;
        self.journal.after(After::Open(round));
        let ready = self.journal.ready();
        self.perform(ready);
    }

    pub(super) fn open_round(&mut self, round: u32) {
        if self
            .session
            .as_ref()
            .is_none_or(|session| session.round != round)
        {
            return;
        }
        let root = self
            .digests()
            .fold(0u64, |sum, (_, digest)| sum.wrapping_add(digest));
        let (writer, high, rows) = (self.meta.life, self.meta.high, self.live as u64);
        self.say(Body::Open(Open {
            round,
            writer,
            high,
            rows,
            root,
        }));
    }

    /// A row whose deletion is held never looks like the writer's: it is to say what it wants of it.
    fn digests(&self) -> impl Iterator<Item = (u64, u64)> {
        let live = self
            .rows
            .values()
            .filter(|row| row.record.content.is_some());
        live.map(|row| {
            let held = row.record.held.unwrap_or(0);
            (
                row.key_hash,
                digest(row.key_hash, &row.record).wrapping_add(held),
            )
        })
    }

    /// Time passes: deletions settle, a lost beginning is begun again.
    pub fn tick(&mut self, now: Duration) {
        self.judge_settling(now);
        let stuck = self.session.as_ref().is_some_and(|session| {
            !session.welcomed && now.saturating_sub(session.begun) >= RESYNC_AFTER
        });
        if stuck {
            self.begin(now);
        }
    }

    /// The writer said something.
    ///
    /// # Errors
    /// When it must not say that; the link is to be closed.
    pub fn receive(&mut self, body: Body, now: Duration) -> Result<(), ProtocolError> {
        if self.session.is_none() {
            return Ok(());
        }
        match body {
            Body::Welcome(welcome) => self.welcomed(&welcome),
            Body::Put(put) => self.put(put),
            Body::Data(data) => self.data(&data),
            Body::Remove(remove) => self.remove(remove, now),
            Body::Unknown(unknown) => self.unknown(&unknown),
            Body::Regressed(keys) => {
                self.mark_regressed(&keys.keys);
                Ok(())
            }
            Body::Settled(settled) => {
                self.settled(settled, now);
                Ok(())
            }
            Body::Open(_)
            | Body::Rows(_)
            | Body::Holds(_)
            | Body::Ack(_)
            | Body::Refused(_)
            | Body::Holding(_)
            | Body::Want(_) => Err(ProtocolError::WrongEnd("a reader's message")),
        }
    }

    fn welcomed(&mut self, welcome: &Welcome) -> Result<(), ProtocolError> {
        let Some(session) = &mut self.session else {
            return Ok(());
        };
        if welcome.round != session.round || session.welcomed {
            return Ok(());
        }
        session.welcomed = true;
        if self.meta.life != welcome.writer {
            self.meta.life = welcome.writer;
            self.journal.meta(self.meta, false);
        }
        if welcome.same {
            self.drop_marks(|_| false);
            return Ok(());
        }
        let bits = welcome.bits;
        if !(BUCKET_BITS_MIN..=BUCKET_BITS_MAX).contains(&bits) || welcome.sums.len() != 1 << bits {
            return Err(ProtocolError::Malformed("digests"));
        }
        let ours = sums(self.digests(), bits);
        let differing = ours
            .iter()
            .zip(&welcome.sums)
            .map(|(a, b)| a != b)
            .collect::<Vec<_>>();
        self.list(welcome.round, bits, &differing);
        Ok(())
    }

    /// Lists the rows of the buckets that differ.
    fn list(&mut self, round: u32, bits: u32, differing: &[bool]) {
        let mut buckets: Vec<Vec<u64>> = vec![Vec::new(); differing.len()];
        for (key_hash, digest) in self.digests() {
            buckets[bucket(key_hash, bits) as usize].extend([key_hash, digest]);
        }
        let mut lists = vec![Vec::new()];
        let mut size = 0;
        let chosen = (0u32..)
            .zip(buckets)
            .zip(differing)
            .filter(|(_, differs)| **differs);
        for ((index, rows), _) in chosen {
            if size > 0 && size + rows.len() * 8 > PART_MAX {
                lists.push(Vec::new());
                size = 0;
            }
            size += rows.len() * 8 + 8;
            lists
                .last_mut()
                .expect("begins with one")
                .push(Bucket { index, rows });
        }
        let parts = u32::try_from(lists.len()).unwrap_or(u32::MAX);
        for (part, buckets) in (0u32..).zip(lists) {
            self.say(Body::Rows(Rows {
                round,
                part,
                parts,
                buckets,
            }));
        }
    }

    /// The writer has nothing under these keys: a mirror drops them, others say what they keep (I3).
    fn unknown(&mut self, unknown: &Unknown) -> Result<(), ProtocolError> {
        if self
            .session
            .as_ref()
            .is_none_or(|session| session.round != unknown.round)
        {
            return Ok(());
        }
        check_version(unknown.floor.max(1))?;
        let hashes: BTreeSet<u64> = unknown.hashes.iter().copied().collect();
        let named = self
            .rows
            .iter()
            .filter(|(_, row)| row.record.content.is_some() && hashes.contains(&row.key_hash));
        let named: Vec<_> = named
            .map(|(key, row)| (key.clone(), row.record.version))
            .collect();
        let mut keys: Vec<KeyVersion> = Vec::new();
        for (key, version) in named {
            if self.policy != Policy::Mirror {
                keys.push(key_version(&key, version));
            } else if version <= unknown.floor {
                self.bury(&key, version);
            }
        }
        let (round, part) = (unknown.round, unknown.part);
        self.say(Body::Holds(Holds { round, part, keys }));
        Ok(())
    }

    fn mark_regressed(&mut self, keys: &[KeyVersion]) {
        for lost in keys {
            if let Some((key, row)) = self.rows.get_key_value(lost.key.as_str())
                && row.record.content.is_some()
                && row.record.version.max(row.record.held.unwrap_or(0)) == lost.version
            {
                self.regressed.insert(key.clone(), self.rounds);
                self.events.noticed = true;
            }
        }
    }

    fn settled(&mut self, settled: Settled, now: Duration) {
        if self
            .session
            .as_ref()
            .is_none_or(|session| session.round != settled.round)
        {
            return;
        }
        if settled.again {
            self.begin(now);
        } else {
            let rounds = self.rounds;
            self.drop_marks(|seen| seen == rounds);
        }
    }

    fn drop_marks(&mut self, keep: impl Fn(u64) -> bool) {
        let before = self.regressed.len();
        self.regressed.retain(|_, seen| keep(*seen));
        self.events.noticed |= self.regressed.len() != before;
    }

    /// Decides about the deletions that settle.
    pub(super) fn judge_settling(&mut self, now: Duration) {
        use crate::hold::Verdict;
        let held = self.held_rows().count();
        match self.settling.verdict(self.live, held, now) {
            Verdict::Wait => {}
            Verdict::CarryOut => {
                let deletions = self.settling.take();
                self.settling.carried_out(deletions.len(), now);
                for (key, version) in deletions {
                    self.bury(&key, version);
                }
            }
            Verdict::Hold => {
                for (key, version) in Settling::take(&mut self.settling) {
                    self.hold(&key, version);
                }
            }
        }
    }
}
