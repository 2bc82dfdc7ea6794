//! The child's end: keeps one link to the parent.

mod credentials;
mod handle;
mod state;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cedge_pki::PeerCertificate;
use cedge_pki::authority::LEAF_LIFETIME;
use cedge_tasks::{Backoff, Shutdown, clock};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;

use crate::dial::{self, DialError};
use crate::session::{Parts, RenewalRequest, Side, hello, start};
use crate::{Closed, Endpoint, PeerId, PeerKind, Refusal, RefusalReason, Session};
use state::{after, graver};

pub use handle::DialerHandle;
pub use state::LinkState;

/// How long the parent may take to sign.
const RENEW_WITHIN: Duration = Duration::from_secs(30);
/// So long from one request for renewal to the next.
const RENEW_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// Whether a renewal is due is looked at so often.
const LOOK_AGAIN: Duration = Duration::from_secs(3600);

/// An HTTP proxy that links go through (`CONNECT`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// `host:port`.
    pub address: String,
    /// User and password, if it asks for them.
    pub credentials: Option<(String, String)>,
}

/// Who we are and whom we trust.
#[derive(Clone)]
pub struct Credentials {
    /// Our certificate, and what lies between it and the CA; DER, leaf first.
    pub chain: Vec<Vec<u8>>,
    /// Our key, PKCS#8 DER.
    pub key: Vec<u8>,
    /// The parent's CA, DER: pinned at join.
    pub ca: Vec<u8>,
}

/// Settings of a [`Dialer`].
#[derive(Debug, Clone)]
pub struct DialerOptions {
    /// The parent's addresses, `host:port`, in order; the first is preferred.
    pub addresses: Vec<String>,
    /// A proxy on the way.
    pub proxy: Option<Proxy>,
    /// After how much silence the link is given up; 45 s.
    pub silence: Duration,
    /// Shortest delay between attempts; 0.5 s.
    pub retry_delay_min: Duration,
    /// Longest delay between attempts; 30 s.
    pub retry_delay_max: Duration,
    /// Our name, for messages.
    pub name: String,
}

/// A renewed certificate: to be stored by the owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewed {
    /// The chain, DER, leaf first.
    pub chain: Vec<Vec<u8>>,
}

/// What both halves know.
#[derive(Debug)]
struct Shared {
    state: watch::Sender<LinkState>,
    session: watch::Sender<Option<Session>>,
    poke: Notify,
    connects: AtomicU64,
}

/// Keeps one link to the parent.
#[derive(Debug)]
pub struct Dialer {
    credentials: Credentials,
    options: DialerOptions,
    tables: Vec<Endpoint>,
    renewed: mpsc::Sender<Renewed>,
    shared: Arc<Shared>,
    /// For how long the parent gives certificates, in seconds.
    lifetime: i64,
    /// When a renewal was asked for last.
    asked_at: Option<Instant>,
}

/// How an attempt ended.
enum Outcome {
    /// A link was there, for so long.
    Lived(Closed, Duration),
    /// The certificate was renewed: come back with it at once.
    Renewed,
    Failed(LinkState),
}

impl Dialer {
    /// A dialer for `tables`; renewed certificates come out of `renewed`.
    #[must_use]
    pub fn new(
        credentials: Credentials,
        options: DialerOptions,
        tables: Vec<Endpoint>,
        renewed: mpsc::Sender<Renewed>,
    ) -> (Self, DialerHandle) {
        let shared = Arc::new(Shared {
            state: watch::channel(LinkState::Stopped).0,
            session: watch::channel(None).0,
            poke: Notify::new(),
            connects: AtomicU64::new(0),
        });
        let handle = DialerHandle {
            shared: Arc::clone(&shared),
        };
        (
            Self {
                credentials,
                options,
                tables,
                renewed,
                shared,
                lifetime: LEAF_LIFETIME.as_secs(),
                asked_at: None,
            },
            handle,
        )
    }

    /// Dials, and dials again, until told to stop.
    pub async fn run(mut self, shutdown: Shutdown) {
        let mut backoff = Backoff::new(self.options.retry_delay_min, self.options.retry_delay_max);
        while !shutdown.is_asked() {
            // Boxed: the future of a handshake is large, and this task lives as long as the program.
            let attempt = Box::pin(self.try_all(&shutdown));
            let Some(outcome) = shutdown.or(attempt).await else {
                break;
            };
            let state = match outcome {
                Outcome::Renewed => continue,
                Outcome::Lived(closed, lived) => {
                    // A link that dies young is no success: a parent in trouble is not to be hammered.
                    if lived > self.options.retry_delay_max {
                        backoff.reset();
                    }
                    after(closed)
                }
                Outcome::Failed(state) => state,
            };
            if let LinkState::Refused(refusal) = &state
                && refusal.reason == RefusalReason::Detached
            {
                let refusal = refusal.clone();
                return self.rest(refusal, shutdown).await;
            }
            self.shared.state.send_replace(state);
            let delay = backoff.next_delay();
            tokio::select! {
                biased;
                // Each may be dropped: the loop begins anew.
                () = shutdown.wait() => break,
                () = self.shared.poke.notified() => backoff.reset(),
                () = tokio::time::sleep(delay) => {}
            }
        }
        self.shared.session.send_replace(None);
        self.shared.state.send_replace(LinkState::Stopped);
    }

    /// Dials nobody: the parent has detached this child. Until told to stop.
    pub async fn rest(self, refusal: Refusal, shutdown: Shutdown) {
        self.shared.session.send_replace(None);
        self.shared.state.send_replace(LinkState::Refused(refusal));
        shutdown.wait().await;
        self.shared.state.send_replace(LinkState::Stopped);
    }

    /// Tries the addresses in order; stays with the first that gives a link.
    async fn try_all(&mut self, shutdown: &Shutdown) -> Outcome {
        let mut worst = LinkState::Disconnected {
            error: "there is no address".to_owned(),
        };
        for address in self.options.addresses.clone() {
            self.shared.state.send_if_modified(|state| {
                // What a human has to do something about stays visible while trying again.
                let keep = matches!(
                    state,
                    LinkState::Refused(_) | LinkState::ParentChanged { .. }
                );
                if !keep {
                    *state = LinkState::Connecting {
                        address: address.clone(),
                    };
                }
                !keep
            });
            match self.attempt(&address, shutdown).await {
                Ok(outcome) => return outcome,
                Err(state) => worst = graver(worst, state),
            }
        }
        Outcome::Failed(worst)
    }

    async fn attempt(&mut self, address: &str, shutdown: &Shutdown) -> Result<Outcome, LinkState> {
        let failed = |error: String| LinkState::Disconnected {
            error: format!("{address}: {error}"),
        };
        let tls = self
            .credentials
            .client()
            .map_err(|e| failed(e.to_string()))?;
        let connection = match dial::dial(address, self.options.proxy.as_ref(), tls).await {
            Ok(connection) => connection,
            Err(DialError::WrongAuthority) => {
                return Err(LinkState::ParentChanged {
                    address: address.to_owned(),
                });
            }
            Err(error) => return Err(failed(error.to_string())),
        };
        let not_after = expiry_of(&connection);
        let mut start = start(connection, Side::Child).await.map_err(failed)?;
        let DialerOptions { name, silence, .. } = &self.options;
        start
            .say_hello(hello(name, *silence, &self.tables))
            .await
            .map_err(failed)?;
        let theirs = match start.hear_hello().await {
            Ok(theirs) => theirs,
            Err(Closed::Refused(refusal)) => return Err(LinkState::Refused(refusal)),
            Err(closed) => return Err(after(closed)),
        };
        let id = self
            .credentials
            .parent()
            .map_err(|e| failed(e.to_string()))?;
        let parent = PeerId {
            id,
            name: theirs.name.clone(),
            kind: PeerKind::Cluster,
            not_after,
        };
        let (renew, requests) = mpsc::channel(1);
        let parts = Parts {
            peer: parent.clone(),
            hello: theirs.clone(),
            silence: self.options.silence,
            endpoints: if theirs.renewal_only {
                Vec::new()
            } else {
                self.tables.clone()
            },
            renewals: None,
            renew: Some(requests),
        };
        let session = start.run(parts, shutdown.clone());
        Ok(self.live(address, parent, session, &renew).await)
    }

    /// A link is up: until it ends.
    async fn live(
        &mut self,
        address: &str,
        parent: PeerId,
        session: Session,
        renew: &mpsc::Sender<RenewalRequest>,
    ) -> Outcome {
        let began = Instant::now();
        let hello = session.hello();
        if hello.renewal_only {
            tracing::info!("our certificate has expired; the parent offers a renewal only");
            return match self.renewal(renew).await {
                Ok(()) => Outcome::Renewed,
                Err(refusal) => Outcome::Failed(LinkState::Refused(refusal)),
            };
        }
        self.shared.connects.fetch_add(1, Ordering::Relaxed);
        self.shared.session.send_replace(Some(session.clone()));
        self.shared.state.send_replace(LinkState::Connected {
            address: address.to_owned(),
            parent,
            parent_name: hello.name.clone(),
            clock_ahead: clock::now().as_second().saturating_sub(hello.clock),
        });
        let closed = loop {
            // Which time it is, the parent says: it will judge the certificate (I9).
            let now = hello
                .clock
                .saturating_add(began.elapsed().as_secs().cast_signed());
            let patience = self.asked_at.map_or(Duration::ZERO, |at| {
                RENEW_AGAIN_AFTER.saturating_sub(at.elapsed())
            });
            let wait = self.credentials.renew_in(now, self.lifetime).max(patience);
            if wait.is_zero() {
                match self.renewal(renew).await {
                    // The parent's own idea of how long a certificate lasts may be another one than ours.
                    Ok(()) => self.lifetime = self.credentials.left_at(now),
                    Err(refusal) => tracing::warn!(%refusal, "our certificate was not renewed"),
                }
                continue;
            }
            tokio::select! {
                biased;
                // Each may be dropped: both are asked again. (Timers do not count while a machine sleeps.)
                closed = session.closed() => break closed,
                () = tokio::time::sleep(wait.min(LOOK_AGAIN)) => {}
            }
        };
        self.shared.session.send_replace(None);
        Outcome::Lived(closed, began.elapsed())
    }

    /// Gets a new certificate, and uses it from the next connection on.
    async fn renewal(&mut self, renew: &mpsc::Sender<RenewalRequest>) -> Result<(), Refusal> {
        let broken = |message: String| Refusal::new(RefusalReason::CertificateExpired, message);
        let csr = self
            .credentials
            .request()
            .map_err(|e| broken(e.to_string()))?;
        self.asked_at = Some(Instant::now());
        let (answer, answered) = oneshot::channel();
        let gone = || Refusal::new(RefusalReason::Unavailable, "the link was lost meanwhile");
        renew.send((csr, answer)).await.map_err(|_| gone())?;
        let answered = tokio::time::timeout(RENEW_WITHIN, answered).await;
        let renewed = answered.ok().and_then(Result::ok).ok_or_else(gone)?;
        if let Some(refused) = &renewed.refused {
            return Err(Refusal::from_wire(refused));
        }
        self.credentials
            .take(renewed.chain.clone())
            .map_err(|e| broken(e.to_string()))?;
        // A full queue means that its owner is busy storing an older one; the next link renews again.
        let _ = self.renewed.try_send(Renewed {
            chain: renewed.chain,
        });
        Ok(())
    }
}

fn expiry_of(connection: &TlsStream<TcpStream>) -> i64 {
    let leaf = connection
        .get_ref()
        .1
        .peer_certificates()
        .and_then(|chain| chain.first());
    let leaf = leaf.and_then(|leaf| PeerCertificate::parse(leaf).ok());
    leaf.map_or(0, |leaf| leaf.not_after.as_second())
}
