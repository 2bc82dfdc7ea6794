//! Logs, exec, attach and port-forward: the node does the work, we carry the bytes.

mod target;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, HOST, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::sync::Arc;

use crate::api::Api;
use crate::call::Call;
use crate::config::ConnectError;
use crate::respond::{self, Body, BoxError};
use crate::status::{Error, Result};
use target::{container, target};

/// Asks the pod's node. A GET that is upgraded becomes a stream in both directions.
pub(crate) async fn connect(
    api: &Arc<Api>,
    call: Call,
    request: Request<Body>,
) -> Result<Response<Body>> {
    let subresource = call.request.subresource.as_str();
    let pod = api.get(&call.resource.cache, &call.path()).await?;
    let pod = pod
        .ok_or_else(|| Error::NotFound(call.resource.about(&call.request.name)))?
        .value()?;
    let name = call.request.name.as_str();
    let container = match subresource {
        "portforward" => String::new(),
        _ => container(&pod, name, call.query.get("container").unwrap_or_default())?,
    };
    if subresource != "log" {
        crate::admission::on_connect(api, &call, options(&call, &container)).await?;
    }
    let node = pod["spec"]["nodeName"].as_str().unwrap_or_default();
    if node.is_empty() {
        return without_node(subresource, name);
    }
    let target = target(&call, &container)?;
    if api.read("", "nodes", node).await?.is_none() {
        // The node is looked for in the name of the pod.
        return Err(Error::NotFound(call.resource.about(node)));
    }
    let mut sender = open(api, node).await?;
    if subresource == "log" {
        return log(&mut sender, node, &target).await;
    }
    upgrade(api, sender, node, &target, request).await
}

/// What is asked for, as policies and webhooks see it.
fn options(call: &Call, container: &str) -> Value {
    let query = &call.query;
    if call.request.subresource == "portforward" {
        let ports: Vec<i64> = query.all("ports").filter_map(|p| p.parse().ok()).collect();
        return json!({"kind": "PodPortForwardOptions", "apiVersion": "v1", "ports": ports});
    }
    let exec = call.request.subresource == "exec";
    let kind = if exec {
        "PodExecOptions"
    } else {
        "PodAttachOptions"
    };
    let mut options = json!({"kind": kind, "apiVersion": "v1", "container": container});
    for flag in ["stdin", "stdout", "stderr", "tty"] {
        if query.flag(flag) {
            options[flag] = json!(true);
        }
    }
    let command: Vec<&str> = query.all("command").collect();
    if !command.is_empty() {
        options["command"] = json!(command);
    }
    options
}

/// What a node answers to a GET, whole; not more than so many bytes.
pub(crate) async fn fetch(api: &Arc<Api>, node: &str, path: &str, max: usize) -> Result<Bytes> {
    let mut sender = open(api, node).await?;
    let answer = send(&mut sender, node, Method::GET, path, HeaderMap::new()).await?;
    if !answer.status().is_success() {
        return Err(refused(answer).await);
    }
    let body = http_body_util::Limited::new(answer.into_body(), max).collect();
    let body = body
        .await
        .map_err(|e| Error::internal(format!("node {node}: {e}")))?;
    Ok(body.to_bytes())
}

/// What there is to say of a pod that no node has.
fn without_node(subresource: &str, name: &str) -> Result<Response<Body>> {
    if subresource == "log" {
        let mut nothing = Response::new(respond::full(Bytes::new()));
        *nothing.status_mut() = StatusCode::NO_CONTENT;
        return Ok(nothing);
    }
    Err(Error::BadRequest(format!(
        "pod {name} does not have a host assigned"
    )))
}

type Sender = http1::SendRequest<Empty<Bytes>>;

async fn open(api: &Arc<Api>, node: &str) -> Result<Sender> {
    let stream = super::dial::dial(api, node)
        .await
        .map_err(|e| unreachable_node(&e))?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|e| Error::internal(format!("error dialing backend: {e}")))?;
    api.tasks
        .spawn(format!("apiserver/node/{node}"), async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "connection to a node ended");
            }
        });
    Ok(sender)
}

fn unreachable_node(error: &ConnectError) -> Error {
    let cause = std::error::Error::source(error)
        .map(|c| format!(": {c}"))
        .unwrap_or_default();
    Error::internal(format!("error dialing backend: {error}{cause}"))
}

async fn send(
    sender: &mut Sender,
    node: &str,
    method: Method,
    target: &str,
    headers: HeaderMap,
) -> Result<Response<Incoming>> {
    let mut request = Request::new(Empty::new());
    *request.method_mut() = method;
    *request.uri_mut() = target
        .parse()
        .map_err(|e| Error::internal(format!("node path: {e}")))?;
    *request.headers_mut() = headers;
    let host = HeaderValue::from_str(node).unwrap_or_else(|_| HeaderValue::from_static("node"));
    request.headers_mut().insert(HOST, host);
    let answer = sender.send_request(request).await;
    answer.map_err(|e| Error::internal(format!("error dialing backend: {e}")))
}

async fn log(sender: &mut Sender, node: &str, target: &str) -> Result<Response<Body>> {
    let answer = send(sender, node, Method::GET, target, HeaderMap::new()).await?;
    if !answer.status().is_success() {
        return Err(refused(answer).await);
    }
    let body = answer
        .into_body()
        .map_err(|e| -> BoxError { e.into() })
        .boxed_unsync();
    Ok(respond::with_body(StatusCode::OK, "text/plain", body))
}

/// What the node says of a request that it does not do.
async fn refused(answer: Response<Incoming>) -> Error {
    let code = answer.status();
    let body = http_body_util::Limited::new(answer.into_body(), 64 << 10)
        .collect()
        .await;
    let text = body
        .map(|b| String::from_utf8_lossy(&b.to_bytes()).trim().to_owned())
        .unwrap_or_default();
    match code {
        StatusCode::BAD_REQUEST => Error::BadRequest(text),
        StatusCode::NOT_FOUND => Error::Plain {
            code: 404,
            reason: "NotFound",
            message: format!("the server could not find the requested resource: {text}"),
        },
        _ => Error::internal(text),
    }
}

/// Hands the client's wish to upgrade to the node, and joins both connections once the node agrees.
async fn upgrade(
    api: &Arc<Api>,
    mut sender: Sender,
    node: &str,
    target: &str,
    mut request: Request<Body>,
) -> Result<Response<Body>> {
    if !request.headers().contains_key(UPGRADE) {
        return Err(Error::BadRequest(
            "Upgrade request required: this path speaks WebSocket or SPDY only".into(),
        ));
    }
    let client = hyper::upgrade::on(&mut request);
    let headers = handed_on(request.headers());
    let mut answer = send(&mut sender, node, request.method().clone(), target, headers).await?;
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(refused(answer).await);
    }
    let ends = (client, hyper::upgrade::on(&mut answer));
    let name = format!("apiserver/stream/{node}");
    Ok(crate::joined::join(
        api,
        name,
        ends,
        sender,
        answer.headers(),
    ))
}

/// The headers that make an upgrade; no credentials among them: a token that stood among its protocols is out already.
fn handed_on(headers: &HeaderMap) -> HeaderMap {
    let mut out = HeaderMap::new();
    for (name, value) in headers {
        let text = name.as_str();
        let wanted = text.starts_with("sec-websocket-")
            || text.starts_with("x-stream-protocol-version")
            || [CONNECTION, UPGRADE, CONTENT_TYPE].contains(name);
        if wanted {
            out.append(name, value.clone());
        }
    }
    out
}
