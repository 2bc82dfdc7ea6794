//! A writer compares what the reader lists with what it has.

use std::collections::HashMap;

use cedge_wire::table::{Body, Rows, Unknown};

use super::Writer;
use crate::digest::{bucket, digest};
use crate::{Key, ProtocolError};

/// Hashes in one [`Unknown`].
pub(super) const UNKNOWN_MAX: usize = 2048;

impl Writer {
    pub(super) fn all_acknowledged(&mut self) {
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
    pub(super) fn settle(&mut self, key: &Key) {
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
    pub(super) fn compare(&mut self, rows: &Rows) -> Result<(), ProtocolError> {
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
    pub(super) fn settle_unlisted(&mut self) {
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

    pub(super) fn ask_unknown(&mut self, mut hashes: Vec<u64>) {
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
}
