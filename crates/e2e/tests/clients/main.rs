//! Programs that others wrote against Kubernetes, at an embedded cluster: they cannot tell the difference.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "every line here is a test, which clippy sees only in functions that are marked"
)]

mod forward;
mod helm;
mod kube_rs;
mod libraries;
mod operator;
