//! An accepted socket that holds its place among the connections of its port until it is closed, by whomever.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;

use crate::stats::Stats;

/// A TCP connection. It counts against the limit of its port for as long as it lives: upgraded ones as well.
#[derive(Debug)]
pub struct Socket {
    stream: TcpStream,
    _place: Place,
}

#[derive(Debug)]
struct Place {
    stats: Arc<Stats>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.stats.closed();
    }
}

/// After this much silence the system asks the peer for a sign of life, so that watches on a cut line end.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

// === impl Socket ===

impl Socket {
    /// The system ends the connection when the peer has taken nothing for as long as `unread` says.
    pub(crate) fn new(
        stream: TcpStream,
        permit: OwnedSemaphorePermit,
        stats: Arc<Stats>,
        unread: Duration,
    ) -> Self {
        // What cannot be set costs latency or notices a cut later; no reason to refuse the connection.
        let _ = stream.set_nodelay(true);
        let _ = keep_alive(&stream);
        let _ = give_up_after(&stream, unread);
        stats.opened();
        Self {
            stream,
            _place: Place {
                stats,
                _permit: permit,
            },
        }
    }

    pub(crate) fn tcp(&mut self) -> &mut TcpStream {
        &mut self.stream
    }
}

fn keep_alive(stream: &TcpStream) -> nix::Result<()> {
    let idle = u32::try_from(KEEP_ALIVE.as_secs()).unwrap_or(60);
    setsockopt(stream, sockopt::KeepAlive, &true)?;
    setsockopt(stream, sockopt::TcpKeepIdle, &idle)?;
    setsockopt(stream, sockopt::TcpKeepInterval, &(idle / 4))?;
    setsockopt(stream, sockopt::TcpKeepCount, &4)
}

fn give_up_after(stream: &TcpStream, unread: Duration) -> nix::Result<()> {
    let limit = u32::try_from(unread.as_millis()).unwrap_or(u32::MAX);
    setsockopt(stream, sockopt::TcpUserTimeout, &limit)
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
