//! The API as its clients see it: in one process, without a socket.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::needless_pass_by_value,
    clippy::too_many_arguments,
    clippy::too_many_lines,
    reason = "a test, all of it: helpers included"
)]

mod support;

mod access;
mod audited;
mod bootstrapped;
mod clients;
mod conversions;
mod custom;
mod delete;
mod extensions;
mod killed;
mod kubectl;
mod lists;
mod nodes;
mod patches;
mod paths;
mod policies;
mod proxied;
mod quota;
mod usage;
mod watches;
mod webhooks;
mod websockets;
mod writes;
