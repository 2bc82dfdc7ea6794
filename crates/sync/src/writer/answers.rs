//! What the reader answers: acknowledgements, refusals, requests for values.

use cedge_wire::limits::KEYS_MAX;
use cedge_wire::table::{Body, Holds, Keys, Refused, Want};

use super::Writer;
use super::compare::UNKNOWN_MAX;
use crate::types::{check_key, check_version};
use crate::{Key, Outgoing, Policy, ProtocolError, Record};

impl Writer {
    /// What the reader keeps although we have nothing under these keys.
    pub(super) fn held_there(&mut self, holds: Holds) -> Result<(), ProtocolError> {
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

    pub(super) fn acknowledged(&mut self, keys: &Keys) {
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

    pub(super) fn refused(&mut self, refused: &Refused) -> Result<(), ProtocolError> {
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

    pub(super) fn mark_refused(&mut self, key: &Key, held: u64) {
        if let Some(row) = self.rows.get_mut(key) {
            row.refused = Some((held, self.rounds));
            row.record.settled = false;
        }
    }

    /// The same content with a version above everything.
    pub(super) fn raise(&mut self, key: &Key, record: Record) {
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

    pub(super) fn holding(&mut self, keys: &Keys) {
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

    /// A value that was to be sent is not stored any more: the record has changed since. Nothing of that version is on
    /// its way, so the newer one may go.
    pub fn unsent(&mut self, key: &Key, version: u64) {
        if let Some(session) = &mut self.session {
            session.landed(key, version);
        }
        self.pump();
    }

    pub(super) fn wanted(&mut self, want: &Want) {
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
}
