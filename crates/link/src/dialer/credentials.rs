//! Our certificate and key, and the parent's CA.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use cedge_api::ClusterId;
use cedge_pki::certificate::Unreadable;
use cedge_pki::key::KeyError;
use cedge_pki::{Credential, Key, LiveCredential, PeerCertificate, Pin};
use cedge_wire::ALPN_LINK;
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;

use super::Credentials;

/// What is wrong with them.
#[derive(Debug, thiserror::Error)]
pub(super) enum CredentialsError {
    #[error("our key cannot be used: {0}")]
    Key(#[from] KeyError),
    #[error("a certificate of the uplink cannot be used: {0}")]
    Certificate(#[from] Unreadable),
    #[error("the certificate is for another key than ours")]
    Mismatch,
}

impl Credentials {
    fn key(&self) -> Result<Key, CredentialsError> {
        let text = base64::engine::general_purpose::STANDARD.encode(&self.key);
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
        Ok(Key::from_pem(&pem)?)
    }

    fn pin(&self) -> Result<Pin, CredentialsError> {
        Ok(PeerCertificate::parse(&CertificateDer::from(&self.ca[..]))?.key)
    }

    /// Who the parent is.
    pub(super) fn parent(&self) -> Result<ClusterId, CredentialsError> {
        Ok(self.pin()?.id())
    }

    /// TLS settings: our certificate, and the parent's pinned key.
    pub(super) fn client(&self) -> Result<Arc<ClientConfig>, CredentialsError> {
        let chain = self
            .chain
            .iter()
            .map(|der| CertificateDer::from(der.clone()))
            .collect();
        let credential = Credential::new(Arc::new(self.key()?), chain);
        let live = LiveCredential::new(&credential);
        Ok(cedge_pki::tls::link_client(self.pin()?, live, ALPN_LINK))
    }

    /// A request for a certificate of the same key.
    pub(super) fn request(&self) -> Result<Vec<u8>, CredentialsError> {
        Ok(self.key()?.request())
    }

    fn leaf(&self) -> Result<PeerCertificate, CredentialsError> {
        let leaf = self.chain.first().ok_or(Unreadable("there is none"))?;
        Ok(PeerCertificate::parse(&CertificateDer::from(&leaf[..]))?)
    }

    /// How long the certificate is valid from `now` on, in seconds.
    pub(super) fn left_at(&self, now: i64) -> i64 {
        self.leaf()
            .map_or(0, |leaf| leaf.not_after.as_second().saturating_sub(now))
    }

    /// In how long to renew, if the time is `now` and certificates are given for `lifetime` seconds: when two thirds of
    /// it are over. (What a certificate itself says of its beginning lies long before it was given, see I9.)
    pub(super) fn renew_in(&self, now: i64, lifetime: i64) -> Duration {
        let wait = self.left_at(now).saturating_sub(lifetime / 3);
        Duration::from_secs(u64::try_from(wait).unwrap_or(0))
    }

    /// Uses a new certificate, if it is for our key.
    pub(super) fn take(&mut self, chain: Vec<Vec<u8>>) -> Result<(), CredentialsError> {
        let new = Self {
            chain,
            key: self.key.clone(),
            ca: self.ca.clone(),
        };
        if new.leaf()?.key != self.key()?.pin() {
            return Err(CredentialsError::Mismatch);
        }
        self.chain = new.chain;
        Ok(())
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("chain", &self.chain.len())
            .finish_non_exhaustive()
    }
}
