//! Whom a request goes to, and how errors of its certificate are told.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use cedge_pki::LiveCredential;
use cedge_pki::outside::Trust;
use rustls::{CertificateError, Error as TlsError};

use super::{CallError, service};
use crate::api::Api;

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    /// A name or address, and a port.
    Named(String, u16),
    /// A service: namespace, name, port.
    Service(String, String, u16),
}

/// A server that a user named.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) host: Host,
    /// The name that its certificate must have.
    pub(crate) server_name: String,
    pub(crate) trust: Trust,
    /// What we show of ourselves.
    pub(crate) credential: Option<Arc<LiveCredential>>,
}

// === impl Peer ===

impl Peer {
    pub(crate) fn service(namespace: &str, name: &str, port: u16, trust: Trust) -> Self {
        Self {
            host: Host::Service(namespace.to_owned(), name.to_owned(), port),
            server_name: format!("{name}.{namespace}.svc"),
            trust,
            credential: None,
        }
    }

    /// `HOST:PORT`, as it stands in the `Host` header.
    pub(crate) fn authority(&self) -> String {
        match &self.host {
            Host::Named(name, port) if name.contains(':') => format!("[{name}]:{port}"),
            Host::Named(name, port) => format!("{name}:{port}"),
            Host::Service(_, _, port) => format!("{}:{port}", self.server_name),
        }
    }

    pub(super) async fn resolve(&self, api: &Api) -> Result<SocketAddr, CallError> {
        let (name, port) = match &self.host {
            Host::Named(name, port) => (name.clone(), *port),
            Host::Service(namespace, name, port) => {
                match service::resolve(api, namespace, name, *port)? {
                    service::Way::Address(address) => return Ok(address),
                    service::Way::Name(name, port) => (name, port),
                }
            }
        };
        if let Ok(ip) = name.parse::<IpAddr>() {
            return Ok(SocketAddr::new(ip, port));
        }
        let missing = || CallError::Http(format!("dial tcp: lookup {name}: no such host"));
        let found = tokio::net::lookup_host(format!("{name}:{port}")).await;
        let found: Vec<SocketAddr> = found.map_err(|_| missing())?.collect();
        // What serves on one family only serves on this one more often.
        let first = found.iter().find(|a| a.is_ipv4()).or(found.first());
        first.copied().ok_or_else(missing)
    }
}

/// What is wrong with the certificate of the other end, in the words that people search for.
pub(crate) fn tls_error(error: &io::Error, name: &str) -> String {
    const HEAD: &str = "tls: failed to verify certificate: x509: ";
    let tls = error.get_ref().and_then(|e| e.downcast_ref::<TlsError>());
    match tls {
        Some(TlsError::InvalidCertificate(wrong)) => match wrong {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                format!("{HEAD}certificate signed by unknown authority")
            }
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => {
                format!("{HEAD}certificate has expired or is not yet valid")
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                format!("{HEAD}certificate is not valid for {name}")
            }
            other => format!("{HEAD}{other}"),
        },
        Some(TlsError::InvalidMessage(_)) => {
            "tls: first record does not look like a TLS handshake".into()
        }
        Some(other) => format!("tls: {other}"),
        None if error.kind() == io::ErrorKind::UnexpectedEof => "EOF".into(),
        None => error.to_string(),
    }
}
