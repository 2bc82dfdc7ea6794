//! Proof: an API server on loopback for tests of workers, and the real Kubernetes programs beside it.
//!
//! The same test bodies run in every combination, so that what they expect is proven on the real programs:
//!
//! | variable | `theirs` | `ours` |
//! |---|---|---|
//! | `CEDGE_TEST_API` | a real kube-apiserver with etcd (default) | our API server, in this process, over TLS |
//! | `CEDGE_TEST_CONTROLLERS` | the real kube-controller-manager | our controllers (default) |
//! | `CEDGE_TEST_SCHEDULER` | the real kube-scheduler | our scheduler (default) |
//!
//! `KUBEBUILDER_ASSETS` names the folder with the real programs; `etcd` is taken from there or from the path. What is
//! asked for and not there makes a test say why it is skipped. `CEDGE_TEST_KUBECONFIG` names a server that is there
//! already (one without controllers and scheduler).
//!
//! Start with [`Lab::start`], then `objects.rs` for what tests ask of it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, its helpers too"
)]
#![allow(
    missing_docs,
    reason = "every item is used by tests, which say what for"
)]

mod lab;
mod objects;
mod ours;
mod outside;
mod programs;
mod theirs;

pub use lab::{Lab, Skipped, theirs};
pub use objects::{Objects, condition, until, until_some};
pub use outside::{Asked, Outside};
