//! What the two ends of a link say about the link itself.

use crate::table;

/// Everything that travels in the sync stream.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Frame {
    /// What it is. Absent for what a newer program says: it is skipped.
    #[prost(oneof = "Body", tags = "1, 2, 3, 4, 5, 6")]
    pub body: Option<Body>,
}

/// The kinds of frame.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Body {
    /// First, from both ends.
    #[prost(message, tag = "1")]
    Hello(Hello),
    /// About one table.
    #[prost(message, tag = "2")]
    Table(TableFrame),
    /// Still here.
    #[prost(message, tag = "3")]
    Heartbeat(Heartbeat),
    /// Last, with a reason.
    #[prost(message, tag = "4")]
    Goodbye(Goodbye),
    /// A child wants a new certificate.
    #[prost(message, tag = "5")]
    Renew(Renew),
    /// The answer.
    #[prost(message, tag = "6")]
    Renewed(Renewed),
}

/// Who speaks, and what there is to talk about.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Hello {
    /// The oldest protocol version it speaks.
    #[prost(uint32, tag = "1")]
    pub version_min: u32,
    /// The newest protocol version it speaks.
    #[prost(uint32, tag = "2")]
    pub version_max: u32,
    /// Its name, for people; who it is, its certificate says.
    #[prost(string, tag = "3")]
    pub name: String,
    /// After how many milliseconds of silence it gives the link up.
    #[prost(uint64, tag = "4")]
    pub silence_millis: u64,
    /// Its clock, in seconds since 1970: to say whose is wrong, never for order (I9).
    #[prost(int64, tag = "5")]
    pub clock: i64,
    /// The tables that it has an end of.
    #[prost(message, repeated, tag = "6")]
    pub tables: Vec<Table>,
    /// Only a renewal will be served: the child's certificate has expired.
    #[prost(bool, tag = "7")]
    pub renewal_only: bool,
    /// What built it.
    #[prost(string, tag = "8")]
    pub program: String,
}

/// One end of a table.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Table {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Whether the speaker writes it.
    #[prost(bool, tag = "2")]
    pub writes: bool,
}

/// A message about one table.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TableFrame {
    /// Its name.
    #[prost(string, tag = "1")]
    pub table: String,
    /// The message.
    #[prost(message, optional, tag = "2")]
    pub message: Option<table::Message>,
}

/// Still here: nothing else.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Heartbeat {}

/// Why the speaker ends the link.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Goodbye {
    /// A stable word.
    #[prost(string, tag = "1")]
    pub reason: String,
    /// For people.
    #[prost(string, tag = "2")]
    pub message: String,
}

/// A child wants a new certificate for its key.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Renew {
    /// The certificate request, DER.
    #[prost(bytes = "vec", tag = "1")]
    pub csr: Vec<u8>,
}

/// The answer to [`Renew`].
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Renewed {
    /// The chain, DER, leaf first; empty if refused.
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub chain: Vec<Vec<u8>>,
    /// Why not.
    #[prost(message, optional, tag = "2")]
    pub refused: Option<Goodbye>,
}
