//! Words: the messages of a link.
//!
//! What it is: what two ends of a link say to each other, as protobuf messages, the framing around them, and a limit on
//! every size. What it never does: I/O. Decoding what a stranger sent gives an error, never a panic.
//! Start reading at [`link::Frame`], then [`table::Message`], whose protocol `sync/ALGORITHM.md` explains.
#![warn(missing_docs)]

pub mod frame;
pub mod join;
pub mod limits;
pub mod link;
pub mod table;

pub use frame::{WireError, decode, encode, frame_length};

/// ALPN of a link.
pub const ALPN_LINK: &[u8] = b"edge-link/1";
/// ALPN of joining.
pub const ALPN_JOIN: &[u8] = b"edge-join/1";
/// The oldest protocol version that we speak.
pub const VERSION_MIN: u32 = 1;
/// The newest protocol version that we speak.
pub const VERSION_MAX: u32 = 1;

/// What a stream is for: the first byte of it, from the end that opened it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StreamKind {
    /// Link frames and tables; one per link, opened by the child.
    Sync,
    /// HTTP/1.1.
    Request,
    /// Bytes for somebody further away.
    Relay,
}

impl StreamKind {
    /// As it is written.
    #[must_use]
    pub fn to_byte(self) -> u8 {
        match self {
            Self::Sync => 1,
            Self::Request => 2,
            Self::Relay => 3,
        }
    }

    /// As it is read; `None` for a kind that a newer program knows.
    #[must_use]
    pub fn from_byte(byte: u8) -> Option<Self> {
        [Self::Sync, Self::Request, Self::Relay]
            .into_iter()
            .find(|kind| kind.to_byte() == byte)
    }
}

#[cfg(test)]
mod tests;
