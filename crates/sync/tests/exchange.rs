//! Two machines and a perfect path between them.
#![allow(clippy::unwrap_used, reason = "a test: it may stop where it stands")]

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use cedge_sync::{Hash, Key, Meta, Outgoing, Policy, Reader, Writer};
use cedge_wire::table::{Body, Data, Message};
use prost::Message as _;

const RETAIN: Policy = Policy::Retain { hold: true };

struct Pair {
    writer: Writer,
    reader: Reader,
    values: BTreeMap<Hash, Bytes>,
    now: Duration,
    bytes: usize,
    said: Vec<String>,
}

impl Pair {
    fn new(policy: Policy, life: u64) -> Self {
        Self {
            writer: writer(policy, life),
            reader: Reader::restore(policy, 10_000, Meta::default(), []),
            values: BTreeMap::new(),
            now: Duration::ZERO,
            bytes: 0,
            said: Vec::new(),
        }
    }

    fn put(&mut self, key: &str, text: &str) {
        self.writer
            .put(&Key::from(key), Bytes::from(text.to_owned()));
        self.run();
    }

    fn remove(&mut self, key: &str) {
        self.writer.remove(&Key::from(key));
        self.run();
    }

    fn connect(&mut self) {
        self.writer.disconnected();
        self.reader.disconnected();
        (self.bytes, self.said) = (0, Vec::new());
        self.writer.connected(self.now);
        self.reader.connected(self.now);
        self.run();
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.writer.tick(self.now);
        self.reader.tick(self.now);
        self.run();
    }

    fn store(&mut self) -> bool {
        let writer = self.writer.take_save();
        let reader = self.reader.take_save();
        let any = writer.is_some() || reader.is_some();
        if let Some(save) = writer {
            self.values.extend(save.values);
            self.writer.persisted(save.ticket);
        }
        if let Some(save) = reader {
            self.reader.persisted(save.ticket);
        }
        any
    }

    /// Until nothing moves any more.
    fn run(&mut self) {
        loop {
            let mut moved = self.store();
            while let Some(outgoing) = self.writer.next_send() {
                for body in self.bodies(outgoing) {
                    self.count(&body);
                    self.reader.receive(body, self.now).unwrap();
                }
                moved = true;
            }
            while let Some(Outgoing::Message(body)) = self.reader.next_send() {
                self.count(&body);
                self.writer.receive(body, self.now).unwrap();
                moved = true;
            }
            if !moved {
                return;
            }
        }
    }

    fn bodies(&self, outgoing: Outgoing) -> Vec<Body> {
        match outgoing {
            Outgoing::Message(body) => vec![body],
            Outgoing::Inline(mut put) => {
                let hash: Hash = put.hash[..].try_into().unwrap();
                put.value = Some(self.values[&hash].clone());
                vec![Body::Put(put)]
            }
            Outgoing::Value { key, version, hash } => {
                let value = &self.values[&hash];
                let piece = |(i, bytes): (usize, &[u8])| {
                    let offset = u32::try_from(i * 32 * 1024).unwrap();
                    let bytes = Bytes::copy_from_slice(bytes);
                    Body::Data(Data {
                        key: key.to_string(),
                        version,
                        offset,
                        bytes,
                    })
                };
                value.chunks(32 * 1024).enumerate().map(piece).collect()
            }
        }
    }

    fn count(&mut self, body: &Body) {
        self.bytes += Message {
            body: Some(body.clone()),
        }
        .encoded_len();
        let word: String = format!("{body:?}")
            .chars()
            .take_while(|c| *c != '(')
            .collect();
        self.said.push(word);
    }

    fn held(&self) -> usize {
        self.reader.held().map_or(0, |held| held.keys.len())
    }
}

fn writer(policy: Policy, life: u64) -> Writer {
    Writer::restore(
        policy,
        Meta {
            life,
            ..Meta::default()
        },
        [],
    )
}

fn keys(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|i| format!("missions/{i}"))
}

#[test]
fn an_unchanged_reconnect_costs_two_small_messages() {
    let mut pair = Pair::new(RETAIN, 7);
    for key in keys(1000) {
        pair.writer.put(
            &Key::from(key.as_str()),
            Bytes::from(format!("value of {key}")),
        );
    }
    pair.connect();
    assert_eq!((pair.writer.pending(), pair.reader.len()), (0, 1000));
    pair.connect();
    assert_eq!(pair.said, ["Open", "Welcome"]);
    assert!(pair.bytes < 80, "{}", pair.bytes);
}

#[test]
fn a_reconnect_costs_in_proportion_to_what_differs() {
    let mut pair = Pair::new(RETAIN, 7);
    for key in keys(1000) {
        pair.writer.put(
            &Key::from(key.as_str()),
            Bytes::from(format!("value of {key}")),
        );
    }
    pair.connect();
    pair.writer.disconnected();
    pair.reader.disconnected();
    for key in keys(1000).step_by(100) {
        pair.writer
            .put(&Key::from(key.as_str()), Bytes::from_static(b"changed"));
    }
    pair.connect();
    assert_eq!(pair.writer.pending(), 0);
    assert!(pair.bytes < 600 + 10 * 400, "{}", pair.bytes);
}

#[test]
fn a_large_value_travels_once_and_not_at_all_if_it_is_there() {
    let mut pair = Pair::new(RETAIN, 7);
    pair.connect();
    let large = "x".repeat(100_000);
    pair.put("a", &large);
    assert!(pair.bytes > 100_000);
    pair.bytes = 0;
    pair.put("b", &large);
    assert_eq!(pair.reader.len(), 2);
    assert!(pair.bytes < 300, "{}", pair.bytes);
}

#[test]
fn deletions_are_held_when_they_are_many_and_most() {
    // rows, deletions, whether they are held
    for (rows, deletions, held) in [
        (3, 3, false),
        (9, 9, false),
        (10, 10, true),
        (20, 20, true),
        (20, 10, false),
        (20, 11, true),
        (100, 50, false),
    ] {
        let mut pair = Pair::new(RETAIN, 7);
        pair.connect();
        keys(rows).for_each(|key| pair.put(&key, "x"));
        keys(deletions).for_each(|key| pair.remove(&key));
        pair.pass(Duration::from_millis(1_100));
        let left = if held { rows } else { rows - deletions };
        assert_eq!(pair.reader.len(), left, "{deletions} of {rows}");
        assert_eq!(
            pair.held(),
            if held { deletions } else { 0 },
            "{deletions} of {rows}"
        );
    }
}

#[test]
fn twenty_deletions_one_by_one_are_all_held() {
    let mut pair = Pair::new(RETAIN, 7);
    pair.connect();
    keys(20).for_each(|key| pair.put(&key, "x"));
    for key in keys(20) {
        pair.remove(&key);
        pair.pass(Duration::from_millis(900));
    }
    pair.pass(Duration::from_secs(60));
    assert_eq!((pair.held(), pair.reader.len()), (20, 20));
}

#[test]
fn a_slow_trickle_of_deletions_is_stopped_when_it_has_become_a_mass() {
    let mut pair = Pair::new(RETAIN, 7);
    pair.connect();
    keys(20).for_each(|key| pair.put(&key, "x"));
    for key in keys(20) {
        pair.remove(&key);
        pair.pass(Duration::from_millis(1_200));
    }
    assert!(pair.held() >= 9, "{}", pair.held());
    assert_eq!(pair.held() + 20 - pair.reader.len(), 20);
}

#[test]
fn a_held_batch_survives_a_reconnect_and_is_confirmed_by_its_name_only() {
    let mut pair = Pair::new(RETAIN, 7);
    pair.connect();
    keys(20).for_each(|key| pair.put(&key, "x"));
    keys(20).for_each(|key| pair.remove(&key));
    let id = pair.reader.held().unwrap().id;
    let records: Vec<_> = pair.reader.iter().map(|(k, r)| (k.clone(), *r)).collect();
    pair.reader = Reader::restore(RETAIN, 10_000, pair.reader.meta(), records);
    pair.connect();
    assert_eq!(pair.reader.held().unwrap().id, id);
    // A put releases its key, and the batch is another one then.
    pair.put("missions/3", "again");
    assert_eq!(pair.held(), 19);
    assert!(!pair.reader.confirm(&id));
    let id = pair.reader.held().unwrap().id;
    assert!(pair.reader.confirm(&id));
    pair.run();
    assert_eq!((pair.reader.len(), pair.writer.len()), (1, 1));
}

#[test]
fn a_parent_from_the_past_deletes_nothing_and_rolls_nothing_back() {
    let mut pair = Pair::new(RETAIN, 7);
    pair.connect();
    pair.put("a", "1");
    pair.put("gone", "1");
    let backup: Vec<_> = pair.writer.iter().map(|(k, r)| (k.clone(), *r)).collect();
    let meta = pair.writer.meta();
    pair.put("a", "2");
    pair.put("b", "2");
    pair.remove("gone");
    pair.writer = Writer::restore(RETAIN, meta, backup);
    pair.connect();
    let held: Vec<_> = pair
        .reader
        .iter()
        .filter(|(_, r)| r.content.is_some())
        .collect();
    assert_eq!(held.len(), 2, "{held:?}");
    let lost: Vec<String> = pair
        .writer
        .regressed()
        .iter()
        .map(|lost| lost.key.to_string())
        .collect();
    assert_eq!(lost, ["a", "gone", "b"]);
    assert_eq!(pair.reader.regressed().len(), 2);
    // What is written now flows, and is above all that was.
    pair.put("a", "3");
    assert_eq!(
        pair.reader.record("a").unwrap().version,
        pair.writer.record("a").unwrap().version
    );
    pair.remove("b");
    assert_eq!(pair.reader.len(), 1);
}

#[test]
fn what_was_forgotten_is_not_missed_by_its_writer() {
    let mut pair = Pair::new(RETAIN, 7);
    pair.connect();
    for key in ["a", "b"] {
        pair.put(key, "1");
    }
    pair.writer = writer(RETAIN, 8);
    pair.connect();
    assert_eq!(pair.reader.regressed().len(), 2);
    drop(pair.reader.take_events());
    pair.reader.forget(&Key::from("a"));
    let left: Vec<String> = pair
        .reader
        .regressed()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(left, ["b"]);
    assert!(pair.reader.take_events().noticed, "users are told");
}

#[test]
fn an_empty_parent_with_the_same_name_that_states_the_old_is_not_believed() {
    let mut pair = Pair::new(RETAIN, 7);
    pair.connect();
    for text in ["1", "2", "3"] {
        pair.put("a", text);
    }
    pair.put("same", "x");
    pair.writer = writer(RETAIN, 8);
    // Its API is from a backup of yesterday, and it has written much since.
    for i in 0..50 {
        pair.writer
            .put(&Key::from("other"), Bytes::from(format!("{i}")));
    }
    pair.writer.put(&Key::from("a"), Bytes::from_static(b"1"));
    pair.writer
        .put(&Key::from("same"), Bytes::from_static(b"x"));
    pair.connect();
    assert_eq!(pair.reader.record("a").unwrap().version, 3);
    assert_eq!(pair.writer.regressed().len(), 1);
    assert_eq!(
        pair.reader.len(),
        3,
        "what is new and what is the same is taken"
    );
    assert!(pair.writer.write_again(&Key::from("a")).is_some());
    pair.run();
    assert!(pair.reader.record("a").unwrap().version > 3);
    assert!(pair.reader.regressed().is_empty());
}

#[test]
fn a_mirror_follows_a_writer_that_lost_its_memory() {
    let mut pair = Pair::new(Policy::Mirror, 7);
    pair.connect();
    keys(30).for_each(|key| pair.put(&key, "x"));
    pair.writer = writer(Policy::Mirror, 8);
    pair.writer
        .put(&Key::from("missions/1"), Bytes::from_static(b"y"));
    pair.connect();
    assert_eq!((pair.reader.len(), pair.writer.pending()), (1, 0));
}

#[test]
fn a_hostile_peer_gets_errors() {
    let mut pair = Pair::new(RETAIN, 7);
    pair.connect();
    let put = |key: &str, version, hash: &[u8], length, value: &'static [u8]| {
        Body::Put(cedge_wire::table::Put {
            key: key.to_owned(),
            version,
            hash: Bytes::copy_from_slice(hash),
            length,
            value: Some(Bytes::from_static(value)),
            doubtful: false,
        })
    };
    let good = cedge_sync::hash_of(b"v");
    for bad in [
        put("", 1, &good, 1, b"v"),
        put(&"k".repeat(513), 1, &good, 1, b"v"),
        put("k", 0, &good, 1, b"v"),
        put("k", u64::MAX, &good, 1, b"v"),
        put("k", 1, &good[1..], 1, b"v"),
        put("k", 1, &good, 2, b"v"),
        put("k", 1, &good, 1, b"w"),
        put("k", 1, &good, u32::MAX, b"v"),
        Body::Open(cedge_wire::table::Open::default()),
    ] {
        assert!(
            pair.reader.receive(bad.clone(), pair.now).is_err(),
            "{bad:?}"
        );
    }
    assert!(pair.reader.is_empty());
    let open = cedge_wire::table::Open {
        round: 9,
        high: u64::MAX,
        ..Default::default()
    };
    assert!(pair.writer.receive(Body::Open(open), pair.now).is_err());
}

#[test]
fn a_value_that_is_replaced_before_it_is_sent_gives_way_to_the_newer_one() {
    let mut pair = Pair::new(RETAIN, 1);
    pair.connect();
    let key = Key::from("key");
    pair.writer.put(&key, Bytes::from_static(b"old"));
    pair.store();
    pair.writer.put(&key, Bytes::from_static(b"new"));
    pair.store();
    // The disk keeps no value that no record refers to.
    pair.values.remove(&cedge_sync::hash_of(b"old"));
    let Some(Outgoing::Inline(put)) = pair.writer.next_send() else {
        panic!("the old value was to be sent");
    };
    pair.writer.unsent(&key, put.version);
    pair.run();
    let held = pair.reader.record("key").unwrap();
    assert_eq!(
        held.content.unwrap().hash,
        cedge_sync::hash_of(b"new"),
        "the newer value waits for nothing"
    );
}
