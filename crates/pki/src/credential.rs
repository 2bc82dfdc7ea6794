//! A private key with the certificate that was given for it; and the same as a port holds it, exchangeable while it runs.

use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rustls::client::ResolvesClientCert;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::certificate::{PeerCertificate, Unreadable};
use crate::files::{self, FileError};
use crate::key::{Key, KeyError};

/// A key and its certificate chain: leaf first, CA last.
#[derive(Debug, Clone)]
pub struct Credential {
    key: Arc<Key>,
    chain: Vec<CertificateDer<'static>>,
}

/// Why a credential could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The key's file.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The certificate's file.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is no certificate yet.
    #[error("there is no certificate for `{0}` yet")]
    NoCertificate(String),
    /// What is in the file cannot be read.
    #[error("the certificate of `{name}` is not usable")]
    Unreadable {
        /// Which credential.
        name: String,
        /// Why.
        #[source]
        cause: Unreadable,
    },
    /// The certificate is for another key.
    #[error("the certificate of `{0}` is for another key")]
    Mismatch(String),
}

/// The credential of a port or a link, which renewal replaces while connections come and go. Those that are open stay.
#[derive(Debug)]
pub struct LiveCredential {
    current: ArcSwap<CertifiedKey>,
}

// === impl Credential ===

impl Credential {
    /// A key and the chain that was signed for it, leaf first.
    #[must_use]
    pub fn new(key: Arc<Key>, chain: Vec<CertificateDer<'static>>) -> Self {
        Self { key, chain }
    }

    /// Stores the chain beside its key: `NAME.key`, `NAME.crt`.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn save(&self, dir: &Path, name: &str) -> Result<(), FileError> {
        let pem: String = self.chain.iter().map(to_pem).collect();
        self.key.save(&dir.join(format!("{name}.key")))?;
        files::write_public(&dir.join(format!("{name}.crt")), pem.as_bytes())
    }

    /// What [`Credential::save`] stored.
    ///
    /// # Errors
    /// When a file is missing, damaged, or the two do not belong together.
    pub fn load(dir: &Path, name: &str) -> Result<Self, LoadError> {
        let pem = files::read(&dir.join(format!("{name}.crt")))?
            .ok_or_else(|| LoadError::NoCertificate(name.to_owned()))?;
        let key = Key::load(&dir.join(format!("{name}.key")))?;
        let credential = Self::new(Arc::new(key), certificates(&pem));
        let leaf = credential.leaf().map_err(|cause| LoadError::Unreadable {
            name: name.to_owned(),
            cause,
        })?;
        if leaf.key != credential.key.pin() {
            return Err(LoadError::Mismatch(name.to_owned()));
        }
        Ok(credential)
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &Arc<Key> {
        &self.key
    }

    /// The chain, leaf first.
    #[must_use]
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The leaf in PEM form: what a kubeconfig calls `client-certificate-data`.
    #[must_use]
    pub fn leaf_pem(&self) -> String {
        self.chain.first().map(to_pem).unwrap_or_default()
    }

    /// What the leaf says.
    ///
    /// # Errors
    /// When the chain is empty or its leaf cannot be read.
    pub fn leaf(&self) -> Result<PeerCertificate, Unreadable> {
        let leaf = self.chain.first().ok_or(Unreadable("there is none"))?;
        PeerCertificate::parse(leaf)
    }

    fn certified(&self) -> Arc<CertifiedKey> {
        Arc::new(CertifiedKey::new(
            self.chain.clone(),
            self.key.signing_key(),
        ))
    }
}

// === impl LiveCredential ===

impl LiveCredential {
    /// Begins with `credential`.
    #[must_use]
    pub fn new(credential: &Credential) -> Arc<Self> {
        Arc::new(Self {
            current: ArcSwap::new(credential.certified()),
        })
    }

    /// From now on new handshakes show `credential`.
    pub fn replace(&self, credential: &Credential) {
        self.current.store(credential.certified());
    }

    /// What the present leaf says, to know when it is due.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn leaf(&self) -> Result<PeerCertificate, Unreadable> {
        let current = self.current.load();
        let leaf = current.cert.first().ok_or(Unreadable("there is none"))?;
        PeerCertificate::parse(leaf)
    }
}

impl ResolvesServerCert for LiveCredential {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

impl ResolvesClientCert for LiveCredential {
    fn resolve(
        &self,
        _root_hint_subjects: &[&[u8]],
        _schemes: &[rustls::SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

// === PEM ===

/// The certificates in a PEM text, in order; what is damaged ends the list.
pub(crate) fn certificates(pem: &[u8]) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem)
        .map_while(Result::ok)
        .collect()
}

pub(crate) fn to_pem(certificate: &CertificateDer<'_>) -> String {
    let text = BASE64.encode(certificate);
    let lines: Vec<&str> = (0..text.len())
        .step_by(64)
        .map(|at| &text[at..text.len().min(at + 64)])
        .collect();
    format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        lines.join("\n")
    )
}
