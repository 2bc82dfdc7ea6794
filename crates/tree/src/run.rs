//! The wiring of the tree of one cluster. Read [`run`] aloud.

mod topology;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cedge_api::ClusterName;
use cedge_informer::Informers;
use cedge_link::{AcceptorOptions, OpenError, StoreOptions, TableStore};
use cedge_pki::Authority;
use cedge_placement::Labels;
use cedge_propagation::Lineage;
use cedge_tasks::{Group, Shutdown};
use k8s_openapi::api::core::v1::Node;
use kube::Client;
use tokio::sync::watch;

use crate::around::{Around, Place};
use crate::facts::{self, ApiHealth, Constant};
use crate::hub::{self, Denied, Hub, Parts};
use crate::install;
use crate::nodes::{self, Kept, Nodes, PortSettings, Ports};
use crate::reach::{ApiDial, Reach};
use crate::tree::Tree;
use crate::uplink::{self, Running, Uplink, Uplinks};

/// What a tree is started with.
#[derive(Clone)]
pub struct Config {
    /// The cluster's API, with the rights of cluster-admin.
    pub client: Client,
    /// A shared cache of its objects.
    pub informers: Informers,
    /// Raw connections to the same API, for what comes from above.
    pub api: Arc<dyn ApiDial>,
    /// The cluster's identity.
    pub authority: Arc<Authority>,
    /// The tree's own data.
    pub data_dir: PathBuf,
    /// The cluster's name.
    pub name: ClusterName,
    /// Its own labels.
    pub labels: Labels,
    /// `embedded`, `k3s`, `k8s`.
    pub flavor: String,
    /// After how much silence a link is given up; 45 s.
    pub silence: Duration,
    /// After how much silence, or time without a link, a node counts as lost; [`NODE_GRACE`](crate::NODE_GRACE).
    pub node_grace: Duration,
    /// The `ClusterRole` of callers from above, until somebody here binds another; `cluster-admin`.
    pub parent_role: String,
    /// Where the hub listens, to be told to those who ask for it.
    pub hub: SocketAddr,
    /// Ports in the nodes' names, where the API server is another process.
    pub ports: Option<PortSettings>,
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("name", &self.name)
            .field("data_dir", &self.data_dir)
            .finish_non_exhaustive()
    }
}

/// Why the tree did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cluster could not be prepared.
    #[error(transparent)]
    Install(#[from] install::Error),
    /// The tables.
    #[error("the tree's tables cannot be opened")]
    Tables(#[from] OpenError),
    /// One table.
    #[error("a table of the tree cannot be read")]
    Table(#[from] cedge_link::TableError),
    /// The cluster's API.
    #[error("the cluster's API does not answer")]
    Api(#[from] kube::Error),
    /// What is remembered of the parent.
    #[error(transparent)]
    Uplink(#[from] uplink::FileError),
    /// The disk.
    #[error(transparent)]
    Disk(#[from] cedge_pki::files::FileError),
}

/// Starts hub, uplink and Missions of a cluster.
///
/// # Errors
/// See [`Error`]; run it again when the cause is gone.
pub async fn run(config: Config, shutdown: Shutdown) -> Result<Tree, Error> {
    let tasks = Group::new(shutdown.clone());
    cedge_pki::files::private_dir(&config.data_dir)?;
    Box::pin(install::install(&config.client)).await?;
    install::bind_parent(&config.client, &config.parent_role).await?;
    let store = TableStore::open(
        &config.data_dir.join("tables.redb"),
        &StoreOptions::default(),
    )?;
    let uplink_file = Uplink::new(&config.data_dir, config.authority.clone());
    let joined = uplink_file.load()?;
    let around = Around::new(Place {
        labels: config.labels.clone(),
        replaced: joined
            .as_ref()
            .map(|j| j.replaced.clone())
            .unwrap_or_default(),
        ..Place::default()
    });
    let lineage = Lineage::open(config.data_dir.join("api-lineage.json"));
    lineage.ask(&config.client).await?;
    let kept = Kept::open(config.data_dir.join("kept.json"), lineage.regressions());
    let hub = start_hub(&config, &store, kept, &around, &tasks).await?;
    let reach = Reach::new(hub.clone(), config.api.clone(), shutdown.clone());
    let options = AcceptorOptions {
        silence: config.silence,
        node_silence: config.node_grace,
        name: config.name.to_string(),
    };
    let acceptor = hub::acceptor(&hub, options);
    let slot: Arc<watch::Sender<Option<Running>>> = Arc::new(watch::channel(None).0);
    let uplinks = Uplinks {
        file: uplink_file,
        store,
        config: config.clone(),
        hub: hub.clone(),
        reach: reach.clone(),
        around: around.clone(),
        slot: slot.clone(),
        tasks: tasks.clone(),
    };
    uplinks.start()?;
    let topology = topology::publish(&config.authority.id(), &hub, &slot, &around, &tasks);
    let propagation =
        cedge_propagation::run(config.client.clone(), lineage, topology, shutdown).await;
    hub.count_missions(&propagation);
    Ok(Tree {
        hub,
        reach,
        acceptor,
        propagation,
        uplink: slot,
    })
}

async fn start_hub(
    config: &Config,
    store: &TableStore,
    kept: Kept,
    around: &Around,
    tasks: &Group,
) -> Result<Hub, Error> {
    let denied = Denied::load(config.client.clone(), config.data_dir.join("denied.json")).await?;
    let nodes = Nodes::new(
        config.client.clone(),
        store.clone(),
        &config.informers,
        nodes::Settings {
            grace: config.node_grace,
            ports: config.ports.clone().and_then(Ports::new),
            kept,
        },
        tasks.clone(),
    );
    let health = watch::channel(ApiHealth {
        trouble: None,
        version: String::new(),
    })
    .0;
    let hub = Hub::start(Parts {
        client: config.client.clone(),
        authority: config.authority.clone(),
        name: config.name.clone(),
        store: store.clone(),
        tasks: tasks.clone(),
        informers: config.informers.clone(),
        denied,
        nodes: nodes.clone(),
        around: around.clone(),
        node_cache: config.informers.of::<Node>(),
        silence: config.silence,
        constant: Constant {
            flavor: config.flavor.clone(),
            labels: config.labels.clone(),
        },
        health: health.clone(),
        missions: std::sync::OnceLock::new(),
    });
    nodes.resume(&hub.parts.node_cache).await?;
    hub.clusters.synced().await;
    let (client, told, shutdown) = (
        config.client.clone(),
        around.clone(),
        tasks.shutdown().clone(),
    );
    let mut changes = health.subscribe();
    tasks.spawn("tree/api-health", async move {
        shutdown.or(facts::probe(client, health)).await;
    });
    let shutdown = tasks.shutdown().clone();
    tasks.spawn("tree/api-health-news", async move {
        while let Some(Ok(())) = shutdown.or(changes.changed()).await {
            told.changed();
        }
    });
    let told = around.clone();
    hub.parts.node_cache.subscribe(move |_| told.changed());
    Ok(hub)
}
