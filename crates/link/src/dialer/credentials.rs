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

    /// In how long to renew, if the time is `now`: when two thirds of the validity are over.
    pub(super) fn renew_in(&self, now: i64) -> Duration {
        let Ok(leaf) = self.leaf() else {
            return Duration::MAX;
        };
        let (from, until) = (leaf.not_before.as_second(), leaf.not_after.as_second());
        let due = until.saturating_sub(until.saturating_sub(from) / 3);
        let wait = u64::try_from(due.saturating_sub(now)).unwrap_or(0);
        Duration::from_secs(wait)
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
