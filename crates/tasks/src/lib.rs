//! Tool: named tasks, shutdown, back-off, the clock, readiness.
//!
//! What it is: the only place that spawns. Every task has a name, belongs to a [`Group`], and is told to stop by a
//! [`Shutdown`]. What it never does: know what a task is for.
#![warn(missing_docs)]

mod backoff;
pub mod clock;
mod group;
mod readiness;
mod shutdown;

pub use backoff::Backoff;
pub use group::{Group, OnError, spawn};
pub use readiness::{Readiness, Ready};
pub use shutdown::{Shutdown, Trigger, shutdown};
