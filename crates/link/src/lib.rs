//! Tool: the one authenticated connection of a child to its parent, and the tables that it carries.
//!
//! What it is: TLS with pinned identities, streams both ways, and around [`cedge_sync`] the durable tables whose rows
//! travel: a [`Writer`] at one end, a [`Reader`] at the other. The hub's end is [`Acceptor`], the child's [`Dialer`];
//! both give out a [`Session`]. What it never does: open a value (it carries bytes), decide who may join (it asks the
//! [`Hub`]), delete what a tombstone does not name (I3).
//! Start reading at [`tables`], then [`TableStore`], then [`Session`].
#![warn(missing_docs)]

mod acceptor;
mod cell;
mod dial;
mod dialer;
mod error;
mod hub;
mod join;
mod peer;
mod reader;
mod session;
mod store;
pub mod tables;
mod writer;

pub use acceptor::{Acceptor, AcceptorOptions};
pub use dialer::{Credentials, Dialer, DialerHandle, DialerOptions, LinkState, Proxy, Renewed};
pub use error::{ConfirmError, OpenError, SessionError, TableError};
pub use hub::{Admission, Hub, Refusal, RefusalReason};
pub use join::{JoinError, JoinRequest, JoinToken, Joined, join};
pub use peer::{PeerId, PeerKind};
pub use reader::{Change, HeldBatch, Item, Reader};
pub use session::{Closed, Counters, Session, Stream, StreamKind};
pub use store::{StoreOptions, TableStore};
pub use tables::{Endpoint, Policy, TableSpec};
pub use writer::{Delivery, Regressed, Row, Writer};
