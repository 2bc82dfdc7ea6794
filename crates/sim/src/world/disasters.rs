//! What can happen to a whole cluster.

use std::collections::{BTreeMap, BTreeSet};

use cedge_sync::Policy;

use super::{Backup, End, Node, World, reader_of, retain, writer_of};
use crate::disk::{Disk, Image};

impl World {
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
