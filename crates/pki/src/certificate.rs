//! What a certificate says about who holds it.

use std::fmt;

use cedge_api::ClusterId;
use jiff::{SignedDuration, Timestamp};
use rustls_pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::pin::Pin;

/// The largest certificate that is looked at. Ours have below 1 KiB; a service's with many names a few.
const MAX_CERTIFICATE: usize = 16 * 1024;
/// Begins the organizational unit that carries a role.
const ROLE_PREFIX: &str = "edge:";

/// What a certificate of ours is for. It stands in the subject's organizational unit, so that `openssl x509` shows it;
/// the authority alone writes it, whatever a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// A cluster's own API and hub.
    Server,
    /// Somebody who uses an API: no unit at all, so that certificates made by other tools work as well.
    User,
    /// A child cluster, on its link.
    Cluster,
    /// A node, on its link.
    Node,
}

impl Role {
    /// The organizational unit, if the role has one.
    #[must_use]
    pub fn unit(self) -> Option<&'static str> {
        match self {
            Self::Server => Some("edge:server"),
            Self::User => None,
            Self::Cluster => Some("edge:cluster"),
            Self::Node => Some("edge:node"),
        }
    }

    fn of_units(units: &[String]) -> Option<Self> {
        let mut ours = units.iter().filter(|u| u.starts_with(ROLE_PREFIX));
        let Some(unit) = ours.next() else {
            return Some(Self::User);
        };
        if ours.next().is_some() {
            return None;
        }
        [Self::Server, Self::Cluster, Self::Node]
            .into_iter()
            .find(|role| role.unit() == Some(unit))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server => "server",
            Self::User => "user",
            Self::Cluster => "child cluster",
            Self::Node => "node",
        })
    }
}

/// A certificate, read. Reading it proves nothing: `verify` does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerCertificate {
    /// The subject's common name, as written: a user's name, `edge:cluster:NAME`, `edge:node:NAME`.
    pub common_name: String,
    /// The subject's organizations: a user's groups.
    pub organizations: Vec<String>,
    /// What it is for.
    pub role: Role,
    /// DNS names and addresses that it is good for.
    pub names: Vec<String>,
    /// Valid from.
    pub not_before: Timestamp,
    /// Valid until.
    pub not_after: Timestamp,
    /// The digest of its public key.
    pub key: Pin,
    /// Its serial number, in hexadecimal.
    pub serial: String,
}

/// Not a certificate that we can read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the certificate cannot be read: {0}")]
pub struct Unreadable(pub &'static str);

// === impl PeerCertificate ===

impl PeerCertificate {
    /// Reads a certificate (DER).
    ///
    /// # Errors
    /// When it is damaged, oversize, or names two roles at once.
    pub fn parse(der: &CertificateDer<'_>) -> Result<Self, Unreadable> {
        if der.len() > MAX_CERTIFICATE {
            return Err(Unreadable("it is too large"));
        }
        let (rest, cert) =
            X509Certificate::from_der(der).map_err(|_| Unreadable("it is damaged"))?;
        if !rest.is_empty() {
            return Err(Unreadable("something follows it"));
        }
        let subject = cert.subject();
        let texts = |attributes: Vec<&str>| attributes.into_iter().map(str::to_owned).collect();
        let units: Vec<String> = texts(
            subject
                .iter_organizational_unit()
                .filter_map(|a| a.as_str().ok())
                .collect(),
        );
        let validity = cert.validity();
        Ok(Self {
            common_name: subject
                .iter_common_name()
                .find_map(|a| a.as_str().ok())
                .unwrap_or_default()
                .to_owned(),
            organizations: texts(
                subject
                    .iter_organization()
                    .filter_map(|a| a.as_str().ok())
                    .collect(),
            ),
            role: Role::of_units(&units).ok_or(Unreadable("its role is unknown"))?,
            names: names(&cert)?,
            not_before: time(validity.not_before.timestamp()),
            not_after: time(validity.not_after.timestamp()),
            key: Pin::of_spki(cert.public_key().raw),
            serial: cert
                .raw_serial()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
        })
    }

    /// Who holds it.
    #[must_use]
    pub fn id(&self) -> ClusterId {
        self.key.id()
    }

    /// The name that a child cluster or node has at the authority that signed this.
    #[must_use]
    pub fn child_name(&self) -> Option<&str> {
        match self.role {
            Role::Cluster => self.common_name.strip_prefix("edge:cluster:"),
            Role::Node => self.common_name.strip_prefix("edge:node:"),
            Role::Server | Role::User => None,
        }
    }

    /// Whether it has expired, by the clock of its issuer. A link with an expired one is for renewal only (I9).
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        now > self.not_after
    }

    /// Whether it is time to renew it: less than a third of `lifetime` (what its issuer gives) is left. By the start of
    /// its validity one cannot tell, as that lies long before the day of issue.
    #[must_use]
    pub fn is_due(&self, now: Timestamp, lifetime: SignedDuration) -> bool {
        self.not_after.duration_since(now) < lifetime / 3
    }
}

fn names(cert: &X509Certificate<'_>) -> Result<Vec<String>, Unreadable> {
    let extension = cert
        .subject_alternative_name()
        .map_err(|_| Unreadable("its names are damaged"))?;
    let Some(extension) = extension else {
        return Ok(Vec::new());
    };
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => address(bytes),
        _ => None,
    };
    Ok(extension
        .value
        .general_names
        .iter()
        .filter_map(text)
        .collect())
}

fn address(bytes: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(bytes).map(|b| std::net::Ipv4Addr::from(b).to_string());
    let v6 = || <[u8; 16]>::try_from(bytes).map(|b| std::net::Ipv6Addr::from(b).to_string());
    v4.or_else(|_| v6()).ok()
}

/// "No end" (the last day of 9999) is a little beyond what a `Timestamp` can say.
fn time(seconds: i64) -> Timestamp {
    let clamped = seconds.clamp(Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
    Timestamp::from_second(clamped).unwrap_or(Timestamp::MAX)
}
