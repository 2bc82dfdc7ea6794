//! Who is at the other end.

use cedge_api::ClusterId;
use cedge_pki::{PeerCertificate, Role};

/// What a peer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PeerKind {
    /// A cluster: a parent, or a child with clusters or nodes below it.
    Cluster,
    /// A node.
    Node,
}

impl PeerKind {
    /// As it is written in certificates and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cluster => "cluster",
            Self::Node => "node",
        }
    }
}

/// Who is at the other end, as its certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerId {
    /// Its identity, from its key.
    pub id: ClusterId,
    /// The name under which its certificate was signed.
    pub name: String,
    /// What it is.
    pub kind: PeerKind,
    /// Until when its certificate is valid, in seconds since 1970.
    pub not_after: i64,
}

impl PeerId {
    /// The child that a certificate is for, which was verified in the handshake.
    pub(crate) fn of_child(certificate: &PeerCertificate) -> Option<Self> {
        let kind = match certificate.role {
            Role::Cluster => PeerKind::Cluster,
            Role::Node => PeerKind::Node,
            Role::Server | Role::User => return None,
        };
        Some(Self {
            id: certificate.id(),
            name: certificate.child_name()?.to_owned(),
            kind,
            not_after: certificate.not_after.as_second(),
        })
    }
}
