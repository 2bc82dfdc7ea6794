//! Channels of a WebSocket: the first byte of each message names one. v5 can also close one: the message `255, CHANNEL`.

use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::SplitStream;
use http::{HeaderMap, Request, header};
use hyper::body::Incoming;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::Heard;
use crate::Node;
use crate::server::upgrade::{self, Socket};
use crate::server::{Answer, Refused};

const CLOSE: u8 = 255;
const PROTOCOLS: [&str; 2] = ["v5.channel.k8s.io", "v4.channel.k8s.io"];

/// Agrees to a WebSocket; `session` gets it when the client has seen that.
pub(in crate::server) fn accept<F>(
    node: &Arc<Node>,
    request: Request<Incoming>,
    session: impl FnOnce(Socket) -> F + Send + 'static,
) -> Result<Answer, Refused>
where
    F: Future<Output = ()> + Send + 'static,
{
    let protocol = agree(request.headers())?;
    upgrade::to_websocket(node, request, protocol, session)
}

/// The protocol that both speak.
fn agree(headers: &HeaderMap) -> Result<&'static str, Refused> {
    if !upgrade::says(headers, &header::UPGRADE, "websocket") {
        return Err(Refused::bad(
            "this needs an upgrade to a WebSocket or to SPDY/3.1",
        ));
    }
    let mut known = PROTOCOLS.into_iter();
    let spoken = known.find(|p| upgrade::says(headers, &header::SEC_WEBSOCKET_PROTOCOL, p));
    spoken.ok_or_else(|| {
        Refused::bad(
            "no common subprotocol: this node speaks v5.channel.k8s.io and v4.channel.k8s.io",
        )
    })
}

/// The next thing that matters.
pub(super) async fn next(socket: &mut SplitStream<Socket>) -> Heard {
    loop {
        match socket.next().await {
            Some(Ok(Message::Binary(bytes))) => match bytes.split_first() {
                Some((&CLOSE, rest)) if !rest.is_empty() => return Heard::Closed(rest[0]),
                Some((&channel, rest)) if !rest.is_empty() => {
                    return Heard::Bytes(channel, bytes.slice(1..));
                }
                _ => {}
            },
            Some(Ok(Message::Close(_)) | Err(_)) | None => return Heard::Gone,
            Some(Ok(_)) => {}
        }
    }
}

/// The last message of a conversation that ended well: kubectl takes a close without this code for a failure.
pub(in crate::server) fn farewell() -> Message {
    Message::Close(Some(CloseFrame {
        code: CloseCode::Normal,
        reason: "".into(),
    }))
}

pub(in crate::server) fn framed(channel: u8, bytes: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(bytes.len() + 1);
    frame.push(channel);
    frame.extend_from_slice(bytes);
    frame
}
