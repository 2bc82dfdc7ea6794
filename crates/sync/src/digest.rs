//! Digests: eight bytes that differ when what is held differs.

use cedge_wire::limits::{BUCKET_BITS_MAX, BUCKET_BITS_MIN};

use crate::{Hash, Record};

/// Rows that a bucket should have: listing one differing bucket costs 16 bytes for each.
const ROWS_PER_BUCKET: u64 = 16;

/// The hash of a value.
#[must_use]
pub fn hash_of(value: &[u8]) -> Hash {
    *blake3::hash(value).as_bytes()
}

/// The hash of a key: says in which bucket it is, and names it in lists.
pub(crate) fn hash_key(key: &str) -> u64 {
    first_eight(blake3::hash(key.as_bytes()).as_bytes())
}

/// The digest of a row that has a value; 0 for others, which no digest counts.
pub(crate) fn digest(key_hash: u64, record: &Record) -> u64 {
    let Some(content) = record.content else {
        return 0;
    };
    mix(key_hash ^ mix(record.version ^ mix(first_eight(&content.hash))))
}

/// In how many buckets `rows` are divided, as a power of two.
pub(crate) fn bucket_bits(rows: u64) -> u32 {
    let buckets = (rows / ROWS_PER_BUCKET).max(1).next_power_of_two();
    buckets.ilog2().clamp(BUCKET_BITS_MIN, BUCKET_BITS_MAX)
}

/// The bucket of a key.
pub(crate) fn bucket(key_hash: u64, bits: u32) -> u32 {
    u32::try_from(key_hash >> (64 - bits)).expect("a bucket has at most ten bits")
}

/// The sums of digests in each bucket.
pub(crate) fn sums(rows: impl Iterator<Item = (u64, u64)>, bits: u32) -> Vec<u64> {
    let mut sums = vec![0u64; 1 << bits];
    for (key_hash, digest) in rows {
        let sum = &mut sums[bucket(key_hash, bits) as usize];
        *sum = sum.wrapping_add(digest);
    }
    sums
}

/// The finaliser of splitmix64: every bit of the input moves half of the bits of the output.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn first_eight(hash: &[u8; 32]) -> u64 {
    u64::from_le_bytes(hash[..8].try_into().expect("eight of thirty-two bytes"))
}
