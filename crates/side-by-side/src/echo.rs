//! A server of HTTP behind both API servers, for what they hand on: it answers with what it got.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;

/// Headers that it does not tell of: each library adds its own.
const UNTOLD: [&str; 2] = ["accept-encoding", "content-length"];

/// Starts it at an address of this machine that is not loopback: nobody is proxied there. None if there is no such address.
///
/// # Errors
/// Nothing can listen there.
pub async fn start() -> std::io::Result<Option<SocketAddr>> {
    let Some(ip) = own_address() else {
        return Ok(None);
    };
    let listener = TcpListener::bind((ip, 0)).await?;
    let address = listener.local_addr()?;
    cedge_tasks::spawn("side-by-side/echo", async move {
        while let Ok((stream, _)) = listener.accept().await {
            cedge_tasks::spawn("side-by-side/echoes", async move {
                let connection = hyper::server::conn::http1::Builder::new();
                let _ = connection
                    .serve_connection(TokioIo::new(stream), service_fn(answer))
                    .await;
            });
        }
    });
    Ok(Some(address))
}

/// The address by which this machine would speak to others; nothing is sent.
fn own_address() -> Option<Ipv4Addr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    match socket.local_addr().ok()? {
        SocketAddr::V4(own) if !own.ip().is_loopback() => Some(*own.ip()),
        _ => None,
    }
}

/// `code`, `header.NAME` and `body` of the query say what is answered; else it is what was asked.
async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .map(|b| b.to_bytes())
        .unwrap_or_default();
    let headers: BTreeMap<&str, &str> = parts
        .headers
        .iter()
        .filter(|(name, _)| !UNTOLD.contains(&name.as_str()))
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
        .collect();
    let said = json!({
        "method": parts.method.as_str(), "target": parts.uri.to_string(), "headers": headers,
        "body": String::from_utf8_lossy(&body),
    });
    let mut response = Response::new(Full::from(said.to_string()));
    // Go's server says by itself what a body seems to be, if nobody does.
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert("content-type", kind);
    let wanted = parts.uri.query().unwrap_or_default().split('&');
    for (name, value) in wanted.filter_map(|pair| pair.split_once('=')) {
        let value = plain(value);
        match name {
            "code" => {
                if let Ok(code) = StatusCode::from_bytes(value.as_bytes()) {
                    *response.status_mut() = code;
                }
            }
            "body" => *response.body_mut() = Full::from(value),
            name => {
                let name = name.strip_prefix("header.").map(http::HeaderName::try_from);
                if let (Some(Ok(name)), Ok(value)) = (name, HeaderValue::try_from(value)) {
                    if name == "content-type" {
                        response.headers_mut().remove(&name);
                    }
                    response.headers_mut().append(name, value);
                }
            }
        }
    }
    Ok(response)
}

/// `%41` is a letter.
fn plain(text: &str) -> String {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).filter(|_| *first == b'%');
        let code = code.and_then(|c| u8::from_str_radix(std::str::from_utf8(c).ok()?, 16).ok());
        out.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&out).into_owned()
}
