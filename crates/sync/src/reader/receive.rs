//! What a reader does with values and tombstones.

use bytes::Bytes;
use cedge_wire::limits::{CHUNK_MAX, KEYS_MAX, VALUE_INLINE_MAX, VALUE_MAX};
use cedge_wire::table::{Body, Data, Put, Refused, Remove, Want};

use std::time::Duration;

use super::{After, Incoming, Reader, hash_bytes};
use crate::digest::hash_of;
use crate::hold::HOLD_COUNT_MIN;
use crate::types::{check_key, check_version};
use crate::{Content, Hash, Key, Policy, ProtocolError, Record};

impl Reader {
    pub(super) fn put(&mut self, put: Put) -> Result<(), ProtocolError> {
        let key = check_key(&put.key)?;
        let version = check_version(put.version)?;
        let content = content_of(&put)?;
        let known = self.rows.get(&key).map(|row| (row.record, row.ticket));
        if let Some((record, ticket)) = known {
            let seen = record.version == version && record.content == Some(content);
            // One whose deletion is held is refused instead: then the writer says anew that it wants it.
            if seen && record.held.is_none() {
                // Seen before. What is not durable yet is acknowledged when it is.
                if self.journal.is_durable(ticket) {
                    self.journal.after(After::Stored { key, version });
                    let ready = self.journal.ready();
                    self.perform(ready);
                }
                return Ok(());
            }
            let settling = self.settling.keys.get(&key).copied();
            let floor = record
                .version
                .max(record.held.unwrap_or(0))
                .max(settling.unwrap_or(0));
            if put.doubtful || version <= floor {
                self.refuse(&key, version, floor, record.content);
                return Ok(());
            }
        }
        let fresh = known.is_none_or(|(record, _)| record.content.is_none());
        if fresh && self.live + self.incoming.len() >= self.rows_max {
            self.say(Body::Refused(Refused {
                key: put.key,
                version,
                held: known.map_or(0, |(record, _)| record.version),
                hash: Bytes::new(),
                full: true,
            }));
            return Ok(());
        }
        if let Some(value) = put.value {
            if value.len() > VALUE_INLINE_MAX {
                return Err(ProtocolError::Value(value.len(), put.key));
            }
            check_value(&key, &value, content)?;
            self.take(&key, version, content, Some(value));
        } else if self.values.contains_key(&content.hash) {
            self.take(&key, version, content, None);
        } else {
            self.await_value(&key, version, content);
        }
        Ok(())
    }

    fn refuse(&mut self, key: &Key, version: u64, held: u64, content: Option<Content>) {
        let hash = content.map_or_else(Bytes::new, |content| hash_bytes(&content.hash));
        let key = key.to_string();
        self.say(Body::Refused(Refused {
            key,
            version,
            held,
            hash,
            full: false,
        }));
    }

    /// Takes a value: it replaces the row and releases it from settling or held deletions.
    fn take(&mut self, key: &Key, version: u64, content: Content, value: Option<Bytes>) {
        let old = self.rows.get(key).map(|row| row.record);
        if let Some(value) = value {
            self.journal.value(content.hash, value);
        }
        // The same value under a new version is nothing new to the user.
        let same = old.is_some_and(|record| record.content == Some(content) && record.settled);
        self.store(
            key,
            Record {
                version,
                content: Some(content),
                settled: same,
                held: None,
            },
            false,
        );
        self.settling.keys.remove(key);
        self.forget_incoming(key);
        let marked = self.regressed.remove(key).is_some();
        self.events.noticed |= marked || old.is_some_and(|record| record.held.is_some());
        self.journal.after(After::Stored {
            key: Key::clone(key),
            version,
        });
    }

    /// A large value that is not here: asked for, one after the other.
    fn await_value(&mut self, key: &Key, version: u64, content: Content) {
        let known = self.incoming.get(key).map(|incoming| incoming.version);
        if known.is_some_and(|known| known >= version) {
            return;
        }
        let incoming = Incoming {
            version,
            content,
            bytes: Vec::new(),
        };
        self.incoming.insert(Key::clone(key), incoming);
        if known.is_none() {
            self.asking.push_back(Key::clone(key));
        }
        if self.asking.front() == Some(key) {
            self.ask();
        }
    }

    fn ask(&mut self) {
        let Some(key) = self.asking.front() else {
            return;
        };
        let Some(incoming) = self.incoming.get(key) else {
            return;
        };
        let want = Want {
            key: key.to_string(),
            version: incoming.version,
        };
        self.say(Body::Want(want));
    }

    pub(super) fn forget_incoming(&mut self, key: &Key) {
        if self.incoming.remove(key).is_none() {
            return;
        }
        let first = self.asking.front() == Some(key);
        self.asking.retain(|asked| asked != key);
        if first {
            self.ask();
        }
    }

    pub(super) fn data(&mut self, data: &Data) -> Result<(), ProtocolError> {
        if data.bytes.len() > CHUNK_MAX {
            return Err(ProtocolError::Value(data.bytes.len(), data.key.clone()));
        }
        let Some((key, incoming)) = self.incoming.get_key_value(data.key.as_str()) else {
            return Ok(());
        };
        // A piece that came twice, or of another version, is skipped.
        if incoming.version != data.version || incoming.bytes.len() != data.offset as usize {
            return Ok(());
        }
        let key = Key::clone(key);
        let Some(incoming) = self.incoming.get_mut(&key) else {
            return Ok(());
        };
        incoming.bytes.extend_from_slice(&data.bytes);
        let (version, content) = (incoming.version, incoming.content);
        if incoming.bytes.len() > content.length as usize {
            return Err(ProtocolError::Value(incoming.bytes.len(), data.key.clone()));
        }
        if incoming.bytes.len() == content.length as usize {
            let value = Bytes::from(std::mem::take(&mut incoming.bytes));
            check_value(&key, &value, content)?;
            self.take(&key, version, content, Some(value));
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, remove: Remove, now: Duration) -> Result<(), ProtocolError> {
        if remove.keys.len() > KEYS_MAX {
            return Err(ProtocolError::Malformed("list of removals"));
        }
        for named in remove.keys {
            let key = check_key(&named.key)?;
            let version = check_version(named.version)?;
            self.remove_one(key, version, remove.doubtful, now);
        }
        if self.settling.keys.is_empty() {
            return Ok(());
        }
        self.settling.announce(remove.more);
        self.judge_settling(now);
        Ok(())
    }

    fn remove_one(&mut self, key: Key, version: u64, doubtful: bool, now: Duration) {
        let record = self.rows.get(&key).map(|row| row.record);
        // A value on its way is of no use any more.
        if self
            .incoming
            .get(&key)
            .is_some_and(|incoming| incoming.version < version)
        {
            self.forget_incoming(&key);
        }
        let Some(record) = record.filter(|record| record.content.is_some()) else {
            self.remember(&key, version, record);
            return;
        };
        if doubtful || version <= record.version {
            let held = record.version.max(record.held.unwrap_or(0));
            self.refuse(&key, version, held, record.content);
        } else if record.held.is_some() {
            self.hold(&key, version);
        } else if self.may_be_mass(now) {
            self.settling.add(key, version, now);
        } else {
            self.settling.carried_out(1, now);
            self.bury(&key, version);
        }
    }

    /// A tombstone for what is not here: remembered, so that nothing older comes after it.
    fn remember(&mut self, key: &Key, version: u64, grave: Option<Record>) {
        match grave {
            Some(grave) if grave.version >= version => {
                self.journal.after(After::Stored {
                    key: Key::clone(key),
                    version,
                });
                let ready = self.journal.ready();
                self.perform(ready);
            }
            Some(grave) => {
                self.store(key, Record { version, ..grave }, false);
                self.journal.after(After::Stored {
                    key: Key::clone(key),
                    version,
                });
            }
            None => self.bury(key, version),
        }
    }

    fn may_be_mass(&mut self, now: Duration) -> bool {
        let counted = self.policy == Policy::Retain { hold: true };
        counted && self.live + self.settling.recent(now) >= HOLD_COUNT_MIN
    }

    pub(super) fn hold(&mut self, key: &Key, version: u64) {
        let Some(row) = self.rows.get(key) else {
            return;
        };
        let version = version.max(row.record.held.unwrap_or(0));
        if row.record.held != Some(version) {
            let record = Record {
                held: Some(version),
                ..row.record
            };
            self.store(key, record, false);
            self.events.noticed = true;
        }
        self.journal.after(After::Holding {
            key: Key::clone(key),
            version,
        });
        let ready = self.journal.ready();
        self.perform(ready);
    }
}

fn content_of(put: &Put) -> Result<Content, ProtocolError> {
    let hash = Hash::try_from(&put.hash[..]).map_err(|_| ProtocolError::Malformed("hash"))?;
    if put.length as usize > VALUE_MAX {
        return Err(ProtocolError::Value(put.length as usize, put.key.clone()));
    }
    Ok(Content {
        hash,
        length: put.length,
    })
}

fn check_value(key: &Key, value: &[u8], content: Content) -> Result<(), ProtocolError> {
    if value.len() != content.length as usize {
        return Err(ProtocolError::Value(value.len(), key.to_string()));
    }
    if hash_of(value) != content.hash {
        return Err(ProtocolError::Hash(key.to_string()));
    }
    Ok(())
}
