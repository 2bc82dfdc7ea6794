//! Connections to ports of a pod. kubectl asks for SPDY/3.1, either on the connection itself or inside of a WebSocket; other
//! clients speak channels of a WebSocket.

mod channels;
mod streams;

use std::sync::Arc;

use http::{Request, header};
use hyper::body::Incoming;
use k8s_openapi::api::core::v1::Pod;
use tokio::net::TcpStream;

use super::query::Query;
use super::upgrade::{self, STREAM_PROTOCOL};
use super::{Answer, Refused};
use crate::Node;

/// What is spoken inside of SPDY.
const PROTOCOL: &str = "portforward.k8s.io";
/// The same, with SPDY inside of a WebSocket (KEP-4006).
const TUNNELED: &str = "SPDY/3.1+portforward.k8s.io";

/// Where a pod's programs listen.
#[derive(Debug, Clone)]
struct Place {
    pod: String,
    /// The node's own address, if it has one beyond loopback.
    address: String,
}

pub(super) fn answer(
    node: &Arc<Node>,
    pod: &Pod,
    query: &Query,
    request: Request<Incoming>,
) -> Result<Answer, Refused> {
    let place = Place {
        pod: pod.metadata.name.clone().unwrap_or_default(),
        address: node
            .place
            .borrow()
            .addresses
            .first()
            .cloned()
            .unwrap_or_default(),
    };
    let headers = request.headers();
    if upgrade::says(headers, &header::SEC_WEBSOCKET_PROTOCOL, TUNNELED) {
        return upgrade::to_websocket(node, request, TUNNELED, |socket| async move {
            let connection = cedge_spdy::Connection::new(streams::inside(socket));
            streams::forward(connection, place).await;
        });
    }
    if upgrade::is_spdy(headers) {
        if !upgrade::says(headers, &STREAM_PROTOCOL, PROTOCOL) {
            return Err(Refused::bad(
                "no common protocol: this node speaks portforward.k8s.io inside of SPDY",
            ));
        }
        let session = |connection| streams::forward(connection, place);
        return Ok(upgrade::to_spdy(node, request, PROTOCOL, session));
    }
    channels::answer(node, place, query, request)
}

impl Place {
    /// Programs listen on the node's address, on all, or on loopback only.
    async fn connect(&self, port: u16) -> std::io::Result<TcpStream> {
        match TcpStream::connect(("127.0.0.1", port)).await {
            Ok(stream) => Ok(stream),
            Err(error) if self.address.is_empty() => Err(error),
            Err(_) => TcpStream::connect((self.address.as_str(), port)).await,
        }
    }
}
