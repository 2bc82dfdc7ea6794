//! Join tokens: one string that a person carries from a parent to a new child.
//!
//! `cedge1.` and then, in base64url, JSON with the parent's addresses, the digest of its authority's key, and an id with a
//! secret. It also carries a few signs of its own digest, so that a badly copied one is told from a wrong one.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::{Deserialize, Serialize};

use crate::pin::Pin;

/// What every token begins with; the number is the version of the form.
pub const PREFIX: &str = "cedge1.";
/// Longer ones are refused unread; a token with eight addresses has below 1 KiB.
const MAX_TOKEN: usize = 8 * 1024;
/// Signs of an id: lower case letters and digits, so that it can name an object.
const ID_SIGNS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// What a token says.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinToken {
    /// Where the parent can be dialled, `HOST:PORT`, best first.
    pub addresses: Vec<String>,
    /// The digest of the parent authority's key.
    pub ca_sha256: Pin,
    /// Names the token at the parent.
    pub id: String,
    /// Proves that it was given by the parent, which holds only its digest.
    pub secret: String,
}

/// Why a string is not a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Something else altogether.
    #[error(
        "this is not a join token: those begin with `{PREFIX}` (`cedge token create` at the parent prints one)"
    )]
    NotAToken,
    /// A token of a later version of the software.
    #[error(
        "this join token has a form that this version does not know (`{0}`); use the parent's version or a later one"
    )]
    UnknownVersion(String),
    /// It was cut off or changed on its way.
    #[error("this join token is damaged: copy all of it, without spaces or line breaks")]
    Damaged,
}

#[derive(Serialize, Deserialize)]
struct Written {
    #[serde(flatten)]
    token: JoinToken,
    sum: String,
}

// === impl JoinToken ===

impl JoinToken {
    /// A token with a new id and secret.
    #[must_use]
    pub fn generate(addresses: Vec<String>, authority: Pin) -> Self {
        let id: [u8; 8] = crate::random();
        let id = id.map(|byte| char::from(ID_SIGNS[usize::from(byte % 32)]));
        Self {
            addresses,
            ca_sha256: authority,
            id: id.iter().collect(),
            secret: BASE64.encode(crate::random::<32>()),
        }
    }

    /// What the parent keeps instead of the secret, in hexadecimal. Secrets are random, so a plain digest is enough.
    #[must_use]
    pub fn secret_digest(&self) -> String {
        secret_digest(&self.secret)
    }

    fn sum(&self) -> String {
        let mut text = format!("{}\n{}\n{}", self.ca_sha256, self.id, self.secret);
        for address in &self.addresses {
            text.push('\n');
            text.push_str(address);
        }
        Pin(crate::sha256(text.as_bytes())).to_string()[..8].to_owned()
    }
}

/// The digest of a token's secret, in hexadecimal. Comparing digests tells nothing about the secret by its timing.
#[must_use]
pub fn secret_digest(secret: &str) -> String {
    Pin(crate::sha256(secret.as_bytes())).to_string()
}

impl fmt::Display for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let written = Written {
            token: self.clone(),
            sum: self.sum(),
        };
        let json = serde_json::to_vec(&written).map_err(|_| fmt::Error)?;
        write!(f, "{PREFIX}{}", BASE64.encode(json))
    }
}

/// Without the secret: errors and logs show tokens.
impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinToken")
            .field("addresses", &self.addresses)
            .field("ca_sha256", &self.ca_sha256)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl FromStr for JoinToken {
    type Err = TokenError;

    fn from_str(s: &str) -> Result<Self, TokenError> {
        let s = s.trim();
        let Some(body) = s.strip_prefix(PREFIX) else {
            let version = s.split_once('.').map(|(version, _)| version);
            return Err(match version {
                Some(v) if is_version(v) => TokenError::UnknownVersion(v.to_owned()),
                _ => TokenError::NotAToken,
            });
        };
        if body.len() > MAX_TOKEN {
            return Err(TokenError::Damaged);
        }
        let json = BASE64.decode(body).map_err(|_| TokenError::Damaged)?;
        let written: Written = serde_json::from_slice(&json).map_err(|_| TokenError::Damaged)?;
        if written.sum != written.token.sum() || written.token.addresses.is_empty() {
            return Err(TokenError::Damaged);
        }
        Ok(written.token)
    }
}

fn is_version(text: &str) -> bool {
    text.strip_prefix("cedge")
        .is_some_and(|n| !n.is_empty() && n.len() < 4 && n.bytes().all(|b| b.is_ascii_digit()))
}
