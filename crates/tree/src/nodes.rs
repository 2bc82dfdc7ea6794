//! Nodes that hang on this hub: each gets the pods that are bound to it and what these refer to; what it says of
//! them and of itself is written to the API in its name. A node of ours never speaks to the API itself.

mod api_writes;
mod handover;
mod keeper;
mod kept;
mod lost;
mod ports;
mod services;
mod tokens;
mod volumes;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use cedge_api::{ClusterId, ClusterName};
use cedge_informer::{Cache, Informers};
use cedge_link::{
    Admission, PeerId, Reader, Refusal, RefusalReason, Session, TableStore, Writer, tables,
};
use cedge_tasks::Group;
use k8s_openapi::api::core::v1::{
    ConfigMap, Node, PersistentVolume, PersistentVolumeClaim, Pod, Secret, Service,
};
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt as _};
use serde_json::json;
use tokio::sync::watch;

pub(crate) use kept::Kept;
pub use ports::PortSettings;
pub(crate) use ports::{Port, Ports};

/// Annotation of a Node: the identity that its link must have.
pub(crate) const IDENTITY: &str = "edge.centaurus.io/identity";
/// Name of the index of pods by node.
pub(crate) const BY_NODE: &str = "node";
const MANAGER: &str = "cedge-hub";

pub use lost::NODE_GRACE;

/// The tables of one node.
#[derive(Debug, Clone)]
pub(crate) struct NodeTables {
    pub(crate) pods: Writer,
    pub(crate) objects: Writer,
    pub(crate) node: Reader,
    pub(crate) pod_status: Reader,
    pub(crate) events: Reader,
}

/// One node.
#[derive(Debug, Clone)]
pub(crate) struct NodeState {
    pub(crate) name: String,
    pub(crate) id: ClusterId,
    pub(crate) tables: NodeTables,
    pub(crate) session: watch::Sender<Option<Session>>,
    /// Where the API server finds it, unless the hub is in the same process.
    pub(crate) port: Option<Port>,
}

impl NodeState {
    fn is_connected(&self) -> bool {
        let session = self.session.borrow();
        session.as_ref().is_some_and(|s| !s.is_closed())
    }
}

/// Caches that all keepers share.
#[derive(Debug, Clone)]
pub(crate) struct Caches {
    pub(crate) pods: Cache,
    pub(crate) config_maps: Cache,
    pub(crate) secrets: Cache,
    pub(crate) services: Cache,
    pub(crate) claims: Cache,
    pub(crate) volumes: Cache,
}

impl Caches {
    fn all(&self) -> [&Cache; 6] {
        [
            &self.pods,
            &self.config_maps,
            &self.secrets,
            &self.services,
            &self.claims,
            &self.volumes,
        ]
    }
}

/// How a hub treats its nodes.
#[derive(Clone)]
pub(crate) struct Settings {
    /// How long a node may be without a link before it counts as lost.
    pub(crate) grace: Duration,
    /// Where the API server finds them, unless the hub is in the same process.
    pub(crate) ports: Option<Ports>,
    /// What the API lost and nodes still hold.
    pub(crate) kept: Kept,
}

/// All nodes of this hub. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Nodes {
    pub(crate) client: Client,
    store: TableStore,
    tasks: Group,
    pub(crate) caches: Caches,
    settings: Settings,
    address: services::ApiAddress,
    map: Arc<Mutex<BTreeMap<String, NodeState>>>,
}

impl Nodes {
    pub(crate) fn new(
        client: Client,
        store: TableStore,
        informers: &Informers,
        settings: Settings,
        tasks: Group,
    ) -> Self {
        let caches = Caches {
            pods: informers.of::<Pod>(),
            config_maps: informers.of::<ConfigMap>(),
            secrets: informers.of::<Secret>(),
            services: informers.of::<Service>(),
            claims: informers.of::<PersistentVolumeClaim>(),
            volumes: informers.of::<PersistentVolume>(),
        };
        caches.pods.index(BY_NODE, |object| {
            let pod: Option<NodeOf> = object.decode().ok();
            pod.and_then(|p| p.spec.node_name).into_iter().collect()
        });
        Self {
            client,
            store,
            tasks,
            caches,
            settings,
            address: services::ApiAddress::default(),
            map: Arc::default(),
        }
    }

    /// Takes up the nodes that hung here before: pods are handed over, and taken back, whether they are connected or
    /// not.
    pub(crate) async fn resume(&self, cache: &Cache) -> Result<(), kube::Error> {
        let api: Api<Node> = Api::all(self.client.clone());
        let this = self.clone();
        cache.subscribe(move |change| {
            if let cedge_informer::Change::Deleted(object) = change {
                this.forget(object.name());
            }
        });
        for node in api.list(&kube::api::ListParams::default()).await? {
            let id = node
                .annotations()
                .get(IDENTITY)
                .and_then(|i| i.parse::<ClusterId>().ok());
            if let Some(id) = id
                && let Err(refusal) = self.open(&node.name_any(), &id, port_of(&node))
            {
                tracing::warn!(node = node.name_any(), %refusal, "node not taken up");
            }
        }
        Ok(())
    }

    pub(crate) fn session_of(&self, name: &str) -> Option<Session> {
        let session = self
            .lock()
            .get(name)
            .and_then(|n| n.session.borrow().clone());
        session.filter(|s| !s.is_closed())
    }

    /// The identity that a Node belongs to.
    pub(crate) async fn identity_of(&self, name: &str) -> Result<Option<String>, Refusal> {
        let api: Api<Node> = Api::all(self.client.clone());
        let found = api.get_opt(name).await.map_err(|e| unavailable(&e))?;
        Ok(found.and_then(|n| n.annotations().get(IDENTITY).cloned()))
    }

    /// Creates the Node of one that joins.
    pub(crate) async fn register(
        &self,
        name: &ClusterName,
        who: &ClusterId,
        labels: &BTreeMap<String, String>,
    ) -> Result<(), Refusal> {
        let api: Api<Node> = Api::all(self.client.clone());
        let node = json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": { "name": name.as_str(), "labels": labels, "annotations": { IDENTITY: who.as_str() } },
        });
        let apply = PatchParams::apply(MANAGER).force();
        let applied = api.patch(name.as_str(), &apply, &Patch::Apply(node)).await;
        applied.map(drop).map_err(|e| unavailable(&e))
    }

    /// Lets a known node in. One whose object is gone registers again (I3).
    pub(crate) async fn admit(&self, peer: &PeerId) -> Result<Admission, Refusal> {
        match self.identity_of(&peer.name).await? {
            Some(id) if id != peer.id.as_str() => {
                let message = format!("node {} here has another identity ({id})", peer.name);
                return Err(Refusal::new(RefusalReason::NameTaken, message));
            }
            Some(_) => {}
            None => {
                let name = peer.name.parse::<ClusterName>();
                let name =
                    name.map_err(|e| Refusal::new(RefusalReason::BadRequest, e.to_string()))?;
                self.register(&name, &peer.id, &BTreeMap::new()).await?;
            }
        }
        let t = self.open(&peer.name, &peer.id, 0)?.tables;
        let tables = vec![
            t.pods.into(),
            t.objects.into(),
            t.node.into(),
            t.pod_status.into(),
            t.events.into(),
        ];
        Ok(Admission { tables })
    }

    pub(crate) fn connected(&self, session: Session) {
        if let Some(node) = self.lock().get(&session.peer().name) {
            node.session.send_replace(Some(session));
        }
    }

    /// Forgets a node whose object was deleted.
    pub(crate) fn forget(&self, name: &str) {
        self.lock().remove(name);
    }

    /// `port` is the one that its Node showed before.
    fn open(&self, name: &str, id: &ClusterId, port: u16) -> Result<NodeState, Refusal> {
        let mut map = self.lock();
        if let Some(node) = map.get(name).filter(|n| n.id == *id) {
            return Ok(node.clone());
        }
        let disk =
            |e: cedge_link::TableError| Refusal::new(RefusalReason::Unavailable, e.to_string());
        let tables = NodeTables {
            pods: self.store.writer(id, tables::PODS).map_err(disk)?,
            objects: self.store.writer(id, tables::OBJECTS).map_err(disk)?,
            node: self.store.reader(id, tables::NODE).map_err(disk)?,
            pod_status: self.store.reader(id, tables::PODSTATUS).map_err(disk)?,
            events: self.store.reader(id, tables::EVENTS).map_err(disk)?,
        };
        let node = NodeState {
            name: name.to_owned(),
            id: id.clone(),
            tables,
            session: watch::channel(None).0,
            port: self
                .settings
                .ports
                .as_ref()
                .map(|ports| ports.open(self, name, port, &self.tasks)),
        };
        map.insert(name.to_owned(), node.clone());
        keeper::start(self, node.clone(), &self.tasks);
        Ok(node)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, NodeState>> {
        self.map
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The port at which a Node was found before.
fn port_of(node: &Node) -> u16 {
    let endpoints = node
        .status
        .as_ref()
        .and_then(|s| s.daemon_endpoints.clone());
    let port = endpoints.and_then(|e| e.kubelet_endpoint).map(|e| e.port);
    port.and_then(|p| u16::try_from(p).ok()).unwrap_or_default()
}

fn unavailable(error: &kube::Error) -> Refusal {
    Refusal::new(
        RefusalReason::Unavailable,
        format!("the parent's API does not answer: {error}"),
    )
}

/// The part of a Pod that the index needs.
#[derive(serde::Deserialize)]
struct NodeOf {
    spec: NodeOfSpec,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct NodeOfSpec {
    node_name: Option<String>,
}
