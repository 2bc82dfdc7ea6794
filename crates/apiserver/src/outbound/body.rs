//! The body of an answer that gives its connection back when it has been read to its end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::{Outbound, Place, Sender};
use crate::respond::{Body, BoxError};

/// A connection in use.
#[derive(Debug)]
pub(super) struct Kept {
    outbound: Arc<Outbound>,
    rest: Option<(Place, Sender)>,
}

struct Read {
    body: Incoming,
    kept: Kept,
}

// === impl Kept ===

impl Kept {
    pub(super) fn new(outbound: Arc<Outbound>, place: Place, sender: Sender) -> Self {
        Self {
            outbound,
            rest: Some((place, sender)),
        }
    }

    pub(super) fn around(mut self, body: Incoming) -> Body {
        if http_body::Body::is_end_stream(&body) {
            self.done();
        }
        Read { body, kept: self }.boxed_unsync()
    }

    fn done(&mut self) {
        if let Some((place, sender)) = self.rest.take() {
            self.outbound.keep(place, sender);
        }
    }
}

// === impl Read ===

impl http_body::Body for Read {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if frame.is_none() {
            self.kept.done();
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        // Only after the end was seen: that is what gives the connection back.
        self.kept.rest.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
