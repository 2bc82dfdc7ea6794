//! Private keys: ECDSA P-256 everywhere, because ring, Go, OpenSSL and every TPM speak it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cedge_api::ClusterId;
use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData};
use rustls::sign::SigningKey;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::files::{self, FileError};
use crate::pin::Pin;

/// A private key. It never leaves this machine, and never appears in a log: its `Debug` shows the public half's digest.
pub struct Key(KeyPair);

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is a file, and it is not a key of ours. Terminal: somebody must put the right one back.
    #[error("{} is not an ECDSA P-256 private key (PKCS #8, PEM)", .0.display())]
    Damaged(PathBuf),
    /// There is no such file.
    #[error("there is no key in {}", .0.display())]
    Missing(PathBuf),
    /// Not a key in PEM form.
    #[error("this is not an ECDSA P-256 private key (PKCS #8, PEM)")]
    NotAKey,
}

// === impl Key ===

impl Key {
    /// A new key.
    ///
    /// # Panics
    /// If the operating system has no randomness to give.
    #[must_use]
    pub fn generate() -> Self {
        Self(
            KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
                .expect("a P-256 key can be made whenever there is randomness"),
        )
    }

    /// The key in `path`, or a new one that is stored there.
    ///
    /// # Errors
    /// When the file cannot be read or written, or holds something else. What it holds is never overwritten.
    pub fn load_or_create(path: &Path) -> Result<Self, KeyError> {
        match Self::load(path) {
            Err(KeyError::Missing(_)) => {
                let key = Self::generate();
                key.save(path)?;
                Ok(key)
            }
            loaded => loaded,
        }
    }

    /// The key in `path`.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let bytes = files::read_private(path)?.ok_or_else(|| KeyError::Missing(path.to_owned()))?;
        std::str::from_utf8(&bytes)
            .ok()
            .and_then(|pem| Self::from_pem(pem).ok())
            .ok_or_else(|| KeyError::Damaged(path.to_owned()))
    }

    /// Stores the key in `path`, readable by its owner alone.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), FileError> {
        files::write_private(path, self.to_pem().as_bytes())
    }

    /// Reads a key in PEM form.
    ///
    /// # Errors
    /// When it is not one of ours.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        KeyPair::from_pkcs8_pem_and_sign_algo(pem, &PKCS_ECDSA_P256_SHA256)
            .map(Self)
            .map_err(|_| KeyError::NotAKey)
    }

    /// The key in PEM form: a secret, for files with mode 0600 and kubeconfigs.
    #[must_use]
    pub fn to_pem(&self) -> String {
        self.0.serialize_pem()
    }

    /// The digest of the public half.
    #[must_use]
    pub fn pin(&self) -> Pin {
        Pin::of_spki(&self.0.subject_public_key_info())
    }

    /// Who the holder of this key is.
    #[must_use]
    pub fn id(&self) -> ClusterId {
        self.pin().id()
    }

    /// A certificate request (PKCS #10, DER), signed with this key. It asks for no name: names are the signer's to give.
    ///
    /// # Panics
    /// Never: an empty request can always be written.
    #[must_use]
    pub fn request(&self) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let request = params
            .serialize_request(&self.0)
            .expect("an empty request can be written");
        request.der().to_vec()
    }

    pub(crate) fn pair(&self) -> &KeyPair {
        &self.0
    }

    /// The private key, PKCS#8 DER: for a TLS stack, never for a log.
    #[must_use]
    pub fn pkcs8(&self) -> &[u8] {
        self.0.serialized_der()
    }

    pub(crate) fn signing_key(&self) -> Arc<dyn SigningKey> {
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.pkcs8()));
        rustls::crypto::ring::sign::any_ecdsa_type(&der).expect("a P-256 key signs in TLS")
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.id())
    }
}
