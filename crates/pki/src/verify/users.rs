//! What a port asks of those who show a certificate of a user.

use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DistinguishedName, Error as TlsError};
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage};

use super::{Dates, Refusal, anchor, chain, handshake_signatures, refused};
use crate::authority::Authority;
use crate::certificate::{PeerCertificate, Role};

/// Accepts users of one authority, by the clock, and of other authorities beside it: those of a cluster that was made
/// by other tools. A child's or a node's certificate speaks for no user: its name was chosen by that child, and what
/// children may do goes through the link (I6).
#[derive(Debug)]
pub struct Users {
    own: Option<TrustAnchor<'static>>,
    others: Vec<TrustAnchor<'static>>,
    hints: Vec<DistinguishedName>,
    /// Whether somebody without a certificate is let in: a token may speak for him.
    optional: bool,
}

// === impl Users ===

impl Users {
    /// The users of `authority`. Nobody must show a certificate: tokens are as good.
    #[must_use]
    pub fn of(authority: &Authority) -> Self {
        Self::new(Some(anchor(authority.certificate())), &[], true)
    }

    /// The users of `authority`, and those of the authorities `others` of the same cluster.
    #[must_use]
    pub fn of_both(authority: &Authority, others: &[CertificateDer<'static>]) -> Self {
        Self::new(Some(anchor(authority.certificate())), others, true)
    }

    /// The users of these authorities alone, and nobody without a certificate. `None` if none of them can be read.
    #[must_use]
    pub fn only_of(authorities: &[CertificateDer<'static>]) -> Option<Self> {
        Some(Self::new(None, authorities, false)).filter(|users| !users.others.is_empty())
    }

    fn new(
        own: Option<TrustAnchor<'static>>,
        others: &[CertificateDer<'static>],
        optional: bool,
    ) -> Self {
        let readable = |ca: &CertificateDer<'static>| {
            let anchor = webpki::anchor_from_trusted_cert(ca).ok();
            anchor.map(|a| a.to_owned())
        };
        let others: Vec<TrustAnchor<'static>> = others.iter().filter_map(readable).collect();
        let hints = own.iter().chain(&others);
        let hints = hints.map(|a| DistinguishedName::in_sequence(&a.subject));
        Self {
            hints: hints.collect(),
            own,
            others,
            optional,
        }
    }

    /// Other tools sign with other algorithms, and through authorities in between.
    fn of_others(
        &self,
        leaf: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<PeerCertificate, TlsError> {
        let parsed = PeerCertificate::parse(leaf).map_err(Refusal::from)?;
        let damaged = |_| Refusal::Unreadable(crate::certificate::Unreadable("it is damaged"));
        EndEntityCert::try_from(leaf)
            .map_err(damaged)?
            .verify_for_usage(
                webpki::ALL_VERIFICATION_ALGS,
                &self.others,
                between,
                now,
                KeyUsage::client_auth(),
                None,
                None,
            )
            .map_err(refused)?;
        Ok(parsed)
    }
}

impl ClientCertVerifier for Users {
    fn client_auth_mandatory(&self) -> bool {
        !self.optional
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, TlsError> {
        let own = self.own.as_ref().map(|anchor| {
            let usage = KeyUsage::client_auth();
            chain(end_entity, anchor, usage, Dates::At(now))
        });
        let leaf = match own {
            Some(Ok(leaf)) => leaf,
            Some(Err(refusal)) if self.others.is_empty() => return Err(refusal),
            Some(Err(_)) | None => self.of_others(end_entity, intermediates, now)?,
        };
        match leaf.role {
            Role::User => Ok(ClientCertVerified::assertion()),
            got @ (Role::Server | Role::Cluster | Role::Node) => Err(Refusal::WrongRole {
                wanted: "user",
                got,
            }
            .into()),
        }
    }

    handshake_signatures!();
}
