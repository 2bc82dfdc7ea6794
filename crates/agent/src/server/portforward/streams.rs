//! The protocol `portforward.k8s.io` over SPDY: for each connection the client opens a stream for errors and one for
//! bytes, with the same `requestID`, and names the port.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use cedge_spdy::{Connection, Reader, Stream, Writer};
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_util::io::{CopyToBytes, SinkWriter, StreamReader};

use super::Place;
use crate::server::upgrade::Socket;

/// The second stream of a connection follows the first within this time, as at a kubelet.
const PAIRED_WITHIN: Duration = Duration::from_secs(30);
const BUFFER: usize = 32 << 10;

/// A stream whose companion is not there yet.
struct Half {
    stream: Stream,
    since: Instant,
}

/// The bytes that a WebSocket's messages hold.
pub(super) fn inside(socket: Socket) -> impl AsyncRead + AsyncWrite + Send {
    let (to, from) = socket.split();
    let bytes = from.filter_map(|message| async {
        match message {
            Ok(Message::Binary(bytes)) => Some(Ok(bytes)),
            Ok(_) => None,
            Err(Error::ConnectionClosed | Error::AlreadyClosed) => None,
            Err(error) => Some(Err(io::Error::other(error))),
        }
    });
    let messages = to
        .with(|bytes: Bytes| async { Ok::<_, Error>(Message::Binary(bytes)) }.boxed())
        .sink_map_err(io::Error::other);
    let reader = StreamReader::new(bytes.boxed());
    tokio::io::join(reader, SinkWriter::new(CopyToBytes::new(messages)))
}

/// Until the client goes.
pub(super) async fn forward(mut connection: Connection, place: Place) {
    let mut halves: HashMap<String, Half> = HashMap::new();
    let mut running = FuturesUnordered::new();
    loop {
        tokio::select! {
            stream = connection.accept() => {
                let Some(stream) = stream else { return };
                halves.retain(|_, half| half.since.elapsed() < PAIRED_WITHIN);
                if let Some((data, error)) = pair(&mut halves, stream) {
                    running.push(carry(&place, data, error));
                }
            }
            Some(()) = running.next() => {}
        }
    }
}

/// The streams for bytes and for errors, when both are there.
fn pair(halves: &mut HashMap<String, Half>, stream: Stream) -> Option<(Stream, Stream)> {
    let is_data = match stream.headers.get("streamType") {
        Some("data") => true,
        Some("error") => false,
        other => {
            tracing::debug!(?other, "a stream of a kind that is not known");
            return None;
        }
    };
    // Clients that name no request open the stream for errors directly before the other.
    let by_number = || {
        if is_data {
            stream.id.saturating_sub(2)
        } else {
            stream.id
        }
        .to_string()
    };
    let request = stream
        .headers
        .get("requestID")
        .map_or_else(by_number, ToOwned::to_owned);
    match halves.remove(&request) {
        Some(Half { stream: first, .. }) => Some(if is_data {
            (stream, first)
        } else {
            (first, stream)
        }),
        None => {
            let since = Instant::now();
            halves.insert(request, Half { stream, since });
            None
        }
    }
}

async fn carry(place: &Place, data: Stream, error: Stream) {
    let named = data.headers.get("port").unwrap_or_default();
    let connected = match named.parse::<u16>() {
        Ok(port) => place.connect(port).await.map_err(|e| e.to_string()),
        Err(_) => Err(format!("{named:?} is no port")),
    };
    let mut errors = error.writer;
    match connected {
        Ok(tcp) => join(tcp, data.reader, data.writer).await,
        Err(why) => {
            let words = format!("error forwarding port {named} to pod {}: {why}", place.pod);
            errors.write(words.into()).await;
            data.writer.finish().await;
        }
    }
    errors.finish().await;
}

/// Both ways, until both have ended.
async fn join(tcp: TcpStream, mut from_client: Reader, mut to_client: Writer) {
    let (mut from_pod, mut to_pod) = tcp.into_split();
    let up = async {
        let mut buffer = vec![0; BUFFER];
        while let Ok(n) = from_pod.read(&mut buffer).await {
            if n == 0 || !to_client.write(Bytes::copy_from_slice(&buffer[..n])).await {
                break;
            }
        }
        to_client.finish().await;
    };
    let down = async {
        while let Some(bytes) = from_client.read().await {
            if to_pod.write_all(&bytes).await.is_err() {
                return;
            }
        }
        let _ = to_pod.shutdown().await;
    };
    tokio::join!(up, down);
}
