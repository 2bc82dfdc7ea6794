//! A server of a user, over TLS, that answers what a test says and remembers what it was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use cedge_pki::{Authority, LiveCredential, tls};
use cedge_tasks::{Trigger, shutdown};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use serde_json::Value;
use tokio::net::TcpListener;

type Answerer = dyn Fn(&Asked) -> (StatusCode, Value) + Send + Sync;

/// What the server was asked.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    /// Path and query.
    pub target: String,
    pub headers: http::HeaderMap,
    pub body: Value,
}

/// A server that ends with the test.
#[derive(Debug)]
pub struct Outside {
    pub address: SocketAddr,
    /// Its authority, as `caBundle` wants it.
    pub bundle: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    connections: Arc<std::sync::atomic::AtomicUsize>,
    _stop: Trigger,
}

// === impl Outside ===

impl Outside {
    /// Starts a server that is known under `names`.
    pub async fn start(
        names: &[&str],
        answer: impl Fn(&Asked) -> (StatusCode, Value) + Send + Sync + 'static,
    ) -> Self {
        let authority = Authority::ephemeral();
        let now = cedge_tasks::clock::now();
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        let credential = authority.server_credential(names, now).unwrap();
        let credential = LiveCredential::new(&credential);
        let settings = tls::join_server(credential, b"http/1.1");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let (stop, signal) = shutdown();
        let (answer, log, count): (Arc<Answerer>, _, _) =
            (Arc::new(answer), asked.clone(), connections.clone());
        let acceptor = tokio_rustls::TlsAcceptor::from(settings);
        cedge_tasks::spawn("outside", async move {
            while let Some(Ok((stream, _))) = signal.or(listener.accept()).await {
                let (acceptor, answer, log) = (acceptor.clone(), answer.clone(), log.clone());
                let count = count.clone();
                cedge_tasks::spawn("outside/connection", async move {
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    let service = hyper::service::service_fn(move |request| {
                        respond(request, answer.clone(), log.clone())
                    });
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(hyper_util::rt::TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        let pem = authority.certificate_pem();
        Self {
            address,
            bundle: base64::engine::general_purpose::STANDARD.encode(pem),
            asked,
            connections,
            _stop: stop,
        }
    }

    /// What was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub fn connections(&self) -> usize {
        self.connections.load(std::sync::atomic::Ordering::Relaxed)
    }
}

async fn respond(
    request: Request<Incoming>,
    answer: Arc<Answerer>,
    log: Arc<Mutex<Vec<Asked>>>,
) -> Result<Response<Full<bytes::Bytes>>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let bytes = body.collect().await?.to_bytes();
    let asked = Asked {
        method: parts.method.to_string(),
        target: parts.uri.to_string(),
        headers: parts.headers,
        body: serde_json::from_slice(&bytes).unwrap_or_default(),
    };
    log.lock().unwrap().push(asked.clone());
    let (code, body) = answer(&asked);
    let body = serde_json::to_vec(&body).unwrap();
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = code;
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert("content-type", json);
    Ok(response)
}
