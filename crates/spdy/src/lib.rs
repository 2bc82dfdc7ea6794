//! Tool: the server's side of SPDY/3.1, which kubectl speaks to forward ports, and older clients for `exec` and `attach`.
//!
//! What it is: the framing of draft-mbelshe-httpbis-spdy-00 (version 3, with 3.1's frames) as far as Kubernetes' clients use
//! it, over any byte stream: after an HTTP upgrade, or inside of a WebSocket. The client opens streams with a few headers;
//! both ends then send bytes on them. What it never does: open streams itself, carry HTTP, or wait for WINDOW_UPDATE
//! (clients of Kubernetes send none: a reader that does not read holds up its connection, and nobody else).
#![warn(missing_docs)]

mod connection;
mod frame;
mod headers;

pub use connection::{Connection, Reader, Stream, Writer};
pub use headers::Headers;

/// Why a connection ended before its time.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The other end does not speak SPDY/3.1, or asks for more than is allowed here.
    #[error("not SPDY/3.1: {0}")]
    Protocol(&'static str),
    /// The byte stream below failed.
    #[error("the connection failed: {0}")]
    Io(#[from] std::io::Error),
}
