//! A request on its way, of which something may be noted.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use cedge_pki::Identity;
use futures::StreamExt as _;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderValue, Response};
use http_body::{Frame, SizeHint};
use http_body_util::{BodyDataStream, BodyExt as _};

use super::{Record, Stage};
use crate::api::Api;
use crate::authz::Attributes;
use crate::impersonate::Allowed;
use crate::joined::Ending;
use crate::respond::{self, Body, BoxError};
use crate::verbs::create::new_uid;

/// The header under which a request is told which events are its own.
const ID: &str = "audit-id";
/// Longest identity that a client may choose.
const ID_MAX: usize = 64;
/// Largest answer that is noted.
const RESPONSE_MAX: usize = 16 << 20;

/// A request, and what is noted of it once it is known who makes it.
#[derive(Debug)]
pub(crate) struct Audited {
    id: String,
    record: OnceLock<Arc<Record>>,
}

// === impl Audited ===

impl Audited {
    pub(crate) fn new(parts: &Parts) -> Self {
        let given = parts.headers.get(ID).and_then(|id| id.to_str().ok());
        let given = given.filter(|id| !id.is_empty() && id.len() <= ID_MAX);
        Self {
            id: given.map_or_else(new_uid, ToOwned::to_owned),
            record: OnceLock::new(),
        }
    }

    pub(crate) fn begin(
        &self,
        api: &Api,
        caller: &Identity,
        acts_as: Option<&Allowed>,
        asked: &Attributes,
        parts: &Parts,
    ) {
        let Some(audit) = &api.audit else { return };
        if let Some(record) = audit.begin(caller, acts_as, asked, parts, &self.id) {
            let _ = self.record.set(record);
        }
    }

    pub(crate) fn record(&self) -> Option<Arc<Record>> {
        self.record.get().cloned()
    }

    /// The body of the request.
    pub(crate) fn request(&self, body: &Bytes) {
        if let Some(record) = self.record.get().filter(|r| r.wants_request()) {
            record.request(body);
        }
    }

    /// Notes the answer, and marks it with the identity of the request.
    pub(crate) async fn end(self, response: Response<Body>, stage: Stage) -> Response<Body> {
        let Self { id, record } = self;
        let mut response = match record.into_inner() {
            Some(record) => told(record, response, stage).await,
            None => response,
        };
        if let Ok(id) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(ID, id);
        }
        response
    }
}

async fn told(record: Arc<Record>, response: Response<Body>, stage: Stage) -> Response<Body> {
    let code = response.status().as_u16();
    if stage == Stage::ResponseStarted {
        record.tell(stage, Some(code));
        if let Some(ending) = response.extensions().get::<Ending>() {
            ending.tells(record);
            return response;
        }
        return response.map(|body| Told { body, record, code }.boxed_unsync());
    }
    let json = response.headers().get(CONTENT_TYPE);
    let json = json.is_some_and(|t| t.as_bytes().starts_with(b"application/json"));
    let whole = stage == Stage::ResponseComplete;
    if !(whole && json && record.wants_response()) {
        record.tell(stage, Some(code));
        return response;
    }
    let (parts, mut body) = response.into_parts();
    let mut read = BytesMut::new();
    while read.len() <= RESPONSE_MAX {
        match body.frame().await {
            Some(Ok(frame)) => read.extend_from_slice(frame.data_ref().map_or(&[], |d| d)),
            Some(Err(error)) => {
                record.tell(stage, Some(code));
                let cut = futures::stream::iter([Ok(read.freeze()), Err(error)]);
                return Response::from_parts(parts, respond::stream(cut));
            }
            None => {
                let read = read.freeze();
                record.response(&read);
                record.tell(stage, Some(code));
                return Response::from_parts(parts, respond::full(read));
            }
        }
    }
    // Too large to be noted: the client gets it whole nevertheless.
    record.tell(stage, Some(code));
    let first = futures::stream::iter([Ok(read.freeze())]);
    let rest = first.chain(BodyDataStream::new(body));
    Response::from_parts(parts, respond::stream(rest))
}

/// The body of a stream: when it ends, or its client goes, the request is complete.
struct Told {
    body: Body,
    record: Arc<Record>,
    code: u16,
}

// === impl Told ===

impl http_body::Body for Told {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.record.tell(Stage::ResponseComplete, Some(self.code));
    }
}
