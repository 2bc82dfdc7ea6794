//! From HTTP to something else on the same connection.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::{Answer, Refused};
use crate::Node;

/// What is spoken inside of SPDY: the client names what it knows, we what we take.
pub(super) const STREAM_PROTOCOL: HeaderName = HeaderName::from_static("x-stream-protocol-version");

pub(super) type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Whether a header holds this word, in a list or alone.
pub(super) fn says(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let values = headers
        .get_all(name)
        .into_iter()
        .filter_map(|v| v.to_str().ok());
    values
        .flat_map(|v| v.split(','))
        .any(|v| v.trim().eq_ignore_ascii_case(word))
}

pub(super) fn is_spdy(headers: &HeaderMap) -> bool {
    says(headers, &header::UPGRADE, "SPDY/3.1")
}

/// Agrees to a WebSocket with this subprotocol; `session` gets it when the client has seen that.
pub(super) fn to_websocket<F>(
    node: &Arc<Node>,
    request: Request<Incoming>,
    protocol: &'static str,
    session: impl FnOnce(Socket) -> F + Send + 'static,
) -> Result<Answer, Refused>
where
    F: Future<Output = ()> + Send + 'static,
{
    let key = request.headers().get(header::SEC_WEBSOCKET_KEY);
    let key = key.ok_or_else(|| Refused::bad("Sec-WebSocket-Key is missing"))?;
    let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes()));
    let mut answer = switch(node, request, "websocket", |io| async {
        session(WebSocketStream::from_raw_socket(io, Role::Server, None).await).await;
    });
    let headers = answer.headers_mut();
    headers.insert(
        header::SEC_WEBSOCKET_PROTOCOL,
        HeaderValue::from_static(protocol),
    );
    if let Ok(accept) = accept {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    Ok(answer)
}

/// Agrees to SPDY/3.1, and to what is spoken inside.
pub(super) fn to_spdy<F>(
    node: &Arc<Node>,
    request: Request<Incoming>,
    protocol: &'static str,
    session: impl FnOnce(cedge_spdy::Connection) -> F + Send + 'static,
) -> Answer
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut answer = switch(node, request, "SPDY/3.1", |io| async {
        session(cedge_spdy::Connection::new(io)).await;
    });
    answer
        .headers_mut()
        .insert(STREAM_PROTOCOL, HeaderValue::from_static(protocol));
    answer
}

/// Agrees to bytes as they are, to and from a stream.
pub(super) fn to_bytes(
    node: &Arc<Node>,
    request: Request<Incoming>,
    mut stream: TcpStream,
) -> Answer {
    switch(node, request, "tcp", |mut io| async move {
        let copied = tokio::io::copy_bidirectional(&mut io, &mut stream).await;
        tracing::debug!(?copied, "a connection to a port of a pod ended");
    })
}

fn switch<F>(
    node: &Arc<Node>,
    mut request: Request<Incoming>,
    to: &'static str,
    session: impl FnOnce(TokioIo<Upgraded>) -> F + Send + 'static,
) -> Answer
where
    F: Future<Output = ()> + Send + 'static,
{
    let upgrade = hyper::upgrade::on(&mut request);
    let shutdown = node.tasks.shutdown().clone();
    cedge_tasks::spawn("node/stream", async move {
        let work = async move {
            match upgrade.await {
                Ok(upgraded) => session(TokioIo::new(upgraded)).await,
                Err(error) => tracing::debug!(%error, "the upgrade did not happen"),
            }
        };
        shutdown.or(Box::pin(work)).await;
    });
    let mut answer = Response::new(Empty::new().map_err(|never| match never {}).boxed());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = answer.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static(to));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    answer
}
