//! A stream whose first bytes must come in time. HTTP/1 has a timer of its own for every head, an HTTP/2 connection whose
//! preface never comes would wait for ever.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// The length of the HTTP/2 preface.
const ENOUGH: usize = 24;

/// Fails with `TimedOut` when the first bytes take too long; afterwards it is only what it wraps.
#[derive(Debug)]
pub(super) struct Patience<IO> {
    io: IO,
    waiting: Option<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    deadline: Pin<Box<Sleep>>,
    seen: usize,
}

// === impl Patience ===

impl<IO> Patience<IO> {
    /// Waits for the preface of HTTP/2 for this long, or for nothing at all.
    pub(super) fn new(io: IO, limit: Option<Duration>) -> Self {
        let waiting = limit.map(|limit| Waiting {
            deadline: Box::pin(tokio::time::sleep(limit)),
            seen: 0,
        });
        Self { io, waiting }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Patience<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = Pin::new(&mut this.io).poll_read(cx, buf);
        let Some(waiting) = &mut this.waiting else {
            return read;
        };
        if read.is_pending() {
            return match waiting.deadline.as_mut().poll(cx) {
                Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
                Poll::Pending => Poll::Pending,
            };
        }
        waiting.seen += buf.filled().len() - before;
        if waiting.seen >= ENOUGH {
            this.waiting = None;
        }
        read
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Patience<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
