//! Streams to the servers behind `…/proxy`.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use cedge_pki::outside::{self, Trust};
use futures::FutureExt as _;
use http::header::{CONNECTION, HOST, UPGRADE};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::paths;
use crate::api::Api;
use crate::config::{ByteStream, ConnectError};
use crate::outbound::{refused, tls_error};
use crate::subresource::dial;

pub(super) type Stream = Box<dyn ByteStream>;

/// For a connection, as in Kubernetes.
const DIAL_LIMIT: Duration = Duration::from_secs(30);
/// For a handshake, as in Kubernetes.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// Most that is read of why a node does not connect.
const WORDS_MAX: usize = 1 << 10;

/// A port of an address.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) host: String,
    /// As it was asked for: it need not be a number.
    pub(super) port: String,
    pub(super) tls: bool,
    /// The pod that has the address, on its node.
    pub(super) pod: Option<PodOnNode>,
}

#[derive(Debug)]
pub(super) struct PodOnNode {
    pub(super) node: String,
    pub(super) namespace: String,
    pub(super) name: String,
}

// === impl Target ===

impl Target {
    /// `host:port`.
    pub(super) fn authority(&self) -> String {
        authority(&self.host, &self.port)
    }

    /// # Errors
    /// Why there is no stream, in Go's words.
    pub(super) async fn open(&self, api: &Arc<Api>) -> Result<Stream, String> {
        let port = self.port.parse::<u16>();
        let port = port.map_err(|_| format!("dial tcp: address {}: invalid port", self.port))?;
        let stream = match self.through_node(api, port).await? {
            Some(stream) => stream,
            None => self.connect(port).await?,
        };
        if !self.tls {
            return Ok(stream);
        }
        let name = ServerName::try_from(self.host.clone()).map_err(|e| format!("tls: {e}"))?;
        // Boxed: the future of a handshake is large.
        let shaking = Box::pin(TlsConnector::from(anybody()).connect(name, stream));
        let shaken = tokio::time::timeout(HANDSHAKE_LIMIT, shaking).await;
        let stream = shaken
            .map_err(|_| "net/http: TLS handshake timeout".to_owned())?
            .map_err(|e| tls_error(&e, &self.host))?;
        Ok(Box::new(stream))
    }

    async fn connect(&self, port: u16) -> Result<Stream, String> {
        let connecting = TcpStream::connect((self.host.as_str(), port));
        let connected = tokio::time::timeout(DIAL_LIMIT, connecting).await;
        let stream = connected
            .map_err(|_| self.not_dialled("i/o timeout"))?
            .map_err(|e| self.not_dialled(&refused(&e)))?;
        let _ = stream.set_nodelay(true);
        Ok(Box::new(stream))
    }

    fn not_dialled(&self, why: &str) -> String {
        format!("dial tcp {}: {why}", self.authority())
    }

    /// Through the pod's node, if that runs our agent: its address may mean nothing where we are. `None` if we have to
    /// dial ourselves.
    async fn through_node(&self, api: &Arc<Api>, port: u16) -> Result<Option<Stream>, String> {
        let Some(pod) = &self.pod else {
            return Ok(None);
        };
        let Some(stream) = dial::dial_agent(api, &pod.node).await else {
            return Ok(None);
        };
        let asking = tokio::time::timeout(DIAL_LIMIT, ask_node(api, stream, pod, port));
        match asking.await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(why)) => Err(self.not_dialled(&why)),
            Err(_) => Err(self.not_dialled("i/o timeout")),
        }
    }
}

/// Asks an agent for a stream to a port of a pod. `None` from one that is older than this question.
async fn ask_node(
    api: &Arc<Api>,
    stream: Stream,
    pod: &PodOnNode,
    port: u16,
) -> Result<Option<Stream>, String> {
    let (namespace, name) = (paths::encode(&pod.namespace), paths::encode(&pod.name));
    let request = Request::get(format!("/connect/{namespace}/{name}?port={port}"))
        .header(HOST, "node")
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "tcp")
        .body(Empty::<Bytes>::new())
        .map_err(|e| e.to_string())?;
    let shaken = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(|e| e.to_string())?;
    let shutdown = api.tasks.shutdown().clone();
    let connection = connection.with_upgrades().boxed();
    api.tasks.spawn("apiserver/connect", async move {
        shutdown.or(connection).await;
    });
    let answer = sender.send_request(request).await;
    let mut answer = answer.map_err(|e| e.to_string())?;
    match answer.status() {
        StatusCode::SWITCHING_PROTOCOLS => {
            let upgraded = hyper::upgrade::on(&mut answer).await;
            let stream = TokioIo::new(upgraded.map_err(|e| e.to_string())?);
            Ok(Some(Box::new(stream)))
        }
        StatusCode::BAD_GATEWAY => {
            let body = http_body_util::Limited::new(answer.into_body(), WORDS_MAX);
            let words = body.collect().await.map_err(|e| e.to_string())?.to_bytes();
            Err(String::from_utf8_lossy(&words).trim().to_owned())
        }
        _ => Ok(None),
    }
}

/// Why a node's own server cannot be reached.
pub(super) fn words(error: &ConnectError, authority: &str) -> String {
    match error {
        ConnectError::NotConnected(_) => error.to_string(),
        ConnectError::Failed { cause, .. } => {
            let host = authority
                .rsplit_once(':')
                .map_or(authority, |(host, _)| host);
            let said = refused(cause);
            if said.starts_with("connect: ") {
                format!("dial tcp {authority}: {said}")
            } else {
                tls_error(cause, host)
            }
        }
    }
}

/// An address of IPv6 stands in brackets.
pub(super) fn authority(host: &str, port: &str) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// Pods and services are dialled by address, for which certificates are rarely good.
fn anybody() -> Arc<ClientConfig> {
    static ANYBODY: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| {
        outside::client(&Trust::Anybody, None).expect("there is no bundle that could be wrong")
    });
    ANYBODY.clone()
}
