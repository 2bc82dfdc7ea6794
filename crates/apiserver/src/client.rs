//! Clients in the same process: requests are function calls. Only what is upgraded (exec, attach, port-forward) needs a
//! connection, and gets one in memory.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use cedge_pki::Identity;
use cedge_serving::{Connection, Limits, serve_stream};
use http::header::UPGRADE;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use crate::api::Api;
use crate::authn::InProcess;
use crate::respond::{Body, BoxError};
use crate::service::ApiService;

/// Bytes that a connection in memory holds in each direction.
const PIPE: usize = 64 << 10;

/// A client that speaks for `identity`.
pub(crate) fn client(api: Arc<Api>, identity: Identity) -> kube::Client {
    kube::Client::new(InProcessService { api, identity }, "default")
}

#[derive(Debug, Clone)]
struct InProcessService {
    api: Arc<Api>,
    identity: Identity,
}

// === impl InProcessService ===

impl tower::Service<Request<kube::client::Body>> for InProcessService {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<kube::client::Body>) -> Self::Future {
        let mut service = ApiService::new(self.api.clone());
        if request.headers().contains_key(UPGRADE) {
            let connection = Connection::vouched(self.identity.clone());
            return Box::pin(upgraded(self.api.clone(), service, connection, request));
        }
        request
            .extensions_mut()
            .insert(InProcess(self.identity.clone()));
        let answer = service.call(request);
        Box::pin(async move { answer.await.map_err(|never| match never {}) })
    }
}

/// Sends a request over a pipe, so that its answer can be upgraded.
async fn upgraded(
    api: Arc<Api>,
    service: ApiService,
    connection: Connection,
    request: Request<kube::client::Body>,
) -> Result<Response<Body>, BoxError> {
    let (ours, theirs) = tokio::io::duplex(PIPE);
    let shutdown = api.tasks.shutdown().clone();
    api.tasks.spawn("apiserver/pipe", async move {
        let limits = Limits::default();
        if let Err(error) = serve_stream(theirs, service, connection, &limits, &shutdown).await {
            tracing::debug!(%error, "connection in memory ended");
        }
    });
    let (mut sender, connection) = http1::handshake(TokioIo::new(ours)).await?;
    api.tasks.spawn("apiserver/pipe-client", async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "connection in memory ended");
        }
    });
    let answer = sender.send_request(relative(request)).await?;
    Ok(answer.map(|body| body.map_err(Into::into).boxed_unsync()))
}

/// HTTP/1 wants a path, and the host in a header.
fn relative(mut request: Request<kube::client::Body>) -> Request<kube::client::Body> {
    let path = request
        .uri()
        .path_and_query()
        .map_or("/", |p| p.as_str())
        .to_owned();
    if let Ok(uri) = path.parse() {
        *request.uri_mut() = uri;
    }
    let host = http::HeaderValue::from_static("localhost");
    request
        .headers_mut()
        .entry(http::header::HOST)
        .or_insert(host);
    request
}
