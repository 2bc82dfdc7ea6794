//! Who may be at the other end.
//!
//! Three verifiers: [`Parent`] is what a child holds its parent to, [`Children`] what a hub asks of its children,
//! [`Users`] what an API port asks of those who show a certificate. The first two never look at a date by this machine's
//! clock (I9): the chain and the pinned key decide. Whether a child's certificate has expired is for its issuer to see,
//! after the handshake, in [`PeerCertificate::is_expired`]: such a link is for renewal only.

mod children;
mod parent;
mod users;

pub use children::Children;
pub use parent::Parent;
pub use users::Users;

use std::io;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::{CertificateError, Error as TlsError, OtherError};
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage};

use crate::certificate::{PeerCertificate, Role, Unreadable};
use crate::pin::Pin;

/// Why the other end was refused, or refused us. Terminal for this connection; an operator can act on each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The parent is another one than the one that was joined, or it lost its CA.
    #[error(
        "the other end belongs to another authority (expected the key {expected}, got {})",
        list(presented)
    )]
    WrongAuthority {
        /// The key that was pinned.
        expected: Pin,
        /// The keys of the authorities that it showed.
        presented: Vec<Pin>,
    },
    /// The chain does not hold: another tree's certificate, or a forged one.
    #[error("the other end's certificate was not signed by our authority ({0})")]
    NotOurs(String),
    /// A valid certificate, for something else: a child that poses as the parent, a node that poses as a user.
    #[error("the other end's certificate is that of a {got}, and a {wanted} is expected here")]
    WrongRole {
        /// What is expected.
        wanted: &'static str,
        /// What it is.
        got: Role,
    },
    /// A server that was addressed by a name that it does not have.
    #[error("the other end's certificate is not good for `{0}`")]
    WrongName(String),
    /// Not a certificate of any kind.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The other end refused our certificate.
    #[error("the other end refused our certificate ({0})")]
    ByPeer(&'static str),
}

fn list(pins: &[Pin]) -> String {
    if pins.is_empty() {
        return "none".to_owned();
    }
    pins.iter()
        .map(Pin::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

// === impl Refusal ===

impl Refusal {
    /// The refusal behind a failed handshake; `None` if it failed for another reason (a cut line, garbage).
    #[must_use]
    pub fn behind(error: &io::Error) -> Option<Self> {
        let tls = error.get_ref()?.downcast_ref::<TlsError>()?;
        Self::behind_tls(tls)
    }

    /// As [`Refusal::behind`], for rustls' own error.
    #[must_use]
    pub fn behind_tls(error: &TlsError) -> Option<Self> {
        use rustls::AlertDescription as Alert;
        match error {
            TlsError::InvalidCertificate(CertificateError::Other(OtherError(cause))) => {
                cause.downcast_ref::<Self>().cloned()
            }
            TlsError::InvalidCertificate(CertificateError::UnknownIssuer) => {
                Some(Self::NotOurs("unknown issuer".to_owned()))
            }
            TlsError::AlertReceived(alert) => Some(Self::ByPeer(match alert {
                Alert::UnknownCA => "it is of another authority",
                Alert::CertificateExpired => "it has expired",
                Alert::CertificateRevoked => "it is revoked",
                Alert::CertificateRequired => "there is none, and one is required",
                Alert::BadCertificate
                | Alert::UnsupportedCertificate
                | Alert::CertificateUnknown
                | Alert::AccessDenied => "it is not good for this",
                _ => return None,
            })),
            _ => None,
        }
    }
}

impl From<Refusal> for TlsError {
    fn from(refusal: Refusal) -> Self {
        Self::InvalidCertificate(match refusal {
            // The alert that says to the other end what is wrong with its certificate.
            Refusal::NotOurs(_) => CertificateError::UnknownIssuer,
            Refusal::Unreadable(_) => CertificateError::BadEncoding,
            other => CertificateError::Other(OtherError(Arc::new(other))),
        })
    }
}

// === what the three have in common ===

/// When a chain is judged.
#[derive(Debug, Clone, Copy)]
enum Dates {
    /// By the clock, as everywhere outside of a link.
    At(UnixTime),
    /// At an instant at which the certificate says of itself to be valid: dates do not matter.
    Ignored,
}

/// Checks that `leaf` was signed by `anchor` itself (no certificate in between: no child may sign), for `usage`.
fn chain(
    leaf: &CertificateDer<'_>,
    anchor: &TrustAnchor<'_>,
    usage: KeyUsage,
    dates: Dates,
) -> Result<PeerCertificate, TlsError> {
    let parsed = PeerCertificate::parse(leaf).map_err(Refusal::from)?;
    let time = match dates {
        Dates::At(now) => now,
        Dates::Ignored => unix(parsed.not_before),
    };
    let cert = EndEntityCert::try_from(leaf)
        .map_err(|_| Refusal::Unreadable(Unreadable("it is damaged")))?;
    cert.verify_for_usage(
        &[webpki::ring::ECDSA_P256_SHA256],
        std::slice::from_ref(anchor),
        &[],
        time,
        usage,
        None,
        None,
    )
    .map_err(refused)?;
    Ok(parsed)
}

fn refused(error: webpki::Error) -> TlsError {
    use webpki::Error as E;
    match error {
        E::CertExpired { .. } => TlsError::InvalidCertificate(CertificateError::Expired),
        E::CertNotValidYet { .. } => TlsError::InvalidCertificate(CertificateError::NotValidYet),
        E::RequiredEkuNotFoundContext(_) => {
            TlsError::InvalidCertificate(CertificateError::InvalidPurpose)
        }
        other => Refusal::NotOurs(other.to_string()).into(),
    }
}

fn unix(time: Timestamp) -> UnixTime {
    let seconds = u64::try_from(time.as_second()).unwrap_or(0);
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds))
}

fn anchor(ca: &CertificateDer<'static>) -> TrustAnchor<'static> {
    webpki::anchor_from_trusted_cert(ca)
        .expect("the authority's own certificate can be read")
        .to_owned()
}

/// Delegates the proof of possession of the leaf's key to the provider.
macro_rules! handshake_signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &rustls::DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, TlsError> {
            let algorithms = &crate::tls::provider().signature_verification_algorithms;
            rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &rustls::DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, TlsError> {
            let algorithms = &crate::tls::provider().signature_verification_algorithms;
            rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
            crate::tls::provider()
                .signature_verification_algorithms
                .supported_schemes()
        }
    };
}
use handshake_signatures;

#[cfg(test)]
mod tests;
