//! What a hub decides and this crate only asks.

use std::str::FromStr;

use cedge_wire::link::Goodbye;
use futures::future::BoxFuture;

use crate::{Endpoint, JoinRequest, Joined, PeerId, Session};

/// Why a peer is refused; a stable word for conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalReason {
    /// The token is not known here.
    TokenUnknown,
    /// The token was used as often as it may be.
    TokenUsedUp,
    /// The token's time is over.
    TokenExpired,
    /// The token, or the certificate, belongs to another CA.
    WrongAuthority,
    /// The name belongs to another identity.
    NameTaken,
    /// Somebody has to approve the registration first; ask again later.
    AwaitingApproval,
    /// The identity was evicted.
    Revoked,
    /// The child was taken out of the tree; it need not ask again.
    Detached,
    /// The certificate has expired: only a renewal is possible.
    CertificateExpired,
    /// A newer connection of the same identity took over.
    Replaced,
    /// The two programs have no protocol version in common.
    Version,
    /// What was sent makes no sense.
    BadRequest,
    /// The hub cannot answer now; ask again later.
    Unavailable,
}

impl RefusalReason {
    /// The word for a condition's `reason`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TokenUnknown => "TokenUnknown",
            Self::TokenUsedUp => "TokenUsedUp",
            Self::TokenExpired => "TokenExpired",
            Self::WrongAuthority => "WrongAuthority",
            Self::NameTaken => "NameTaken",
            Self::AwaitingApproval => "AwaitingApproval",
            Self::Revoked => "Revoked",
            Self::Detached => "Detached",
            Self::CertificateExpired => "CertificateExpired",
            Self::Replaced => "Replaced",
            Self::Version => "Version",
            Self::BadRequest => "BadRequest",
            Self::Unavailable => "Unavailable",
        }
    }
}

impl FromStr for RefusalReason {
    type Err = ();

    /// A word that a newer program says is [`RefusalReason::Unavailable`] to the one who asks.
    fn from_str(word: &str) -> Result<Self, ()> {
        let all = [
            Self::TokenUnknown,
            Self::TokenUsedUp,
            Self::TokenExpired,
            Self::WrongAuthority,
            Self::NameTaken,
            Self::AwaitingApproval,
            Self::Revoked,
            Self::Detached,
            Self::CertificateExpired,
            Self::Replaced,
            Self::Version,
            Self::BadRequest,
            Self::Unavailable,
        ];
        all.into_iter()
            .find(|reason| reason.as_str() == word)
            .ok_or(())
    }
}

/// Why a peer is refused, and what a human should know about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The stable word.
    pub reason: RefusalReason,
    /// For humans.
    pub message: String,
}

impl Refusal {
    /// A refusal.
    #[must_use]
    pub fn new(reason: RefusalReason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }

    pub(crate) fn to_wire(&self) -> Goodbye {
        // Bounded: what is said here may quote what a stranger sent.
        let message = self.message.chars().take(1000).collect();
        Goodbye {
            reason: self.reason.as_str().to_owned(),
            message,
        }
    }

    pub(crate) fn from_wire(goodbye: &Goodbye) -> Self {
        let reason = goodbye.reason.parse().unwrap_or(RefusalReason::Unavailable);
        Self {
            reason,
            message: goodbye.message.chars().take(1000).collect(),
        }
    }
}

/// What a peer that is let in gets.
#[derive(Debug, Clone, Default)]
pub struct Admission {
    /// Its tables: nothing else can be read or written by it (I6).
    pub tables: Vec<Endpoint>,
}

/// The decisions of a hub. All calls may come at once, from many connections.
pub trait Hub: Send + Sync + 'static {
    /// A stranger with a token asks for a certificate. It is the hub that checks token, name and request.
    fn register(&self, request: JoinRequest) -> BoxFuture<'_, Result<Joined, Refusal>>;

    /// A peer with a good certificate wants a link. Refuse who is on the deny list; give the others their tables.
    fn admit<'a>(&'a self, peer: &'a PeerId) -> BoxFuture<'a, Result<Admission, Refusal>>;

    /// A peer wants a new certificate for the same key (`csr`, DER). Returned: the chain, DER, leaf first. The peer's
    /// certificate may have expired, never been revoked.
    fn renew<'a>(
        &'a self,
        peer: &'a PeerId,
        csr: &'a [u8],
    ) -> BoxFuture<'a, Result<Vec<Vec<u8>>, Refusal>>;

    /// A link is up. Must not block; keep the session, watch [`Session::closed`].
    fn connected(&self, session: Session);

    /// Why a peer may not come (it was evicted, or detached), if so: asked at every connection, and every second for
    /// each live link.
    fn denied(&self, peer: &PeerId) -> Option<Refusal>;
}
