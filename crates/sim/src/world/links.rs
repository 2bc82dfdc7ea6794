//! Links: they come and go, and what is in them may be lost, doubled and reordered.

use bytes::Bytes;
use cedge_sync::{Key, Outgoing, Policy, Reader, Writer};
use cedge_wire::limits::CHUNK_MAX;
use cedge_wire::table::{Body, Data, Message};
use prost::Message as _;

use super::{End, Link, Table, World, retain};

impl World {
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
    pub(super) fn drain(&mut self, way: (usize, usize)) {
        let (parent, child) = way;
        if self.wild && self.rng.below(8) == 0 {
            // A slow sender: what waits goes with the next event, and may have been replaced on the disk by then.
            return;
        }
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
}

fn rows_of(reader: &Reader) -> Vec<(Key, u64)> {
    let live = reader.iter().filter(|(_, record)| record.content.is_some());
    live.map(|(key, record)| (Key::clone(key), record.version))
        .collect()
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
                put.value = end.disk.visible.value(&hash);
                if put.value.is_some() {
                    out.push((table, Body::Put(put)));
                } else {
                    end.machine.unsent(&put.key.into(), put.version);
                }
            }
            Outgoing::Value { key, version, hash } => {
                let Some(value) = end.disk.visible.value(&hash) else {
                    end.machine.unsent(&key, version);
                    continue;
                };
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
