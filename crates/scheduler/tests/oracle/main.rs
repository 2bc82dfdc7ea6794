//! The scheduler on an API server that runs without one: ours or Kubernetes' own, on a real kube-apiserver or on ours.
//! `cedge-testkit` says how to choose; without the real programs each test says why it is skipped. Nodes are objects
//! only; whoever binds volumes and ends pods is played by the tests.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "every line here is a test, which clippy sees only in functions that are marked"
)]

mod gates;
mod neighbours;
mod preemption;
mod room;
mod speed;
mod volumes;
mod world;
