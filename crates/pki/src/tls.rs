//! TLS settings: one provider (ring), made here and never taken from the process.
//!
//! A port serves several protocols (the API, links, joining); each has settings of its own, and `serving` chooses by
//! what a client offers (ALPN). There is no session resumption anywhere: a handshake costs less than a revoked or expired
//! certificate that lives on in a ticket.

use std::sync::{Arc, LazyLock};

use rustls::client::Resumption;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::CertificateDer;

use crate::authority::Authority;
use crate::credential::LiveCredential;
use crate::pin::Pin;
use crate::verify::{Children, Parent, Users};

/// The versions of an API port: kubectl and browsers, some of them old.
const API: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];
/// The version of links, where both ends are ours. 1.3 also separates, by its context string, what an identity key signs
/// in a handshake from what it signs as a CA.
const LINK: &[&SupportedProtocolVersion] = &[&TLS13];

/// The one crypto provider.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(rustls::crypto::ring::default_provider()));
    Arc::clone(&PROVIDER)
}

/// An API port: HTTP/2 and HTTP/1.1, TLS 1.2 and 1.3, a user's certificate optional.
#[must_use]
pub fn api_server(credential: Arc<LiveCredential>, authority: &Authority) -> Arc<ServerConfig> {
    let users = Arc::new(Users::of(authority));
    server(credential, users, API, &[b"h2", b"http/1.1"])
}

/// A hub's HTTP beside a cluster whose users have certificates of `others`: as [`api_server`], for them too.
#[must_use]
pub fn hub_server(
    credential: Arc<LiveCredential>,
    authority: &Authority,
    others: &[CertificateDer<'static>],
) -> Arc<ServerConfig> {
    let users = Arc::new(Users::of_both(authority, others));
    server(credential, users, API, &[b"h2", b"http/1.1"])
}

/// A port that answers an API server in the name of a node: HTTP/1.1 (what is upgraded needs it), and a certificate of
/// a user of one of `authorities`. `None` if none of them can be read.
#[must_use]
pub fn node_server(
    credential: Arc<LiveCredential>,
    authorities: &[CertificateDer<'static>],
) -> Option<Arc<ServerConfig>> {
    let users = Arc::new(Users::only_of(authorities)?);
    Some(server(credential, users, API, &[b"http/1.1"]))
}

/// An API server, towards [`node_server`], whose authority is pinned.
#[must_use]
pub fn node_client(pin: Pin, credential: Arc<LiveCredential>) -> Arc<ClientConfig> {
    let verifier = Arc::new(Parent::pinned(pin));
    client(verifier, Some(credential), LINK, &[b"http/1.1"])
}

/// A hub, towards children: their certificate is required, its dates are not judged.
#[must_use]
pub fn link_server(
    credential: Arc<LiveCredential>,
    authority: &Authority,
    alpn: &[u8],
) -> Arc<ServerConfig> {
    let children = Arc::new(Children::of(authority));
    server(credential, children, LINK, &[alpn])
}

/// A hub, towards those who join: they have no certificate yet; a token will speak for them.
#[must_use]
pub fn join_server(credential: Arc<LiveCredential>, alpn: &[u8]) -> Arc<ServerConfig> {
    server(
        credential,
        WebPkiClientVerifier::no_client_auth(),
        LINK,
        &[alpn],
    )
}

/// A child, towards its parent: the pinned authority, under any address, whatever the clock says.
#[must_use]
pub fn link_client(pin: Pin, credential: Arc<LiveCredential>, alpn: &[u8]) -> Arc<ClientConfig> {
    client(
        Arc::new(Parent::pinned(pin)),
        Some(credential),
        LINK,
        &[alpn],
    )
}

/// Somebody who joins: as [`link_client`], without a certificate yet.
#[must_use]
pub fn join_client(pin: Pin, alpn: &[u8]) -> Arc<ClientConfig> {
    client(Arc::new(Parent::pinned(pin)), None, LINK, &[alpn])
}

/// A user of an API whose CA is known: names and dates are checked as everywhere. `None` if no certificate of `roots` is
/// usable.
#[must_use]
pub fn api_client(
    roots: &[CertificateDer<'static>],
    credential: Option<Arc<LiveCredential>>,
) -> Option<Arc<ClientConfig>> {
    let mut store = RootCertStore::empty();
    let (usable, _) = store.add_parsable_certificates(roots.iter().cloned());
    if usable == 0 {
        return None;
    }
    let verifier =
        rustls::client::WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider())
            .build()
            .ok()?;
    Some(client(verifier, credential, API, &[b"h2", b"http/1.1"]))
}

/// Somebody outside, judged by a verifier of [`crate::outside`].
pub(crate) fn outside_client(
    verifier: Arc<dyn ServerCertVerifier>,
    credential: Option<Arc<LiveCredential>>,
) -> Arc<ClientConfig> {
    client(verifier, credential, API, &[b"http/1.1"])
}

fn server(
    credential: Arc<LiveCredential>,
    clients: Arc<dyn ClientCertVerifier>,
    versions: &[&'static SupportedProtocolVersion],
    alpn: &[&[u8]],
) -> Arc<ServerConfig> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .expect("ring supports TLS 1.2 and 1.3")
        .with_client_cert_verifier(clients)
        .with_cert_resolver(credential);
    config.alpn_protocols = alpn.iter().map(|p| p.to_vec()).collect();
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Arc::new(config)
}

fn client(
    verifier: Arc<dyn ServerCertVerifier>,
    credential: Option<Arc<LiveCredential>>,
    versions: &[&'static SupportedProtocolVersion],
    alpn: &[&[u8]],
) -> Arc<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .expect("ring supports TLS 1.2 and 1.3")
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match credential {
        Some(credential) => builder.with_client_cert_resolver(credential),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = alpn.iter().map(|p| p.to_vec()).collect();
    config.resumption = Resumption::disabled();
    Arc::new(config)
}
