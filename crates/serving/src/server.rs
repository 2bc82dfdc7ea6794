//! The accept loop of a port, from the first connection to the last.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cedge_tasks::{Group, Shutdown};
use futures::future::BoxFuture;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_rustls::server::TlsStream;

use crate::connection::Connection;
use crate::handshake::{self, Choice};
use crate::http::{self, HttpService, Version};
use crate::limits::Limits;
use crate::socket::Socket;
use crate::stats::Stats;

/// So many of those that are too many are told so at one time; the rest are dropped unheard.
const REFUSALS: usize = 32;
/// When the system has no file descriptor left, accepting again at once only burns the processor.
const BREATH: Duration = Duration::from_millis(200);

/// At most one complaint about a flood in this time.
const COMPLAINTS: Duration = Duration::from_secs(10);

/// A port that speaks HTTP over TLS, and raw protocols to those who ask for them by name.
#[derive(Clone)]
pub struct Server<S> {
    tls: Arc<ServerConfig>,
    service: S,
    choices: Vec<Choice>,
    handlers: Vec<Handler>,
    limits: Arc<Limits>,
    stats: Arc<Stats>,
}

/// A connection that asked for a raw protocol, after its handshake.
#[derive(Debug)]
pub struct RawConnection {
    /// The stream.
    pub stream: TlsStream<Socket>,
    /// Where it comes from and what it proved.
    pub connection: Connection,
    /// Asks the handler to end; it has [`Limits::drain`] for it.
    pub shutdown: Shutdown,
}

/// How a port ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Every connection ended by itself.
    All,
    /// So many had to be cut off.
    Cut(u64),
}

type Handler = Arc<dyn Fn(RawConnection) -> BoxFuture<'static, ()> + Send + Sync>;

// === impl Server ===

impl<S: HttpService> Server<S> {
    /// A port that serves `service` with these TLS settings (`cedge_pki::tls::api_server`).
    pub fn new(tls: Arc<ServerConfig>, service: S) -> Self {
        Self {
            tls,
            service,
            choices: Vec::new(),
            handlers: Vec::new(),
            limits: Arc::default(),
            stats: Arc::default(),
        }
    }

    /// Gives connections that ask for the protocol `alpn` to `handler`, with TLS settings of their own.
    #[must_use]
    pub fn raw<H, F>(mut self, alpn: &[u8], tls: Arc<ServerConfig>, handler: H) -> Self
    where
        H: Fn(RawConnection) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        self.choices.push(Choice {
            alpn: alpn.to_vec(),
            tls,
        });
        self.handlers
            .push(Arc::new(move |raw| Box::pin(handler(raw))));
        self
    }

    /// Other limits than the usual ones.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = Arc::new(limits);
        self
    }

    /// What this port counts.
    #[must_use]
    pub fn stats(&self) -> Arc<Stats> {
        Arc::clone(&self.stats)
    }

    /// Accepts until it is time to stop, then lets what is in flight finish for [`Limits::drain`] at most.
    ///
    /// *Cancel safety*: dropped, it accepts no more; connections go on until `shutdown`.
    pub async fn serve(self, listener: TcpListener, shutdown: Shutdown) -> Drained {
        let places = Arc::new(Semaphore::new(self.limits.connections));
        let refusals = Arc::new(Semaphore::new(REFUSALS));
        let group = Group::new(shutdown.clone());
        let mut complained = None;
        while let Some(accepted) = shutdown.or(listener.accept()).await {
            match accepted {
                Ok((stream, remote)) => {
                    if !self.admit(stream, remote, &places, &refusals, &group) {
                        self.complain(remote, &mut complained);
                    }
                }
                Err(error) => self.tell(&error).await,
            }
        }
        // From here on dialling is refused, not left waiting.
        drop(listener);
        self.drain(&group, &places).await
    }

    fn admit(
        &self,
        stream: TcpStream,
        remote: SocketAddr,
        places: &Arc<Semaphore>,
        refusals: &Arc<Semaphore>,
        group: &Group,
    ) -> bool {
        if let Ok(place) = Arc::clone(places).try_acquire_owned() {
            let shutdown = group.shutdown().clone();
            let work = self.clone().connection(stream, remote, place, shutdown);
            group.spawn("serving/connection", work);
            return true;
        }
        self.stats.refuse();
        if let Ok(place) = Arc::clone(refusals).try_acquire_owned() {
            let work = self.clone().turn_away(stream, place);
            group.spawn("serving/refusal", work);
        }
        false
    }

    /// Says that there are too many, but not for each of them: a flood must not fill the disk with logs as well.
    fn complain(&self, remote: SocketAddr, last: &mut Option<Instant>) {
        if last.is_some_and(|at| at.elapsed() < COMPLAINTS) {
            return;
        }
        *last = Some(Instant::now());
        tracing::warn!(
            %remote,
            limit = self.limits.connections,
            refused = self.stats.refused(),
            "too many connections, new ones are turned away"
        );
    }

    async fn tell(&self, error: &io::Error) {
        // A peer that hung up while it waited to be accepted is no news; all else is ours.
        if error.kind() != io::ErrorKind::ConnectionAborted {
            tracing::warn!(
                %error,
                open = self.stats.open(),
                "cannot accept connections; too few file descriptors? (ulimit -n)"
            );
            tokio::time::sleep(BREATH).await;
        }
    }

    async fn connection(
        self,
        stream: TcpStream,
        remote: SocketAddr,
        place: OwnedSemaphorePermit,
        shutdown: Shutdown,
    ) {
        let socket = Socket::new(stream, place, Arc::clone(&self.stats), self.limits.unread);
        let shaking = handshake::shake(socket, &self.choices, &self.tls, self.limits.handshake);
        let (stream, chosen) = match shutdown.or(Box::pin(shaking)).await {
            None => return,
            Some(Ok(shaken)) => shaken,
            Some(Err(error)) => {
                self.stats.fail_handshake();
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::debug!(%remote, %error, cause, "no connection came of it");
                return;
            }
        };
        let connection = Connection {
            remote: Some(remote),
            proof: handshake::proof(&stream),
        };
        let Some(chosen) = chosen else {
            let version = version(&stream);
            let (service, limits) = (self.service, &self.limits);
            let served = http::serve(stream, version, service, connection, limits, &shutdown).await;
            if let Err(error) = served {
                tracing::debug!(%remote, error, "a connection ended badly");
            }
            return;
        };
        self.handlers[chosen](RawConnection {
            stream,
            connection,
            shutdown,
        })
        .await;
    }

    async fn turn_away(self, stream: TcpStream, place: OwnedSemaphorePermit) {
        let socket = Socket::new(stream, place, Arc::default(), self.limits.unread);
        let shaking = handshake::shake(socket, &self.choices, &self.tls, self.limits.handshake);
        // A raw protocol has its own words for this; a closed stream is understood by all of them.
        if let Ok((stream, None)) = shaking.await {
            let version = version(&stream);
            http::refuse(stream, version, &self.limits).await;
        }
    }

    async fn drain(&self, group: &Group, places: &Semaphore) -> Drained {
        let all = u32::try_from(self.limits.connections).unwrap_or(u32::MAX);
        let everybody_left = async {
            group.wait(Duration::MAX).await;
            // Upgraded connections outlive their tasks; their sockets hold their places.
            let _ = places.acquire_many(all).await;
        };
        let limit = self.limits.drain + Duration::from_millis(250);
        match tokio::time::timeout(limit, everybody_left).await {
            Ok(()) => Drained::All,
            Err(_) => Drained::Cut(self.stats.open()),
        }
    }
}

fn version(stream: &TlsStream<Socket>) -> Version {
    match stream.get_ref().1.alpn_protocol() {
        Some(b"h2") => Version::Two,
        _ => Version::One,
    }
}

impl<S> fmt::Debug for Server<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.choices.iter().map(|c| c.alpn.escape_ascii());
        f.debug_struct("Server")
            .field("limits", &self.limits)
            .field("raw", &names.map(|n| n.to_string()).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
