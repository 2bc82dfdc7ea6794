//! What stands for propagation: keeps what it was told, forwards it to every child, refuses what is older.

use std::collections::BTreeMap;

use bytes::Bytes;
use cedge_sync::Key;

/// What an application knows about a key.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Which write it is: numbered over the whole world, as a generation is in a Mission.
    pub seq: u64,
    /// It was deleted; remembered, as a finalizer does.
    pub deleted: bool,
    /// When this application learned of it.
    pub at: u64,
}

/// The durable state of an application: always stored at once.
#[derive(Debug, Clone, Default)]
pub struct App {
    pub entries: BTreeMap<Key, Entry>,
}

impl App {
    /// Takes a value, unless it is older than what is known: a Mission's generation says so.
    pub fn take(&mut self, key: &Key, seq: u64, at: u64) -> bool {
        let newer = self.entries.get(key).is_none_or(|entry| entry.seq < seq);
        if newer {
            self.entries.insert(
                Key::clone(key),
                Entry {
                    seq,
                    deleted: false,
                    at,
                },
            );
        }
        newer
    }

    /// Takes a deletion.
    pub fn delete(&mut self, key: &Key, at: u64) -> bool {
        match self.entries.get_mut(key) {
            Some(entry) if !entry.deleted => {
                (entry.deleted, entry.at) = (true, at);
                true
            }
            _ => false,
        }
    }
}

/// The value of a write: names its key and its number; some are large.
pub fn value(key: &str, seq: u64) -> Bytes {
    let mut text = format!("{key} {seq} ");
    let padding = match seq % 16 {
        0 => 6_000,
        1 => 40_000,
        _ => 20,
    };
    text.extend(std::iter::repeat_n('x', padding));
    Bytes::from(text)
}

/// The key and the number of a value.
pub fn parse(value: &[u8]) -> (String, u64) {
    let text = std::str::from_utf8(value).expect("values are text");
    let mut words = text.split(' ');
    let key = words.next().expect("a key").to_owned();
    (
        key,
        words.next().and_then(|n| n.parse().ok()).expect("a number"),
    )
}
