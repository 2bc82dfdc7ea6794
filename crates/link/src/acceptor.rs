//! The hub's end: takes connections of children.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use cedge_api::ClusterId;
use cedge_pki::PeerCertificate;
use cedge_tasks::{Shutdown, clock};
use cedge_wire::ALPN_JOIN;
use cedge_wire::link::Renewed;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio_rustls::server::TlsStream;

use crate::session::{Parts, RenewalRequest, Side, Start, hello, start};
use crate::{Admission, Hub, PeerId, PeerKind, Refusal, RefusalReason, Session, join};

/// How often live links are held against the deny list: revoking is to act within seconds.
const DENY_CHECK: Duration = Duration::from_secs(1);
/// How long the hub may think about letting a peer in.
const ADMIT_WITHIN: Duration = Duration::from_secs(15);

/// Settings of an [`Acceptor`].
#[derive(Debug, Clone)]
pub struct AcceptorOptions {
    /// After how much silence a link is given up; 45 s. Heartbeats follow from it.
    pub silence: Duration,
    /// The same for links of nodes; not longer than `silence`. Nodes are told to speak as often as that needs.
    pub node_silence: Duration,
    /// This cluster's name, told to children.
    pub name: String,
}

impl AcceptorOptions {
    fn silence_of(&self, kind: PeerKind) -> Duration {
        match kind {
            PeerKind::Cluster => self.silence,
            PeerKind::Node => self.node_silence.min(self.silence),
        }
    }
}

struct Inside {
    hub: Arc<dyn Hub>,
    options: AcceptorOptions,
    shutdown: Shutdown,
    live: Mutex<HashMap<ClusterId, Session>>,
}

/// Takes connections of children; one live session per identity, a newer one replaces the older.
#[derive(Clone)]
pub struct Acceptor {
    inside: Arc<Inside>,
}

impl Acceptor {
    /// An acceptor that asks `hub`; its sessions end with `shutdown`.
    #[must_use]
    pub fn new(hub: Arc<dyn Hub>, options: AcceptorOptions, shutdown: Shutdown) -> Self {
        let inside = Arc::new(Inside {
            hub,
            options,
            shutdown,
            live: Mutex::default(),
        });
        cedge_tasks::spawn("link/deny", enforce(Arc::downgrade(&inside)));
        Self { inside }
    }

    /// Serves one connection whose ALPN is `edge-link/1` or `edge-join/1`, until it ends.
    pub async fn serve<IO>(&self, connection: TlsStream<IO>)
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let tls = connection.get_ref().1;
        if tls.alpn_protocol() == Some(ALPN_JOIN) {
            return join::serve(connection, &*self.inside.hub).await;
        }
        let leaf = tls.peer_certificates().and_then(|chain| chain.first());
        let leaf = leaf.and_then(|leaf| PeerCertificate::parse(leaf).ok());
        let Some((peer, leaf)) = leaf.and_then(|leaf| Some((PeerId::of_child(&leaf)?, leaf)))
        else {
            tracing::warn!("a link without the certificate of a child was refused");
            return;
        };
        if let Err(error) = self.link(connection, peer.clone(), &leaf).await {
            tracing::info!(peer = peer.name, id = %peer.id, error, "a link did not come up");
        }
    }

    async fn link<IO>(
        &self,
        connection: TlsStream<IO>,
        peer: PeerId,
        leaf: &PeerCertificate,
    ) -> Result<(), String>
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut start = start(connection, Side::Parent).await?;
        let theirs = match start.hear_hello().await {
            Ok(theirs) => theirs,
            Err(crate::Closed::Refused(refusal)) => {
                start.refuse(&refusal).await;
                return Err(refusal.message);
            }
            Err(closed) => return Err(format!("{closed:?}")),
        };
        // Only the issuer sees that a certificate has expired, by its own clock (I9).
        let renewal_only = leaf.is_expired(clock::now());
        let admission = match self.admit(&peer, renewal_only).await {
            Ok(admission) => admission,
            Err(refusal) => {
                start.refuse(&refusal).await;
                return Err(refusal.message);
            }
        };
        let options = &self.inside.options;
        let silence = options.silence_of(peer.kind);
        let mut ours = hello(&options.name, silence, &admission.tables);
        ours.renewal_only = renewal_only;
        start.say_hello(ours).await?;
        let session = self.run(start, peer, theirs, admission);
        if !renewal_only {
            self.take_place(&session);
            self.inside.hub.connected(session.clone());
        }
        session.closed().await;
        self.leave_place(&session);
        Ok(())
    }

    async fn admit(&self, peer: &PeerId, renewal_only: bool) -> Result<Admission, Refusal> {
        let hub = &self.inside.hub;
        if let Some(refusal) = hub.denied(peer) {
            return Err(refusal);
        }
        if renewal_only {
            tracing::info!(
                peer = peer.name,
                "its certificate has expired: only a renewal is served"
            );
            return Ok(Admission::default());
        }
        let late = || {
            Refusal::new(
                RefusalReason::Unavailable,
                "the hub takes too long to answer",
            )
        };
        let admitted = tokio::time::timeout(ADMIT_WITHIN, hub.admit(peer)).await;
        admitted.unwrap_or_else(|_| Err(late()))
    }

    fn run(
        &self,
        start: Start,
        peer: PeerId,
        hello: cedge_wire::link::Hello,
        admission: Admission,
    ) -> Session {
        let (renewals, requests) = mpsc::channel(1);
        cedge_tasks::spawn(
            "link/renewals",
            renew(Arc::clone(&self.inside.hub), peer.clone(), requests),
        );
        let parts = Parts {
            silence: self.inside.options.silence_of(peer.kind),
            peer,
            hello,
            endpoints: admission.tables,
            renewals: Some(renewals),
            renew: None,
        };
        start.run(parts, self.inside.shutdown.clone())
    }

    fn take_place(&self, session: &Session) {
        let older = self
            .live()
            .insert(session.peer().id.clone(), session.clone());
        if let Some(older) = older {
            let message = "a newer connection of the same identity took over";
            older.close(Refusal::new(RefusalReason::Replaced, message));
        }
    }

    fn leave_place(&self, session: &Session) {
        let mut live = self.live();
        if live
            .get(&session.peer().id)
            .is_some_and(|other| other.is(session))
        {
            live.remove(&session.peer().id);
        }
    }

    fn live(&self) -> MutexGuard<'_, HashMap<ClusterId, Session>> {
        self.inside
            .live
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The live session of a child.
    #[must_use]
    pub fn session(&self, id: &ClusterId) -> Option<Session> {
        self.live()
            .get(id)
            .filter(|session| !session.is_closed())
            .cloned()
    }

    /// All live sessions.
    #[must_use]
    pub fn sessions(&self) -> Vec<Session> {
        self.live()
            .values()
            .filter(|session| !session.is_closed())
            .cloned()
            .collect()
    }

    /// Ends the session of a child, telling it why.
    pub fn drop_peer(&self, id: &ClusterId, reason: &Refusal) {
        if let Some(session) = self.session(id) {
            session.close(reason.clone());
        }
    }
}

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Acceptor")
            .field("options", &self.inside.options)
            .finish_non_exhaustive()
    }
}

/// Drops the links of those who were evicted.
async fn enforce(inside: Weak<Inside>) {
    loop {
        tokio::time::sleep(DENY_CHECK).await;
        let Some(inside) = inside.upgrade() else {
            return;
        };
        if inside.shutdown.is_asked() {
            return;
        }
        let live: Vec<Session> = {
            let live = inside.live.lock().unwrap_or_else(PoisonError::into_inner);
            live.values().cloned().collect()
        };
        for session in live {
            if let Some(refusal) = inside.hub.denied(session.peer()) {
                session.close(refusal);
            }
        }
    }
}

async fn renew(hub: Arc<dyn Hub>, peer: PeerId, mut requests: mpsc::Receiver<RenewalRequest>) {
    while let Some((csr, answer)) = requests.recv().await {
        let renewed = match hub.renew(&peer, &csr).await {
            Ok(chain) => Renewed {
                chain,
                refused: None,
            },
            Err(refusal) => Renewed {
                chain: Vec::new(),
                refused: Some(refusal.to_wire()),
            },
        };
        let _ = answer.send(renewed);
    }
}
