//! Bodies: those of requests, up to what one may have, and those of answers, whose request counts until they are sent.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Method;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::sync::SemaphorePermit;

use crate::limits::{BODY_MAX, Limits};
use crate::respond::{Body, BoxError};
use crate::status::{Error, Result};

/// A body of more than this is large: what is done with it is done beside other requests.
pub(crate) const LARGE: usize = 64 << 10;
/// So much of a request that is refused unread is read while it is answered: bodies that are somewhat too large, whole.
const UNREAD_MAX: usize = 4 * BODY_MAX;
/// So long.
const UNREAD_TIME_MAX: Duration = Duration::from_secs(5);

/// The body of a request, which counts among the large ones while it is there.
#[derive(Debug)]
pub(crate) struct Received<'a> {
    pub(crate) bytes: Bytes,
    _space: Option<SemaphorePermit<'a>>,
}

/// Reads a body, up to what a body may have. A large one waits until there is space for it.
pub(crate) async fn receive<'a>(
    limits: &'a Limits,
    mut body: Body,
    method: &Method,
) -> Result<Received<'a>> {
    let (mut bytes, mut space) = (BytesMut::new(), None);
    if matches!(*method, Method::GET | Method::HEAD) {
        return Ok(Received {
            bytes: Bytes::new(),
            _space: space,
        });
    }
    if body.size_hint().lower() > BODY_MAX as u64 {
        // Announced: nobody reads on to see it.
        return Err(too_large());
    }
    let most = body.size_hint().upper();
    let most = most.map_or(BODY_MAX, |most| usize::try_from(most).unwrap_or(BODY_MAX));
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|e| Error::BadRequest(format!("the body could not be read: {e}")))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if bytes.len() + data.len() > BODY_MAX {
            return Err(too_large());
        }
        if bytes.len() + data.len() > LARGE && space.is_none() {
            space = Some(limits.space(most.min(BODY_MAX)).await);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(Received {
        bytes: bytes.freeze(),
        _space: space,
    })
}

fn too_large() -> Error {
    Error::TooLarge(format!("limit is {BODY_MAX}"))
}

/// The body of a request that leaves what nobody read of it to [`Unread`].
struct Watched {
    body: Option<Body>,
    left: Arc<Mutex<Option<Body>>>,
}

/// What nobody has read of a request.
#[derive(Debug)]
pub(crate) struct Unread(Arc<Mutex<Option<Body>>>);

/// Watches what is read of a body.
pub(crate) fn watched(body: Body) -> (Body, Unread) {
    if body.is_end_stream() {
        return (body, Unread(Arc::default()));
    }
    let left: Arc<Mutex<Option<Body>>> = Arc::default();
    let unread = Unread(left.clone());
    let body = Some(body);
    (Watched { body, left }.boxed_unsync(), unread)
}

// === impl Unread ===

impl Unread {
    /// What reads the rest, as far as it is not too much and comes soon; `None` if there is none.
    pub(crate) fn drain(self) -> Option<impl Future<Output = ()> + Send + 'static> {
        let left = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        left.map(drain)
    }
}

async fn drain(mut body: Body) {
    let reading = async {
        let mut read = 0;
        while let Some(Ok(frame)) = body.frame().await {
            read += frame.data_ref().map_or(0, Bytes::len);
            if read > UNREAD_MAX {
                return;
            }
        }
    };
    _ = tokio::time::timeout(UNREAD_TIME_MAX, reading).await;
}

// === impl Watched ===

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body
            .as_ref()
            .is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let hint = self.body.as_ref().map(http_body::Body::size_hint);
        hint.unwrap_or_default()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let body = self.body.take().filter(|body| !body.is_end_stream());
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = body;
    }
}

/// The body of an answer that holds something until it is sent: given to the connection in small pieces, so that one whose
/// client does not read is not "sent" because it waits there as a whole.
struct Held<T> {
    body: Body,
    rest: Bytes,
    _what: T,
}

/// Holds `what` until a body is sent or dropped; what is small is as good as sent.
pub(crate) fn hold<T: Send + Unpin + 'static>(body: Body, what: T) -> Body {
    let small = body
        .size_hint()
        .upper()
        .is_some_and(|size| size <= LARGE as u64);
    if small {
        return body;
    }
    let held = Held {
        body,
        rest: Bytes::new(),
        _what: what,
    };
    held.boxed_unsync()
}

// === impl Held ===

impl<T> Held<T> {
    fn piece(&mut self) -> Frame<Bytes> {
        let size = self.rest.len().min(LARGE);
        Frame::data(self.rest.split_to(size))
    }
}

impl<T: Unpin> http_body::Body for Held<T> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if !self.rest.is_empty() {
            return Poll::Ready(Some(Ok(self.piece())));
        }
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        polled.map(|frame| {
            let frame = match frame? {
                Ok(frame) => frame,
                Err(error) => return Some(Err(error)),
            };
            match frame.into_data() {
                Ok(data) => {
                    self.rest = data;
                    Some(Ok(self.piece()))
                }
                Err(frame) => Some(Ok(frame)),
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (inner, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower() + rest);
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::respond;

    #[tokio::test]
    async fn what_an_answer_holds_is_free_when_its_last_piece_is_sent() {
        let sent = Bytes::from(vec![7; LARGE * 2 + 5]);
        let what = Arc::new(());
        let mut body = hold(respond::full(sent.clone()), what.clone());
        assert_eq!(body.size_hint().exact(), Some(sent.len() as u64));
        let mut read = Vec::new();
        while let Some(frame) = body.frame().await {
            let data = frame.unwrap().into_data().unwrap();
            assert!(data.len() <= LARGE && Arc::strong_count(&what) == 2);
            read.extend_from_slice(&data);
        }
        assert!(body.is_end_stream());
        drop(body);
        assert!(read == sent && Arc::strong_count(&what) == 1);
        let _small = hold(respond::full("small"), what.clone());
        assert_eq!(Arc::strong_count(&what), 1);
    }

    #[tokio::test]
    async fn large_bodies_wait_for_space_and_small_ones_do_not() {
        let limits = Limits::new(1);
        let large = || respond::full(vec![0; BODY_MAX]);
        let mut received = Vec::new();
        loop {
            let receiving = receive(&limits, large(), &Method::POST);
            let short = Duration::from_millis(200);
            match tokio::time::timeout(short, receiving).await {
                Ok(body) => received.push(body.unwrap()),
                Err(_) => break,
            }
        }
        assert!(received.len() > 64, "more than one user may have under way");
        let small = receive(&limits, respond::full("{}"), &Method::POST).await;
        assert_eq!(small.unwrap().bytes, "{}");
        received.pop();
        assert!(receive(&limits, large(), &Method::POST).await.is_ok());
        let over = receive(&limits, respond::full(vec![0; BODY_MAX + 1]), &Method::POST).await;
        assert_eq!(over.unwrap_err().code(), 413);
    }

    /// Says how long it is, and never comes.
    struct Announced(u64);

    impl http_body::Body for Announced {
        type Data = Bytes;
        type Error = BoxError;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            Poll::Pending
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(self.0)
        }
    }

    #[tokio::test]
    async fn a_body_that_is_announced_too_long_is_refused_before_it_comes() {
        let limits = Limits::new(1);
        let receiving = |long: u64| {
            let limits = &limits;
            async move {
                let body = Announced(long).boxed_unsync();
                let receiving = receive(limits, body, &Method::POST);
                let short = Duration::from_millis(100);
                let done = tokio::time::timeout(short, receiving).await;
                done.map(|received| received.map_err(|e| e.to_string()).map(|_| ()))
            }
        };
        let refused = receiving(BODY_MAX as u64 + 1).await;
        let words = format!("Request entity too large: limit is {BODY_MAX}");
        assert_eq!(refused, Ok(Err(words)));
        assert!(
            receiving(BODY_MAX as u64).await.is_err(),
            "it is waited for"
        );
    }
}
