//! `cedge token`.

use std::path::PathBuf;

use anyhow::Context as _;
use cedge_pki::{PeerCertificate, Pin};
use cedge_tree::token::{self, Grant};

use crate::cli::{Format, TokenCommand};
use crate::{config, connect, output};

pub(crate) async fn run(command: TokenCommand, flag: Option<PathBuf>) -> anyhow::Result<()> {
    let target = connect::target(flag).await?;
    match command {
        TokenCommand::Create {
            uses,
            ttl,
            manual,
            labels,
            description,
            address,
            output: how,
        } => {
            let hub = connect::hub(&target.client).await?;
            let labels = labels.unwrap_or_default();
            for (key, value) in &labels {
                config::check_label(key, value)?;
            }
            let addresses = if address.is_empty() {
                hub.addresses.clone()
            } else {
                address
            };
            let grant = Grant {
                addresses,
                uses,
                lifetime: ttl,
                approve: !manual,
                labels,
                description,
            };
            let token = token::create(&target.client, pin_of(&hub.ca)?, &grant).await?;
            match how.format {
                Some(format) => output::value(
                    &serde_json::json!({ "id": token.id, "token": token.to_string() }),
                    format,
                )?,
                None => output::line(token.to_string()),
            }
        }
        TokenCommand::List(how) => {
            let tokens = token::list(&target.client).await?;
            match how.format {
                Some(Format::Name) => tokens.iter().for_each(|t| output::line(&t.id)),
                Some(format @ (Format::Json | Format::Yaml)) => output::value(&tokens, format)?,
                Some(Format::Wide) | None => {
                    let rows = tokens.iter().map(|t| {
                        let used = format!("{}/{}", t.used_by.len(), t.uses);
                        let approve = if t.approve { "auto" } else { "manual" };
                        vec![
                            t.id.clone(),
                            used,
                            t.expires.clone(),
                            approve.to_owned(),
                            t.description.clone(),
                        ]
                    });
                    output::table(
                        &["ID", "USED", "EXPIRES", "APPROVAL", "DESCRIPTION"],
                        rows.collect(),
                    );
                }
            }
        }
        TokenCommand::Revoke { id } => {
            anyhow::ensure!(
                token::revoke(&target.client, &id).await?,
                "there is no token {id:?}; `cedge token list` shows them"
            );
            output::line(format!("token {id} revoked"));
        }
    }
    Ok(())
}

/// The digest of the key of a CA.
pub(crate) fn pin_of(ca_pem: &str) -> anyhow::Result<Pin> {
    use rustls::pki_types::{CertificateDer, pem::PemObject as _};
    let der =
        CertificateDer::from_pem_slice(ca_pem.as_bytes()).context("the hub's CA cannot be read")?;
    Ok(PeerCertificate::parse(&der)?.key)
}
