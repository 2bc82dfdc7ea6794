//! Reach: the Kubernetes API of a descendant, hop by hop through the links.
//!
//! `/clusters/NAME/…` at a hub is the API of that child; each hop strips its pair and asks its own RBAC
//! (`edgeclusters/proxy`). What is left without such a pair is for this cluster's own API, where a caller from above
//! arrives as `edge:parent:NAME` in group `edge:parent`, never as `system:masters`.

mod caller;
mod forward;
mod refusal;

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use cedge_link::{Stream, StreamKind};
use cedge_serving::{Connection, Limits};
use cedge_tasks::Shutdown;
use futures::future::BoxFuture;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncWrite};

pub(crate) use caller::{Caller, ask};
pub(crate) use forward::{forward, undress};
pub(crate) use refusal::refusal;

use crate::hub::Hub;

/// Group of callers from above.
pub const PARENT_GROUP: &str = "edge:parent";

/// Bytes both ways.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// How this cluster's own API is reached with rights to impersonate.
pub trait ApiDial: Send + Sync {
    /// A new connection that speaks HTTP/1.1.
    fn dial(&self) -> BoxFuture<'_, io::Result<Box<dyn Io>>>;
    /// Puts what authenticates the tree itself into a request.
    fn dress(&self, headers: &mut HeaderMap);
}

/// A response of ours or of somebody further down.
pub type Answer = Response<BoxBody<Bytes, hyper::Error>>;

/// Passes requests on. Cheap to clone.
#[derive(Clone)]
pub struct Reach {
    hub: Hub,
    api: Arc<dyn ApiDial>,
    shutdown: Shutdown,
}

impl std::fmt::Debug for Reach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reach")
            .field("hub", &self.hub)
            .finish_non_exhaustive()
    }
}

impl Reach {
    pub(crate) fn new(hub: Hub, api: Arc<dyn ApiDial>, shutdown: Shutdown) -> Self {
        Self { hub, api, shutdown }
    }

    /// Serves one stream that the parent opened.
    pub(crate) async fn serve_parent(self, stream: Stream, parent: String) {
        let shutdown = self.shutdown.clone();
        let identity =
            cedge_pki::Identity::authenticated(format!("{PARENT_GROUP}:{parent}"), [PARENT_GROUP]);
        let service = tower::service_fn(move |request: Request<Incoming>| {
            let (this, caller) = (self.clone(), Caller::Parent(parent.clone()));
            async move { Ok::<_, std::convert::Infallible>(this.answer(request, caller).await) }
        });
        let connection = Connection::vouched(identity);
        let served =
            cedge_serving::serve_stream(stream, service, connection, &Limits::default(), &shutdown)
                .await;
        if let Err(error) = served {
            tracing::debug!(%error, "a request from above broke off");
        }
    }

    /// Answers a request at the hub's own port.
    pub(crate) async fn answer_local(self, request: Request<Incoming>) -> Answer {
        let mut headers = request.headers().keys();
        if headers.any(|name| name.as_str().starts_with("impersonate-")) {
            // To leave it out would answer as the caller himself, with rights that he asked not to use.
            let message = "nobody can be impersonated through a hub; call as yourself, or at the cluster itself";
            return refusal(StatusCode::FORBIDDEN, "Forbidden", message);
        }
        match caller::identify(&self.hub, &request).await {
            Ok(identity) => self.answer(request, Caller::Local(identity)).await,
            Err(answer) => *answer,
        }
    }

    async fn answer(&self, request: Request<Incoming>, caller: Caller) -> Answer {
        let path = request.uri().path().to_owned();
        if let Some(below) = path.strip_prefix("/clusters/") {
            let (name, _) = below.split_once('/').unwrap_or((below, ""));
            return self.to_child(request, &caller, name).await;
        }
        if path == "/tree" {
            return self.tree(&caller).await;
        }
        match caller {
            Caller::Parent(parent) => self.to_api(request, &parent).await,
            Caller::Local(_) => refusal(
                StatusCode::NOT_FOUND,
                "NotFound",
                "this is the hub; it serves /clusters/NAME/… (the API of a child) and /tree",
            ),
        }
    }

    async fn to_child(&self, request: Request<Incoming>, caller: &Caller, name: &str) -> Answer {
        if let Err(answer) = caller::authorize(&self.hub, caller, request.method(), name).await {
            return *answer;
        }
        let Some(session) = self.hub.session_of(name) else {
            let known = self.hub.children.get(name);
            return match known {
                None => refusal(
                    StatusCode::NOT_FOUND,
                    "NotFound",
                    &format!(
                        "edgeclusters.edge.centaurus.io \"{name}\" not found at {}",
                        self.hub.parts.name
                    ),
                ),
                Some(child) => refusal(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "ServiceUnavailable",
                    &format!(
                        "{name} is unreachable: its link to {} is down since {}",
                        self.hub.parts.name,
                        child
                            .last_heard
                            .as_deref()
                            .unwrap_or("before this hub started")
                    ),
                ),
            };
        };
        let stream = match session.open(StreamKind::Request).await {
            Ok(stream) => stream,
            Err(error) => {
                let message = format!("the link to {name} took no request: {error}");
                return refusal(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "ServiceUnavailable",
                    &message,
                );
            }
        };
        let prefix = format!("/clusters/{name}");
        match forward::strip(request, &prefix) {
            Ok(mut request) => {
                undress(request.headers_mut());
                forward(stream, request, &self.shutdown).await
            }
            Err(message) => refusal(StatusCode::BAD_REQUEST, "BadRequest", &message),
        }
    }

    async fn to_api(&self, mut request: Request<Incoming>, parent: &str) -> Answer {
        undress(request.headers_mut());
        self.api.dress(request.headers_mut());
        if let Err(message) = forward::impersonate(request.headers_mut(), parent) {
            return refusal(StatusCode::BAD_REQUEST, "BadRequest", &message);
        }
        match self.api.dial().await {
            Ok(io) => forward(io, request, &self.shutdown).await,
            Err(error) => {
                let message = format!(
                    "the API of {} does not answer: {error}",
                    self.hub.parts.name
                );
                refusal(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "ServiceUnavailable",
                    &message,
                )
            }
        }
    }

    async fn tree(&self, caller: &Caller) -> Answer {
        if let Err(answer) = caller::authorize_list(&self.hub, caller).await {
            return *answer;
        }
        let shown = serde_json::to_vec(&crate::shown::tree(&self.hub)).unwrap_or_default();
        refusal::json(StatusCode::OK, shown)
    }
}
