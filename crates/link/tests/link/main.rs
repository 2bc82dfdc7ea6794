//! Links over real TLS on loopback, with a relay between both ends that can cut, swallow, delay and count.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    unreachable_pub,
    missing_debug_implementations,
    reason = "a test: it may stop where it stands"
)]

mod creating;
mod full_disk;
mod joining;
mod lifetime;
mod relay;
mod support;
mod tables;
mod volume;
