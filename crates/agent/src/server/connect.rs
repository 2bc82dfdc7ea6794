//! Bytes to a port of a pod and back, with nothing around them: so the API server reaches what it proxies to, from wherever
//! it is.

use std::sync::Arc;

use http::{Request, StatusCode};
use hyper::body::Incoming;
use tokio::net::TcpStream;

use super::query::Query;
use super::upgrade;
use super::{Answer, Refused};
use crate::Node;

pub(super) async fn answer(
    node: &Arc<Node>,
    query: &Query,
    request: Request<Incoming>,
) -> Result<Answer, Refused> {
    let port = query.number("port").and_then(|p| u16::try_from(p).ok());
    let port = port.ok_or_else(|| Refused::bad("port is missing"))?;
    // Not loopback: what listens there is for this machine only, and most of it is no pod.
    let address = node.place.borrow().addresses.first().cloned();
    let address = address.ok_or_else(|| unreachable("the pod has no address".into()))?;
    let stream = TcpStream::connect((address.as_str(), port)).await;
    let stream = stream.map_err(|error| {
        unreachable(match error.kind() {
            std::io::ErrorKind::ConnectionRefused => "connect: connection refused".into(),
            _ => error.to_string(),
        })
    })?;
    let _ = stream.set_nodelay(true);
    Ok(upgrade::to_bytes(node, request, stream))
}

fn unreachable(words: String) -> Refused {
    Refused(StatusCode::BAD_GATEWAY, words)
}
