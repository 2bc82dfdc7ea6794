//! A client of an API server: HTTP/2 over TLS with the certificate of a kubeconfig, and nothing in between.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::{Bytes, BytesMut};
use http::{Method, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Room for answers that are not read yet, of one stream and of a connection: what clients of etcd get in the same run.
const WINDOWS: (u32, u32) = (1 << 20, 16 << 20);

/// An API server, and who asks it.
#[derive(Clone)]
pub struct Target {
    address: String,
    name: ServerName<'static>,
    tls: TlsConnector,
}

/// One connection; clones share it.
#[derive(Debug, Clone)]
pub struct Connection {
    address: String,
    sender: http2::SendRequest<Full<Bytes>>,
}

/// The lines of a watch.
#[derive(Debug)]
pub struct Lines {
    incoming: Incoming,
    buffer: BytesMut,
}

// === impl Target ===

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Target")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Target {
    /// The current context of a kubeconfig that holds its certificates.
    ///
    /// # Errors
    /// When it is not there, or not of that kind.
    pub fn of(kubeconfig: &Path) -> Result<Self> {
        let file = std::fs::read_to_string(kubeconfig)?;
        // One cluster and one user, and no value with a blank in it: what stands behind a key is found without a parser,
        // also where YAML puts it on a line of its own.
        let line = |key: &str| {
            let mut words = file.split_whitespace().skip_while(|word| *word != key);
            let found = words.by_ref().skip(1).find(|word| *word != ">-");
            found.with_context(|| format!("no {key} in {}", kubeconfig.display()))
        };
        let held = |key: &str| anyhow::Ok(BASE64.decode(line(key)?)?);
        let mut roots = RootCertStore::empty();
        for ca in CertificateDer::pem_slice_iter(&held("certificate-authority-data:")?) {
            roots.add(ca?)?;
        }
        let chain = CertificateDer::pem_slice_iter(&held("client-certificate-data:")?)
            .collect::<Result<Vec<_>, _>>()?;
        let key = PrivateKeyDer::from_pem_slice(&held("client-key-data:")?)?;
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        let server = line("server:")?.strip_prefix("https://");
        let address = server.context("not an https address")?.trim_matches('/');
        let (host, _) = address.rsplit_once(':').context("an address has a port")?;
        Ok(Self {
            address: address.to_owned(),
            name: ServerName::try_from(host.to_owned())?,
            tls: TlsConnector::from(Arc::new(config)),
        })
    }

    /// Connects.
    ///
    /// # Errors
    /// When nobody answers there, or is not whom the kubeconfig names.
    pub async fn connect(&self) -> Result<Connection> {
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        let stream = self.tls.connect(self.name.clone(), stream).await?;
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(WINDOWS.0)
            .initial_connection_window_size(WINDOWS.1)
            .handshake(TokioIo::new(stream))
            .await?;
        cedge_tasks::spawn("bench/api", async move {
            let _ = connection.await;
        });
        Ok(Connection {
            address: self.address.clone(),
            sender,
        })
    }
}

// === impl Connection ===

impl Connection {
    /// Asks, and reads the whole answer.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn ask(
        &mut self,
        method: Method,
        path: &str,
        body: impl Into<Bytes>,
    ) -> Result<(StatusCode, Bytes)> {
        let kind = match method {
            Method::PATCH => "application/merge-patch+json",
            _ => "application/json",
        };
        self.ask_as(method, path, kind, body.into()).await
    }

    /// Applies a configuration on the server's side, by force, and reads the whole answer.
    ///
    /// # Errors
    /// Also when the answer is an error.
    pub async fn apply(&mut self, path: &str, body: impl Into<Bytes>) -> Result<Bytes> {
        let path = format!("{path}?fieldManager=bench&force=true");
        let kind = "application/apply-patch+yaml";
        let (status, answer) = self.ask_as(Method::PATCH, &path, kind, body.into()).await?;
        if !status.is_success() {
            bail!("{path}: {status} {}", String::from_utf8_lossy(&answer));
        }
        Ok(answer)
    }

    async fn ask_as(
        &mut self,
        method: Method,
        path: &str,
        kind: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes)> {
        let answer = self.send(method, path, kind, body).await?;
        let status = answer.status();
        Ok((status, answer.into_body().collect().await?.to_bytes()))
    }

    /// Asks for what must be answered well.
    ///
    /// # Errors
    /// Also when the answer is an error.
    pub async fn must(
        &mut self,
        method: Method,
        path: &str,
        body: impl Into<Bytes>,
    ) -> Result<Bytes> {
        let (status, answer) = self.ask(method, path, body).await?;
        if !status.is_success() {
            bail!("{path}: {status} {}", String::from_utf8_lossy(&answer));
        }
        Ok(answer)
    }

    /// An object; `None` if there is none.
    ///
    /// # Errors
    /// When the answer is another error.
    pub async fn get(&mut self, path: &str) -> Result<Option<Value>> {
        match self.ask(Method::GET, path, Bytes::new()).await? {
            (StatusCode::NOT_FOUND, _) => Ok(None),
            (status, answer) if status.is_success() => Ok(Some(serde_json::from_slice(&answer)?)),
            (status, answer) => bail!("{path}: {status} {}", String::from_utf8_lossy(&answer)),
        }
    }

    /// Opens a watch.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn watch(&mut self, path: &str) -> Result<Lines> {
        let answer = self
            .send(Method::GET, path, "application/json", Bytes::new())
            .await?;
        if !answer.status().is_success() {
            bail!("{path}: {}", answer.status());
        }
        Ok(Lines {
            incoming: answer.into_body(),
            buffer: BytesMut::new(),
        })
    }

    /// Lists nothing, and watches from there, as clients do; `selector` is empty or a parameter of the query.
    ///
    /// # Errors
    /// When either is refused.
    pub async fn watch_from_now(&mut self, path: &str, selector: &str) -> Result<Lines> {
        let list = self.get(&format!("{path}?limit=1&{selector}")).await?;
        let at = list
            .as_ref()
            .and_then(|l| l["metadata"]["resourceVersion"].as_str());
        let at = at.context("a list without a resourceVersion")?;
        self.watch(&format!("{path}?watch=1&resourceVersion={at}&{selector}"))
            .await
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        kind: &str,
        body: Bytes,
    ) -> Result<http::Response<Incoming>> {
        let request = http::Request::builder()
            .method(method)
            .uri(format!("https://{}{path}", self.address))
            .header("content-type", kind)
            .header("accept", "application/json")
            .body(Full::new(body))?;
        self.sender.ready().await?;
        Ok(self.sender.send_request(request).await?)
    }
}

// === impl Lines ===

impl Lines {
    /// The next line; `None` when the watch ended.
    ///
    /// # Errors
    /// When the connection breaks.
    ///
    /// # Cancel safety
    /// What came stays in the buffer.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        let mut searched = 0;
        loop {
            if let Some(end) = self.buffer[searched..].iter().position(|b| *b == b'\n') {
                let mut line = self.buffer.split_to(searched + end + 1);
                line.truncate(searched + end);
                return Ok(Some(line.freeze()));
            }
            searched = self.buffer.len();
            let Some(frame) = self.incoming.frame().await else {
                return Ok(None);
            };
            if let Ok(data) = frame?.into_data() {
                self.buffer.extend_from_slice(&data);
            }
        }
    }
}

/// The version in an answer: after updates nothing else of it is needed.
#[must_use]
pub fn resource_version(answer: &[u8]) -> Option<&str> {
    text_after(answer, b"\"resourceVersion\":\"")
}

/// The text from behind a mark to the next quotation mark.
#[must_use]
pub fn text_after<'a>(answer: &'a [u8], mark: &[u8]) -> Option<&'a str> {
    let begin = answer.windows(mark.len()).position(|w| w == mark)? + mark.len();
    let rest = &answer[begin..];
    let end = rest.iter().position(|b| *b == b'"')?;
    std::str::from_utf8(&rest[..end]).ok()
}
