//! Worker: runs the pods of a node, offline too.
//!
//! Stations 8 (run) and 9 (observe) of the walk. Before: the scheduler bound a pod to this node, and the hub put it into the
//! table `pods`. After: the pod's status is in the table `podstatus`. Durable: both tables (the link keeps them on disk), what
//! the runtime knows of each container, and the last status of each pod: a node boots with all its pods and no network.
//! One task for each pod (`worker`) does what `cedge_pod_lifecycle` says. Never: dials anybody, asks an API server,
//! takes the absence of a pod for its deletion. Start reading at [`run`], then `pods`, then `worker`.

mod admission;
mod config;
mod env;
mod events;
mod facts;
mod fields;
mod hooks;
pub mod lab;
mod objects;
mod pods;
mod ports;
mod probe;
mod server;
mod service_env;
mod statuses;
mod storage;
mod tables;
mod volumes;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use cedge_pod_lifecycle::{Now, Place};
use cedge_runtime::{Options, ProcessRuntime, Runtime};
use cedge_tasks::{Group, OnError, Shutdown, clock};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

pub use config::Config;
pub use server::NodeStream;
pub use tables::{Change, Handover, Reports, TableError, Tables};

/// Why a node cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The runtime does not come up.
    #[error("the process runtime does not come up")]
    Runtime(#[source] cedge_runtime::Error),
    /// The data directory cannot be used.
    #[error("could not use the data directory")]
    Data(#[source] std::io::Error),
}

/// What all parts of a node share.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) config: Config,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) objects: objects::Objects,
    pub(crate) events: events::Recorder,
    pub(crate) statuses: statuses::Statuses,
    pub(crate) admission: admission::Admission,
    pub(crate) rates: server::Rates,
    pub(crate) place: watch::Receiver<Place>,
    pub(crate) pods: pods::Directory,
    pub(crate) tasks: Group,
    begin: Instant,
}

/// Runs a node until `shutdown`: its pods, its facts, its server on the `streams` that a hub opens. The pods go on
/// without us, and are adopted by the next run.
///
/// # Errors
/// When it cannot begin; what goes wrong later is retried.
pub async fn run(
    config: Config,
    tables: Tables,
    streams: mpsc::Receiver<NodeStream>,
    shutdown: Shutdown,
) -> Result<(), Error> {
    let mut options = Options::new(config.data_dir.clone());
    options.shim.clone_from(&config.shim);
    options.masks.clone_from(&config.masks);
    options.isolation = config.isolation;
    let runtime = ProcessRuntime::open(options)
        .await
        .map_err(Error::Runtime)?;
    let tasks = Group::new(shutdown.clone());
    let (facts, place) = facts::Reporter::new(&config, &runtime, tables.node);
    let (events, events_task) = events::recorder(&config.node_name, tables.events);
    let statuses = statuses::Statuses::open(&config.data_dir, tables.podstatus);
    let node = Arc::new(Node {
        admission: admission::Admission::new(facts.allocatable()),
        rates: server::Rates::default(),
        objects: objects::Objects::new(tables.objects, storage::Storage::new(&config.data_dir)),
        statuses: statuses.map_err(Error::Data)?,
        pods: pods::Directory::default(),
        runtime: Arc::new(runtime),
        events,
        place,
        tasks: tasks.clone(),
        begin: Instant::now(),
        config,
    });
    tasks.supervise("node/facts", OnError::Restart, move || facts.clone().run());
    tasks.spawn("node/events", events_task.run(shutdown.clone()));
    let objects = Arc::clone(&node);
    tasks.supervise("node/objects", OnError::Restart, move || {
        let node = Arc::clone(&objects);
        async move { node.objects.follow().await }
    });
    let serving = server::serve(Arc::clone(&node), streams);
    tasks.spawn("node/server", serving);
    let pods = Arc::clone(&node);
    tasks.supervise("node/pods", OnError::Restart, move || {
        pods::follow(Arc::clone(&pods), Arc::clone(&tables.pods))
    });
    shutdown.wait().await;
    tasks.wait(Duration::from_secs(2)).await;
    Ok(())
}

impl Node {
    pub(crate) fn now(&self) -> Now {
        Now {
            wall: clock::now(),
            elapsed: self.begin.elapsed(),
        }
    }
}
