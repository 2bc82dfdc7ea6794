//! The way in: connections of a client of our own, which sends a request once and never again by itself.
//!
//! Clients of other makers repeat a request when a connection ends; then nobody knows how often a write was sent.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::{Bytes, BytesMut};
use cedge_pki::{Authority, Key, LiveCredential, Profile, Validity, tls};
use http::{Method, Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::client::TlsStream;

/// How long one request may take; the server itself gives up after a minute.
const ANSWER_WITHIN: Duration = Duration::from_secs(90);
/// How long a handshake may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(20);

/// One user's way to one server.
#[derive(Debug, Clone)]
pub struct Door {
    address: SocketAddr,
    tls: Arc<ClientConfig>,
}

/// One connection, opened when it is needed.
#[derive(Debug)]
pub struct Client {
    door: Door,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    sender: http1::SendRequest<Full<Bytes>>,
    connection: JoinHandle<()>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub code: u16,
    /// The whole body.
    pub body: Bytes,
}

/// Why nothing came back.
#[derive(Debug)]
pub enum Silence {
    /// Not a byte of it was sent.
    NeverSent(String),
    /// It may have been done.
    Unknown(String),
}

/// An answer that goes on, line by line.
#[derive(Debug)]
pub struct Lines {
    body: Incoming,
    buffer: BytesMut,
    _client: Client,
}

// === impl Door ===

impl Door {
    /// A user with a certificate of the cluster in this folder.
    ///
    /// # Errors
    /// If the cluster's authority cannot be read.
    pub fn of(folder: &Path, address: SocketAddr, user: &str, group: &str) -> anyhow::Result<Self> {
        let authority = Authority::load_or_create(&folder.join("identity"))?;
        let profile = Profile::User {
            name: user.to_owned(),
            group: (!group.is_empty()).then(|| group.to_owned()),
        };
        let validity = Validity::from_now(cedge_tasks::clock::now());
        let credential = authority.issue(&profile, &Arc::new(Key::generate()), validity)?;
        let roots = [authority.certificate().clone()];
        let tls = tls::api_client(&roots, Some(LiveCredential::new(&credential)));
        let mut tls = Arc::unwrap_or_clone(tls.context("a CA")?);
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            address,
            tls: Arc::new(tls),
        })
    }

    /// The same way, but over HTTP/2.
    #[must_use]
    pub fn h2(&self) -> Self {
        let mut tls = ClientConfig::clone(&self.tls);
        tls.alpn_protocols = vec![b"h2".to_vec()];
        Self {
            address: self.address,
            tls: Arc::new(tls),
        }
    }

    /// Where it leads.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A bare stream, after the handshake.
    ///
    /// # Errors
    /// If nobody is there.
    pub async fn stream(&self) -> io::Result<TlsStream<TcpStream>> {
        let connecting = async {
            let socket = TcpStream::connect(self.address).await?;
            socket.set_nodelay(true)?;
            let name = ServerName::from(self.address.ip());
            let connector = tokio_rustls::TlsConnector::from(self.tls.clone());
            connector.connect(name, socket).await
        };
        tokio::time::timeout(CONNECT_WITHIN, connecting)
            .await
            .map_err(io::Error::other)?
    }

    /// A client of this user.
    #[must_use]
    pub fn client(&self) -> Client {
        Client {
            door: self.clone(),
            open: None,
        }
    }
}

// === impl Client ===

impl Client {
    /// Sends a request, once, and reads the whole answer.
    ///
    /// # Errors
    /// If there is no whole answer.
    pub async fn ask(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, Silence> {
        let asking = async {
            let response = self.begin(request).await?;
            let code = response.status().as_u16();
            let body = response.into_body().collect().await;
            let body = body.map_err(|e| Silence::Unknown(e.to_string()))?;
            Ok(Answer {
                code,
                body: body.to_bytes(),
            })
        };
        let answer = tokio::time::timeout(ANSWER_WITHIN, asking)
            .await
            .unwrap_or_else(|_| Err(Silence::Unknown("no answer in time".into())));
        if answer.is_err() {
            self.open = None;
        }
        answer
    }

    /// Sends a request without a body.
    ///
    /// # Errors
    /// If there is no whole answer.
    pub async fn get(&mut self, path: &str) -> Result<Answer, Silence> {
        self.ask(request(Method::GET, path, "", Bytes::new())).await
    }

    /// Asks for a stream of lines; this connection is then used up.
    ///
    /// # Errors
    /// If there is no answer; what is not 200 is given as [`Silence::Unknown`].
    pub async fn lines(mut self, path: &str) -> Result<Lines, Silence> {
        let asked = self.begin(request(Method::GET, path, "", Bytes::new()));
        let response = tokio::time::timeout(ANSWER_WITHIN, asked)
            .await
            .unwrap_or_else(|_| Err(Silence::Unknown("no answer in time".into())))?;
        if !response.status().is_success() {
            return Err(Silence::Unknown(response.status().to_string()));
        }
        Ok(Lines {
            body: response.into_body(),
            buffer: BytesMut::new(),
            _client: self,
        })
    }

    async fn begin(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<http::Response<Incoming>, Silence> {
        let open = match self.open.take() {
            Some(mut open) => match open.sender.ready().await {
                Ok(()) => open,
                Err(_) => self.connect().await?,
            },
            None => self.connect().await?,
        };
        let open = self.open.insert(open);
        let sent = open.sender.send_request(request).await;
        sent.map_err(|e| Silence::Unknown(e.to_string()))
    }

    async fn connect(&self) -> Result<Open, Silence> {
        let never = |e: &dyn std::error::Error| Silence::NeverSent(e.to_string());
        let stream = self.door.stream().await.map_err(|e| never(&e))?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|e| never(&e))?;
        let connection = cedge_tasks::spawn("door/connection", async {
            // What becomes of requests is told where they are awaited.
            let _ = connection.await;
        });
        Ok(Open { sender, connection })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

// === impl Answer ===

impl Answer {
    /// The body as JSON; null if it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

// === impl Lines ===

impl Lines {
    /// The next line; `None` at the end, however it comes.
    ///
    /// *Cancel safety*: safe.
    pub async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(end) = self.buffer.iter().position(|b| *b == b'\n') {
                let mut line = self.buffer.split_to(end + 1);
                line.truncate(end);
                return Some(line.freeze());
            }
            let data = self.body.frame().await?.ok()?.into_data().ok()?;
            self.buffer.extend_from_slice(&data);
        }
    }
}

/// A request with a body of this type.
///
/// # Panics
/// If the path is none.
#[must_use]
pub fn request(
    method: Method,
    path: &str,
    content_type: &str,
    body: Bytes,
) -> Request<Full<Bytes>> {
    let mut builder = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "storm")
        .header(header::USER_AGENT, "storm/1")
        .header(header::ACCEPT, "application/json");
    if !content_type.is_empty() {
        builder = builder.header(header::CONTENT_TYPE, content_type);
    }
    builder.body(Full::new(body)).expect("a request")
}
