//! A stream of a link.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt as _};

use super::StreamKind;

/// How long the one who opened a stream may take to say what it is for.
const KIND_WITHIN: Duration = Duration::from_secs(10);

/// A stream of a link: bytes both ways. Dropping it closes it; to tell a peer that all was said, shut it down.
#[derive(Debug)]
pub struct Stream(Compat<yamux::Stream>);

impl Stream {
    /// Says what our stream is for. The byte travels with what is written first, or with a flush.
    pub(super) async fn begin(stream: yamux::Stream, kind: StreamKind) -> io::Result<Self> {
        let mut stream = stream.compat();
        stream.write_all(&[kind.to_byte()]).await?;
        stream.flush().await?;
        Ok(Self(stream))
    }

    /// Reads what the peer's stream is for; `None` if we do not know that, or it does not say.
    pub(super) async fn identify(stream: yamux::Stream) -> Option<(StreamKind, Self)> {
        let mut stream = stream.compat();
        let kind = tokio::time::timeout(KIND_WITHIN, stream.read_u8())
            .await
            .ok()?
            .ok()?;
        let kind = StreamKind::from_byte(kind)?;
        Some((kind, Self(stream)))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
