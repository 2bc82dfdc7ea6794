//! Reading, and what is rare enough to be written by the caller.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use cedge_api::ClusterId;
use cedge_sync::{Hash, Key, Meta, Record};
use redb::{ReadableDatabase as _, ReadableTable as _};

use super::Engine;
use crate::TableError;
use crate::store::commit::count_values;
use crate::store::layout::{METAS, NAMES, NUMBERS, ROWS, VALUES, meta_from, meta_to, record_from};

impl Engine {
    /// The number of a table; a new one if there is none yet.
    pub(crate) fn table_id(
        &self,
        peer: &ClusterId,
        table: &str,
        writes: bool,
    ) -> Result<u32, TableError> {
        let name = format!("{peer}/{table}/{}", if writes { 'w' } else { 'r' });
        let known = self.with(|database| {
            let names = database.begin_read()?.open_table(NAMES)?;
            Ok(names.get(&*name)?.map(|id| id.value()))
        })?;
        if let Some(id) = known {
            return Ok(id);
        }
        self.with(|database| {
            let transaction = database.begin_write()?;
            let id = {
                let mut numbers = transaction.open_table(NUMBERS)?;
                let next = numbers.get("next")?.map_or(1, |next| next.value());
                numbers.insert("next", next + 1)?;
                let id = u32::try_from(next)?;
                transaction.open_table(NAMES)?.insert(&*name, id)?;
                id
            };
            transaction.commit()?;
            Ok(id)
        })
    }

    pub(crate) fn begin_life(&self, id: u32, meta: Meta) -> Result<(), TableError> {
        self.with(|database| {
            let transaction = database.begin_write()?;
            transaction.open_table(METAS)?.insert(id, meta_to(meta))?;
            transaction.commit()?;
            Ok(())
        })
    }

    pub(crate) fn load(&self, id: u32) -> Result<(Meta, Vec<(Key, Record)>), TableError> {
        self.with(|database| {
            let transaction = database.begin_read()?;
            let meta = transaction
                .open_table(METAS)?
                .get(id)?
                .map(|meta| meta_from(meta.value()));
            let rows = transaction.open_table(ROWS)?;
            let mut records = Vec::new();
            for row in rows.range((id, "")..(id + 1, ""))? {
                let (key, record) = row?;
                let record = record_from(record.value()).ok_or("a damaged record")?;
                records.push((Key::from(key.value().1), record));
            }
            Ok((meta.unwrap_or_default(), records))
        })
    }

    /// What is stored under a key, with its value.
    pub(crate) fn get(
        &self,
        id: u32,
        key: &str,
    ) -> Result<Option<(Record, Option<Bytes>)>, TableError> {
        self.with(|database| {
            let transaction = database.begin_read()?;
            let rows = transaction.open_table(ROWS)?;
            let Some(record) = rows.get((id, key))?.and_then(|r| record_from(r.value())) else {
                return Ok(None);
            };
            let Some(content) = record.content else {
                return Ok(Some((record, None)));
            };
            let values = transaction.open_table(VALUES)?;
            let value = values.get(content.hash)?.ok_or("a value is missing")?;
            Ok(Some((record, Some(Bytes::copy_from_slice(value.value())))))
        })
    }

    pub(crate) fn value(&self, hash: &Hash) -> Result<Option<Bytes>, TableError> {
        self.with(|database| {
            let values = database.begin_read()?.open_table(VALUES)?;
            Ok(values
                .get(hash)?
                .map(|value| Bytes::copy_from_slice(value.value())))
        })
    }

    pub(crate) fn peers(&self) -> Vec<ClusterId> {
        let list = self.with(|database| {
            let names = database.begin_read()?.open_table(NAMES)?;
            let mut peers = BTreeSet::new();
            for name in names.range::<&str>(..)? {
                let (name, _) = name?;
                let peer = name
                    .value()
                    .split('/')
                    .next()
                    .and_then(|peer| peer.parse().ok());
                peers.extend(peer);
            }
            Ok(peers.into_iter().collect())
        });
        list.unwrap_or_default()
    }

    pub(crate) fn forget(&self, peer: &ClusterId) -> Result<(), TableError> {
        let ids = self.with(|database| {
            let transaction = database.begin_write()?;
            let mut ids = Vec::new();
            {
                let mut names = transaction.open_table(NAMES)?;
                let (from, to) = (format!("{peer}/"), format!("{peer}0"));
                let gone: Vec<(String, u32)> = names
                    .range::<&str>(&*from..&*to)?
                    .filter_map(|name| name.ok().map(|(n, id)| (n.value().to_owned(), id.value())))
                    .collect();
                let mut rows = transaction.open_table(ROWS)?;
                let mut metas = transaction.open_table(METAS)?;
                let mut references = BTreeMap::new();
                for (name, id) in gone {
                    names.remove(&*name)?;
                    metas.remove(id)?;
                    for row in rows.extract_from_if((id, "")..(id + 1, ""), |_, _| true)? {
                        let record = record_from(row?.1.value());
                        if let Some(content) = record.and_then(|r| r.content) {
                            *references.entry(content.hash).or_insert(0) -= 1;
                        }
                    }
                    ids.push(id);
                }
                count_values(&transaction, &references, &BTreeMap::new())?;
            }
            transaction.commit()?;
            Ok(ids)
        })?;
        let mut work = self.lock();
        for id in ids {
            work.tables.remove(&id);
        }
        Ok(())
    }
}
