//! The node's own HTTP server. It has no port: requests come on streams that the hub opens through the link.
//!
//! `/containerLogs/NS/POD/CONTAINER`, `/exec/…`, `/attach/…`, `/portForward/NS/POD`, `/stats/summary`, `/metrics/resource`,
//! `/pods`, `/healthz`, as a kubelet serves them, and `/connect/NS/POD`, which no kubelet has. Whoever may open a stream may ask: the hub's API server has asked its RBAC before.

mod attach;
mod channels;
mod connect;
mod exec;
mod logs;
mod portforward;
mod query;
mod stats;
mod upgrade;

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt as _;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use k8s_openapi::api::core::v1::{Container, Pod};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use crate::Node;
use query::Query;

pub(crate) use stats::Rates;

/// A stream that somebody at the hub opened to this node.
pub type NodeStream = Box<dyn NodeIo>;

/// What a [`NodeStream`] can do.
pub trait NodeIo: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> NodeIo for T {}

type Body = BoxBody<Bytes, io::Error>;
type Answer = Response<Body>;

/// A request that is not answered with what was asked for.
#[derive(Debug)]
struct Refused(StatusCode, String);

pub(crate) async fn serve(node: Arc<Node>, mut streams: mpsc::Receiver<NodeStream>) {
    let shutdown = node.tasks.shutdown().clone();
    while let Some(Some(stream)) = shutdown.or(streams.recv()).await {
        let (node, shutdown) = (Arc::clone(&node), shutdown.clone());
        cedge_tasks::spawn("node/request", async move {
            let service = service_fn(move |request| {
                let node = Arc::clone(&node);
                async move { Ok::<_, Infallible>(answer(&node, request).await) }.boxed()
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades()
                .boxed();
            if let Some(Err(error)) = shutdown.or(connection).await {
                tracing::debug!(%error, "a request stream ended badly");
            }
        });
    }
}

async fn answer(node: &Arc<Node>, request: Request<Incoming>) -> Answer {
    let path = request.uri().path().to_owned();
    let method = request.method().clone();
    match route(node, request).await {
        Ok(answer) => answer,
        Err(Refused(status, words)) => {
            tracing::debug!(%method, path, %status, words, "request refused");
            text(status, words)
        }
    }
}

async fn route(node: &Arc<Node>, request: Request<Incoming>) -> Result<Answer, Refused> {
    let uri = request.uri().clone();
    let query = Query::parse(uri.query().unwrap_or_default());
    let words: Vec<&str> = uri.path().split('/').filter(|w| !w.is_empty()).collect();
    let get = request.method() == Method::GET || request.method() == Method::POST;
    if !get {
        return Err(Refused(
            StatusCode::METHOD_NOT_ALLOWED,
            "only GET and POST".into(),
        ));
    }
    match words.as_slice() {
        ["healthz"] => Ok(text(StatusCode::OK, "ok".into())),
        ["stats", "summary"] | ["stats"] => stats::summary(node).await,
        ["metrics", "resource"] => stats::metrics(node).await,
        ["pods"] => Ok(pods(node)),
        ["containerLogs", ns, pod, container] => {
            let target = target(node, ns, pod, None, container)?;
            logs::answer(node, &target, &query).await
        }
        ["exec", ns, pod, container] => {
            exec::answer(
                node,
                &target(node, ns, pod, None, container)?,
                &query,
                request,
            )
            .await
        }
        ["exec", ns, pod, uid, container] => {
            exec::answer(
                node,
                &target(node, ns, pod, Some(uid), container)?,
                &query,
                request,
            )
            .await
        }
        ["attach", ns, pod, container] => {
            attach::answer(
                node,
                &target(node, ns, pod, None, container)?,
                &query,
                request,
            )
            .await
        }
        ["attach", ns, pod, uid, container] => {
            attach::answer(
                node,
                &target(node, ns, pod, Some(uid), container)?,
                &query,
                request,
            )
            .await
        }
        ["portForward", ns, pod] => {
            let pod = find(node, ns, pod, None)?;
            portforward::answer(node, &pod, &query, request)
        }
        ["connect", ns, pod] => {
            find(node, ns, pod, None)?;
            connect::answer(node, &query, request).await
        }
        ["portForward", ns, pod, uid] => {
            let pod = find(node, ns, pod, Some(uid))?;
            portforward::answer(node, &pod, &query, request)
        }
        _ => Err(Refused(StatusCode::NOT_FOUND, "404 page not found".into())),
    }
}

/// A container of a pod on this node.
struct Target {
    pod: Arc<Pod>,
    container: String,
}

fn find(node: &Node, ns: &str, name: &str, uid: Option<&str>) -> Result<Arc<Pod>, Refused> {
    let missing = || {
        Refused(
            StatusCode::NOT_FOUND,
            format!("pod {ns}/{name} does not exist on this node"),
        )
    };
    node.pods.find(ns, name, uid).ok_or_else(missing)
}

fn target(
    node: &Node,
    ns: &str,
    name: &str,
    uid: Option<&str>,
    container: &str,
) -> Result<Target, Refused> {
    let pod = find(node, ns, name, uid)?;
    let known = containers(&pod).any(|c| c.name == container);
    if !known {
        let words = format!("container {container} is not valid for pod {name}");
        return Err(Refused(StatusCode::BAD_REQUEST, words));
    }
    Ok(Target {
        pod,
        container: container.to_owned(),
    })
}

fn containers(pod: &Pod) -> impl Iterator<Item = &Container> {
    let spec = pod.spec.iter();
    spec.flat_map(|s| s.init_containers.iter().flatten().chain(&s.containers))
}

impl Target {
    fn uid(&self) -> &str {
        self.pod.metadata.uid.as_deref().unwrap_or_default()
    }

    fn pod_name(&self) -> &str {
        self.pod.metadata.name.as_deref().unwrap_or_default()
    }

    /// The attempt that runs.
    async fn running(&self, node: &Node) -> Result<cedge_pod_lifecycle::ContainerId, Refused> {
        let seen = node
            .runtime
            .seen(self.uid())
            .await
            .map_err(Refused::internal)?;
        let latest = seen.latest(&self.container).filter(|c| c.is_running());
        latest.map(|c| c.id.clone()).ok_or_else(|| {
            let words = format!(
                "container {:?} in pod {:?} is not running",
                self.container,
                self.pod_name()
            );
            Refused(StatusCode::BAD_REQUEST, words)
        })
    }
}

impl Refused {
    fn bad(words: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, words.into())
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "the shape that map_err wants"
    )]
    fn internal(error: cedge_runtime::Error) -> Self {
        Self(StatusCode::INTERNAL_SERVER_ERROR, error.explain())
    }
}

fn pods(node: &Node) -> Answer {
    let items: Vec<Pod> = node.pods.all().iter().map(|p| Pod::clone(p)).collect();
    json(&serde_json::json!({ "kind": "PodList", "apiVersion": "v1", "items": items }))
}

fn json(value: &serde_json::Value) -> Answer {
    let mut answer = text(StatusCode::OK, value.to_string());
    let kind = header::HeaderValue::from_static("application/json");
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    answer
}

fn text(status: StatusCode, words: String) -> Answer {
    let body = Full::new(Bytes::from(words))
        .map_err(|never| match never {})
        .boxed();
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    let kind = header::HeaderValue::from_static("text/plain; charset=utf-8");
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    answer
}
