//! A disk under one end of a table: keeps what it acknowledged, and perhaps what was under way.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use cedge_sync::{Hash, Key, Meta, Record, Save};

use crate::Rng;

/// What is stored of one end of a table.
#[derive(Debug, Clone, Default)]
pub struct Image {
    pub meta: Meta,
    pub records: BTreeMap<Key, Record>,
    pub values: BTreeMap<Hash, Bytes>,
}

impl Image {
    /// A value, for as long as a record refers to it.
    pub fn value(&self, hash: &Hash) -> Option<Bytes> {
        let referred = |record: &Record| record.content.is_some_and(|c| c.hash == *hash);
        let kept = self.records.values().any(referred);
        kept.then(|| self.values[hash].clone())
    }

    fn apply(&mut self, save: &Save) {
        if let Some(meta) = save.meta {
            self.meta = meta;
        }
        self.values.extend(
            save.values
                .iter()
                .map(|(hash, value)| (*hash, value.clone())),
        );
        for (key, record) in &save.records {
            match record {
                Some(record) => self.records.insert(Key::clone(key), *record),
                None => self.records.remove(key),
            };
        }
    }
}

/// The disk: what would be there after a crash, what programs see, what is being written.
#[derive(Debug, Default)]
pub struct Disk {
    pub durable: Image,
    pub visible: Image,
    soft: VecDeque<Save>,
    writing: Option<Save>,
}

impl Disk {
    pub fn of(image: Image) -> Self {
        Self {
            visible: image.clone(),
            durable: image,
            ..Self::default()
        }
    }

    pub fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    pub fn begin(&mut self, save: Save) {
        self.writing = Some(save);
    }

    /// Ends the write under way; gives its ticket.
    pub fn finish(&mut self) -> Option<Save> {
        let save = self.writing.take()?;
        self.visible.apply(&save);
        if save.relaxed {
            self.soft.push_back(save.clone());
        } else {
            for earlier in self.soft.drain(..) {
                self.durable.apply(&earlier);
            }
            self.durable.apply(&save);
        }
        Some(save)
    }

    /// Power loss: of what was not acknowledged as durable, a prefix of what was on its way may have arrived.
    pub fn crash(&mut self, rng: &mut Rng) {
        let count = self.soft.len();
        let lucky = rng.below(count + 2);
        for save in self.soft.drain(..).take(lucky) {
            self.durable.apply(&save);
        }
        if let Some(save) = self.writing.take().filter(|_| lucky > count) {
            self.durable.apply(&save);
        }
        self.visible = self.durable.clone();
    }
}
