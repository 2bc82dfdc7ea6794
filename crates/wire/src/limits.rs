//! How large anything on a link may be. Both ends check what they send and what they get.

/// A key, in bytes.
pub const KEY_MAX: usize = 512;
/// A value, in bytes: a Mission of 1 MiB and what is written around it.
pub const VALUE_MAX: usize = 1536 * 1024;
/// A value up to this size travels in its [`crate::table::Put`]; a larger one only if it is asked for.
pub const VALUE_INLINE_MAX: usize = 4 * 1024;
/// A piece of a larger value.
pub const CHUNK_MAX: usize = 32 * 1024;
/// A frame: the rows of a few buckets, or a certificate chain, and room.
pub const FRAME_MAX: usize = 512 * 1024;
/// A frame before the peer is known.
pub const FRAME_STRANGER_MAX: usize = 64 * 1024;
/// Rows of one table.
pub const ROWS_MAX: usize = 100_000;
/// Versions stay below this, so that raising a counter above a peer's can never overflow.
pub const VERSION_LIMIT: u64 = 1 << 62;
/// Fewest buckets of a digest, as a power of two.
pub const BUCKET_BITS_MIN: u32 = 4;
/// Most buckets of a digest, as a power of two.
pub const BUCKET_BITS_MAX: u32 = 10;
/// Keys in one message of removals, acknowledgements, refusals.
pub const KEYS_MAX: usize = 256;
/// Tables of one link.
pub const TABLES_MAX: usize = 32;
