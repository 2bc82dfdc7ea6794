//! Who is at the other end.

use cedge_api::ClusterId;

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
