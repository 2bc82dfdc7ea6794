//! TLS towards servers that users name: webhooks and extension API servers, with whatever certificates those have.

use std::sync::{Arc, LazyLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore,
    SignatureScheme,
};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::credential::certificates;
use crate::{LiveCredential, tls};

/// Whose certificates are taken.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Trust {
    /// Those of the authorities that this machine trusts.
    Machine,
    /// Those of the authorities in a PEM text.
    Bundle(Vec<u8>),
    /// Anybody's: the user said so.
    Anybody,
}

/// The settings of a client that speaks HTTP/1.1. `None` if no certificate of a bundle is usable.
#[must_use]
pub fn client(trust: &Trust, credential: Option<Arc<LiveCredential>>) -> Option<Arc<ClientConfig>> {
    let known = match trust {
        Trust::Machine => machine().clone(),
        Trust::Bundle(pem) => certificates(pem),
        Trust::Anybody => Vec::new(),
    };
    let mut store = RootCertStore::empty();
    let (usable, _) = store.add_parsable_certificates(known.iter().cloned());
    let chains = if usable > 0 {
        let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(store), tls::provider());
        Some(builder.build().ok()?)
    } else if matches!(trust, Trust::Bundle(_)) {
        return None;
    } else {
        None
    };
    let verifier = Arc::new(Outside {
        anybody: *trust == Trust::Anybody,
        known,
        chains,
    });
    Some(tls::outside_client(verifier, credential))
}

/// The authorities of the machine, read once.
fn machine() -> &'static Vec<CertificateDer<'static>> {
    static MACHINE: LazyLock<Vec<CertificateDer<'static>>> = LazyLock::new(|| {
        // Where distributions keep them as one file.
        const FILES: [&str; 4] = [
            "/etc/ssl/certs/ca-certificates.crt",
            "/etc/pki/tls/certs/ca-bundle.crt",
            "/etc/ssl/ca-bundle.pem",
            "/etc/ssl/cert.pem",
        ];
        let named = std::env::var_os("SSL_CERT_FILE").map(std::path::PathBuf::from);
        let files = named.into_iter().chain(FILES.map(Into::into));
        let mut texts = files.filter_map(|file| std::fs::read(file).ok());
        texts
            .next()
            .map(|text| certificates(&text))
            .unwrap_or_default()
    });
    &MACHINE
}

#[derive(Debug)]
struct Outside {
    anybody: bool,
    known: Vec<CertificateDer<'static>>,
    chains: Option<Arc<WebPkiServerVerifier>>,
}

impl ServerCertVerifier for Outside {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        if self.anybody {
            return Ok(ServerCertVerified::assertion());
        }
        // A server may show the very certificate that is trusted, its own authority: usual for webhooks, and no chain.
        if self.known.iter().any(|known| known == leaf) {
            return itself(leaf, name, now);
        }
        match &self.chains {
            Some(chains) => chains.verify_server_cert(leaf, between, name, ocsp, now),
            None => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &tls::provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &tls::provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = tls::provider().signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

/// A certificate that is trusted as it is: its name and its dates must be right.
fn itself(
    leaf: &CertificateDer<'_>,
    name: &ServerName<'_>,
    now: UnixTime,
) -> Result<ServerCertVerified, TlsError> {
    let (_, read) = X509Certificate::from_der(leaf).map_err(|_| CertificateError::BadEncoding)?;
    let at = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    if at < read.validity().not_before.timestamp() {
        return Err(CertificateError::NotValidYet.into());
    }
    if at > read.validity().not_after.timestamp() {
        return Err(CertificateError::Expired.into());
    }
    let end = webpki::EndEntityCert::try_from(leaf).map_err(|_| CertificateError::BadEncoding)?;
    end.verify_is_valid_for_subject_name(name)
        .map_err(|_| CertificateError::NotValidForName)?;
    Ok(ServerCertVerified::assertion())
}
