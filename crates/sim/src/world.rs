//! The world: clusters, links, and what can happen to them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use cedge_sync::{Key, Meta, Outgoing, Policy, Reader, Writer};
use cedge_wire::limits::CHUNK_MAX;
use cedge_wire::table::{Body, Data, Message};
use prost::Message as _;

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

fn rows_of(reader: &Reader) -> Vec<(Key, u64)> {
    let live = reader.iter().filter(|(_, record)| record.content.is_some());
    live.map(|(key, record)| (Key::clone(key), record.version))
        .collect()
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

    // === Links

    pub fn connect(&mut self, way: (usize, usize)) {
        if self.links.contains_key(&way) {
            return;
        }
        let (parent, child) = way;
        self.links.insert(way, Link::default());
        let (rng, now) = (&mut self.rng, self.now);
        let node = &mut self.nodes[parent];
        Self::writer_end(&mut node.down_writers, child, retain(), rng)
            .machine
            .connected(now);
        Self::reader_end(&mut node.up_readers, child, Policy::Mirror)
            .machine
            .connected(now);
        let node = &mut self.nodes[child];
        Self::writer_end(&mut node.up_writers, parent, Policy::Mirror, rng)
            .machine
            .connected(now);
        Self::reader_end(&mut node.down_readers, parent, retain())
            .machine
            .connected(now);
        self.restate(parent, child);
        self.drain(way);
    }

    /// Cuts a link: what is under way is lost. Nothing that was held changes (I8).
    pub fn disconnect(&mut self, way: (usize, usize)) -> Result<(), String> {
        if self.links.remove(&way).is_none() {
            return Ok(());
        }
        let (parent, child) = way;
        if let Some(end) = self.nodes[parent].down_writers.get_mut(&child) {
            end.machine.disconnected();
        }
        if let Some(end) = self.nodes[child].up_writers.get_mut(&parent) {
            end.machine.disconnected();
        }
        for (node, peer, up) in [(parent, child, true), (child, parent, false)] {
            let node = &mut self.nodes[node];
            let ends = if up {
                &mut node.up_readers
            } else {
                &mut node.down_readers
            };
            let Some(end) = ends.get_mut(&peer) else {
                continue;
            };
            let before = rows_of(&end.machine);
            end.machine.disconnected();
            if rows_of(&end.machine) != before {
                return Err(format!("I8: silence of {way:?} changed what is held"));
            }
        }
        Ok(())
    }

    /// Moves what machines want to send into the link.
    fn drain(&mut self, way: (usize, usize)) {
        let (parent, child) = way;
        let mut down = Vec::new();
        let mut up = Vec::new();
        if let Some(end) = self.nodes[parent].down_writers.get_mut(&child) {
            drain_writer(end, Table::Down, &mut down);
        }
        if let Some(end) = self.nodes[parent].up_readers.get_mut(&child) {
            drain_reader(end, Table::Up, &mut down);
        }
        if let Some(end) = self.nodes[child].up_writers.get_mut(&parent) {
            drain_writer(end, Table::Up, &mut up);
        }
        if let Some(end) = self.nodes[child].down_readers.get_mut(&parent) {
            drain_reader(end, Table::Down, &mut up);
        }
        let Some(link) = self.links.get_mut(&way) else {
            return;
        };
        for (messages, queue) in [(down, &mut link.to_child), (up, &mut link.to_parent)] {
            for (table, body) in messages {
                self.bytes += Message {
                    body: Some(body.clone()),
                }
                .encoded_len()
                    + 12;
                let chance = if self.wild { self.rng.below(24) } else { 99 };
                match chance {
                    0 => {}
                    1 => queue.extend([(table, body.clone()), (table, body)]),
                    2 => {
                        let at = self.rng.below(queue.len() + 1);
                        queue.insert(at, (table, body));
                    }
                    _ => queue.push_back((table, body)),
                }
            }
        }
    }

    /// Delivers one message of a link, in one direction.
    pub fn deliver(&mut self, way: (usize, usize), to_child: bool) -> Result<bool, String> {
        let Some(link) = self.links.get_mut(&way) else {
            return Ok(false);
        };
        let queue = if to_child {
            &mut link.to_child
        } else {
            &mut link.to_parent
        };
        let Some((table, body)) = queue.pop_front() else {
            return Ok(false);
        };
        let (parent, child) = way;
        let now = self.now;
        self.trace(|| format!("{way:?} {to_child} {table:?} {body:.200?}"));
        let missing = || format!("{way:?}: an end is missing");
        let result = match (to_child, table) {
            (true, Table::Down) => {
                let end = self.nodes[child]
                    .down_readers
                    .get_mut(&parent)
                    .ok_or_else(missing)?;
                end.machine.receive(body, now)
            }
            (true, Table::Up) => {
                let end = self.nodes[child]
                    .up_writers
                    .get_mut(&parent)
                    .ok_or_else(missing)?;
                end.machine.receive(body, now)
            }
            (false, Table::Down) => {
                let end = self.nodes[parent]
                    .down_writers
                    .get_mut(&child)
                    .ok_or_else(missing)?;
                end.machine.receive(body, now)
            }
            (false, Table::Up) => {
                let end = self.nodes[parent]
                    .up_readers
                    .get_mut(&child)
                    .ok_or_else(missing)?;
                end.machine.receive(body, now)
            }
        };
        self.drain(way);
        result
            .map(|()| true)
            .map_err(|e| format!("{way:?}: an honest peer was refused: {e}"))
    }

    // === Disks and time

    /// One step of the disk of every end of one cluster, or of some.
    pub fn disk_work(&mut self, node: usize, all: bool) -> Result<bool, String> {
        let mut worked = false;
        let Node {
            down_writers,
            down_readers,
            up_writers,
            up_readers,
            ..
        } = &mut self.nodes[node];
        for end in down_writers.values_mut().chain(up_writers.values_mut()) {
            if all || self.rng.one_in(2) {
                worked |= write_step(
                    &mut end.disk,
                    &mut end.machine,
                    Writer::take_save,
                    Writer::persisted,
                )
                .is_some();
            }
        }
        for end in up_readers.values_mut() {
            if all || self.rng.one_in(2) {
                worked |= write_step(
                    &mut end.disk,
                    &mut end.machine,
                    Reader::take_save,
                    Reader::persisted,
                )
                .is_some();
            }
        }
        for (parent, end) in down_readers {
            if !all && self.rng.one_in(2) {
                continue;
            }
            let step = write_step(
                &mut end.disk,
                &mut end.machine,
                Reader::take_save,
                Reader::persisted,
            );
            if let Some(Some(save)) = &step {
                self.oracle
                    .check((*parent, node), save, &end.disk.visible.values)?;
            }
            worked |= step.is_some();
        }
        for way in self.links.keys().copied().collect::<Vec<_>>() {
            if way.0 == node || way.1 == node {
                self.drain(way);
            }
        }
        Ok(worked)
    }

    pub fn pass(&mut self, time: Duration) {
        self.now += time;
        let now = self.now;
        for node in &mut self.nodes {
            for end in node
                .down_writers
                .values_mut()
                .chain(node.up_writers.values_mut())
            {
                end.machine.tick(now);
            }
            for end in node
                .down_readers
                .values_mut()
                .chain(node.up_readers.values_mut())
            {
                end.machine.tick(now);
            }
        }
        for way in self.links.keys().copied().collect::<Vec<_>>() {
            self.drain(way);
        }
    }

    // === Disasters

    fn cut_off(&mut self, node: usize) -> Result<(), String> {
        let ways: Vec<_> = self
            .links
            .keys()
            .copied()
            .filter(|w| w.0 == node || w.1 == node)
            .collect();
        ways.into_iter().try_for_each(|way| self.disconnect(way))
    }

    /// Power loss: what was not acknowledged by the disk is gone.
    pub fn crash(&mut self, node: usize) -> Result<(), String> {
        self.trace(|| format!("crash {node}"));
        self.cut_off(node)?;
        let rng = &mut self.rng;
        let Node {
            down_writers,
            down_readers,
            up_writers,
            up_readers,
            ..
        } = &mut self.nodes[node];
        for (ends, policy) in [(down_writers, retain()), (up_writers, Policy::Mirror)] {
            for end in ends.values_mut() {
                end.disk.crash(rng);
                *end = writer_of(policy, std::mem::take(&mut end.disk));
            }
        }
        for (ends, policy) in [(down_readers, retain()), (up_readers, Policy::Mirror)] {
            for end in ends.values_mut() {
                end.disk.crash(rng);
                *end = reader_of(policy, std::mem::take(&mut end.disk));
            }
        }
        self.read_again(node);
        for child in self.children(node) {
            self.restate(node, child);
        }
        Ok(())
    }

    /// The oracle looks at what a cluster's readers hold now.
    fn read_again(&mut self, node: usize) {
        for (parent, end) in &self.nodes[node].down_readers {
            let image = &end.disk.durable;
            let rows = image.records.iter().map(|(key, record)| {
                let value = record
                    .content
                    .map(|content| &image.values[&content.hash][..]);
                (key, value)
            });
            self.oracle.reset((*parent, node), rows);
        }
    }

    /// The machine is replaced by an empty one with the same identity. With `keep_api`, only its tables are lost.
    pub fn wipe(&mut self, node: usize, keep_api: bool) -> Result<(), String> {
        self.trace(|| format!("wipe {node} {keep_api}"));
        self.cut_off(node)?;
        self.disasters += 1;
        let app = std::mem::take(&mut self.nodes[node]).app;
        if keep_api {
            self.nodes[node].app = app;
        }
        for parent in 0..self.nodes.len() {
            self.oracle.reset((parent, node), std::iter::empty());
        }
        Ok(())
    }

    pub fn back_up(&mut self, node: usize) {
        self.trace(|| format!("back up {node}"));
        fn images<M>(ends: &BTreeMap<usize, End<M>>) -> BTreeMap<usize, Image> {
            ends.iter()
                .map(|(peer, end)| (*peer, end.disk.durable.clone()))
                .collect()
        }
        let Node {
            app,
            down_writers,
            down_readers,
            up_writers,
            up_readers,
        } = &self.nodes[node];
        let images = [
            images(down_writers),
            images(up_writers),
            images(down_readers),
            images(up_readers),
        ];
        self.backups.insert(
            node,
            Backup {
                app: app.clone(),
                images,
            },
        );
    }

    /// The cluster wakes up in the past. With `only_api`, its tables are lost and its API is from the past.
    pub fn restore(&mut self, node: usize, only_api: bool) -> Result<(), String> {
        let Some(backup) = self.backups.get(&node).cloned() else {
            return Ok(());
        };
        self.trace(|| format!("restore {node} {only_api}"));
        self.wipe(node, false)?;
        let new = &mut self.nodes[node];
        new.app = backup.app;
        if !only_api {
            let [down_w, up_w, down_r, up_r] = backup.images;
            let writers = |images: BTreeMap<usize, Image>, policy| {
                images
                    .into_iter()
                    .map(|(p, i)| (p, writer_of(policy, Disk::of(i))))
                    .collect()
            };
            let readers = |images: BTreeMap<usize, Image>, policy| {
                images
                    .into_iter()
                    .map(|(p, i)| (p, reader_of(policy, Disk::of(i))))
                    .collect()
            };
            new.down_writers = writers(down_w, retain());
            new.up_writers = writers(up_w, Policy::Mirror);
            new.down_readers = readers(down_r, retain());
            new.up_readers = readers(up_r, Policy::Mirror);
        }
        self.read_again(node);
        Ok(())
    }

    /// A cluster gets another parent.
    pub fn reparent(&mut self, child: usize, parent: usize) -> Result<(), String> {
        let mut above = Some(parent);
        let mut seen = BTreeSet::new();
        while let Some(node) = above {
            if node == child || !seen.insert(node) {
                return Ok(());
            }
            above = self.parents[node];
        }
        if let Some(old) = self.parents[child] {
            self.disconnect((old, child))?;
        }
        self.disasters += 1;
        self.parents[child] = Some(parent);
        self.restate(parent, child);
        Ok(())
    }

    /// A cluster is replaced by an empty one with another identity, which its children join.
    pub fn replace(&mut self, node: usize) -> Result<(), String> {
        let new = self.nodes.len();
        self.nodes.push(Node::default());
        self.parents.push(self.parents[node]);
        for child in self.children(node) {
            self.reparent(child, new)?;
        }
        self.cut_off(node)?;
        self.parents[node] = None;
        Ok(())
    }
}

fn write_step<M>(
    disk: &mut Disk,
    machine: &mut M,
    take: fn(&mut M) -> Option<cedge_sync::Save>,
    persisted: fn(&mut M, u64),
) -> Option<Option<cedge_sync::Save>> {
    if disk.is_writing() {
        let save = disk.finish()?;
        persisted(machine, save.ticket);
        return Some(Some(save));
    }
    disk.begin(take(machine)?);
    Some(None)
}

fn drain_reader(end: &mut End<Reader>, table: Table, out: &mut Vec<(Table, Body)>) {
    while let Some(outgoing) = end.machine.next_send() {
        if let Outgoing::Message(body) = outgoing {
            out.push((table, body));
        }
    }
}

fn drain_writer(end: &mut End<Writer>, table: Table, out: &mut Vec<(Table, Body)>) {
    while let Some(outgoing) = end.machine.next_send() {
        match outgoing {
            Outgoing::Message(body) => out.push((table, body)),
            Outgoing::Inline(mut put) => {
                let hash: [u8; 32] = put.hash[..].try_into().expect("a hash");
                put.value = Some(end.disk.visible.values[&hash].clone());
                out.push((table, Body::Put(put)));
            }
            Outgoing::Value { key, version, hash } => {
                let value = end.disk.visible.values[&hash].clone();
                for (i, bytes) in value.chunks(CHUNK_MAX).enumerate() {
                    let offset = u32::try_from(i * CHUNK_MAX).expect("small");
                    let bytes = Bytes::copy_from_slice(bytes);
                    out.push((
                        table,
                        Body::Data(Data {
                            key: key.to_string(),
                            version,
                            offset,
                            bytes,
                        }),
                    ));
                }
            }
        }
    }
}
