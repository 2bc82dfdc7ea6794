//! The world: clusters, links, and what can happen to them.

mod disasters;
mod disks;
mod links;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use cedge_sync::{Key, Meta, Policy, Reader, Writer};
use cedge_wire::table::Body;

use crate::Rng;
use crate::app::{App, Entry, parse, value};
use crate::disk::{Disk, Image};
use crate::oracle::Oracle;

const ROWS_MAX: usize = 1000;

/// Which of the two tables of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    Down,
    Up,
}

/// One end of a table on its disk.
#[derive(Debug)]
pub struct End<M> {
    pub machine: M,
    pub disk: Disk,
}

/// A cluster. Its ends are kept by the identity of the peer.
#[derive(Debug, Default)]
pub struct Node {
    pub app: App,
    pub down_writers: BTreeMap<usize, End<Writer>>,
    pub down_readers: BTreeMap<usize, End<Reader>>,
    pub up_writers: BTreeMap<usize, End<Writer>>,
    pub up_readers: BTreeMap<usize, End<Reader>>,
}

/// What a backup of a cluster holds.
#[derive(Debug, Clone)]
struct Backup {
    app: App,
    images: [BTreeMap<usize, Image>; 4],
}

#[derive(Debug, Default)]
struct Link {
    to_child: VecDeque<(Table, Body)>,
    to_parent: VecDeque<(Table, Body)>,
}

/// Everything there is.
#[derive(Debug)]
pub struct World {
    pub rng: Rng,
    pub now: Duration,
    pub nodes: Vec<Node>,
    /// The parent of each cluster.
    pub parents: Vec<Option<usize>>,
    links: BTreeMap<(usize, usize), Link>,
    backups: BTreeMap<usize, Backup>,
    pub oracle: Oracle,
    clock: u64,
    /// Messages may be lost, doubled and reordered within a session.
    pub wild: bool,
    /// Something lost its memory, or moved: ends may differ until somebody writes again.
    pub disasters: u32,
    pub bytes: usize,
    traced: bool,
}

fn retain() -> Policy {
    Policy::Retain { hold: true }
}

fn writer_of(policy: Policy, disk: Disk) -> End<Writer> {
    let image = &disk.durable;
    let machine = Writer::restore(policy, image.meta, image.records.clone());
    End { machine, disk }
}

fn reader_of(policy: Policy, disk: Disk) -> End<Reader> {
    let image = &disk.durable;
    let machine = Reader::restore(policy, ROWS_MAX, image.meta, image.records.clone());
    End { machine, disk }
}

impl World {
    /// A tree of `count` clusters.
    pub fn new(seed: u64, count: usize, wild: bool) -> Self {
        let mut rng = Rng::new(seed);
        let parents = (0..count).map(|i| (i > 0).then(|| rng.below(i))).collect();
        Self {
            rng,
            now: Duration::from_secs(1),
            nodes: (0..count).map(|_| Node::default()).collect(),
            parents,
            links: BTreeMap::new(),
            backups: BTreeMap::new(),
            oracle: Oracle::default(),
            clock: 0,
            wild,
            disasters: 0,
            bytes: 0,
            traced: std::env::var_os("CEDGE_SIM_TRACE").is_some(),
        }
    }

    /// With `CEDGE_SIM_TRACE` set, a replayed schedule tells what happens.
    fn trace(&self, what: impl FnOnce() -> String) {
        if self.traced {
            eprintln!("{:?} {}", self.now, what());
        }
    }

    fn tick_clock(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    /// The pairs (parent, child) of the tree.
    pub fn ways(&self) -> Vec<(usize, usize)> {
        let ways = self
            .parents
            .iter()
            .enumerate()
            .filter_map(|(c, p)| Some(((*p)?, c)));
        ways.collect()
    }

    pub fn is_connected(&self, way: (usize, usize)) -> bool {
        self.links.contains_key(&way)
    }

    // === Applications

    /// A user writes at a cluster.
    pub fn user_put(&mut self, node: usize, key: &Key) {
        let seq = self.tick_clock();
        self.nodes[node].app.take(key, seq, seq);
        self.forward(node, key);
    }

    /// A user deletes at a cluster.
    pub fn user_delete(&mut self, node: usize, key: &Key) {
        let at = self.tick_clock();
        if self.nodes[node].app.delete(key, at) {
            self.forward(node, key);
        }
    }

    /// Somebody deletes at the parent what only the child holds.
    pub fn operator_removes(&mut self, way: (usize, usize), key: &Key) {
        let at = self.tick_clock();
        let (parent, child) = way;
        if let Some(end) = self.nodes[parent].down_writers.get_mut(&child)
            && end.machine.remove(key).is_some()
        {
            self.oracle.deleted(way, key, at);
        }
    }

    fn children(&self, node: usize) -> Vec<usize> {
        self.ways()
            .into_iter()
            .filter(|(p, _)| *p == node)
            .map(|(_, c)| c)
            .collect()
    }

    fn forward(&mut self, node: usize, key: &Key) {
        for child in self.children(node) {
            self.state(node, child, key);
        }
    }

    /// Gives a child's writer what the application wants of one key.
    fn state(&mut self, node: usize, child: usize, key: &Key) {
        let Some(Entry { seq, deleted, at }) = self.nodes[node].app.entries.get(key).copied()
        else {
            return;
        };
        let end = Self::writer_end(
            &mut self.nodes[node].down_writers,
            child,
            retain(),
            &mut self.rng,
        );
        let known = end.machine.record(key).and_then(|record| record.content);
        if deleted {
            // What only the child holds is not deleted by stating an old deletion anew: somebody has to mean it.
            if known.is_some() && end.machine.remove(key).is_some() {
                self.oracle.deleted((node, child), key, at);
            }
            return;
        }
        // As a hub does with generations: a table that knows better than a restored API is left alone.
        let better = known.and_then(|content| {
            let value = end.disk.visible.values.get(&content.hash)?;
            Some(parse(value).1 >= seq)
        });
        if better != Some(true) {
            // What is stated after a new life has met the reader counts as written: from there on the application's
            // own order decides (`App::take`, as a child refuses an older generation).
            let met = end.machine.meta().doubted != 0 || end.machine.meta().doubt_until != 0;
            let at = if met { self.clock } else { at };
            end.machine.put(key, value(key, seq));
            self.oracle.wrote((node, child), key, seq, at);
        }
    }

    fn restate(&mut self, node: usize, child: usize) {
        let keys: Vec<Key> = self.nodes[node]
            .app
            .entries
            .keys()
            .map(Key::clone)
            .collect();
        for key in keys {
            self.state(node, child, &key);
        }
    }

    /// An application takes care of one change that its reader holds for it.
    pub fn app_work(&mut self, node: usize) -> bool {
        let Some(parent) = self.parents[node] else {
            return false;
        };
        let Some(end) = self.nodes[node].down_readers.get(&parent) else {
            return false;
        };
        // A newer record that is not stored yet will be told when it is.
        let stored = |key: &&Key| {
            let stored = end.disk.visible.records.get(*key);
            stored.is_some_and(|r| {
                end.machine
                    .record(key)
                    .is_some_and(|m| m.version == r.version)
            })
        };
        let Some(key) = end.machine.undelivered().find(stored).map(Key::clone) else {
            return false;
        };
        let record = end.disk.visible.records[&key];
        let seq = record
            .content
            .map(|content| parse(&end.disk.visible.values[&content.hash]).1);
        let at = self.tick_clock();
        let taken = match seq {
            Some(seq) => self.nodes[node].app.take(&key, seq, at),
            None => self.nodes[node].app.delete(&key, at),
        };
        if taken {
            self.forward(node, &key);
        }
        let end = self.nodes[node]
            .down_readers
            .get_mut(&parent)
            .expect("still there");
        end.machine.done(&key, record.version);
        true
    }

    /// A cluster says something to its parent.
    pub fn report(&mut self, node: usize) {
        let Some(parent) = self.parents[node] else {
            return;
        };
        let seq = self.tick_clock();
        let key = Key::from(format!("r{}", self.rng.below(6)));
        let gone = self.rng.one_in(4);
        let end = Self::writer_end(
            &mut self.nodes[node].up_writers,
            parent,
            Policy::Mirror,
            &mut self.rng,
        );
        if gone {
            end.machine.remove(&key);
        } else {
            end.machine.put(&key, value(&key, seq));
        }
    }

    fn writer_end<'a>(
        ends: &'a mut BTreeMap<usize, End<Writer>>,
        peer: usize,
        policy: Policy,
        rng: &mut Rng,
    ) -> &'a mut End<Writer> {
        ends.entry(peer).or_insert_with(|| {
            let meta = Meta {
                life: rng.number() | 1,
                ..Meta::default()
            };
            let image = Image {
                meta,
                ..Image::default()
            };
            writer_of(policy, Disk::of(image))
        })
    }

    fn reader_end(
        ends: &mut BTreeMap<usize, End<Reader>>,
        peer: usize,
        policy: Policy,
    ) -> &mut End<Reader> {
        ends.entry(peer)
            .or_insert_with(|| reader_of(policy, Disk::default()))
    }
}
