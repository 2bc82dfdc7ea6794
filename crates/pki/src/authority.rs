//! The authority of a cluster: its identity key and its CA in one.
//!
//! The key *is* the cluster (`ClusterId`): the certificate beside it can always be made again, the key cannot. It signs
//! certificates for this cluster's servers and users, and for its children; towards its own parent the cluster
//! authenticates with the same key, so that a child's identity is what its handshake proves and nothing it says.

mod content;

use std::path::Path;
use std::sync::Arc;

use cedge_api::ClusterId;
use content::{ca_params, leaf_params};
use jiff::{SignedDuration, Timestamp};
use rcgen::{Issuer, KeyPair, PublicKeyData, SubjectPublicKeyInfo};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use rustls_pki_types::CertificateDer;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::oid_registry::OID_SIG_ECDSA_WITH_SHA256;
use x509_parser::prelude::FromDer as _;

use crate::certificate::PeerCertificate;
use crate::credential::{self, Credential};
use crate::files::{self, FileError};
use crate::key::{Key, KeyError};
use crate::pin::Pin;

/// How long a certificate lasts that is not the CA's own. A year: a site may be dark for months, and renewal begins
/// when a third is left.
pub const LEAF_LIFETIME: SignedDuration = SignedDuration::from_hours(365 * 24);
/// 2026-11-01. A clock before the day this was written is wrong for certain (a device without a battery wakes up in
/// 1970); what is issued by it lasts from this day on, so that it does not expire at the moment when the clock is set.
const EARLIEST_NOW: Timestamp = Timestamp::constant(1_793_491_200, 0);
/// The largest request that is looked at; ours have about 200 bytes.
const MAX_REQUEST: usize = 8 * 1024;
/// How every uncompressed P-256 key begins in SPKI form, up to and with the `04` of its point.
const P256_SPKI: [u8; 27] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];

/// The identity of a cluster, and what it signs with.
#[derive(Debug)]
pub struct Authority {
    key: Arc<Key>,
    certificate: CertificateDer<'static>,
}

/// Whom a certificate is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Profile {
    /// A cluster's own API and hub, under these DNS names and addresses.
    Server {
        /// DNS names and IP addresses.
        names: Vec<String>,
    },
    /// A user of the API.
    User {
        /// The user's name.
        name: String,
        /// The user's group, if there is one. (Certificates with several groups are read, not made.)
        group: Option<String>,
    },
    /// A child cluster.
    Cluster {
        /// Its name among the children of this cluster.
        name: String,
    },
    /// A node.
    Node {
        /// Its name.
        name: String,
    },
}

/// From when until when a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// Seconds since 1970, not negative.
    pub not_before: Timestamp,
    /// The last instant.
    pub not_after: Timestamp,
}

/// Why there is no authority.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The key could not be read, written or understood.
    #[error("the cluster's identity key cannot be used")]
    Key(#[from] KeyError),
    /// The certificate could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is a certificate but its key is gone. Terminal: a new key would be another cluster.
    #[error(
        "{certificate} is there but {key} is not: this cluster's identity key is lost; restore it, \
         or remove both files to become a new cluster, which its children will refuse"
    )]
    KeyLost {
        /// The certificate's file.
        certificate: String,
        /// The key's file.
        key: String,
    },
    /// The certificate belongs to another key.
    #[error("{certificate} does not belong to {key}; remove it, it is made again from the key")]
    Mismatch {
        /// The certificate's file.
        certificate: String,
        /// The key's file.
        key: String,
    },
}

/// Why a request was not signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// Not a request, or one whose signature does not prove possession of the key.
    #[error("the certificate request is damaged, or not signed by the key that it names")]
    Damaged,
    /// Another kind of key.
    #[error("the certificate request is for a key that is not ECDSA P-256")]
    UnsupportedKey,
    /// A name in the profile that no certificate can carry.
    #[error("{0:?} cannot stand in a certificate")]
    BadName(String),
}

// === impl Validity ===

impl Validity {
    /// A year from now, and valid long before now: for a machine whose clock is behind by years, a certificate made
    /// today lies in the future. So validity starts in 1970, where a clock without a battery starts as well.
    #[must_use]
    pub fn from_now(now: Timestamp) -> Self {
        Self::lasting(now, LEAF_LIFETIME)
    }

    /// As [`Validity::from_now`], for another time than a year.
    #[must_use]
    pub fn lasting(now: Timestamp, lifetime: SignedDuration) -> Self {
        let not_after = now.max(EARLIEST_NOW).checked_add(lifetime);
        Self {
            not_before: Timestamp::UNIX_EPOCH,
            not_after: not_after.unwrap_or(Timestamp::MAX),
        }
    }
}

// === impl Authority ===

impl Authority {
    /// The authority stored in `dir` (`ca.key`, `ca.crt`), or a new one. Killed at any instant, the next start finishes:
    /// the key is durable before the certificate is made.
    ///
    /// # Errors
    /// When the files cannot be read or written, or do not belong together.
    pub fn load_or_create(dir: &Path) -> Result<Self, OpenError> {
        files::private_dir(dir)?;
        let (key_path, certificate_path) = (dir.join("ca.key"), dir.join("ca.crt"));
        let named = || {
            let text = |path: &Path| path.display().to_string();
            (text(&certificate_path), text(&key_path))
        };
        let stored = files::read(&certificate_path)?;
        if stored.is_some() && !key_path.exists() {
            let (certificate, key) = named();
            return Err(OpenError::KeyLost { certificate, key });
        }
        let key = Arc::new(Key::load_or_create(&key_path)?);
        let Some(pem) = stored else {
            let authority = Self::of_key(key);
            let pem = authority.certificate_pem();
            files::write_public(&certificate_path, pem.as_bytes())?;
            return Ok(authority);
        };
        let certificate = credential::certificates(&pem).into_iter().next();
        let belongs = |c: &CertificateDer<'_>| {
            PeerCertificate::parse(c).is_ok_and(|parsed| parsed.key == key.pin())
        };
        match certificate.filter(belongs) {
            Some(certificate) => Ok(Self { key, certificate }),
            None => {
                let (certificate, key) = named();
                Err(OpenError::Mismatch { certificate, key })
            }
        }
    }

    /// A new authority that is stored nowhere.
    #[must_use]
    pub fn ephemeral() -> Self {
        Self::of_key(Arc::new(Key::generate()))
    }

    /// The authority of a key.
    ///
    /// # Panics
    /// Never: what is written into the certificate is fixed.
    #[must_use]
    pub fn of_key(key: Arc<Key>) -> Self {
        let certificate = ca_params(&key.id())
            .self_signed(key.pair())
            .expect("a CA certificate of fixed content can be written")
            .der()
            .clone();
        Self { key, certificate }
    }

    /// Who this cluster is.
    #[must_use]
    pub fn id(&self) -> ClusterId {
        self.key.id()
    }

    /// What children pin.
    #[must_use]
    pub fn pin(&self) -> Pin {
        self.key.pin()
    }

    /// The identity key. Towards a parent this cluster authenticates with it.
    #[must_use]
    pub fn key(&self) -> &Arc<Key> {
        &self.key
    }

    /// The CA certificate, DER.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The CA certificate, PEM: what a kubeconfig calls `certificate-authority-data`.
    #[must_use]
    pub fn certificate_pem(&self) -> String {
        credential::to_pem(&self.certificate)
    }

    /// A certificate for a key of this machine, with the chain up to the CA.
    ///
    /// # Errors
    /// When a name cannot stand in a certificate.
    pub fn issue(
        &self,
        profile: &Profile,
        key: &Arc<Key>,
        validity: Validity,
    ) -> Result<Credential, SignError> {
        let leaf = self.certify(profile, key.pair(), validity)?;
        Ok(Credential::new(
            Arc::clone(key),
            vec![leaf, self.certificate.clone()],
        ))
    }

    /// A server's certificate for a fresh key: what a cluster's port shows. Nothing of it needs to be stored.
    ///
    /// # Errors
    /// When a name is neither a DNS name nor an address.
    pub fn server_credential(
        &self,
        names: Vec<String>,
        now: Timestamp,
    ) -> Result<Credential, SignError> {
        let key = Arc::new(Key::generate());
        self.issue(&Profile::Server { names }, &key, Validity::from_now(now))
    }

    /// Signs a certificate request (PKCS #10, DER) of another machine. Of the request only the key counts, whose
    /// possession its signature proves; name and role are the profile's. The answer is the chain: leaf, CA.
    ///
    /// # Errors
    /// When the request is damaged or unproved, or for a key of another kind.
    pub fn sign(
        &self,
        request: &[u8],
        profile: &Profile,
        validity: Validity,
    ) -> Result<Vec<CertificateDer<'static>>, SignError> {
        let public_key = proved_key(request)?;
        let leaf = self.certify(profile, &public_key, validity)?;
        Ok(vec![leaf, self.certificate.clone()])
    }

    /// Signs what a user asks for and somebody has approved; the certificate alone, PEM. It is a user's or a server's, and
    /// never one for a link.
    ///
    /// # Errors
    /// When a name, a usage or the key cannot stand in a certificate.
    pub fn sign_request(
        &self,
        request: &crate::CertificateRequest,
        usages: &[String],
        validity: Validity,
    ) -> Result<String, SignError> {
        let key = request.public_key().ok_or(SignError::UnsupportedKey)?;
        let params = content::request_params(request, usages, validity)?;
        let ca = ca_params(&self.id());
        let issuer: Issuer<'_, &KeyPair> = Issuer::from_params(&ca, self.key.pair());
        let signed = params.signed_by(&key, &issuer);
        let bad = |_| SignError::BadName(request.common_name.clone());
        signed.map(|c| credential::to_pem(c.der())).map_err(bad)
    }

    fn certify(
        &self,
        profile: &Profile,
        public_key: &impl PublicKeyData,
        validity: Validity,
    ) -> Result<CertificateDer<'static>, SignError> {
        let params = leaf_params(profile, validity)?;
        let ca = ca_params(&self.id());
        let issuer: Issuer<'_, &KeyPair> = Issuer::from_params(&ca, self.key.pair());
        let signed = params.signed_by(public_key, &issuer);
        let bad = |_| SignError::BadName(format!("{profile:?}"));
        signed.map(|c| c.der().clone()).map_err(bad)
    }
}

/// The digest of the key that a request is for: who asks.
///
/// # Errors
/// When the request is damaged or unproved, or for a key of another kind.
pub fn requester(request: &[u8]) -> Result<Pin, SignError> {
    proved_key(request).map(|key| Pin::of_spki(&key.subject_public_key_info()))
}

/// Read here and not by rcgen, which panics on some subjects; the subject is of no interest anyway.
fn proved_key(request: &[u8]) -> Result<SubjectPublicKeyInfo, SignError> {
    if request.len() > MAX_REQUEST {
        return Err(SignError::Damaged);
    }
    let (rest, parsed) =
        X509CertificationRequest::from_der(request).map_err(|_| SignError::Damaged)?;
    if !rest.is_empty() {
        return Err(SignError::Damaged);
    }
    let info = &parsed.certification_request_info;
    let spki = info.subject_pki.raw;
    let point = spki
        .strip_prefix(&P256_SPKI)
        .filter(|point| point.len() == 64)
        .ok_or(SignError::UnsupportedKey)?;
    let signature = &parsed.signature_value;
    if parsed.signature_algorithm.algorithm != OID_SIG_ECDSA_WITH_SHA256
        || signature.unused_bits != 0
    {
        return Err(SignError::Damaged);
    }
    let point: Vec<u8> = std::iter::once(4).chain(point.iter().copied()).collect();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point)
        .verify(info.raw, &signature.data)
        .map_err(|_| SignError::Damaged)?;
    SubjectPublicKeyInfo::from_der(spki).map_err(|_| SignError::UnsupportedKey)
}
