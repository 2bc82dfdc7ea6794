//! Proof: whatever parses what strangers send neither panics nor takes forever.
//!
//! [`TARGETS`] names a function for each parser, with seeds to begin from. The binary `fuzz` (feature `libfuzzer`) hands one
//! of them to libFuzzer, which looks for inputs that reach new code; `cargo xtask fuzz SECONDS` builds and runs all of
//! them. Without it, `tests/seeds.rs` gives each the seeds and some thousand mutations of them.

#![warn(missing_docs)]

#[cfg(feature = "api")]
mod api;
mod targets;

pub use targets::{TARGETS, Target, named};
