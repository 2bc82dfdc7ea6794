//! HTTPS to servers that users name: webhooks and extension API servers. Connections are kept for the next request; names
//! of services lead to their endpoints, since nothing here forwards service addresses.

mod body;
mod peer;
mod service;

pub(crate) use peer::{Host, Peer, tls_error};
pub(crate) use service::{Unresolved, slices};

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use cedge_pki::LiveCredential;
use cedge_pki::outside::{self, Trust};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use crate::api::Api;
use crate::respond::{Body, full};
use body::Kept;

/// For a connection and its handshake.
const DIAL_LIMIT: Duration = Duration::from_secs(10);
/// Connections to one place that are kept.
const IDLE_MAX: usize = 8;
/// How long an unused one is kept.
const IDLE_TIME: Duration = Duration::from_secs(30);
/// Places whose settings are remembered.
const SETTINGS_MAX: usize = 256;

type Sender = http1::SendRequest<Body>;

/// A place that connections lead to: whom we expect there and where it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Place {
    address: SocketAddr,
    server_name: String,
    trust: Trust,
    credential: bool,
}

#[derive(Debug)]
struct Idle {
    sender: Sender,
    since: Instant,
}

/// All connections to servers that users name.
#[derive(Debug, Default)]
pub(crate) struct Outbound {
    idle: Mutex<HashMap<Place, Vec<Idle>>>,
    settings: Mutex<HashMap<(Trust, bool), Arc<ClientConfig>>>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The service has no place to go to.
    #[error("{0}")]
    Unresolved(#[from] Unresolved),
    /// The bundle of certificates holds none.
    #[error("unable to load root certificates: unable to parse bytes as PEM block")]
    Bundle,
    /// No connection.
    #[error("dial tcp {0}: {1}")]
    Dial(String, String),
    /// A connection to somebody else, or no TLS.
    #[error("{0}")]
    Tls(String),
    /// The answer did not come.
    #[error("{0}")]
    Http(String),
}

// === impl Outbound ===

impl Outbound {
    /// Sends a request whose body is there as a whole, over a connection that is there already if there is one. `again` says
    /// whether it may be sent twice: a connection that ends at that moment does not tell whether it has arrived.
    pub(crate) async fn send(
        self: &Arc<Self>,
        api: &Api,
        peer: &Peer,
        request: Request<Bytes>,
        again: bool,
    ) -> Result<Response<Body>, CallError> {
        let place = self.place(api, peer).await?;
        while let Some(sender) = self.take(&place) {
            let sent = self.over(sender, &place, request.clone().map(full)).await;
            match sent {
                Ok(answer) => return Ok(answer),
                // A connection that was closed meanwhile is no failure: the next one may do.
                Err(error) if again || error.is_canceled() || error.is_closed() => {}
                Err(error) => return Err(CallError::Http(in_words(&error))),
            }
        }
        let sender = self.dial(api, peer, &place).await?;
        let answer = self.over(sender, &place, request.map(full)).await;
        answer.map_err(|e| CallError::Http(in_words(&e)))
    }

    /// Sends a request whose body comes bit by bit, over a connection of its own. What is upgraded stays possible.
    pub(crate) async fn stream(
        self: &Arc<Self>,
        api: &Api,
        peer: &Peer,
        request: Request<Body>,
    ) -> Result<(Response<Incoming>, impl Send + 'static), CallError> {
        let place = self.place(api, peer).await?;
        let mut sender = self.dial(api, peer, &place).await?;
        let answer = sender.send_request(request).await;
        let answer = answer.map_err(|e| CallError::Http(in_words(&e)))?;
        Ok((answer, sender))
    }

    async fn over(
        self: &Arc<Self>,
        mut sender: Sender,
        place: &Place,
        request: Request<Body>,
    ) -> Result<Response<Body>, hyper::Error> {
        let answer = sender.send_request(request).await?;
        let kept = Kept::new(self.clone(), place.clone(), sender);
        Ok(answer.map(|body| kept.around(body)))
    }

    async fn place(&self, api: &Api, peer: &Peer) -> Result<Place, CallError> {
        Ok(Place {
            address: peer.resolve(api).await?,
            server_name: peer.server_name.clone(),
            trust: peer.trust.clone(),
            credential: peer.credential.is_some(),
        })
    }

    fn take(&self, place: &Place) -> Option<Sender> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let senders = idle.get_mut(place)?;
        while let Some(kept) = senders.pop() {
            if kept.since.elapsed() < IDLE_TIME && kept.sender.is_ready() {
                return Some(kept.sender);
            }
        }
        None
    }

    /// Keeps a connection whose answer has been read to its end.
    fn keep(&self, place: Place, sender: Sender) {
        if sender.is_closed() {
            return;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|_, senders| {
            senders.retain(|s| s.since.elapsed() < IDLE_TIME && !s.sender.is_closed());
            !senders.is_empty()
        });
        let senders = idle.entry(place).or_default();
        if senders.len() < IDLE_MAX {
            let since = Instant::now();
            senders.push(Idle { sender, since });
        }
    }

    async fn dial(&self, api: &Api, peer: &Peer, place: &Place) -> Result<Sender, CallError> {
        let settings = self.settings(&peer.trust, peer.credential.as_ref())?;
        let failed = |error: &io::Error| CallError::Dial(place.address.to_string(), refused(error));
        let late = |_| CallError::Dial(place.address.to_string(), "i/o timeout".into());
        let connect = tokio::time::timeout(DIAL_LIMIT, TcpStream::connect(place.address)).await;
        let stream = connect.map_err(late)?.map_err(|e| failed(&e))?;
        let _ = stream.set_nodelay(true);
        let name = ServerName::try_from(place.server_name.clone())
            .map_err(|e| CallError::Tls(format!("tls: {e}")))?;
        // Boxed: the future of a handshake is large.
        let shaking = Box::pin(TlsConnector::from(settings).connect(name, stream));
        let stream = tokio::time::timeout(DIAL_LIMIT, shaking).await;
        let stream = stream
            .map_err(|_| CallError::Tls("net/http: TLS handshake timeout".into()))?
            .map_err(|e| CallError::Tls(tls_error(&e, &place.server_name)))?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|e| CallError::Http(in_words(&e)))?;
        api.tasks.spawn("apiserver/outbound", async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "connection to a server that a user named ended");
            }
        });
        Ok(sender)
    }

    fn settings(
        &self,
        trust: &Trust,
        credential: Option<&Arc<LiveCredential>>,
    ) -> Result<Arc<ClientConfig>, CallError> {
        let key = (trust.clone(), credential.is_some());
        let mut settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = settings.get(&key) {
            return Ok(known.clone());
        }
        let made = outside::client(trust, credential.cloned()).ok_or(CallError::Bundle)?;
        if settings.len() >= SETTINGS_MAX {
            settings.clear();
        }
        settings.insert(key, made.clone());
        Ok(made)
    }
}

/// The whole of an answer's body, up to a size.
///
/// # Errors
/// It is larger, or ends early.
pub(crate) async fn whole(mut body: Body, max: usize) -> Result<Bytes, String> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| e.to_string())?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if bytes.len() + data.len() > max {
            return Err(format!("the answer is larger than {max} bytes"));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.freeze())
}

/// What the system says of a connection that was not made.
pub(crate) fn refused(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connect: connection refused".into(),
        io::ErrorKind::HostUnreachable => "connect: no route to host".into(),
        io::ErrorKind::NetworkUnreachable => "connect: network is unreachable".into(),
        _ => error.to_string(),
    }
}

pub(crate) fn in_words(error: &hyper::Error) -> String {
    if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        return "EOF".into();
    }
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
