//! Channels as streams of SPDY/3.1: the client opens one for each and says which in a header.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cedge_spdy::{Connection, Reader, Writer};
use futures::StreamExt as _;
use futures::stream::{self, BoxStream, SelectAll};
use http::Request;
use hyper::body::Incoming;

use super::{ERROR, Heard, Listen, RESIZE, STDERR, STDIN, STDOUT, Talk, Wanted};
use crate::Node;
use crate::server::upgrade::{self, STREAM_PROTOCOL};
use crate::server::{Answer, Refused};

/// The only protocol that says how a command ended in a form that can be read (older ones say nothing, or a sentence).
const PROTOCOL: &str = "v4.channel.k8s.io";
/// The client opens its streams within this time, as at a kubelet.
const OPENED_WITHIN: Duration = Duration::from_secs(30);

/// The streams to the client, by channel.
#[derive(Default)]
pub(in crate::server) struct Writers(BTreeMap<u8, Writer>);

pub(super) fn accept<F>(
    node: &Arc<Node>,
    wanted: Wanted,
    request: Request<Incoming>,
    session: impl FnOnce(Talk, Listen) -> F + Send + 'static,
) -> Result<Answer, Refused>
where
    F: Future<Output = ()> + Send + 'static,
{
    if !upgrade::says(request.headers(), &STREAM_PROTOCOL, PROTOCOL) {
        return Err(Refused::bad(
            "no common protocol: this node speaks v4.channel.k8s.io inside of SPDY",
        ));
    }
    Ok(upgrade::to_spdy(
        node,
        request,
        PROTOCOL,
        move |connection| async move {
            let streams = tokio::time::timeout(OPENED_WITHIN, opened(connection, wanted)).await;
            match streams {
                Ok(Some((talk, listen))) => session(talk, listen).await,
                Ok(None) => tracing::debug!("the client went before its streams were there"),
                Err(_) => tracing::debug!("the client did not open its streams in time"),
            }
        },
    ))
}

/// Both directions, once all streams are there.
async fn opened(mut connection: Connection, wanted: Wanted) -> Option<(Talk, Listen)> {
    let wants = |channel: u8| match channel {
        ERROR => true,
        STDIN => wanted.stdin,
        STDOUT => wanted.stdout,
        STDERR => wanted.stderr,
        _ => wanted.tty,
    };
    let all = [ERROR, STDIN, STDOUT, STDERR, RESIZE];
    let count = all.into_iter().filter(|c| wants(*c)).count();
    let mut writers = Writers::default();
    let mut listen = SelectAll::new();
    while writers.0.len() < count {
        let stream = connection.accept().await?;
        let kind = stream.headers.get("streamType").unwrap_or_default();
        let Some(channel) = channel(kind).filter(|c| wants(*c)) else {
            tracing::debug!(kind, "a stream that nobody asked for");
            continue;
        };
        writers.0.insert(channel, stream.writer);
        listen.push(pieces(channel, stream.reader));
    }
    listen.push(end(connection));
    Some((Talk::Spdy(writers), Listen::Spdy(listen)))
}

fn channel(kind: &str) -> Option<u8> {
    Some(match kind {
        "error" => ERROR,
        "stdin" => STDIN,
        "stdout" => STDOUT,
        "stderr" => STDERR,
        "resize" => RESIZE,
        _ => return None,
    })
}

fn pieces(channel: u8, reader: Reader) -> BoxStream<'static, Heard> {
    let pieces = stream::unfold(reader, move |mut reader| async move {
        Some((Heard::Bytes(channel, reader.read().await?), reader))
    });
    pieces
        .chain(stream::once(async move { Heard::Closed(channel) }))
        .boxed()
}

/// The connection, until it ends.
fn end(mut connection: Connection) -> BoxStream<'static, Heard> {
    let gone = async move {
        while let Some(late) = connection.accept().await {
            tracing::debug!(stream = late.id, "a stream that nobody asked for");
        }
        Heard::Gone
    };
    stream::once(gone).boxed()
}

// === impl Writers ===

impl Writers {
    /// What goes to a channel that the client did not ask for is dropped.
    pub(super) async fn say(&mut self, channel: u8, bytes: Bytes) -> bool {
        match self.0.get_mut(&channel) {
            Some(writer) => writer.write(bytes).await,
            None => true,
        }
    }

    pub(super) async fn finish(self) {
        for writer in self.0.into_values() {
            writer.finish().await;
        }
    }
}
