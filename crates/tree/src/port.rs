//! The hub's port: links, joins, and the API of what lies below, told apart in the TLS handshake.

use std::convert::Infallible;
use std::sync::Arc;

use cedge_pki::{Authority, LiveCredential, tls};
use cedge_serving::{Drained, RawConnection, Server};
use cedge_tasks::Shutdown;
use cedge_wire::{ALPN_JOIN, ALPN_LINK};
use http::Request;
use hyper::body::Incoming;
use rustls::pki_types::CertificateDer;
use tokio::net::TcpListener;

use crate::Tree;

/// Serves the port until it is time to stop. `users` are authorities of the cluster's users beside its own.
pub async fn serve(
    tree: Tree,
    listener: TcpListener,
    authority: Arc<Authority>,
    credential: Arc<LiveCredential>,
    users: &[CertificateDer<'static>],
    shutdown: Shutdown,
) -> Drained {
    let reach = tree.reach().clone();
    let service = tower::service_fn(move |request: Request<Incoming>| {
        let reach = reach.clone();
        async move { Ok::<_, Infallible>(reach.answer_local(request).await) }
    });
    let links = tls::link_server(credential.clone(), &authority, ALPN_LINK);
    let joins = tls::join_server(credential.clone(), ALPN_JOIN);
    let (linking, joining) = (tree.acceptor().clone(), tree.acceptor().clone());
    Server::new(tls::hub_server(credential, &authority, users), service)
        .raw(ALPN_LINK, links, move |raw: RawConnection| {
            let acceptor = linking.clone();
            async move { acceptor.serve(raw.stream).await }
        })
        .raw(ALPN_JOIN, joins, move |raw: RawConnection| {
            let acceptor = joining.clone();
            async move { acceptor.serve(raw.stream).await }
        })
        .serve(listener, shutdown)
        .await
}
