//! A node: `cedge agent`, and the module `node` of `cedge server`. It joins a hub and keeps one link to it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cedge_api::{ClusterId, ClusterName};
use cedge_link::{
    Credentials, Dialer, DialerHandle, DialerOptions, Endpoint, JoinRequest, LinkState, PeerKind,
    Proxy, StoreOptions, StreamKind, TableStore, tables,
};
use cedge_pki::{JoinToken, Key};
use cedge_tasks::{Group, Shutdown, clock};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::cli::AgentArgs;
use crate::paths;

/// What a node is started with.
pub(crate) struct Node {
    pub(crate) name: ClusterName,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) data_dir: PathBuf,
    pub(crate) node_ip: Option<IpAddr>,
    pub(crate) proxy: Option<String>,
    /// Directories that pods may not see, beside its own.
    pub(crate) masks: Vec<PathBuf>,
    pub(crate) silence: Duration,
}

/// Where this node has joined: one private file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Joined {
    hub: ClusterId,
    hub_name: String,
    name: String,
    addresses: Vec<String>,
    chain: Vec<String>,
    ca: String,
}

const FILE: &str = "joined.json";

pub(crate) async fn run(args: AgentArgs, shutdown: Shutdown) -> anyhow::Result<()> {
    let default_name = || {
        paths::host_name()
            .parse()
            .expect("a host name is made into a DNS label")
    };
    let node = Node {
        name: args.name.unwrap_or_else(default_name),
        labels: args.labels.unwrap_or_default(),
        data_dir: args.data_dir.unwrap_or_else(paths::agent),
        node_ip: args.node_ip,
        proxy: args.proxy,
        masks: Vec::new(),
        silence: Duration::from_secs(45),
    };
    cedge_pki::files::private_dir(&node.data_dir)
        .with_context(|| format!("data directory {}", node.data_dir.display()))?;
    if !has_joined(&node.data_dir) {
        let token = args.join.context(
            "this node has not joined a cluster: make a token there (cedge token create) and say --join TOKEN",
        )?;
        join(&node, &token).await?;
    }
    node.run(shutdown).await
}

/// Whether a node has joined a hub.
pub(crate) fn has_joined(dir: &Path) -> bool {
    dir.join(FILE).exists()
}

/// Joins the hub of a token.
pub(crate) async fn join(node: &Node, token: &str) -> anyhow::Result<()> {
    let token: JoinToken = token.trim().parse()?;
    let key = key(&node.data_dir)?;
    let request = JoinRequest {
        token_id: token.id.clone(),
        token_secret: token.secret.clone(),
        csr: key.request(),
        name: node.name.to_string(),
        kind: PeerKind::Node,
        labels: node.labels.clone(),
        clock: clock::now().as_second(),
    };
    let carried = cedge_link::JoinToken {
        addresses: token.addresses.clone(),
        ca_sha256: token.ca_sha256.0,
        id: token.id,
        secret: token.secret,
    };
    let proxy = node.proxy.clone().map(|address| Proxy {
        address,
        credentials: None,
    });
    let given = cedge_link::join(&carried, request, proxy.as_ref())
        .await
        .context("could not join the cluster")?;
    let joined = Joined {
        hub: given.parent,
        hub_name: given.parent_name,
        name: given.name,
        addresses: token.addresses,
        chain: given.chain.iter().map(|c| BASE64.encode(c)).collect(),
        ca: BASE64.encode(given.ca),
    };
    save(&node.data_dir, &joined)
}

fn key(dir: &Path) -> anyhow::Result<Key> {
    Ok(Key::load_or_create(&dir.join("node.key"))?)
}

fn save(dir: &Path, joined: &Joined) -> anyhow::Result<()> {
    cedge_pki::files::write_private(&dir.join(FILE), &serde_json::to_vec_pretty(joined)?)?;
    Ok(())
}

fn load(dir: &Path) -> anyhow::Result<Joined> {
    let path = dir.join(FILE);
    let bytes =
        cedge_pki::files::read_private(&path)?.context("this node has not joined a cluster")?;
    let damaged = || {
        format!(
            "{} is damaged; remove it and join again with a new token",
            path.display()
        )
    };
    serde_json::from_slice(&bytes).with_context(damaged)
}

impl Node {
    /// Runs until it is told to stop; the pods go on. When it fails, nothing of it runs on.
    pub(crate) async fn run(self, shutdown: Shutdown) -> anyhow::Result<()> {
        let (stop, own) = shutdown.child();
        let tasks = Group::new(own.clone());
        let result = self.work(own, &tasks).await;
        drop(stop);
        tasks.wait(Duration::from_secs(3)).await;
        result
    }

    async fn work(self, shutdown: Shutdown, tasks: &Group) -> anyhow::Result<()> {
        let joined = load(&self.data_dir)?;
        let store = TableStore::open(&self.data_dir.join("tables.redb"), &StoreOptions::default())?;
        let tables = cedge_agent::Tables {
            pods: Arc::new(store.reader(&joined.hub, tables::PODS)?),
            objects: Arc::new(store.reader(&joined.hub, tables::OBJECTS)?),
            node: Arc::new(store.writer(&joined.hub, tables::NODE)?),
            podstatus: Arc::new(store.writer(&joined.hub, tables::PODSTATUS)?),
            events: Arc::new(store.writer(&joined.hub, tables::EVENTS)?),
        };
        let endpoints: Vec<Endpoint> = vec![
            store.reader(&joined.hub, tables::PODS)?.into(),
            store.reader(&joined.hub, tables::OBJECTS)?.into(),
            store.writer(&joined.hub, tables::NODE)?.into(),
            store.writer(&joined.hub, tables::PODSTATUS)?.into(),
            store.writer(&joined.hub, tables::EVENTS)?.into(),
        ];
        let dialer = self.dial(&joined, endpoints, tasks)?;
        let streams = requests(dialer, tasks);
        let mut config = cedge_agent::Config::new(self.data_dir.clone(), joined.name.clone());
        config.labels = self.labels;
        config.masks = self.masks;
        let address = self
            .node_ip
            .or_else(crate::config::own_address)
            .unwrap_or(IpAddr::from([127, 0, 0, 1]));
        config.addresses = vec![address];
        cedge_agent::run(config, tables, streams, shutdown).await?;
        Ok(())
    }

    fn dial(
        &self,
        joined: &Joined,
        endpoints: Vec<Endpoint>,
        tasks: &Group,
    ) -> anyhow::Result<DialerHandle> {
        let chain = joined
            .chain
            .iter()
            .map(|c| BASE64.decode(c))
            .collect::<Result<Vec<_>, _>>();
        let credentials = Credentials {
            chain: chain.context("the node's certificate is damaged")?,
            key: key(&self.data_dir)?.pkcs8().to_vec(),
            ca: BASE64
                .decode(&joined.ca)
                .context("the hub's certificate is damaged")?,
        };
        let options = DialerOptions {
            addresses: joined.addresses.clone(),
            proxy: self.proxy.clone().map(|address| Proxy {
                address,
                credentials: None,
            }),
            silence: self.silence,
            retry_delay_min: Duration::from_millis(300),
            retry_delay_max: Duration::from_secs(10),
            name: joined.name.clone(),
        };
        let (renewed, mut renewals) = mpsc::channel::<cedge_link::Renewed>(1);
        let (dialer, handle) = Dialer::new(credentials, options, endpoints, renewed);
        let (dir, shutdown) = (self.data_dir.clone(), tasks.shutdown().clone());
        tasks.spawn("node/renewals", async move {
            while let Some(Some(renewed)) = shutdown.or(renewals.recv()).await {
                let chain = renewed.chain.iter().map(|c| BASE64.encode(c)).collect();
                let saved = load(&dir).and_then(|joined| save(&dir, &Joined { chain, ..joined }));
                if let Err(error) = saved {
                    tracing::error!(%error, "the renewed certificate of this node could not be stored");
                }
            }
        });
        let mut states = handle.state();
        let shutdown = tasks.shutdown().clone();
        tasks.spawn("node/link-log", async move {
            while let Some(Ok(())) = shutdown.or(states.changed()).await {
                log(&states.borrow_and_update().clone());
            }
        });
        tasks.spawn("node/dialer", dialer.run(tasks.shutdown().clone()));
        Ok(handle)
    }
}

fn log(state: &LinkState) {
    match state {
        LinkState::Connected {
            address,
            parent_name,
            ..
        } => {
            tracing::info!(hub = parent_name, address, "connected to the hub");
        }
        LinkState::Disconnected { error } => {
            tracing::warn!(error, "the hub is not reached; pods go on");
        }
        LinkState::Refused(refusal) => tracing::error!(
            reason = refusal.reason.as_str(),
            message = refusal.message,
            "the hub refuses this node"
        ),
        LinkState::ParentChanged { address } => {
            tracing::error!(
                address,
                "another cluster answers where the hub was; join again with a token of it"
            );
        }
        LinkState::Connecting { .. } | LinkState::Stopped => {}
    }
}

/// Streams that the hub opens, for the node's own server.
fn requests(dialer: DialerHandle, tasks: &Group) -> mpsc::Receiver<cedge_agent::NodeStream> {
    let (give, take) = mpsc::channel(16);
    let shutdown = tasks.shutdown().clone();
    tasks.spawn("node/requests", async move {
        while let Some(Some((kind, stream))) = shutdown.or(dialer.accept()).await {
            if kind == StreamKind::Request
                && give
                    .send(Box::new(stream) as cedge_agent::NodeStream)
                    .await
                    .is_err()
            {
                return;
            }
        }
    });
    take
}
