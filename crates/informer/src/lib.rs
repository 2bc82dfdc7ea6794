//! Tool: one shared cache of object bytes for everything in a process that follows a cluster.
//!
//! What it is: per kind one list and one watch over a [`kube::Client`], whoever and however many ask for it
//! ([`Informers`]); objects kept as the bytes that came, beside a small header, with indices ([`Cache`], [`Object`]); a
//! work queue that feeds reconcilers ([`Queue`], [`work`]); events with counts ([`Recorder`]).
//! What it never does: keep decoded objects, write anything but Events, know what a kind means.
//!
//! ```no_run
//! # async fn example(client: kube::Client, group: cedge_tasks::Group) {
//! use cedge_informer::{Informers, Key, Next, Queue, work};
//! use k8s_openapi::api::core::v1::Pod;
//!
//! let informers = Informers::new(client, group.clone());
//! let pods = informers.of::<Pod>();
//! let queue: Queue<Key> = Queue::new("example");
//! pods.subscribe({
//!     let queue = queue.clone();
//!     move |change| queue.add(change.object().key().clone())
//! });
//! informers.synced().await;
//! work(&queue, &group, 2, move |key: Key| {
//!     let pod = pods.decode::<Pod>(&key.namespace, &key.name);
//!     async move { pod.map(|_seen| Next::OnChange) }
//! });
//! # }
//! ```
//!
//! Start reading at [`Cache`], then `reflector.rs`.
#![warn(missing_docs)]

mod cache;
mod informers;
mod labels;
mod object;
mod queue;
mod recorder;
mod reflector;
mod selector;
mod workers;

pub use cache::{Cache, Change};
pub use informers::Informers;
pub use labels::Labels;
pub use object::{DecodeError, Key, Object, Owner};
pub use queue::{Lease, Queue};
pub use recorder::{Events, Recorder};
pub use reflector::escape;
pub use selector::{Selector, SelectorError};
pub use workers::{Next, work};
