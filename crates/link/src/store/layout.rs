//! How tables lie in the file.

use cedge_sync::{Content, Meta, Record};
use redb::TableDefinition;

/// The format that this program writes.
pub(super) const FORMAT: u64 = 1;
/// `format`, `next`.
pub(super) const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");
/// `PEER/TABLE/w` or `PEER/TABLE/r` → the number of the table.
pub(super) const NAMES: TableDefinition<'_, &str, u32> = TableDefinition::new("names");
/// A table's number → its meta record.
pub(super) const METAS: TableDefinition<'_, u32, [u64; 4]> = TableDefinition::new("metas");
/// A table's number and a key → its record.
pub(super) const ROWS: TableDefinition<'_, (u32, &str), &[u8]> = TableDefinition::new("rows");
/// A hash → how many records refer to it.
pub(super) const REFERENCES: TableDefinition<'_, [u8; 32], u64> =
    TableDefinition::new("references");
/// A hash → the value.
pub(super) const VALUES: TableDefinition<'_, [u8; 32], &[u8]> = TableDefinition::new("values");

const HAS_CONTENT: u8 = 1;
const SETTLED: u8 = 2;
const HELD: u8 = 4;

pub(super) fn meta_to(meta: Meta) -> [u64; 4] {
    [meta.life, meta.high, meta.doubt_until, meta.doubted]
}

pub(super) fn meta_from([life, high, doubt_until, doubted]: [u64; 4]) -> Meta {
    Meta {
        life,
        high,
        doubt_until,
        doubted,
    }
}

/// One byte of flags, the version, then what the flags announce.
pub(super) fn record_to(record: &Record) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64);
    let flag = |set: bool, bit: u8| if set { bit } else { 0 };
    bytes.push(
        flag(record.content.is_some(), HAS_CONTENT)
            | flag(record.settled, SETTLED)
            | flag(record.held.is_some(), HELD),
    );
    bytes.extend(record.version.to_le_bytes());
    if let Some(content) = record.content {
        bytes.extend(content.length.to_le_bytes());
        bytes.extend(content.hash);
    }
    if let Some(held) = record.held {
        bytes.extend(held.to_le_bytes());
    }
    bytes
}

/// `None` if the bytes are not a record.
pub(super) fn record_from(bytes: &[u8]) -> Option<Record> {
    let (flags, bytes) = bytes.split_first()?;
    let (version, mut bytes) = bytes.split_first_chunk::<8>()?;
    let mut content = None;
    if flags & HAS_CONTENT != 0 {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (hash, rest) = rest.split_first_chunk::<32>()?;
        content = Some(Content {
            hash: *hash,
            length: u32::from_le_bytes(*length),
        });
        bytes = rest;
    }
    let held = match flags & HELD {
        0 => None,
        _ => Some(u64::from_le_bytes(*bytes.first_chunk::<8>()?)),
    };
    let version = u64::from_le_bytes(*version);
    Some(Record {
        version,
        content,
        settled: flags & SETTLED != 0,
        held,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_as_it_was_written_and_a_cut_one_is_none() {
        let content = Some(Content {
            hash: [7; 32],
            length: 9,
        });
        for (content, held) in [(None, None), (content, None), (content, Some(12))] {
            let record = Record {
                version: 5,
                content,
                settled: true,
                held,
            };
            let bytes = record_to(&record);
            assert_eq!(record_from(&bytes), Some(record));
            assert_eq!(record_from(&bytes[..bytes.len() - 1]), None);
        }
    }
}
