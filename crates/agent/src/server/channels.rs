//! Several byte streams over one connection, as `exec` and `attach` need them: the channels of a WebSocket
//! (`v5.channel.k8s.io`, `v4.channel.k8s.io`), or the streams of SPDY/3.1 (`v4.channel.k8s.io` and older).

mod spdy;
mod websocket;

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{BoxStream, SelectAll, SplitSink, SplitStream};
use futures::{SinkExt as _, StreamExt as _};
use http::Request;
use hyper::body::Incoming;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

pub(super) use websocket::{accept as websocket, farewell, framed};

use super::query::Query;
use super::upgrade::{self, Socket};
use super::{Answer, Refused};
use crate::Node;

pub(super) const STDIN: u8 = 0;
pub(super) const STDOUT: u8 = 1;
pub(super) const STDERR: u8 = 2;
pub(super) const ERROR: u8 = 3;
pub(super) const RESIZE: u8 = 4;

/// The channels that a client opens besides the one for errors.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) stdin: bool,
    stdout: bool,
    stderr: bool,
    pub(super) tty: bool,
}

/// What the client said.
#[derive(Debug)]
pub(super) enum Heard {
    Bytes(u8, Bytes),
    Closed(u8),
    /// Nothing more comes from it: it is gone.
    Gone,
}

/// What goes to the client.
pub(super) enum Talk {
    WebSocket(SplitSink<Socket, Message>),
    Spdy(spdy::Writers),
}

/// What comes from the client.
pub(super) enum Listen {
    WebSocket(SplitStream<Socket>),
    Spdy(SelectAll<BoxStream<'static, Heard>>),
}

/// Agrees to what the client speaks; `session` gets both directions when the client has seen that.
pub(super) fn accept<F>(
    node: &Arc<Node>,
    wanted: Wanted,
    request: Request<Incoming>,
    session: impl FnOnce(Talk, Listen) -> F + Send + 'static,
) -> Result<Answer, Refused>
where
    F: Future<Output = ()> + Send + 'static,
{
    if upgrade::is_spdy(request.headers()) {
        return spdy::accept(node, wanted, request, session);
    }
    websocket(node, request, |socket| {
        let (talk, listen) = socket.split();
        session(Talk::WebSocket(talk), Listen::WebSocket(listen))
    })
}

// === impl Wanted ===

impl Wanted {
    /// As the API server names them to a kubelet, or as a client does.
    pub(super) fn of(query: &Query) -> Self {
        let flag = |name: &'static str, short: &'static str| query.flag(name) || query.flag(short);
        let tty = query.flag("tty");
        Self {
            stdin: flag("stdin", "input"),
            stdout: flag("stdout", "output"),
            // A terminal has one output.
            stderr: flag("stderr", "error") && !tty,
            tty,
        }
    }
}

// === impl Talk ===

impl Talk {
    /// Says whether the client is still there.
    pub(super) async fn say(&mut self, channel: u8, bytes: Bytes) -> bool {
        match self {
            Self::WebSocket(socket) => {
                let frame = Message::binary(framed(channel, &bytes));
                socket.send(frame).await.is_ok()
            }
            Self::Spdy(writers) => writers.say(channel, bytes).await,
        }
    }

    /// The last word: how it ended.
    pub(super) async fn end(mut self, result: Result<i32, String>) {
        let outcome = outcome(result).to_string();
        if !self.say(ERROR, outcome.into()).await {
            return;
        }
        match self {
            Self::WebSocket(mut socket) => {
                let _ = socket.send(farewell()).await;
                let _ = socket.close().await;
            }
            Self::Spdy(writers) => writers.finish().await,
        }
    }
}

// === impl Listen ===

impl Listen {
    /// Cancel safe.
    pub(super) async fn next(&mut self) -> Heard {
        match self {
            Self::WebSocket(socket) => websocket::next(socket).await,
            Self::Spdy(streams) => streams.next().await.unwrap_or(Heard::Gone),
        }
    }
}

/// How a command ended, as the error channel says it.
fn outcome(result: Result<i32, String>) -> serde_json::Value {
    match result {
        Ok(0) => json!({"metadata": {}, "status": "Success"}),
        Ok(code) => json!({
            "metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
            "message": format!("command terminated with non-zero exit code: exit status {code}"),
            "details": {"causes": [{"reason": "ExitCode", "message": code.to_string()}]},
        }),
        Err(words) => json!({
            "metadata": {}, "status": "Failure", "reason": "InternalError", "message": words, "code": 500,
        }),
    }
}
