//! Certificate requests of users (PKCS #10), as `kubectl` and `openssl` make them: any kind of key, any subject.
//!
//! What a request says of its subject counts here, unlike where children join: somebody has looked at it and approved. It
//! never becomes a role: the certificate carries no organizational unit.

use base64::Engine as _;
use jiff::Timestamp;
use rcgen::SubjectPublicKeyInfo;
use ring::signature::{self as checks, UnparsedPublicKey, VerificationAlgorithm};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, CertificateSigningRequestDer};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer as _;

/// A request with many names has a few KiB.
const MAX_REQUEST: usize = 64 * 1024;

/// What is asked for, by whoever holds the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRequest {
    /// The subject's common name.
    pub common_name: String,
    /// The subject's organizations.
    pub organizations: Vec<String>,
    /// DNS names.
    pub dns_names: Vec<String>,
    /// Addresses.
    pub addresses: Vec<std::net::IpAddr>,
    /// How many e-mail addresses it names.
    pub emails: usize,
    /// How many URIs it names.
    pub uris: usize,
    /// The key, in SPKI form.
    key: Vec<u8>,
}

/// Why a request cannot be used. The texts are those of Kubernetes where it has some.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Not PEM, or of something else.
    #[error("PEM block type must be CERTIFICATE REQUEST")]
    NotPem,
    /// PEM around something that is no request.
    #[error("x509: malformed certificate request")]
    Malformed,
    /// The signature is not by the key.
    #[error("x509: the signature of the certificate request is not valid")]
    BadSignature,
    /// A key or a signature of a kind that is not known here.
    #[error("x509: cannot verify signature: algorithm unimplemented")]
    UnknownAlgorithm,
}

// === impl CertificateRequest ===

impl CertificateRequest {
    /// Reads a request, and checks that it is signed by its own key.
    ///
    /// # Errors
    /// See [`RequestError`].
    pub fn from_pem(pem: &[u8]) -> Result<Self, RequestError> {
        if pem.len() > MAX_REQUEST {
            return Err(RequestError::Malformed);
        }
        let der = CertificateSigningRequestDer::from_pem_slice(pem);
        let der = der.map_err(|_| RequestError::NotPem)?;
        let (rest, parsed) =
            X509CertificationRequest::from_der(&der).map_err(|_| RequestError::Malformed)?;
        if !rest.is_empty() {
            return Err(RequestError::Malformed);
        }
        check_signature(&parsed)?;
        let info = &parsed.certification_request_info;
        let subject = &info.subject;
        let mut request = Self {
            common_name: subject
                .iter_common_name()
                .find_map(|a| a.as_str().ok())
                .unwrap_or_default()
                .to_owned(),
            organizations: subject
                .iter_organization()
                .filter_map(|a| a.as_str().ok().map(str::to_owned))
                .collect(),
            dns_names: Vec::new(),
            addresses: Vec::new(),
            emails: 0,
            uris: 0,
            key: info.subject_pki.raw.to_vec(),
        };
        for extension in parsed.requested_extensions().into_iter().flatten() {
            if let ParsedExtension::SubjectAlternativeName(names) = extension {
                names
                    .general_names
                    .iter()
                    .for_each(|name| request.take(name));
            }
        }
        Ok(request)
    }

    fn take(&mut self, name: &GeneralName<'_>) {
        match name {
            GeneralName::DNSName(name) => self.dns_names.push((*name).to_owned()),
            GeneralName::IPAddress(bytes) => {
                let v4 = <[u8; 4]>::try_from(*bytes).map(std::net::IpAddr::from);
                let address = v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(Into::into));
                self.addresses.extend(address.ok());
            }
            GeneralName::RFC822Name(_) => self.emails += 1,
            GeneralName::URI(_) => self.uris += 1,
            _ => {}
        }
    }

    pub(crate) fn public_key(&self) -> Option<SubjectPublicKeyInfo> {
        SubjectPublicKeyInfo::from_der(&self.key).ok()
    }
}

/// The end of the first certificate in a PEM text.
#[must_use]
pub fn expiry(pem: &[u8]) -> Option<Timestamp> {
    let der = CertificateDer::from_pem_slice(pem).ok()?;
    Some(crate::PeerCertificate::parse(&der).ok()?.not_after)
}

/// What is between the lines of a PEM text that came in base64, as the API writes bytes.
#[must_use]
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    base64::engine::general_purpose::STANDARD.decode(text).ok()
}

fn check_signature(parsed: &X509CertificationRequest<'_>) -> Result<(), RequestError> {
    const EC: &str = "1.2.840.10045.2.1";
    const P384: usize = 97;
    let key = &parsed.certification_request_info.subject_pki;
    let point = &key.subject_public_key.data;
    let large = key.algorithm.algorithm.to_id_string() == EC && point.len() == P384;
    let oid = parsed.signature_algorithm.algorithm.to_id_string();
    let algorithm: &dyn VerificationAlgorithm = match (oid.as_str(), large) {
        ("1.2.840.113549.1.1.11", _) => &checks::RSA_PKCS1_2048_8192_SHA256,
        ("1.2.840.113549.1.1.12", _) => &checks::RSA_PKCS1_2048_8192_SHA384,
        ("1.2.840.113549.1.1.13", _) => &checks::RSA_PKCS1_2048_8192_SHA512,
        ("1.2.840.10045.4.3.2", false) => &checks::ECDSA_P256_SHA256_ASN1,
        ("1.2.840.10045.4.3.2", true) => &checks::ECDSA_P384_SHA256_ASN1,
        ("1.2.840.10045.4.3.3", false) => &checks::ECDSA_P256_SHA384_ASN1,
        ("1.2.840.10045.4.3.3", true) => &checks::ECDSA_P384_SHA384_ASN1,
        ("1.3.101.112", _) => &checks::ED25519,
        _ => return Err(RequestError::UnknownAlgorithm),
    };
    let info = parsed.certification_request_info.raw;
    UnparsedPublicKey::new(algorithm, point)
        .verify(info, &parsed.signature_value.data)
        .map_err(|_| RequestError::BadSignature)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;
    use crate::{Authority, Validity};

    fn request(groups: &[&str]) -> String {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "jane");
        if let Some(group) = groups.first() {
            params
                .distinguished_name
                .push(DnType::OrganizationName, *group);
        }
        params
            .distinguished_name
            .push(DnType::OrganizationalUnitName, "edge:node");
        params.subject_alt_names = vec![
            SanType::DnsName("a.example".try_into().unwrap()),
            SanType::IpAddress("10.0.0.1".parse().unwrap()),
        ];
        let key = KeyPair::generate().unwrap();
        params.serialize_request(&key).unwrap().pem().unwrap()
    }

    #[test]
    fn a_request_says_what_it_is_for_and_is_signed_by_its_key() {
        let pem = request(&["dev"]);
        let read = CertificateRequest::from_pem(pem.as_bytes()).unwrap();
        assert_eq!(
            (read.common_name.as_str(), read.organizations.as_slice()),
            ("jane", &["dev".to_owned()][..])
        );
        assert_eq!(read.dns_names, ["a.example"]);
        assert_eq!(read.addresses.len(), 1);
        assert_eq!(
            CertificateRequest::from_pem(b"x"),
            Err(RequestError::NotPem)
        );
    }

    #[test]
    fn a_signed_certificate_is_a_users_whatever_was_asked_for() {
        let authority = Authority::ephemeral();
        let read = CertificateRequest::from_pem(request(&["dev"]).as_bytes()).unwrap();
        let now = Timestamp::constant(1_800_000_000, 0);
        let usages = ["digital signature".to_owned(), "client auth".to_owned()];
        let pem = authority
            .sign_request(&read, &usages, Validity::from_now(now))
            .unwrap();
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let made = crate::PeerCertificate::parse(&der).unwrap();
        assert_eq!(made.role, crate::Role::User);
        assert_eq!(
            (made.common_name.as_str(), made.organizations.as_slice()),
            ("jane", &["dev".to_owned()][..])
        );
        assert!(expiry(pem.as_bytes()).unwrap() > now);
        assert!(
            authority
                .sign_request(&read, &["any".to_owned()], Validity::from_now(now))
                .is_err()
        );
    }
}
