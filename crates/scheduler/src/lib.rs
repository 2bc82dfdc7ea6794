//! Worker: station 7 of the walk, bind: the scheduler picks a node for each pod.
//! Before: a controller made a Pod without a node (expand). After: the node runs it (run).
//! Durable afterwards: the Pod with its node.
//!
//! What it is: an observer of pods and nodes through the shared informers, a queue by priority, a pure decision, and
//! bindings written through a [`kube::Client`], so that it runs against any API server. What it never does: poll, move
//! a pod that has a node, make volumes. A less important pod is deleted where a more important one fits in no other way.
//!
//! Start with [`run`], then `decide.rs` (which node, and who goes for it), `queue.rs` (when), `cluster.rs` (what is
//! known), `worker.rs` (what is written).
#![warn(missing_docs)]

mod cluster;
mod decide;
mod node;
mod pod;
mod queue;
mod resources;
mod terms;
mod volumes;
mod worker;

pub use worker::run;
