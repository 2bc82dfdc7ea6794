//! Drives the multiplexer: the one task that reads and writes the connection.

use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use tokio::io::{AsyncRead, AsyncWrite, BufWriter};
use tokio::sync::{mpsc, oneshot};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};
use yamux::{Config, Connection, ConnectionError, Mode};

use super::OpenRequest;
use super::counted::{Counted, Traffic};
use crate::SessionError;

/// Streams of one link, both ways together.
const STREAMS_MAX: usize = 128;
/// What all streams of a link may hold at once: with it, one that is not read costs only itself.
const WINDOWS_MAX: usize = STREAMS_MAX * yamux::DEFAULT_CREDIT as usize;
/// Small frames that are written together go out as one TLS record.
const WRITE_BUFFER: usize = 16 * 1024;

/// A connection below a link.
pub(crate) trait Io: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Io for T {}

pub(super) type Muxed<T> = Connection<Compat<BufWriter<Counted<T>>>>;

pub(super) fn connection<T: Io>(io: T, traffic: &Arc<Traffic>, mode: Mode) -> Muxed<T> {
    let io = BufWriter::with_capacity(WRITE_BUFFER, Counted::new(io, Arc::clone(traffic)));
    let mut config = Config::default();
    config.set_max_num_streams(STREAMS_MAX);
    config.set_max_connection_receive_window(Some(WINDOWS_MAX));
    Connection::new(io.compat(), config, mode)
}

/// Runs until the connection ends, or the sender of `stop` is dropped; says why.
pub(super) async fn drive<T: Io>(
    mut connection: Muxed<T>,
    mut stop: oneshot::Receiver<()>,
    mut opens: mpsc::Receiver<OpenRequest>,
    inbound: mpsc::Sender<yamux::Stream>,
) -> String {
    let mut opening: Option<OpenRequest> = None;
    let ended = std::future::poll_fn(|cx| {
        loop {
            if Pin::new(&mut stop).poll(cx).is_ready() {
                return Poll::Ready("closed".to_owned());
            }
            if let Some(answer) = opening.take() {
                match connection.poll_new_outbound(cx) {
                    Poll::Pending => opening = Some(answer),
                    Poll::Ready(opened) => {
                        let _ = answer.send(opened.map_err(|e| refused(&e)));
                        continue;
                    }
                }
            } else {
                match opens.poll_recv(cx) {
                    Poll::Ready(Some(answer)) => {
                        opening = Some(answer);
                        continue;
                    }
                    Poll::Ready(None) => return Poll::Ready("closed".to_owned()),
                    Poll::Pending => {}
                }
            }
            match connection.poll_next_inbound(cx) {
                Poll::Ready(Some(Ok(stream))) => {
                    // A peer that opens faster than we look gets its streams closed.
                    let _ = inbound.try_send(stream);
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(said(&error)),
                Poll::Ready(None) => return Poll::Ready("closed by the peer".to_owned()),
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await;
    let close = std::future::poll_fn(|cx| connection.poll_close(cx));
    let _ = tokio::time::timeout(std::time::Duration::from_secs(1), close).await;
    ended
}

fn refused(error: &ConnectionError) -> SessionError {
    match error {
        ConnectionError::TooManyStreams => SessionError::TooManyStreams,
        _ => SessionError::Closed,
    }
}

fn said(error: &ConnectionError) -> String {
    match error {
        ConnectionError::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            "closed by the peer".to_owned()
        }
        other => other.to_string(),
    }
}
