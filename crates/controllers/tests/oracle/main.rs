//! The controllers on an API server that runs without any: ours or Kubernetes' own, on a real kube-apiserver or on ours.
//! `cedge-testkit` says how to choose; without the real programs each test says why it is skipped. A kubelet is played
//! by a task that writes statuses.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::too_many_lines,
    reason = "every line here is a test, which clippy sees only in functions that are marked"
)]

mod access;
mod autoscaling;
mod crons;
mod disruption;
mod garbage;
mod jobs;
mod kubelet;
mod measured;
mod nodes;
mod quotas;
mod rollout;
mod services;
mod stateful;
mod volumes;
mod world;
