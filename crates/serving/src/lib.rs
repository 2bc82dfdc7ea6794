//! Tool: TLS listeners and HTTP connections, with a limit on everything that a stranger could use up.
//!
//! What it is: [`bind`] takes a port, [`Server`] accepts on it and gives each connection to the HTTP service or, by what
//! its TLS handshake asks for (ALPN), to a handler of raw streams (links use that). What it never does: know a route, a
//! user or a link; stop in the middle of an answer without having asked politely first. Start reading at [`server`].
#![warn(missing_docs)]

mod bind;
mod connection;
mod handshake;
mod http;
mod limits;
pub mod server;
mod socket;
mod splice;
mod stats;

pub use bind::{BindError, bind};
pub use connection::{Connection, Proof};
pub use http::{BoxError, HttpService, serve_stream};
pub use limits::Limits;
pub use server::{Drained, RawConnection, Server};
pub use socket::Socket;
pub use splice::{Spliced, splice};
pub use stats::Stats;

#[cfg(test)]
mod tests;
