//! The API server as a tower service.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::EXPECT;
use http::{Request, Response, Version};
use http_body_util::BodyExt as _;

use crate::api::Api;
use crate::body;
use crate::handler;
use crate::respond::{Body, BoxError};

/// Answers requests; cheap to clone.
#[derive(Debug, Clone)]
pub struct ApiService {
    api: Arc<Api>,
}

// === impl ApiService ===

impl ApiService {
    pub(crate) fn new(api: Arc<Api>) -> Self {
        Self { api }
    }
}

impl<B> tower::Service<Request<B>> for ApiService
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let api = self.api.clone();
        // HTTP/1 closes a connection whose request was not read, and who still writes it may never see the answer.
        let whole = request.version() < Version::HTTP_2 && !request.headers().contains_key(EXPECT);
        let request = request.map(|body| body.map_err(Into::into).boxed_unsync());
        if !whole {
            return Box::pin(async move { Ok(handler::handle(api, request).await) });
        }
        let (parts, body) = request.into_parts();
        let (body, unread) = body::watched(body);
        let request = Request::from_parts(parts, body);
        Box::pin(async move {
            let response = handler::handle(api.clone(), request).await;
            let refused =
                response.status().is_client_error() || response.status().is_server_error();
            if let Some(draining) = unread.drain().filter(|_| refused) {
                // Beside the answer, which is not held up by a body that does not come.
                api.tasks.spawn("apiserver/unread", draining);
            }
            Ok(response)
        })
    }
}
