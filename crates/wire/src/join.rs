//! What is said when a stranger joins: one request, one answer.

use std::collections::BTreeMap;

use crate::link::Goodbye;

/// A stranger asks for a certificate.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Request {
    /// The oldest protocol version it speaks.
    #[prost(uint32, tag = "1")]
    pub version_min: u32,
    /// The newest protocol version it speaks.
    #[prost(uint32, tag = "2")]
    pub version_max: u32,
    /// Which token it has.
    #[prost(string, tag = "3")]
    pub token_id: String,
    /// What proves it.
    #[prost(string, tag = "4")]
    pub token_secret: String,
    /// The certificate request, DER.
    #[prost(bytes = "vec", tag = "5")]
    pub csr: Vec<u8>,
    /// The name it wants.
    #[prost(string, tag = "6")]
    pub name: String,
    /// `cluster` or `node`.
    #[prost(string, tag = "7")]
    pub kind: String,
    /// Labels and facts.
    #[prost(btree_map = "string, string", tag = "8")]
    pub labels: BTreeMap<String, String>,
    /// Its clock, in seconds since 1970.
    #[prost(int64, tag = "9")]
    pub clock: i64,
    /// SHA-256 of the CA that it expects, from the token.
    #[prost(bytes = "vec", tag = "10")]
    pub ca_sha256: Vec<u8>,
}

/// The hub's answer.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Answer {
    /// The chain, DER, leaf first; empty if refused.
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub chain: Vec<Vec<u8>>,
    /// The hub's CA, DER.
    #[prost(bytes = "vec", tag = "2")]
    pub ca: Vec<u8>,
    /// The hub's identity.
    #[prost(string, tag = "3")]
    pub parent_id: String,
    /// The hub's name.
    #[prost(string, tag = "4")]
    pub parent_name: String,
    /// The name that was given.
    #[prost(string, tag = "5")]
    pub name: String,
    /// The hub's clock, in seconds since 1970.
    #[prost(int64, tag = "6")]
    pub clock: i64,
    /// Why not.
    #[prost(message, optional, tag = "7")]
    pub refused: Option<Goodbye>,
}
