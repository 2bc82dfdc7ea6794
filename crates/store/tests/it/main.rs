//! The store from outside: what its users rely on.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, its helpers too"
)]

mod behaviour;
mod crash;
mod folder;
mod full_disk;
mod model;
mod opening;
mod watching;
