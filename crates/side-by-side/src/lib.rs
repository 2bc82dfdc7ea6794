//! Proof: our API server beside a real kube-apiserver, exchange by exchange.
//!
//! A [`Sequence`] of requests (see [`corpus`]) is sent to both at the same time, each request after the answers to the
//! one before; status, the headers that clients read, and bodies are compared after replacing what must differ: uids,
//! times, revisions, addresses (see [`alike`]). The real one is the oracle of `tests/oracle`, found through
//! `KUBEBUILDER_ASSETS`; on a machine without it the test says that it is skipped. A second corpus, of kubectl commands, is
//! compared by what they print (see [`script`]).

pub mod alike;
pub mod corpus;
pub mod echo;
pub mod script;
pub mod sequence;
pub mod server;
pub mod session;

pub use alike::{Difference, differences};
pub use sequence::{Answer, Sequence, Step};
pub use server::{Ours, Real, Server};
pub use session::Session;
