//! What an API server is started with.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cedge_pki::{Identity, LiveCredential, ServiceAccountTokens};
use cedge_rbac::Grant;
use cedge_store::Store;
use futures::future::BoxFuture;
use prometheus_client::registry::Registry;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::audit::AuditConfig;
use crate::extension::FrontProxy;

/// The registry that `/metrics` shows; other modules put theirs in as well.
pub type SharedRegistry = Arc<Mutex<Registry>>;

/// A byte stream in both directions.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// Opens streams to the HTTP servers of nodes: for logs, exec, attach and port-forward.
pub trait NodeConnector: Send + Sync {
    /// A stream to the HTTP/1.1 server of a node.
    fn connect<'a>(
        &'a self,
        node: &'a str,
    ) -> BoxFuture<'a, Result<Box<dyn ByteStream>, ConnectError>>;
}

/// Why a node cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nothing is known of that node, or it is not connected now.
    #[error("node `{0}` is not connected")]
    NotConnected(String),
    /// The connection failed.
    #[error("node `{node}` cannot be reached")]
    Failed {
        /// The node.
        node: String,
        /// What went wrong.
        #[source]
        cause: io::Error,
    },
}

/// A connector for servers without nodes of their own.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoNodes;

/// A bearer token that is given in the configuration.
#[derive(Clone)]
pub struct StaticToken {
    /// The secret.
    pub token: String,
    /// Whom it speaks for.
    pub identity: Identity,
}

/// A resource in any version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupResource {
    /// API group.
    pub group: String,
    /// Plural name.
    pub plural: String,
}

/// What an API server is started with.
#[derive(Clone)]
pub struct Config {
    /// Where objects live.
    pub store: Store,
    /// Signs and checks the tokens of service accounts.
    pub tokens: ServiceAccountTokens,
    /// Bearer tokens beside those.
    pub static_tokens: Vec<StaticToken>,
    /// Rights of parts of this process beside those that stored roles give. Default none.
    pub grants: Vec<Grant>,
    /// The way to nodes that hang on this process.
    pub node_connector: Arc<dyn NodeConnector>,
    /// What this server shows to the ports of nodes that it has no other way to. Without it those are not dialled.
    pub node_credential: Option<Arc<LiveCredential>>,
    /// What extension API servers know this server by. Without it they are asked without a certificate.
    pub front_proxy: Option<FrontProxy>,
    /// The audit log. Default none.
    pub audit: Option<AuditConfig>,
    /// How this server dials kubelets that registered themselves: whose serving certificates it takes, and what it shows.
    /// Without it those are not dialled.
    pub kubelets: Option<Arc<rustls::ClientConfig>>,
    /// Kinds that no controller acts on: an Event on each new object says so.
    pub unattended: Vec<GroupResource>,
    /// Whether a pod needs an account that exists. Default yes, as in Kubernetes; no where nothing makes accounts.
    pub require_service_accounts: bool,
    /// Whether aggregated cluster roles get their rules written into them. Default yes; no where controllers of others
    /// do that.
    pub aggregate_roles: bool,
    /// The range of service addresses: network and length of its prefix. Default 10.43.0.0/16.
    pub service_network: (Ipv4Addr, u8),
    /// Where clients reach this server: the endpoint behind the service `kubernetes`.
    pub advertised: Option<SocketAddr>,
    /// Shown on `/metrics`.
    pub metrics: SharedRegistry,
    /// Requests of one user that are worked on at once; others wait a moment, then get 429. Default 64.
    pub requests_per_user: usize,
    /// How often a watch that wants them gets bookmarks. Default one minute, as in Kubernetes.
    pub bookmark_interval: Duration,
}

// === impl Config ===

impl Config {
    /// The defaults around what has none.
    #[must_use]
    pub fn new(store: Store, tokens: ServiceAccountTokens) -> Self {
        Self {
            store,
            tokens,
            static_tokens: Vec::new(),
            grants: Vec::new(),
            node_connector: Arc::new(NoNodes),
            node_credential: None,
            front_proxy: None,
            audit: None,
            kubelets: None,
            unattended: unattended(),
            require_service_accounts: true,
            aggregate_roles: true,
            service_network: (Ipv4Addr::new(10, 43, 0, 0), 16),
            advertised: None,
            metrics: SharedRegistry::default(),
            requests_per_user: 64,
            bookmark_interval: Duration::from_secs(60),
        }
    }
}

/// The kinds that no controller of ours acts on yet.
#[must_use]
pub fn unattended() -> Vec<GroupResource> {
    [
        ("networking.k8s.io", "ingresses"),
        ("networking.k8s.io", "networkpolicies"),
    ]
    .map(|(group, plural)| GroupResource {
        group: group.into(),
        plural: plural.into(),
    })
    .into()
}

// === impl NoNodes ===

impl NodeConnector for NoNodes {
    fn connect<'a>(
        &'a self,
        node: &'a str,
    ) -> BoxFuture<'a, Result<Box<dyn ByteStream>, ConnectError>> {
        Box::pin(async move { Err(ConnectError::NotConnected(node.to_owned())) })
    }
}

impl std::fmt::Debug for StaticToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The secret stays out of logs.
        f.debug_struct("StaticToken")
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config").finish_non_exhaustive()
    }
}
