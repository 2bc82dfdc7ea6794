//! One request over one stream, upgrades included.

use cedge_serving::splice;
use cedge_tasks::Shutdown;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Request, StatusCode, Uri, Version};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;

use super::refusal::refusal;
use super::{Answer, Io, PARENT_GROUP};

/// Headers that speak of one hop only, and those that claim an identity: none crosses a link.
const NOT_PASSED: &[&str] = &[
    "authorization",
    "impersonate-user",
    "impersonate-group",
    "impersonate-uid",
    "x-remote-user",
    "x-remote-group",
    "proxy-authorization",
    "cookie",
    "host",
];

/// The request without `prefix` in its path.
pub(super) fn strip(request: Request<Incoming>, prefix: &str) -> Result<Request<Incoming>, String> {
    let (mut head, body) = request.into_parts();
    let rest = head.uri.path().strip_prefix(prefix).unwrap_or_default();
    let rest = if rest.is_empty() { "/" } else { rest };
    let target = match head.uri.query() {
        Some(query) => format!("{rest}?{query}"),
        None => rest.to_owned(),
    };
    head.uri = target
        .parse::<Uri>()
        .map_err(|e| format!("the path cannot be passed on: {e}"))?;
    Ok(Request::from_parts(head, body))
}

/// Takes off what must not cross.
pub(crate) fn undress(headers: &mut HeaderMap) {
    for name in NOT_PASSED {
        headers.remove(*name);
    }
    let extra: Vec<HeaderName> = headers
        .keys()
        .filter(|n| n.as_str().starts_with("impersonate-extra-"))
        .cloned()
        .collect();
    for name in extra {
        headers.remove(name);
    }
}

/// Who the caller is in this cluster.
pub(super) fn impersonate(headers: &mut HeaderMap, parent: &str) -> Result<(), String> {
    let user =
        HeaderValue::try_from(format!("{PARENT_GROUP}:{parent}")).map_err(|e| e.to_string())?;
    headers.insert("impersonate-user", user);
    headers.append("impersonate-group", HeaderValue::from_static(PARENT_GROUP));
    headers.append(
        "impersonate-group",
        HeaderValue::from_static("system:authenticated"),
    );
    Ok(())
}

/// Sends `request` over `io` and gives back the answer; an upgraded connection is spliced until either end closes.
pub(crate) async fn forward<S>(io: S, mut request: Request<Incoming>, shutdown: &Shutdown) -> Answer
where
    S: Io + 'static,
{
    let path = request
        .uri()
        .path_and_query()
        .map_or("/", |p| p.as_str())
        .to_owned();
    *request.uri_mut() = path.parse().unwrap_or_default();
    *request.version_mut() = Version::HTTP_11;
    request
        .headers_mut()
        .insert(header::HOST, HeaderValue::from_static("cluster"));
    let handshake = hyper::client::conn::http1::handshake::<_, Incoming>(TokioIo::new(io)).await;
    let (mut sender, connection) = match handshake {
        Ok(pair) => pair,
        Err(error) => return broken(&error),
    };
    cedge_tasks::spawn("reach/connection", async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "a passed connection broke off");
        }
    });
    let here = hyper::upgrade::on(&mut request);
    match sender.send_request(request).await {
        Err(error) => broken(&error),
        Ok(mut answer) if answer.status() == StatusCode::SWITCHING_PROTOCOLS => {
            let there = hyper::upgrade::on(&mut answer);
            let shutdown = shutdown.clone();
            cedge_tasks::spawn("reach/upgraded", async move {
                if let (Ok(here), Ok(there)) = (here.await, there.await) {
                    // Ends when either end closes; how it ends is for them to say.
                    let _ = splice(TokioIo::new(here), TokioIo::new(there), &shutdown).await;
                }
            });
            answer.map(|_| Empty::new().map_err(|never| match never {}).boxed())
        }
        Ok(answer) => answer.map(|body| body.boxed()),
    }
}

fn broken(error: &hyper::Error) -> Answer {
    let message = format!("the link took the request and broke off: {error}");
    refusal(StatusCode::BAD_GATEWAY, "ServiceUnavailable", &message)
}
