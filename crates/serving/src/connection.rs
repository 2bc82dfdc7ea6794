//! What is known of a connection, as every request on it carries it.

use std::net::SocketAddr;
use std::sync::Arc;

use cedge_pki::{Identity, PeerCertificate};

/// Stands in the extensions of every request that came over a socket. A request without it was made in this process.
#[derive(Debug, Clone)]
pub struct Connection {
    /// Where it comes from; `None` if it came through another connection (a link).
    pub remote: Option<SocketAddr>,
    /// What the other end proved in the handshake.
    pub proof: Proof,
}

/// What the other end of a connection proved.
#[derive(Debug, Clone)]
pub enum Proof {
    /// Nothing: a token may still speak for it.
    Nothing,
    /// It holds the key of this certificate, which was verified.
    Certificate(Arc<PeerCertificate>),
    /// Whoever carried the connection here vouches for this user (a link, for the parent at its other end).
    Vouched(Arc<Identity>),
}

impl Connection {
    /// A connection that came through another one, whose owner vouches for `identity`.
    #[must_use]
    pub fn vouched(identity: Identity) -> Self {
        Self {
            remote: None,
            proof: Proof::Vouched(Arc::new(identity)),
        }
    }

    /// The user that the connection itself speaks for, if it does.
    #[must_use]
    pub fn identity(&self) -> Option<Identity> {
        match &self.proof {
            Proof::Nothing => None,
            Proof::Certificate(certificate) => Some(Identity::from_certificate(certificate)),
            Proof::Vouched(identity) => Some(Identity::clone(identity)),
        }
    }
}
