//! One transaction for all tables that have something to store.

use std::collections::BTreeMap;

use bytes::Bytes;
use cedge_sync::{Hash, Record, Save};
use redb::{Database, Durability, ReadableTable as _};

use super::engine::{Boxed, Engine};
use super::layout::{METAS, REFERENCES, ROWS, VALUES, meta_to, record_from, record_to};

impl Engine {
    pub(super) fn commit(
        &self,
        saves: &[(u32, &Save)],
        durability: Durability,
    ) -> Result<(), Boxed> {
        self.file
            .with(|database| commit(database, saves, durability))
    }
}

fn commit(
    database: &Database,
    saves: &[(u32, &Save)],
    durability: Durability,
) -> Result<(), Boxed> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(durability)?;
    {
        let mut metas = transaction.open_table(METAS)?;
        let mut rows = transaction.open_table(ROWS)?;
        let mut references: BTreeMap<Hash, i64> = BTreeMap::new();
        for (id, save) in saves {
            if let Some(meta) = save.meta {
                metas.insert(id, meta_to(meta))?;
            }
            for (key, record) in &save.records {
                let old = match record {
                    Some(record) => rows.insert((*id, &**key), &record_to(record)[..])?,
                    None => rows.remove((*id, &**key))?,
                };
                let old = old.and_then(|old| record_from(old.value()));
                let hash = |r: Option<Record>| Some(r?.content?.hash);
                if let Some(hash) = hash(*record) {
                    *references.entry(hash).or_insert(0) += 1;
                }
                if let Some(hash) = hash(old) {
                    *references.entry(hash).or_insert(0) -= 1;
                }
            }
        }
        let values = saves.iter().flat_map(|(_, save)| &save.values).collect();
        count_values(&transaction, &references, &values)?;
    }
    transaction.commit()?;
    Ok(())
}

/// Keeps each value for as long as a record refers to it.
pub(super) fn count_values(
    transaction: &redb::WriteTransaction,
    changes: &BTreeMap<Hash, i64>,
    given: &BTreeMap<&Hash, &Bytes>,
) -> Result<(), Boxed> {
    let mut references = transaction.open_table(REFERENCES)?;
    let mut values = transaction.open_table(VALUES)?;
    for (hash, change) in changes.iter().filter(|(_, change)| **change != 0) {
        let before = references.get(hash)?.map_or(0, |count| count.value());
        let after = before.saturating_add_signed(*change);
        if after == 0 {
            references.remove(hash)?;
            values.remove(hash)?;
            continue;
        }
        references.insert(hash, after)?;
        if before == 0 {
            let value = given.get(hash).ok_or("a record without its value")?;
            values.insert(hash, &value[..])?;
        }
    }
    Ok(())
}
