//! Tool: keys, certificates and tokens of a cluster.
//!
//! What it is: the [`Authority`] of a cluster (its identity key and CA in one), the certificates that it gives to
//! servers, users, child clusters and nodes, the verifiers of both ends of a link (I9), the tokens with which children
//! join and service accounts speak, and kubeconfig files. What it never does: open a socket, read the clock (time is
//! an argument), log a secret. Start reading at [`authority`], then [`verify`].
#![warn(missing_docs)]

pub mod authority;
pub mod certificate;
pub mod credential;
pub mod files;
pub mod identity;
pub mod join;
pub mod key;
pub mod kubeconfig;
pub mod outside;
pub mod pin;
pub mod request;
pub mod service_account;
pub mod tls;
pub mod verify;

pub use authority::{Authority, Profile, Validity};
pub use certificate::{PeerCertificate, Role};
pub use credential::{Credential, LiveCredential};
pub use identity::Identity;
pub use join::JoinToken;
pub use key::Key;
pub use kubeconfig::Kubeconfig;
pub use pin::{NODE_AUTHORITY, Pin};
pub use request::CertificateRequest;
pub use service_account::ServiceAccountTokens;
pub use verify::Refusal;

/// Random bytes from the operating system, for secrets, serial numbers and identifiers.
///
/// # Panics
/// If the operating system has no randomness to give: nothing here can be done safely then.
#[must_use]
pub fn random<const N: usize>() -> [u8; N] {
    use ring::rand::SecureRandom as _;
    let mut bytes = [0; N];
    ring::rand::SystemRandom::new()
        .fill(&mut bytes)
        .expect("the operating system gives random bytes");
    bytes
}

/// SHA-256 of `bytes`.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    let mut out = [0; 32];
    out.copy_from_slice(digest.as_ref());
    out
}

#[cfg(test)]
mod tests;
