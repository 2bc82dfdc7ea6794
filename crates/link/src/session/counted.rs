//! Counts bytes, and notes when they moved.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::Counters;

/// What has moved over a connection, and when. Written by the connection, read by the session.
#[derive(Debug)]
pub(crate) struct Traffic {
    began: Instant,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    heard: AtomicU64,
    spoke: AtomicU64,
}

impl Traffic {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            heard: AtomicU64::new(0),
            spoke: AtomicU64::new(0),
        })
    }

    pub(crate) fn counters(&self) -> Counters {
        Counters {
            bytes_in: self.bytes_in.load(Ordering::Relaxed),
            bytes_out: self.bytes_out.load(Ordering::Relaxed),
        }
    }

    /// When the peer was last heard.
    pub(crate) fn heard(&self) -> Instant {
        self.began + Duration::from_millis(self.heard.load(Ordering::Relaxed))
    }

    /// When we last spoke.
    pub(crate) fn spoke(&self) -> Instant {
        self.began + Duration::from_millis(self.spoke.load(Ordering::Relaxed))
    }

    fn note(&self, bytes: &AtomicU64, when: &AtomicU64, count: usize) {
        if count > 0 {
            bytes.fetch_add(count as u64, Ordering::Relaxed);
            let millis = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
            when.store(millis, Ordering::Relaxed);
        }
    }
}

/// A connection whose bytes are counted.
#[derive(Debug)]
pub(super) struct Counted<T> {
    inner: T,
    traffic: Arc<Traffic>,
}

impl<T> Counted<T> {
    pub(super) fn new(inner: T, traffic: Arc<Traffic>) -> Self {
        Self { inner, traffic }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Counted<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buffer))?;
        let traffic = &self.traffic;
        traffic.note(
            &traffic.bytes_in,
            &traffic.heard,
            buffer.filled().len() - before,
        );
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Counted<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.inner).poll_write(cx, bytes))?;
        let traffic = &self.traffic;
        traffic.note(&traffic.bytes_out, &traffic.spoke, count);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
