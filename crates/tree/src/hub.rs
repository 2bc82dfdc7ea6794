//! The hub: registers children, lets them in, keeps what is known of them.
//!
//! Who was evicted is on a deny list, and only that list keeps a known certificate out: the mere absence of an
//! `EdgeCluster` revokes nothing (I3).

mod children;
mod clusters;
mod denied;
mod leaving;
mod own;
mod register;

use std::sync::Arc;

use cedge_api::{ClusterName, EdgeCluster};
use cedge_informer::{Cache, Informers, Queue};
use cedge_link::{
    Acceptor, Admission, JoinRequest, Joined, PeerId, PeerKind, Refusal, RefusalReason, Session,
    TableStore,
};
use cedge_pki::{Authority, Profile, Validity};
use cedge_tasks::{Group, clock};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use kube::Client;

pub(crate) use children::{ChildState, Children};
pub(crate) use clusters::{facts_of, state_of};
pub(crate) use denied::Denied;

/// What the hub is made of.
pub(crate) struct Parts {
    pub(crate) client: Client,
    pub(crate) authority: Arc<Authority>,
    pub(crate) name: ClusterName,
    pub(crate) store: TableStore,
    pub(crate) tasks: Group,
    pub(crate) informers: Informers,
    pub(crate) denied: Denied,
    pub(crate) nodes: crate::nodes::Nodes,
    pub(crate) around: crate::around::Around,
    pub(crate) node_cache: Cache,
    /// How much silence links bear that are not told otherwise.
    pub(crate) silence: std::time::Duration,
    pub(crate) constant: crate::facts::Constant,
    pub(crate) health: tokio::sync::watch::Sender<crate::facts::ApiHealth>,
    /// Set once, when propagation runs.
    pub(crate) missions: std::sync::OnceLock<cedge_propagation::Propagation>,
}

/// The hub of one cluster. Cheap to clone.
#[derive(Clone)]
pub struct Hub {
    pub(crate) parts: Arc<Parts>,
    pub(crate) children: Children,
    pub(crate) clusters: Cache,
    pub(crate) queue: Queue<String>,
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub")
            .field("name", &self.parts.name)
            .finish_non_exhaustive()
    }
}

impl Hub {
    /// A hub over what is stored; starts the reconciler of `EdgeCluster`s.
    pub(crate) fn start(parts: Parts) -> Self {
        let parts = Arc::new(parts);
        let clusters = parts.informers.of::<EdgeCluster>();
        let queue: Queue<String> = Queue::new("edgeclusters");
        let hub = Self {
            children: Children::new(queue.clone()),
            clusters,
            queue,
            parts,
        };
        clusters::start(&hub);
        hub
    }

    /// The live session of a child cluster.
    #[must_use]
    pub fn session_of(&self, name: &str) -> Option<Session> {
        self.children
            .get(name)
            .and_then(|c| c.session)
            .filter(|s| !s.is_closed())
    }

    /// The live session of a node.
    #[must_use]
    pub fn session_of_node(&self, name: &str) -> Option<Session> {
        self.parts.nodes.session_of(name)
    }

    fn sign(&self, csr: &[u8], kind: PeerKind, name: &str) -> Result<Vec<Vec<u8>>, Refusal> {
        let profile = match kind {
            PeerKind::Cluster => Profile::Cluster {
                name: name.to_owned(),
            },
            PeerKind::Node => Profile::Node {
                name: name.to_owned(),
            },
        };
        let chain = self
            .parts
            .authority
            .sign(csr, &profile, Validity::from_now(clock::now()));
        let chain = chain.map_err(|e| Refusal::new(RefusalReason::BadRequest, e.to_string()))?;
        Ok(chain.into_iter().map(|c| c.to_vec()).collect())
    }

    async fn admit_peer(&self, peer: &PeerId) -> Result<Admission, Refusal> {
        match peer.kind {
            PeerKind::Node => self.parts.nodes.admit(peer).await,
            PeerKind::Cluster => register::admit(self, peer).await,
        }
    }
}

/// What a child hears that was taken out of the tree: by eviction, or by detachment.
fn removed(name: &str, hub: &ClusterName, reason: RefusalReason) -> Refusal {
    let (what, join) = match reason {
        RefusalReason::Detached => ("detached from", "cedge join TOKEN"),
        _ => ("evicted at", "cedge join --replace TOKEN"),
    };
    let message = format!(
        "{name} was {what} {hub}; what runs at {name} keeps running. To come back it needs a new token of {hub} \
         (cedge token create) and `{join}`"
    );
    Refusal::new(reason, message)
}

impl cedge_link::Hub for Hub {
    fn register(&self, request: JoinRequest) -> BoxFuture<'_, Result<Joined, Refusal>> {
        async move { register::register(self, request).await }.boxed()
    }

    fn admit<'a>(&'a self, peer: &'a PeerId) -> BoxFuture<'a, Result<Admission, Refusal>> {
        self.admit_peer(peer).boxed()
    }

    fn renew<'a>(
        &'a self,
        peer: &'a PeerId,
        csr: &'a [u8],
    ) -> BoxFuture<'a, Result<Vec<Vec<u8>>, Refusal>> {
        async move {
            if let Some(refusal) = cedge_link::Hub::denied(self, peer) {
                return Err(refusal);
            }
            let asked = cedge_pki::authority::requester(csr)
                .map_err(|e| Refusal::new(RefusalReason::BadRequest, e.to_string()))?;
            if asked.id() != peer.id {
                let message = "a renewal keeps the key; to change it, join again with a token";
                return Err(Refusal::new(RefusalReason::BadRequest, message));
            }
            tracing::info!(peer = peer.name, "certificate renewed");
            self.sign(csr, peer.kind, &peer.name)
        }
        .boxed()
    }

    fn connected(&self, session: Session) {
        tracing::info!(
            peer = session.peer().name,
            kind = session.peer().kind.as_str(),
            "link up"
        );
        match session.peer().kind {
            PeerKind::Node => self.parts.nodes.connected(session),
            PeerKind::Cluster => self.children.connected(&self.parts.tasks, session),
        }
    }

    fn denied(&self, peer: &PeerId) -> Option<Refusal> {
        let reason = self.parts.denied.reason(&peer.id)?;
        Some(removed(&peer.name, &self.parts.name, reason))
    }
}

/// Everything that takes connections of children.
pub(crate) fn acceptor(hub: &Hub, options: cedge_link::AcceptorOptions) -> Acceptor {
    Acceptor::new(
        Arc::new(hub.clone()),
        options,
        hub.parts.tasks.shutdown().clone(),
    )
}
