//! `…/proxy`: what is asked goes on to the HTTP server of a node, pod or service, and its answer comes back. Bodies go
//! through as they come, both ways, for as long as both ends like.

mod headers;
mod html;
mod links;
mod paths;
mod place;
mod stream;

use std::sync::Arc;

use cedge_serving::Connection;
use futures::FutureExt as _;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, LOCATION};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::json;

use crate::api::Api;
use crate::call::Call;
use crate::outbound::in_words;
use crate::query::percent_decode;
use crate::respond::{self, Body};
use crate::status::{Error, Result};
use links::Links;
use place::Place;
use stream::Stream;

type Sender = http1::SendRequest<Body>;

/// Methods that go through.
pub(crate) const METHODS: [Method; 7] = [
    Method::GET,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::HEAD,
    Method::OPTIONS,
];

/// Hands a request on. Whoever asks may do so already.
pub(crate) async fn connect(
    api: &Arc<Api>,
    call: &Call,
    request: Request<Body>,
) -> Result<Response<Body>> {
    if call.query.get("dryRun").is_some() {
        return Err(Error::BadRequest("dryRun is not supported".into()));
    }
    let asked = percent_decode(request.uri().path());
    let below = paths::below(&call.request.rest, &asked);
    let kind = &call.resource.speaks("proxy").kind;
    let options = json!({"kind": kind, "apiVersion": "v1", "path": below});
    crate::admission::on_connect(api, call, options).await?;
    let place = place::find(api, call).await?;
    let path = paths::clean_keeping_slash(&below);
    if crate::websocket::wants_upgrade(request.headers()) {
        return upgrade(api, place, &path, request).await;
    }
    if path.is_empty() && [Method::GET, Method::HEAD].contains(request.method()) {
        return Ok(with_slash(request.uri()));
    }
    let links = Links {
        prefix: paths::prefix(&asked, &path),
        backend: place.authority.clone(),
        asked: host(&request),
    };
    pass(api, place, &path, request, links).await
}

/// What is relative in a page at `…/proxy` would lead beside it.
fn with_slash(uri: &Uri) -> Response<Body> {
    let query = uri.query().map(|q| format!("?{q}")).unwrap_or_default();
    let mut response = Response::new(respond::full(""));
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    let headers = response.headers_mut();
    headers::never_kept(headers);
    if let Ok(location) = HeaderValue::from_str(&format!("{}/{query}", uri.path())) {
        headers.insert(LOCATION, location);
    }
    response
}

/// A request and its answer.
async fn pass(
    api: &Arc<Api>,
    place: Place,
    path: &str,
    request: Request<Body>,
    links: Links,
) -> Result<Response<Body>> {
    let unreachable =
        |why: String| Error::Unavailable(format!("error trying to reach service: {why}"));
    let head = *request.method() == Method::HEAD;
    let (mut onward, _) = onward(request, path, false)?;
    if let Ok(forwarded) = HeaderValue::from_str(&paths::forwarded(&links.prefix, path)) {
        onward.headers_mut().insert("x-forwarded-uri", forwarded);
    }
    let stream = place.open(api).await.map_err(unreachable)?;
    let mut sender = handshake(api, stream).await.map_err(unreachable)?;
    let answer = sender.send_request(onward).await;
    let answer = answer.map_err(|e| unreachable(in_words(&e)))?;
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        let why = "backend tried to switch protocols when none was requested";
        return Err(failed(why.into()));
    }
    back(answer, &links, head)
}

/// An answer of the server behind, as the client gets it: what leads to that server leads through here.
fn back(answer: Response<Incoming>, links: &Links, head: bool) -> Result<Response<Body>> {
    let (parts, body) = answer.into_parts();
    let body = body.map_err(Into::into).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = parts.status;
    *response.headers_mut() = headers::back(&parts.headers);
    let headers = response.headers_mut();
    if parts.status == StatusCode::NOT_MODIFIED {
        // There is no body that they could speak of.
        headers.remove(CONTENT_TYPE);
        headers.remove(CONTENT_LENGTH);
    }
    if let Some(location) = text(headers, &LOCATION).filter(|l| !l.is_empty()) {
        links::check(location).map_err(|why| {
            Error::internal(format!("error trying to parse Location header: {why}"))
        })?;
        if let Some(Ok(changed)) = links.through(location).map(HeaderValue::try_from) {
            headers.insert(LOCATION, changed);
        }
        return Ok(response);
    }
    let kind = text(headers, &CONTENT_TYPE).unwrap_or_default();
    let is_page = kind.split(';').next().unwrap_or_default().trim() == "text/html";
    let encoding = text(headers, &CONTENT_ENCODING).unwrap_or_default();
    if !is_page || head || !["", "gzip"].contains(&encoding) {
        return Ok(response);
    }
    let page = html::Page::new(links.clone(), encoding == "gzip");
    headers.remove(CONTENT_ENCODING);
    headers.remove(CONTENT_LENGTH);
    Ok(response.map(|body| html::through(body, page)))
}

fn text<'a>(headers: &'a HeaderMap, name: &http::HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Hands the client's wish to upgrade on, and joins both connections once the server behind agrees.
async fn upgrade(
    api: &Arc<Api>,
    place: Place,
    path: &str,
    mut request: Request<Body>,
) -> Result<Response<Body>> {
    let client = hyper::upgrade::on(&mut request);
    let (onward, _body) = onward(request, path, true)?;
    let dialing = |why: String| failed(format!("error dialing backend: {why}"));
    let name = format!("apiserver/proxy/{}", place.authority);
    let stream = place.open(api).await.map_err(dialing)?;
    let mut sender = handshake(api, stream).await.map_err(dialing)?;
    let answer = sender.send_request(onward).await;
    let mut answer = answer.map_err(|e| failed(in_words(&e)))?;
    let code = answer.status();
    if code == StatusCode::SWITCHING_PROTOCOLS {
        let ends = (client, hyper::upgrade::on(&mut answer));
        return Ok(crate::joined::join(
            api,
            name,
            ends,
            sender,
            answer.headers(),
        ));
    }
    if code.as_u16() < 400 {
        let why = format!("invalid upgrade response: status code {}", code.as_u16());
        return Err(failed(why));
    }
    let (parts, body) = answer.into_parts();
    let mut response = Response::new(body.map_err(Into::into).boxed_unsync());
    *response.status_mut() = code;
    *response.headers_mut() = headers::hopless(&parts.headers);
    Ok(response)
}

/// An error that has no kind.
fn failed(message: String) -> Error {
    Error::Plain {
        code: 500,
        reason: "",
        message,
    }
}

/// The request as the server behind gets it. Where protocols are switched, the body stays here: it is what follows.
fn onward(
    request: Request<Body>,
    path: &str,
    upgrades: bool,
) -> Result<(Request<Body>, Option<Body>)> {
    let host = host(&request);
    let (parts, body) = request.into_parts();
    let query = parts.uri.query().map(|q| format!("?{q}"));
    let path = if path.is_empty() { "/" } else { path };
    let target = format!("{}{}", paths::encode(path), query.unwrap_or_default());
    let target: Uri = target
        .parse()
        .map_err(|e| Error::BadRequest(format!("invalid path: {e}")))?;
    let remote = parts.extensions.get::<Connection>().and_then(|c| c.remote);
    let mut headers = headers::onward(&parts.headers, upgrades, remote.map(|r| r.ip()));
    if let Ok(host) = HeaderValue::try_from(host) {
        headers.insert(HOST, host);
    }
    let (sent, kept) = if upgrades {
        (respond::full(""), Some(body))
    } else {
        (body, None)
    };
    let mut onward = Request::new(sent);
    *onward.method_mut() = parts.method;
    *onward.uri_mut() = target;
    *onward.headers_mut() = headers;
    Ok((onward, kept))
}

/// Whom the client believes to speak with.
fn host(request: &Request<Body>) -> String {
    let named = request.uri().authority().map(ToString::to_string);
    let named = named.or_else(|| text(request.headers(), &HOST).map(ToOwned::to_owned));
    named.unwrap_or_default()
}

async fn handshake(api: &Arc<Api>, stream: Stream) -> Result<Sender, String> {
    let shaken = http1::handshake(TokioIo::new(stream)).await;
    let (sender, connection) = shaken.map_err(|e| in_words(&e))?;
    let shutdown = api.tasks.shutdown().clone();
    let connection = connection.with_upgrades().boxed();
    api.tasks.spawn("apiserver/proxy", async move {
        if let Some(Err(error)) = shutdown.or(connection).await {
            tracing::debug!(%error, "connection behind a proxied request ended");
        }
    });
    Ok(sender)
}
