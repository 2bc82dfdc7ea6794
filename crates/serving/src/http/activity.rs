//! Whether a connection has a request in flight, to close those that hold a place for nothing.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::{Body, Frame, SizeHint};
use tokio::sync::watch;

/// Requests in flight on one connection: begun, and the last byte of the answer not yet handed out.
#[derive(Debug, Clone)]
pub(super) struct Activity(Arc<watch::Sender<usize>>);

/// One of them.
#[derive(Debug)]
pub(super) struct InFlight(Activity);

/// A body that keeps its request in flight until it is at its end or dropped.
#[derive(Debug)]
pub(super) struct Tracked<B> {
    body: Pin<Box<B>>,
    _in_flight: InFlight,
}

impl Default for Activity {
    fn default() -> Self {
        Self(Arc::new(watch::channel(0).0))
    }
}

// === impl Activity ===

impl Activity {
    pub(super) fn begin(&self) -> InFlight {
        self.0.send_modify(|count| *count += 1);
        InFlight(self.clone())
    }

    /// Completes when no request has been in flight for `limit`.
    pub(super) async fn idle_for(&self, limit: Duration) {
        let mut counts = self.0.subscribe();
        loop {
            let _ = counts.wait_for(|count| *count == 0).await;
            if tokio::time::timeout(limit, counts.changed()).await.is_err() {
                return;
            }
        }
    }
}

// === impl InFlight ===

impl InFlight {
    pub(super) fn with<B>(self, body: B) -> Tracked<B> {
        Tracked {
            body: Box::pin(body),
            _in_flight: self,
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count -= 1);
    }
}

impl<B: Body> Body for Tracked<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.body.as_mut().poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
