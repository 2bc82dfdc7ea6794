//! What a child holds its parent to: the pinned key of its authority.

use rustls::Error as TlsError;
use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls_pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage};

use super::{Dates, Refusal, chain, handshake_signatures};
use crate::certificate::{Role, Unreadable};
use crate::pin::Pin;

/// So many certificates of a chain are looked at for the pinned authority; ours have two.
const MAX_CHAIN: usize = 8;

/// Accepts a server of the pinned authority, whatever address it was dialled by and whatever the clock says.
#[derive(Debug)]
pub struct Parent {
    pin: Pin,
    names: Names,
}

/// Whether the name that was dialled must stand in the certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    /// A link: behind NAT and forwarders the parent does not know its own addresses. The pinned key says who it is.
    Ignored,
    /// As everywhere else.
    Checked,
}

// === impl Parent ===

impl Parent {
    /// For links: the address may be anything.
    #[must_use]
    pub fn pinned(pin: Pin) -> Self {
        Self {
            pin,
            names: Names::Ignored,
        }
    }

    /// For requests to a server by a name that it must have.
    #[must_use]
    pub fn pinned_and_named(pin: Pin) -> Self {
        Self {
            pin,
            names: Names::Checked,
        }
    }

    /// Finds the pinned authority among what was shown. Nothing vouches for these certificates but the pin, so the key
    /// that is compared is the very one that the chain is then checked with, as the same parser read it.
    fn authority<'a>(&self, shown: &'a [CertificateDer<'a>]) -> Result<TrustAnchor<'a>, Refusal> {
        let mut presented = Vec::new();
        for certificate in shown.iter().take(MAX_CHAIN) {
            let anchor = webpki::anchor_from_trusted_cert(certificate)
                .map_err(|_| Refusal::Unreadable(Unreadable("it is damaged")))?;
            let key = Pin::of_spki(&webpki::spki_for_anchor(&anchor));
            if key == self.pin {
                return Ok(anchor);
            }
            presented.push(key);
        }
        Err(Refusal::WrongAuthority {
            expected: self.pin,
            presented,
        })
    }
}

impl ServerCertVerifier for Parent {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let anchor = self.authority(intermediates)?;
        let leaf = chain(end_entity, &anchor, KeyUsage::server_auth(), Dates::Ignored)?;
        // Any child of that parent holds a certificate of the same authority: it must not pose as the parent.
        if leaf.role != Role::Server {
            return Err(Refusal::WrongRole {
                wanted: "server",
                got: leaf.role,
            }
            .into());
        }
        if self.names == Names::Checked {
            let wrong = || Refusal::WrongName(server_name.to_str().into_owned());
            EndEntityCert::try_from(end_entity)
                .and_then(|cert| cert.verify_is_valid_for_subject_name(server_name))
                .map_err(|_| wrong())?;
        }
        Ok(ServerCertVerified::assertion())
    }

    handshake_signatures!();
}
