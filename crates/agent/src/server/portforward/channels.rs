//! A WebSocket with a channel for bytes and one for errors for each port, as clients of `v4.channel.k8s.io` expect.

use std::sync::Arc;

use futures::{SinkExt as _, StreamExt as _};
use http::Request;
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use super::Place;
use crate::Node;
use crate::server::channels::{farewell, framed, websocket};
use crate::server::query::Query;
use crate::server::upgrade::Socket;
use crate::server::{Answer, Refused};

/// Two channels each, in one byte.
const PORTS_MAX: usize = 100;

pub(super) fn answer(
    node: &Arc<Node>,
    place: Place,
    query: &Query,
    request: Request<Incoming>,
) -> Result<Answer, Refused> {
    let words = query
        .all("ports")
        .chain(query.all("port"))
        .flat_map(|p| p.split(','));
    let ports = words.map(|p| {
        p.parse::<u16>()
            .map_err(|_| Refused::bad(format!("{p:?} is no port")))
    });
    let ports = ports.collect::<Result<Vec<u16>, _>>()?;
    if ports.is_empty() || ports.len() > PORTS_MAX {
        return Err(Refused::bad(
            "between 1 and 100 ports must be named in the query",
        ));
    }
    websocket(node, request, move |socket| async move {
        if let Err(error) = session(socket, &ports, &place).await {
            tracing::debug!(pod = place.pod, %error, "port forwarding ended");
        }
    })
}

async fn session(
    socket: Socket,
    ports: &[u16],
    place: &Place,
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
        match place.connect(*port).await {
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
    to_client.send(farewell()).await?;
    to_client.close().await
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
