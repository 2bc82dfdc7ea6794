//! A watch whose events are messages, each as text.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use futures::future::select;
use futures::stream::SplitSink;
use futures::{SinkExt as _, StreamExt as _};
use http::header::{
    CONNECTION, HeaderName, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::token::offered;
use crate::api::Api;
use crate::joined::Ending;
use crate::respond::{self, Body};

/// A client that takes nothing for so long is gone.
const SEND_LIMIT: Duration = Duration::from_secs(180);
/// Largest message of a client; nobody reads what it says.
const HEARD_MAX: usize = 64 << 10;

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Sends the events of a watch, one a line, over the WebSocket that its client asked for.
pub(crate) fn carry(api: &Arc<Api>, parts: Parts, events: Response<Body>) -> Response<Body> {
    let mut agreed = match agree(&parts.headers) {
        Ok(agreed) => agreed,
        Err(refused) => return *refused,
    };
    let upgrade = hyper::upgrade::on(Request::from_parts(parts, ()));
    let (ending, shutdown) = (Ending::default(), api.tasks.shutdown().clone());
    let held = ending.clone();
    api.tasks.spawn("apiserver/websocket", async move {
        let _held = held;
        let Ok(upgraded) = upgrade.await else { return };
        let limits = WebSocketConfig::default().max_message_size(Some(HEARD_MAX));
        let socket = TokioIo::new(upgraded);
        let socket = WebSocketStream::from_raw_socket(socket, Role::Server, Some(limits)).await;
        shutdown
            .or(Box::pin(talk(socket, events.into_body())))
            .await;
    });
    agreed.extensions_mut().insert(ending);
    agreed
}

/// Until the watch ends, or its client goes.
async fn talk(socket: Socket, events: Body) {
    let (to, mut from) = socket.split();
    let speaking = pin!(speak(to, events));
    // Pings are answered by reading on.
    let listening = pin!(async { while let Some(Ok(_)) = from.next().await {} });
    select(speaking, listening).await;
}

/// Says every line. `None` when nobody listens any more.
async fn speak(mut to: SplitSink<Socket, Message>, mut events: Body) -> Option<()> {
    let mut rest = BytesMut::new();
    while let Some(Ok(frame)) = events.frame().await {
        let Ok(data) = frame.into_data() else {
            continue;
        };
        rest.extend_from_slice(&data);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line = Utf8Bytes::try_from(rest.split_to(end + 1).freeze()).ok()?;
            let sending = tokio::time::timeout(SEND_LIMIT, to.send(Message::Text(line)));
            sending.await.ok()?.ok()?;
        }
    }
    let end = Message::Close(Some(CloseFrame {
        code: CloseCode::Normal,
        reason: Utf8Bytes::default(),
    }));
    let ending = async {
        to.send(end).await?;
        to.close().await
    };
    let ended = tokio::time::timeout(SEND_LIMIT, ending);
    ended.await.ok()?.ok()
}

/// Agrees to what a client offers.
///
/// # Errors
/// The answer that refuses it. Who says no origin is no page, and Kubernetes takes nobody else.
fn agree(headers: &HeaderMap) -> Result<Response<Body>, Box<Response<Body>>> {
    let text = |name: &HeaderName| headers.get(name).and_then(|v| v.to_str().ok());
    let key = text(&SEC_WEBSOCKET_KEY).filter(|key| !key.is_empty());
    let key = key.ok_or_else(|| refused(StatusCode::BAD_REQUEST))?;
    if text(&SEC_WEBSOCKET_VERSION) != Some("13") {
        return Err(refused(StatusCode::BAD_REQUEST));
    }
    if text(&ORIGIN).is_none_or(|origin| origin == "null") {
        return Err(refused(StatusCode::FORBIDDEN));
    }
    let protocols: Vec<&str> = offered(headers).collect();
    if protocols.len() > 1 {
        return Err(refused(StatusCode::BAD_REQUEST));
    }
    let mut agreed = empty(StatusCode::SWITCHING_PROTOCOLS);
    let out = agreed.headers_mut();
    out.insert(UPGRADE, HeaderValue::from_static("websocket"));
    out.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes()));
    out.extend(accept.ok().map(|accept| (SEC_WEBSOCKET_ACCEPT, accept)));
    let protocol = protocols.first().map(|p| HeaderValue::from_str(p));
    let protocol = protocol.and_then(Result::ok);
    out.extend(protocol.map(|protocol| (SEC_WEBSOCKET_PROTOCOL, protocol)));
    Ok(agreed)
}

fn refused(code: StatusCode) -> Box<Response<Body>> {
    Box::new(empty(code))
}

fn empty(code: StatusCode) -> Response<Body> {
    let mut response = Response::new(respond::full(""));
    *response.status_mut() = code;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a real kube-apiserver answers each.
    #[test]
    fn a_page_is_agreed_with() {
        let of = |changed: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            let usual = [
                ("sec-websocket-version", "13"),
                ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
                ("origin", "http://page"),
            ];
            for (name, value) in usual.iter().chain(changed) {
                headers.insert(*name, HeaderValue::from_static(value));
            }
            match agree(&headers) {
                Ok(agreed) => agreed,
                Err(refused) => *refused,
            }
        };
        let agreed = of(&[]);
        assert_eq!(agreed.status(), 101);
        let accept = &agreed.headers()[SEC_WEBSOCKET_ACCEPT];
        assert_eq!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        let one = of(&[("sec-websocket-protocol", "base64.binary.k8s.io")]);
        let protocol = &one.headers()[SEC_WEBSOCKET_PROTOCOL];
        assert_eq!(protocol, "base64.binary.k8s.io");
        for (header, value, code) in [
            ("origin", "null", 403),
            ("sec-websocket-version", "12", 400),
            ("sec-websocket-protocol", "a, b", 400),
            ("sec-websocket-key", "", 400),
        ] {
            assert_eq!(of(&[(header, value)]).status(), code, "{header}");
        }
    }
}
