//! What the two ends of a table say. R is the end that reads, W the end that writes.

use bytes::Bytes;

/// One message about a table.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Message {
    /// What it is. Absent for what a newer program says: it is skipped.
    #[prost(oneof = "Body", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14")]
    pub body: Option<Body>,
}

/// The kinds of message.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Body {
    /// R: this is what I hold, in eight bytes. Begins a round.
    #[prost(message, tag = "1")]
    Open(Open),
    /// W: it is what I have, or: these are my buckets.
    #[prost(message, tag = "2")]
    Welcome(Welcome),
    /// R: what I hold in the buckets that differ.
    #[prost(message, tag = "3")]
    Rows(Rows),
    /// W: a value.
    #[prost(message, tag = "4")]
    Put(Put),
    /// W: tombstones.
    #[prost(message, tag = "5")]
    Remove(Remove),
    /// W: I have nothing under these keys, nor a tombstone.
    #[prost(message, tag = "6")]
    Unknown(Unknown),
    /// R: this is what I hold under those keys.
    #[prost(message, tag = "7")]
    Holds(Holds),
    /// R: stored durably.
    #[prost(message, tag = "8")]
    Ack(Keys),
    /// R: not taken, I hold something else.
    #[prost(message, tag = "9")]
    Refused(Refused),
    /// R: these deletions wait for somebody to confirm them.
    #[prost(message, tag = "10")]
    Holding(Keys),
    /// R: I lack the value of that [`Put`].
    #[prost(message, tag = "11")]
    Want(Want),
    /// W: a piece of it.
    #[prost(message, tag = "12")]
    Data(Data),
    /// W: what you hold under these keys is from a past that I lost.
    #[prost(message, tag = "13")]
    Regressed(Keys),
    /// W: nothing is left to say in this round. With `again`: begin another one.
    #[prost(message, tag = "14")]
    Settled(Settled),
}

/// Begins a round.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Open {
    /// Which round of this session.
    #[prost(uint32, tag = "1")]
    pub round: u32,
    /// The life of W that R knows; 0: none.
    #[prost(fixed64, tag = "2")]
    pub writer: u64,
    /// The highest version that R ever recorded.
    #[prost(uint64, tag = "3")]
    pub high: u64,
    /// How many rows R holds.
    #[prost(uint64, tag = "4")]
    pub rows: u64,
    /// The sum of their digests.
    #[prost(fixed64, tag = "5")]
    pub root: u64,
}

/// The answer to [`Open`].
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Welcome {
    /// Which round.
    #[prost(uint32, tag = "1")]
    pub round: u32,
    /// The life of W.
    #[prost(fixed64, tag = "2")]
    pub writer: u64,
    /// Both ends hold the same.
    #[prost(bool, tag = "3")]
    pub same: bool,
    /// Else: the number of buckets, as a power of two,
    #[prost(uint32, tag = "4")]
    pub bits: u32,
    /// and the sum of the digests in each.
    #[prost(fixed64, repeated, tag = "5")]
    pub sums: Vec<u64>,
}

/// What R holds in the buckets that differ. A bucket is never divided between parts.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Rows {
    /// Which round.
    #[prost(uint32, tag = "1")]
    pub round: u32,
    /// Which part, from 0.
    #[prost(uint32, tag = "2")]
    pub part: u32,
    /// Of how many parts.
    #[prost(uint32, tag = "3")]
    pub parts: u32,
    /// The buckets.
    #[prost(message, repeated, tag = "4")]
    pub buckets: Vec<Bucket>,
}

/// One bucket.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Bucket {
    /// Which.
    #[prost(uint32, tag = "1")]
    pub index: u32,
    /// Pairs: the hash of a key, the digest of its row.
    #[prost(fixed64, repeated, tag = "2")]
    pub rows: Vec<u64>,
}

/// A value.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Put {
    /// The key.
    #[prost(string, tag = "1")]
    pub key: String,
    /// The version.
    #[prost(uint64, tag = "2")]
    pub version: u64,
    /// BLAKE3 of the value.
    #[prost(bytes = "bytes", tag = "3")]
    pub hash: Bytes,
    /// Bytes of the value.
    #[prost(uint32, tag = "4")]
    pub length: u32,
    /// The value, if it is sent unasked.
    #[prost(bytes = "bytes", optional, tag = "5")]
    pub value: Option<Bytes>,
    /// Written in a life of W that did not know yet what R holds: it replaces nothing.
    #[prost(bool, tag = "6")]
    pub doubtful: bool,
}

/// A key and a version.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct KeyVersion {
    /// The key.
    #[prost(string, tag = "1")]
    pub key: String,
    /// The version.
    #[prost(uint64, tag = "2")]
    pub version: u64,
}

/// Keys with versions.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Keys {
    /// The keys.
    #[prost(message, repeated, tag = "1")]
    pub keys: Vec<KeyVersion>,
}

/// Tombstones.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Remove {
    /// The keys, each with the version of its removal.
    #[prost(message, repeated, tag = "1")]
    pub keys: Vec<KeyVersion>,
    /// More of them follow at once.
    #[prost(bool, tag = "2")]
    pub more: bool,
    /// Written in a life of W that did not know yet what R holds, as [`Put::doubtful`].
    #[prost(bool, tag = "3")]
    pub doubtful: bool,
}

/// Keys that W does not have.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Unknown {
    /// Which round.
    #[prost(uint32, tag = "1")]
    pub round: u32,
    /// Which message of that kind, for the answer.
    #[prost(uint32, tag = "2")]
    pub part: u32,
    /// W's counter when it looked: a mirror drops no row above it.
    #[prost(uint64, tag = "3")]
    pub floor: u64,
    /// The hashes of the keys.
    #[prost(fixed64, repeated, tag = "4")]
    pub hashes: Vec<u64>,
}

/// The answer to [`Unknown`].
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Holds {
    /// Which round.
    #[prost(uint32, tag = "1")]
    pub round: u32,
    /// Which message.
    #[prost(uint32, tag = "2")]
    pub part: u32,
    /// What R keeps under those keys: nothing in a mirror.
    #[prost(message, repeated, tag = "3")]
    pub keys: Vec<KeyVersion>,
}

/// R does not take something.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Refused {
    /// The key.
    #[prost(string, tag = "1")]
    pub key: String,
    /// The version that was refused.
    #[prost(uint64, tag = "2")]
    pub version: u64,
    /// The version that R has recorded.
    #[prost(uint64, tag = "3")]
    pub held: u64,
    /// The hash of what R holds; empty if it holds nothing.
    #[prost(bytes = "bytes", tag = "4")]
    pub hash: Bytes,
    /// R's table is full.
    #[prost(bool, tag = "5")]
    pub full: bool,
}

/// R lacks a value.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Want {
    /// Of this key,
    #[prost(string, tag = "1")]
    pub key: String,
    /// in this version.
    #[prost(uint64, tag = "2")]
    pub version: u64,
}

/// A piece of a value, in order.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Data {
    /// Of this key,
    #[prost(string, tag = "1")]
    pub key: String,
    /// in this version,
    #[prost(uint64, tag = "2")]
    pub version: u64,
    /// from here.
    #[prost(uint32, tag = "3")]
    pub offset: u32,
    /// The bytes.
    #[prost(bytes = "bytes", tag = "4")]
    pub bytes: Bytes,
}

/// The end of a round.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Settled {
    /// Which round.
    #[prost(uint32, tag = "1")]
    pub round: u32,
    /// Something got lost: begin another one.
    #[prost(bool, tag = "2")]
    pub again: bool,
}

impl From<Body> for Message {
    fn from(body: Body) -> Self {
        Self { body: Some(body) }
    }
}
