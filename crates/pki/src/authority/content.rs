//! What stands in the certificates that an authority makes.

use std::time::Duration;

use cedge_api::ClusterId;
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyUsagePurpose, SanType, SerialNumber, date_time_ymd,
};

use super::{Profile, SignError, Validity};
use crate::certificate::Role;

/// X.509's way to say that there is no end (RFC 5280, 4.1.2.5). The CA is pinned by its key: a day on which every child
/// would refuse it at once protects nobody.
const NO_END: (i32, u8, u8) = (9999, 12, 31);

/// The same for the same key, whenever it is made: so children that hold one of them hold all of them.
pub(super) fn ca_params(id: &ClusterId) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    // Unique for each cluster: verifiers that hold several of our CAs choose by this name.
    let name = format!("edge-ca-{id}");
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    params.not_before = date_time_ymd(1970, 1, 1);
    params.not_after = date_time_ymd(NO_END.0, NO_END.1, NO_END.2);
    params
}

pub(super) fn leaf_params(
    profile: &Profile,
    validity: Validity,
) -> Result<CertificateParams, SignError> {
    let mut params = CertificateParams::default();
    let mut subject = DistinguishedName::new();
    let (role, name) = match profile {
        Profile::Server { .. } => (Role::Server, "edge:server".to_owned()),
        Profile::User { name, .. } => (Role::User, name.clone()),
        Profile::Cluster { name } => (Role::Cluster, format!("edge:cluster:{name}")),
        Profile::Node { name } => (Role::Node, format!("edge:node:{name}")),
    };
    if let Profile::User { group: Some(g), .. } = profile {
        subject.push(DnType::OrganizationName, g.as_str());
    }
    if let Some(unit) = role.unit() {
        subject.push(DnType::OrganizationalUnitName, unit);
    }
    if let Profile::Server { names } = profile {
        params.subject_alt_names = names.iter().map(|n| san(n)).collect::<Result<_, _>>()?;
    }
    subject.push(DnType::CommonName, name);
    params.distinguished_name = subject;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![match role {
        Role::Server => ExtendedKeyUsagePurpose::ServerAuth,
        Role::User | Role::Cluster | Role::Node => ExtendedKeyUsagePurpose::ClientAuth,
    }];
    params.use_authority_key_identifier_extension = true;
    // Random, as a renewal is for the same key and must not have the same number.
    let mut serial: [u8; 16] = crate::random();
    serial[0] = serial[0] & 0x3f | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.not_before = date_time_ymd(1970, 1, 1) + since_1970(validity.not_before);
    params.not_after = date_time_ymd(1970, 1, 1) + since_1970(validity.not_after);
    Ok(params)
}

/// What a user asked for: common name, organizations, names and usages; nothing else of the request counts.
pub(super) fn request_params(
    request: &crate::CertificateRequest,
    usages: &[String],
    validity: Validity,
) -> Result<CertificateParams, SignError> {
    /// `organizationName`: under its number once more, as a subject holds each kind of name once.
    const ORGANIZATION: [u64; 4] = [2, 5, 4, 10];
    let anybody = Profile::User {
        name: request.common_name.clone(),
        group: None,
    };
    let mut params = leaf_params(&anybody, validity)?;
    let mut subject = DistinguishedName::new();
    let kinds = [
        DnType::OrganizationName,
        DnType::CustomDnType(ORGANIZATION.to_vec()),
    ];
    if request.organizations.len() > kinds.len() {
        let names = request.organizations.join(", ");
        return Err(SignError::BadName(format!(
            "more than two organizations ({names})"
        )));
    }
    for (kind, name) in kinds.into_iter().zip(&request.organizations) {
        subject.push(kind, name.as_str());
    }
    if !request.common_name.is_empty() {
        subject.push(DnType::CommonName, request.common_name.as_str());
    }
    params.distinguished_name = subject;
    let names = request.dns_names.iter().map(|name| san(name));
    let mut names: Vec<SanType> = names.collect::<Result<_, _>>()?;
    names.extend(request.addresses.iter().map(|a| SanType::IpAddress(*a)));
    params.subject_alt_names = names;
    params.key_usages = Vec::new();
    params.extended_key_usages = Vec::new();
    for usage in usages {
        match (key_usage(usage), extended_usage(usage)) {
            (Some(plain), _) => params.key_usages.push(plain),
            (None, Some(extended)) => params.extended_key_usages.push(extended),
            (None, None) => return Err(SignError::BadName(usage.clone())),
        }
    }
    Ok(params)
}

/// No usage that would make an authority of its holder.
fn key_usage(usage: &str) -> Option<KeyUsagePurpose> {
    Some(match usage {
        "signing" | "digital signature" => KeyUsagePurpose::DigitalSignature,
        "content commitment" => KeyUsagePurpose::ContentCommitment,
        "key encipherment" => KeyUsagePurpose::KeyEncipherment,
        "key agreement" => KeyUsagePurpose::KeyAgreement,
        "data encipherment" => KeyUsagePurpose::DataEncipherment,
        "encipher only" => KeyUsagePurpose::EncipherOnly,
        "decipher only" => KeyUsagePurpose::DecipherOnly,
        _ => return None,
    })
}

fn extended_usage(usage: &str) -> Option<ExtendedKeyUsagePurpose> {
    Some(match usage {
        "server auth" => ExtendedKeyUsagePurpose::ServerAuth,
        "client auth" => ExtendedKeyUsagePurpose::ClientAuth,
        "code signing" => ExtendedKeyUsagePurpose::CodeSigning,
        "email protection" | "s/mime" => ExtendedKeyUsagePurpose::EmailProtection,
        "timestamping" => ExtendedKeyUsagePurpose::TimeStamping,
        "ocsp signing" => ExtendedKeyUsagePurpose::OcspSigning,
        _ => return None,
    })
}

fn san(name: &str) -> Result<SanType, SignError> {
    if let Ok(address) = name.parse() {
        return Ok(SanType::IpAddress(address));
    }
    let bad = || SignError::BadName(name.to_owned());
    if rustls_pki_types::DnsName::try_from(name.trim_start_matches("*.")).is_err() {
        return Err(bad());
    }
    name.try_into().map(SanType::DnsName).map_err(|_| bad())
}

/// Before the year 10000, as X.509 cannot say more.
fn since_1970(time: Timestamp) -> Duration {
    const LAST: u64 = 253_402_300_799;
    Duration::from_secs(u64::try_from(time.as_second()).unwrap_or(0).min(LAST))
}
