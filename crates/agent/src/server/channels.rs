//! Several byte streams over one WebSocket: `v5.channel.k8s.io` and `v4.channel.k8s.io`.
//!
//! The first byte of each message names the channel. v5 can also close one: the message `255, CHANNEL`.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};

use super::{Answer, Refused};
use crate::Node;

pub(super) const STDIN: u8 = 0;
pub(super) const STDOUT: u8 = 1;
pub(super) const STDERR: u8 = 2;
pub(super) const ERROR: u8 = 3;
pub(super) const RESIZE: u8 = 4;
pub(super) const CLOSE: u8 = 255;

const PROTOCOLS: [&str; 2] = ["v5.channel.k8s.io", "v4.channel.k8s.io"];

pub(super) type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Agrees to a WebSocket; `session` gets it when the client has seen that.
pub(super) fn accept<F>(
    node: &Arc<Node>,
    mut request: Request<Incoming>,
    session: impl FnOnce(Socket) -> F + Send + 'static,
) -> Result<Answer, Refused>
where
    F: Future<Output = ()> + Send + 'static,
{
    let (key, protocol) = agree(request.headers())?;
    let upgrade = hyper::upgrade::on(&mut request);
    let shutdown = node.tasks.shutdown().clone();
    cedge_tasks::spawn("node/websocket", async move {
        let work = async move {
            match upgrade.await {
                Ok(upgraded) => {
                    let io = TokioIo::new(upgraded);
                    session(WebSocketStream::from_raw_socket(io, Role::Server, None).await).await;
                }
                Err(error) => tracing::debug!(%error, "the upgrade did not happen"),
            }
        };
        shutdown.or(work).await;
    });
    let body = Empty::new().map_err(|never| match never {}).boxed();
    let mut answer = Response::new(body);
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = answer.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(
        header::SEC_WEBSOCKET_PROTOCOL,
        HeaderValue::from_static(protocol),
    );
    if let Ok(value) = HeaderValue::from_str(&derive_accept_key(key.as_bytes())) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, value);
    }
    Ok(answer)
}

/// The client's key, and the protocol that both speak.
fn agree(headers: &HeaderMap) -> Result<(String, &'static str), Refused> {
    let bad = |words: &str| Refused(StatusCode::BAD_REQUEST, words.to_owned());
    let has = |name: header::HeaderName, word: &str| {
        let values = headers
            .get_all(name)
            .into_iter()
            .filter_map(|v| v.to_str().ok());
        values
            .flat_map(|v| v.split(','))
            .any(|v| v.trim().eq_ignore_ascii_case(word))
    };
    if !has(header::UPGRADE, "websocket") {
        return Err(bad("this needs a WebSocket (SPDY is not spoken here)"));
    }
    let key = headers
        .get(header::SEC_WEBSOCKET_KEY)
        .and_then(|k| k.to_str().ok());
    let key = key.ok_or_else(|| bad("Sec-WebSocket-Key is missing"))?;
    let spoken = PROTOCOLS
        .into_iter()
        .find(|p| has(header::SEC_WEBSOCKET_PROTOCOL, p));
    let protocol = spoken.ok_or_else(|| {
        bad("no common subprotocol: this node speaks v5.channel.k8s.io and v4.channel.k8s.io")
    })?;
    Ok((key.to_owned(), protocol))
}

/// The last message of a conversation that ended well: kubectl takes a close without this code for a failure.
pub(super) fn farewell() -> Message {
    Message::Close(Some(CloseFrame {
        code: CloseCode::Normal,
        reason: "".into(),
    }))
}

/// How a command ended, as the error channel says it.
pub(super) fn outcome(result: Result<i32, String>) -> Vec<u8> {
    let status = match result {
        Ok(0) => json!({"metadata": {}, "status": "Success"}),
        Ok(code) => json!({
            "metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
            "message": format!("command terminated with non-zero exit code: exit status {code}"),
            "details": {"causes": [{"reason": "ExitCode", "message": code.to_string()}]},
        }),
        Err(words) => json!({
            "metadata": {}, "status": "Failure", "reason": "InternalError", "message": words, "code": 500,
        }),
    };
    framed(ERROR, status.to_string().as_bytes())
}

pub(super) fn framed(channel: u8, bytes: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(bytes.len() + 1);
    frame.push(channel);
    frame.extend_from_slice(bytes);
    frame
}
