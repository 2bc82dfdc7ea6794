//! The wiring of the tree of one cluster. Read [`run`] aloud.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cedge_api::edgecluster::SubtreeCounts;
use cedge_api::exchange::ClusterFacts;
use cedge_api::{ClusterName, EdgeCluster, EdgeUplink};
use cedge_informer::{Cache, Informers};
use cedge_link::{AcceptorOptions, OpenError, StoreOptions, TableStore};
use cedge_pki::Authority;
use cedge_placement::Labels;
use cedge_propagation::{Child, Here, Lineage, Propagation, Topology};
use cedge_tasks::{Group, OnError, Shutdown};
use k8s_openapi::api::core::v1::Node;
use kube::{Client, ResourceExt as _};
use tokio::sync::watch;

use crate::around::{Around, Place};
use crate::facts::{self, ApiHealth, Constant};
use crate::hub::{self, Denied, Hub, Parts};
use crate::install;
use crate::nodes::{self, Kept, Nodes, PortSettings, Ports};
use crate::reach::{ApiDial, Reach};
use crate::roster;
use crate::uplink::{self, Running, Uplink};

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

/// Sums over the live links of children.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LinkCounters {
    /// How many there are.
    pub live: u32,
    /// Bytes received over them.
    pub bytes_in: u64,
    /// Bytes sent over them.
    pub bytes_out: u64,
}

/// What the uplink counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UplinkCounters {
    /// How often it has come up since the start.
    pub connects: u64,
    /// Whether it is up.
    pub live: bool,
    /// Bytes received since it came up.
    pub bytes_in: u64,
    /// Bytes sent since it came up.
    pub bytes_out: u64,
}

/// A running tree. Cheap to clone.
#[derive(Clone)]
pub struct Tree {
    hub: Hub,
    reach: Reach,
    acceptor: cedge_link::Acceptor,
    propagation: Propagation,
    uplink: Arc<watch::Sender<Option<Running>>>,
}

impl std::fmt::Debug for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tree")
            .field("hub", &self.hub)
            .finish_non_exhaustive()
    }
}

impl Tree {
    /// Takes connections of children (ALPN `edge-link/1`, `edge-join/1`).
    #[must_use]
    pub fn acceptor(&self) -> &cedge_link::Acceptor {
        &self.acceptor
    }

    /// Answers requests at the hub's port.
    #[must_use]
    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    /// Who is below.
    #[must_use]
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// The Missions.
    #[must_use]
    pub fn propagation(&self) -> &Propagation {
        &self.propagation
    }

    /// What the live links of children have carried.
    #[must_use]
    pub fn link_counters(&self) -> LinkCounters {
        let mut sum = LinkCounters::default();
        for session in self.acceptor.sessions() {
            let counters = session.counters();
            sum.live += 1;
            sum.bytes_in += counters.bytes_in;
            sum.bytes_out += counters.bytes_out;
        }
        sum
    }

    /// What the uplink counts, if there is one.
    #[must_use]
    pub fn uplink_counters(&self) -> Option<UplinkCounters> {
        let running = self.uplink.borrow();
        let dialer = &running.as_ref()?.dialer;
        let session = dialer.session();
        let carried = session.as_ref().map(cedge_link::Session::counters);
        let carried = carried.unwrap_or_default();
        Some(UplinkCounters {
            connects: dialer.connects(),
            live: session.is_some(),
            bytes_in: carried.bytes_in,
            bytes_out: carried.bytes_out,
        })
    }
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
    let topology = {
        let (own, hub, slot) = (config.authority.id(), hub.clone(), slot.clone());
        let told = around.clone();
        publish_topology(&around, &tasks, move || compute(&own, &hub, &slot, &told))
    };
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

/// Keeps the uplink that the file says: `cedge join` writes the file and touches the `EdgeUplink`.
struct Uplinks {
    file: Uplink,
    store: TableStore,
    config: Config,
    hub: Hub,
    reach: Reach,
    around: Around,
    slot: Arc<watch::Sender<Option<Running>>>,
    tasks: Group,
}

impl Uplinks {
    /// Starts the uplink, if there is one, and follows changes.
    fn start(self) -> Result<(), Error> {
        let objects: Cache = self.config.informers.of::<EdgeUplink>();
        let woken = Arc::new(watch::channel(0_u64).0);
        let wake = woken.clone();
        objects.subscribe(move |_| wake.send_modify(|n| *n += 1));
        let mut current = self.bring_up(&objects, &woken)?;
        let (mut changes, shutdown) = (woken.subscribe(), self.tasks.shutdown().clone());
        self.tasks.clone().spawn("uplink/follow", async move {
            while let Some(Ok(())) = shutdown.or(changes.changed()).await {
                let known = self.slot.borrow().as_ref().map(|r| r.joined.clone());
                let wanted = match self.file.load() {
                    Ok(wanted) => wanted,
                    Err(error) => {
                        tracing::error!(%error, "the uplink stays as it is");
                        continue;
                    }
                };
                // A renewed certificate is written by the running uplink itself.
                let same = match (&known, &wanted) {
                    (Some(a), Some(b)) => {
                        (&a.parent, &a.addresses, &a.name, a.detached.is_some())
                            == (&b.parent, &b.addresses, &b.name, b.detached.is_some())
                    }
                    (None, None) => true,
                    (Some(_), None) | (None, Some(_)) => false,
                };
                if !same {
                    drop(current.take());
                    match self.bring_up(&objects, &woken) {
                        Ok(running) => current = running,
                        Err(error) => tracing::error!(%error, "the new uplink did not start"),
                    }
                }
            }
            drop(current);
        });
        Ok(())
    }

    /// Starts what the file says; it ends when the trigger is dropped.
    fn bring_up(
        &self,
        objects: &Cache,
        woken: &Arc<watch::Sender<u64>>,
    ) -> Result<Option<cedge_tasks::Trigger>, Error> {
        let Some(joined) = self.file.load()? else {
            self.slot.send_replace(None);
            return Ok(None);
        };
        let (stop, shutdown) = self.tasks.shutdown().child();
        let tasks = Group::new(shutdown);
        let parts = uplink::Parts {
            store: self.store.clone(),
            around: self.around.clone(),
            tasks: tasks.clone(),
            reach: self.reach.clone(),
            own_labels: self.config.labels.clone(),
            silence: self.config.silence,
            wake: woken.clone(),
        };
        let replaced = joined.replaced.clone();
        let running = uplink::start(&self.file, joined, &parts)?;
        let place = self.around.place();
        self.around.set_place(Place { replaced, ..place });
        self.slot.send_replace(Some(running.clone()));
        self.around.changed();
        let (hub, shared, told) = (self.hub.clone(), running.clone(), self.around.clone());
        tasks.supervise("uplink/reporting", OnError::Restart, move || {
            uplink::report(hub.clone(), shared.clone(), told.news())
        });
        let (client, own) = (self.config.client.clone(), self.config.authority.id());
        let (objects, around, woken) = (objects.clone(), self.around.clone(), woken.clone());
        tasks.supervise("uplink/status", OnError::Restart, move || {
            let (client, own) = (client.clone(), own.clone());
            uplink::show(
                client,
                own,
                objects.clone(),
                running.clone(),
                around.clone(),
                woken.subscribe(),
            )
        });
        Ok(Some(stop))
    }
}

/// Tells propagation who is in the tree, whenever that changes. What changes while the first answer is computed is
/// not missed.
fn publish_topology(
    around: &Around,
    tasks: &Group,
    compute: impl Fn() -> Topology + Send + 'static,
) -> watch::Receiver<Arc<Topology>> {
    let mut news = around.news();
    let (published, topology) = watch::channel(Arc::new(compute()));
    let shutdown = tasks.shutdown().clone();
    tasks.spawn("tree/topology", async move {
        while let Some(Ok(())) = shutdown.or(news.changed()).await {
            let now = compute();
            if !is_same(&published.borrow(), &now) {
                published.send_replace(Arc::new(now));
            }
        }
    });
    topology
}

fn compute(
    own: &cedge_api::ClusterId,
    hub: &Hub,
    uplink: &watch::Sender<Option<Running>>,
    around: &Around,
) -> Topology {
    let place = around.place();
    let children = hub.children.all().into_iter().filter_map(|child| {
        let object = hub
            .clusters
            .decode::<EdgeCluster>("", child.name.as_str())
            .ok()
            .flatten()?;
        let shown = Child {
            missions: child.missions_port.clone(),
            reports: child.reports_port.clone(),
            roster: roster::for_placement(&child, object.labels()),
            connected: child.is_connected(),
            as_of: child.last_heard.clone(),
            cordoned: object.spec.cordoned,
            paused: object.spec.paused
                || !object.spec.approved
                || object.metadata.deletion_timestamp.is_some(),
        };
        Some((child.name.clone(), shown))
    });
    Topology {
        here: Here {
            id: own.clone(),
            name: hub.parts.name.clone(),
            labels: place.labels,
            replaced: place.replaced,
        },
        children: children.collect(),
        parent: uplink.borrow().as_ref().map(|r| r.tables.ports.clone()),
    }
}

/// Whether two topologies lead to the same decisions.
fn is_same(a: &Topology, b: &Topology) -> bool {
    let child = |a: &Child, b: &Child| {
        Arc::ptr_eq(&a.missions, &b.missions)
            && a.roster == b.roster
            && (a.connected, &a.as_of, a.cordoned, a.paused)
                == (b.connected, &b.as_of, b.cordoned, b.paused)
    };
    a.here.labels == b.here.labels
        && a.here.replaced == b.here.replaced
        && same_parent(a, b)
        && a.children.len() == b.children.len()
        && a.children
            .iter()
            .all(|(name, c)| b.children.get(name).is_some_and(|d| child(c, d)))
}

fn same_parent(a: &Topology, b: &Topology) -> bool {
    match (&a.parent, &b.parent) {
        (Some(a), Some(b)) => Arc::ptr_eq(&a.missions, &b.missions),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

impl Hub {
    /// What this cluster says of itself.
    pub(crate) fn own_facts(&self) -> ClusterFacts {
        let missions = self
            .parts
            .missions
            .get()
            .map(Propagation::counts)
            .unwrap_or_default();
        let nodes = facts::nodes(&self.parts.node_cache);
        let health = self.parts.health.borrow().clone();
        facts::facts(
            &self.parts.constant,
            &health,
            nodes,
            &missions,
            self.subtree(),
        )
    }

    fn subtree(&self) -> SubtreeCounts {
        let mut sum = SubtreeCounts::default();
        for (child, line) in self.lines() {
            let below = roster::subtree(&child.roster, child.is_connected());
            let own = roster::count(&line);
            sum.clusters += below.clusters + own.clusters;
            sum.healthy += below.healthy + own.healthy;
            sum.unreachable += below.unreachable + own.unreachable;
            sum.unhealthy += below.unhealthy + own.unhealthy;
            sum.nodes += below.nodes + own.nodes;
            sum.depth = sum.depth.max(below.depth + 1);
        }
        sum
    }

    /// The roster that this cluster sends up.
    pub(crate) fn roster_up(&self) -> std::collections::BTreeMap<String, Vec<u8>> {
        roster::upward(&self.lines())
    }

    fn lines(&self) -> Vec<(hub::ChildState, cedge_api::exchange::RosterLine)> {
        let lines = self.children.all().into_iter().filter_map(|child| {
            let object = self
                .clusters
                .decode::<EdgeCluster>("", child.name.as_str())
                .ok()
                .flatten()?;
            let facts = hub::facts_of(&child);
            let state = hub::state_of(&object, child.is_connected(), facts.as_ref());
            let (below, complete) = roster::read(&child.roster);
            let leaf = below.is_empty() && complete;
            let line = roster::own_line(&child, state, object.labels(), facts.as_ref(), leaf);
            Some((child, line))
        });
        lines.collect()
    }

    /// From now on the own line counts Missions.
    fn count_missions(&self, propagation: &Propagation) {
        let _ = self.parts.missions.set(propagation.clone());
        let around = self.parts.around.clone();
        propagation.on_change(move || around.changed());
        self.parts.around.changed();
    }
}

#[cfg(test)]
mod tests;
