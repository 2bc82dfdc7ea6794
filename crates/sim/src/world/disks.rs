//! Disks write step by step, and time passes.

use std::time::Duration;

use cedge_sync::{Reader, Writer};

use super::{Node, World};
use crate::disk::Disk;

impl World {
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
