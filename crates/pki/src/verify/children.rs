//! What a hub asks of its children: a certificate that this cluster's own authority signed for a cluster or a node.

use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DistinguishedName, Error as TlsError};
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::KeyUsage;

use super::{Dates, Refusal, anchor, chain, handshake_signatures};
use crate::authority::Authority;
use crate::certificate::Role;

/// Accepts children of one authority, expired certificates included (see [`super`]).
#[derive(Debug)]
pub struct Children {
    anchor: TrustAnchor<'static>,
}

// === impl Children ===

impl Children {
    /// The children of `authority`.
    #[must_use]
    pub fn of(authority: &Authority) -> Self {
        Self {
            anchor: anchor(authority.certificate()),
        }
    }
}

impl ClientCertVerifier for Children {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, TlsError> {
        let leaf = chain(
            end_entity,
            &self.anchor,
            KeyUsage::client_auth(),
            Dates::Ignored,
        )?;
        match leaf.role {
            Role::Cluster | Role::Node => Ok(ClientCertVerified::assertion()),
            got @ (Role::Server | Role::User) => Err(Refusal::WrongRole {
                wanted: "child cluster or node",
                got,
            }
            .into()),
        }
    }

    handshake_signatures!();
}
