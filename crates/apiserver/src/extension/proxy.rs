//! A request goes on to the server that answers it, in the name of whoever asks.

use std::sync::Arc;

use bytes::Bytes;
use cedge_pki::Identity;
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, HeaderName, TE, TRAILER, TRANSFER_ENCODING,
    UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;

use super::Route;
use crate::api::Api;
use crate::limits::REQUEST_TIME_MAX;
use crate::respond::{self, Body};
use crate::status::Result;

const TEXT: &str = "text/plain; charset=utf-8";

/// Hands a request on. Whoever asks may do so already.
pub(crate) async fn serve(
    api: &Arc<Api>,
    identity: &Identity,
    route: &Route,
    parts: Parts,
    body: Body,
) -> Result<Response<Body>> {
    if !route.available {
        return Ok(failed(
            StatusCode::SERVICE_UNAVAILABLE,
            "service unavailable",
        ));
    }
    let peer = route.peer(api.front_proxy());
    let upgrades = parts.headers.contains_key(UPGRADE);
    let mut headers = handed_on(&parts.headers, upgrades);
    introduce(&mut headers, identity);
    let host = HeaderValue::from_str(&peer.authority());
    headers.insert(
        HOST,
        host.unwrap_or_else(|_| HeaderValue::from_static("localhost")),
    );
    if upgrades {
        return upgrade(api, route, &peer, headers, Request::from_parts(parts, body)).await;
    }
    let body = crate::body::receive(&api.limits, body, &parts.method).await?;
    let bytes = body.bytes.clone();
    let mut request = Request::new(bytes);
    *request.method_mut() = parts.method;
    *request.uri_mut() = target(&parts.uri);
    *request.headers_mut() = headers;
    let again = matches!(*request.method(), Method::GET | Method::HEAD);
    let sending = api.outbound.send(api, &peer, request, again);
    let answer = tokio::time::timeout(REQUEST_TIME_MAX, sending);
    Ok(match answer.await {
        Ok(Ok(mut answer)) => {
            for name in hop_by_hop() {
                answer.headers_mut().remove(name);
            }
            answer
        }
        Ok(Err(error)) => failed(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
        Err(_) => failed(StatusCode::GATEWAY_TIMEOUT, "context deadline exceeded"),
    })
}

/// An error as the proxy of Kubernetes writes it: plain text.
fn failed(code: StatusCode, text: &str) -> Response<Body> {
    respond::bytes(code, TEXT, format!("{text}\n"))
}

fn target(uri: &http::Uri) -> http::Uri {
    let path = uri.path_and_query().map_or("/", |p| p.as_str());
    path.parse().unwrap_or_default()
}

fn hop_by_hop() -> [HeaderName; 7] {
    [
        CONNECTION,
        UPGRADE,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        HeaderName::from_static("keep-alive"),
        HeaderName::from_static("proxy-connection"),
    ]
}

/// The headers that go on: none that speak of the connection, none that prove or claim who somebody is.
fn handed_on(headers: &HeaderMap, upgrades: bool) -> HeaderMap {
    let hops = hop_by_hop();
    let mut out = HeaderMap::new();
    for (name, value) in headers {
        let text = name.as_str();
        let claims = *name == AUTHORIZATION
            || text.starts_with("x-remote-")
            || text.starts_with("impersonate-");
        let hop = hops.contains(name) && !(upgrades && [CONNECTION, UPGRADE].contains(name));
        if !claims && !hop && *name != HOST && *name != CONTENT_LENGTH {
            out.append(name, value.clone());
        }
    }
    crate::websocket::without_token(&mut out);
    out
}

/// Says who asks. What is no header text is left out: nobody becomes somebody else by that.
fn introduce(headers: &mut HeaderMap, identity: &Identity) {
    let mut add = |name: String, value: &str| {
        let pair = (
            HeaderName::try_from(name),
            HeaderValue::from_bytes(value.as_bytes()),
        );
        if let (Ok(name), Ok(value)) = pair {
            headers.append(name, value);
        }
    };
    add("x-remote-user".into(), &identity.user);
    if let Some(uid) = identity.uid.as_deref().filter(|uid| !uid.is_empty()) {
        add("x-remote-uid".into(), uid);
    }
    for group in &identity.groups {
        add("x-remote-group".into(), group);
    }
    for (key, values) in &identity.extra {
        let name = format!("x-remote-extra-{}", escaped(key));
        for value in values {
            add(name.clone(), value);
        }
    }
}

/// A key as it can stand in a header's name: anything else is written as `%2f`.
fn escaped(key: &str) -> String {
    let mut out = String::new();
    for byte in key.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"!#$&'*+-.^_`|~".contains(&byte);
        if plain {
            out.push(char::from(byte.to_ascii_lowercase()));
        } else {
            out.push_str(&format!("%{byte:02x}"));
        }
    }
    out
}

/// Joins both connections once the other server agrees to speak another protocol.
async fn upgrade(
    api: &Arc<Api>,
    route: &Route,
    peer: &crate::outbound::Peer,
    headers: HeaderMap,
    mut request: Request<Body>,
) -> Result<Response<Body>> {
    let client = hyper::upgrade::on(&mut request);
    let mut onward = Request::new(respond::full(Bytes::new()));
    *onward.method_mut() = request.method().clone();
    *onward.uri_mut() = target(request.uri());
    *onward.headers_mut() = headers;
    let (mut answer, connection) = match api.outbound.stream(api, peer, onward).await {
        Ok(answered) => answered,
        Err(error) => return Ok(failed(StatusCode::SERVICE_UNAVAILABLE, &error.to_string())),
    };
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        let body = answer.map(|body| body.map_err(Into::into).boxed_unsync());
        return Ok(body);
    }
    let ends = (client, hyper::upgrade::on(&mut answer));
    let name = format!("apiserver/extension/{}", route.name);
    Ok(crate::joined::join(
        api,
        name,
        ends,
        connection,
        answer.headers(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_says_themselves_who_they_are() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x-remote-user", "root"),
            ("x-remote-group", "system:masters"),
            ("impersonate-user", "root"),
            ("authorization", "Bearer x"),
            ("accept", "application/json"),
            ("connection", "close"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let mut onward = handed_on(&headers, false);
        assert_eq!(onward.len(), 1);
        let mut identity = Identity::authenticated("bob", ["a", "b"]);
        identity
            .extra
            .insert("example.com/Key".into(), vec!["v".into()]);
        introduce(&mut onward, &identity);
        assert_eq!(onward["x-remote-user"], "bob");
        let groups: Vec<_> = onward.get_all("x-remote-group").iter().collect();
        assert_eq!(groups.first().map(|g| g.as_bytes()), Some(&b"a"[..]));
        assert_eq!(onward["x-remote-extra-example.com%2fkey"], "v");
    }
}
