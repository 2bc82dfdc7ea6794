//! The built-in table: read from the crate's data when first asked for, kept for the life of the process.

use std::sync::OnceLock;

use crate::table::{ANY, Table};
use crate::types::Types;

/// Compressed rows of the table (`data/README.md` says where they come from).
static TYPES: &[u8] = include_bytes!("../data/types.bin.zst");

/// Upper bound of the table when decompressed; the generator checks it.
pub(crate) const TYPES_BYTES_MAX: usize = 2 << 20;

static BUILTIN: OnceLock<Types> = OnceLock::new();

/// The built-in kinds of Kubernetes 1.37.
///
/// The first call decompresses and reads the table (a few milliseconds); later ones cost nothing.
#[must_use]
pub fn builtin() -> &'static Types {
    BUILTIN.get_or_init(|| {
        let bytes = zstd::bulk::decompress(TYPES, TYPES_BYTES_MAX)
            .expect("the generator wrote zstd and checked the size");
        let table: Table = postcard::from_bytes(&bytes).expect("the generator wrote this table");
        Types::new(table, ANY)
    })
}

#[cfg(test)]
mod tests;
