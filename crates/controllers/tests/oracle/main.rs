//! Our controllers on a real kube-apiserver that runs without its own.
//!
//! `KUBEBUILDER_ASSETS` names the folder with `kube-apiserver`; `etcd` is taken from there or from
//! the path. Without them each test says why it is skipped. `CEDGE_TEST_KUBECONFIG` names a server that is there instead
//! (one without other controllers), and `CEDGE_TEST_CONTROLLERS=theirs` runs Kubernetes' own in place of ours. A kubelet is played by a task that writes statuses.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::too_many_lines,
    reason = "every line here is a test, which clippy sees only in functions that are marked"
)]

mod garbage;
mod jobs;
mod kubelet;
mod nodes;
mod rollout;
mod server;
mod stateful;
mod world;
