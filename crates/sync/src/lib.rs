//! Decision: keyed latest-state exchange between two ends of a link.
//!
//! What it is: two machines without I/O, [`Writer`] and [`Reader`], for the two ends of one table. Messages, time and
//! the answers of a disk go in; messages, things to store and events come out. `ALGORITHM.md` tells the protocol, its
//! invariants and why they hold. What it never does: read a clock, open a file or a value, delete what no tombstone
//! names (I3).
//! Start reading at [`Record`], then [`Writer`].
#![warn(missing_docs)]

mod digest;
mod error;
mod hold;
mod journal;
mod reader;
mod types;
mod writer;

pub use digest::hash_of;
pub use error::ProtocolError;
pub use hold::{HOLD_COUNT_MIN, HOLD_WINDOW, Held, SETTLE_MAX, SETTLE_QUIET};
pub use journal::Save;
pub use reader::{Reader, ReaderEvents};
pub use types::{Content, Hash, Key, Meta, Outgoing, Policy, Record};
pub use writer::{Progress, RESYNC_AFTER, Regression, Writer};
