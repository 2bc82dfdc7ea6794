//! Joining: a token becomes a certificate.

use std::collections::BTreeMap;

use cedge_api::ClusterId;

use crate::{PeerKind, Refusal};

/// What a token says to the one who joins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinToken {
    /// Where the hub listens, `host:port`, in order of preference.
    pub addresses: Vec<String>,
    /// SHA-256 of the hub's CA certificate (DER).
    pub ca_sha256: [u8; 32],
    /// Which token it is.
    pub id: String,
    /// What proves it.
    pub secret: String,
}

/// What a stranger asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinRequest {
    /// Which token it has.
    pub token_id: String,
    /// What proves it.
    pub token_secret: String,
    /// Its certificate request, DER.
    pub csr: Vec<u8>,
    /// The name it wants.
    pub name: String,
    /// What it is.
    pub kind: PeerKind,
    /// Labels and facts that it brings.
    pub labels: BTreeMap<String, String>,
    /// Its clock, in seconds since 1970: to tell it when it is wrong (I9).
    pub clock: i64,
}

/// What the hub gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// The new certificate, and what lies between it and the CA; DER, leaf first.
    pub chain: Vec<Vec<u8>>,
    /// The hub's CA, DER: to be pinned.
    pub ca: Vec<u8>,
    /// The parent's identity.
    pub parent: ClusterId,
    /// The parent's name.
    pub parent_name: String,
    /// The name that was given.
    pub name: String,
    /// The hub's clock, in seconds since 1970.
    pub clock: i64,
}

/// Why joining failed.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// Nobody answered at any address.
    #[error("no address of the token answered: {0}")]
    Unreachable(String),
    /// Who answered is not the cluster that made the token.
    #[error("{address} is another cluster than the one that made the token: its CA is another one")]
    WrongAuthority {
        /// Where.
        address: String,
    },
    /// The hub said no.
    #[error("the parent refused: {0}")]
    Refused(Refusal),
    /// The hub's answer makes no sense.
    #[error("the answer of the parent makes no sense: {0}")]
    Answer(String),
}

/// Joins: dials the token's addresses in order, checks the CA's hash, sends the request, returns the certificate.
///
/// # Errors
/// [`JoinError`]; only [`JoinError::Unreachable`] and some refusals are worth another try.
pub async fn join(
    token: &JoinToken,
    request: JoinRequest,
    proxy: Option<&crate::Proxy>,
) -> Result<Joined, JoinError> {
    let _ = (token, request, proxy);
    Err(JoinError::Unreachable("not built yet".to_owned()))
}
