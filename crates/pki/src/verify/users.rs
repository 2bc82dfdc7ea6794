//! What an API port asks of those who show a certificate. Nobody must: tokens are as good.

use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DistinguishedName, Error as TlsError};
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::KeyUsage;

use super::{Dates, Refusal, anchor, chain, handshake_signatures};
use crate::authority::Authority;
use crate::certificate::Role;

/// Accepts users of one authority, by the clock. A child's or a node's certificate speaks for no user: its name was
/// chosen by that child, and what children may do goes through the link (I6).
#[derive(Debug)]
pub struct Users {
    anchor: TrustAnchor<'static>,
    hints: Vec<DistinguishedName>,
}

// === impl Users ===

impl Users {
    /// The users of `authority`.
    #[must_use]
    pub fn of(authority: &Authority) -> Self {
        let anchor = anchor(authority.certificate());
        let hints = vec![DistinguishedName::in_sequence(&anchor.subject)];
        Self { anchor, hints }
    }
}

impl ClientCertVerifier for Users {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, TlsError> {
        let leaf = chain(
            end_entity,
            &self.anchor,
            KeyUsage::client_auth(),
            Dates::At(now),
        )?;
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
