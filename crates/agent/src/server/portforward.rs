//! Connections to ports of a pod, over a WebSocket: for each port a channel for bytes and one for errors, as clients of
//! `v4.channel.k8s.io` expect. (kubectl itself forwards ports by SPDY, inside of a WebSocket or not: that is not spoken.)

use std::sync::Arc;

use futures::{SinkExt as _, StreamExt as _};
use http::{Request, StatusCode};
use hyper::body::Incoming;
use k8s_openapi::api::core::v1::Pod;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use super::channels::{self, Socket, framed};
use super::query::Query;
use super::{Answer, Refused};
use crate::Node;

/// Two channels each, in one byte.
const PORTS_MAX: usize = 100;

pub(super) fn answer(
    node: &Arc<Node>,
    pod: &Pod,
    query: &Query,
    request: Request<Incoming>,
) -> Result<Answer, Refused> {
    let bad = |words: String| Refused(StatusCode::BAD_REQUEST, words);
    let words = query
        .all("ports")
        .chain(query.all("port"))
        .flat_map(|p| p.split(','));
    let ports = words.map(|p| {
        p.parse::<u16>()
            .map_err(|_| bad(format!("{p:?} is no port")))
    });
    let ports = ports.collect::<Result<Vec<u16>, _>>()?;
    if ports.is_empty() || ports.len() > PORTS_MAX {
        return Err(bad(
            "between 1 and 100 ports must be named in the query".into()
        ));
    }
    let address = node
        .place
        .borrow()
        .addresses
        .first()
        .cloned()
        .unwrap_or_default();
    let name = pod.metadata.name.clone().unwrap_or_default();
    channels::accept(node, request, move |socket| async move {
        if let Err(error) = session(socket, &ports, &address).await {
            tracing::debug!(pod = name, %error, "port forwarding ended");
        }
    })
}

async fn session(
    socket: Socket,
    ports: &[u16],
    address: &str,
) -> Result<(), tokio_tungstenite::tungstenite::Error> {
    let (mut to_client, mut from_client) = socket.split();
    let (frames, mut output) = mpsc::channel::<Vec<u8>>(32);
    let mut writers = Vec::new();
    for (i, port) in ports.iter().enumerate() {
        let data = u8::try_from(i * 2).unwrap_or(u8::MAX);
        for channel in [data, data + 1] {
            to_client
                .send(Message::binary(framed(channel, &port.to_le_bytes())))
                .await?;
        }
        match connect(address, *port).await {
            Ok(stream) => {
                let (read, write) = stream.into_split();
                cedge_tasks::spawn("portforward/read", pump(read, data, frames.clone()));
                writers.push(Some(write));
            }
            Err(error) => {
                let words = format!("error forwarding port {port}: {error}");
                to_client
                    .send(Message::binary(framed(data + 1, words.as_bytes())))
                    .await?;
                writers.push(None);
            }
        }
    }
    drop(frames);
    loop {
        tokio::select! {
            biased;
            frame = output.recv() => match frame {
                Some(frame) => to_client.send(Message::binary(frame)).await?,
                None => break,
            },
            message = from_client.next() => match message {
                Some(Ok(Message::Binary(bytes))) => write(&mut writers, &bytes).await,
                Some(Ok(Message::Close(_))) | None => break,
                Some(message) => drop(message?),
            },
        }
    }
    to_client.send(channels::farewell()).await?;
    to_client.close().await
}

/// Programs listen on the node's address, on all, or on loopback only.
async fn connect(address: &str, port: u16) -> std::io::Result<TcpStream> {
    match TcpStream::connect(("127.0.0.1", port)).await {
        Ok(stream) => Ok(stream),
        Err(error) if address.is_empty() => Err(error),
        Err(_) => TcpStream::connect((address, port)).await,
    }
}

async fn write(writers: &mut [Option<OwnedWriteHalf>], message: &[u8]) {
    let Some((channel, bytes)) = message.split_first() else {
        return;
    };
    let slot = writers
        .get_mut(usize::from(channel / 2))
        .filter(|_| channel % 2 == 0);
    let Some(slot) = slot else { return };
    if let Some(writer) = slot
        && writer.write_all(bytes).await.is_err()
    {
        *slot = None;
    }
}

async fn pump(mut from: OwnedReadHalf, channel: u8, to: mpsc::Sender<Vec<u8>>) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(n) = from.read(&mut buffer).await {
        if n == 0 || to.send(framed(channel, &buffer[..n])).await.is_err() {
            return;
        }
    }
}
