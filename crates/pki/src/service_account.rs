//! Tokens of service accounts: JWT, ES256, signed with a key of its own (not the cluster's identity, so that it can be
//! exchanged without becoming another cluster).

mod claims;

pub use claims::{Binding, Claims, TokenRequest, service_account};

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use jiff::Timestamp;
use rcgen::PublicKeyData as _;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, UnparsedPublicKey,
};
use serde_json::{Value, json};

use crate::key::{Key, KeyError};

/// Longer tokens are refused unread. One with every claim has below 2 KiB.
const MAX_TOKEN: usize = 16 * 1024;
/// The file of the signing key in a server's data folder.
const KEY_FILE: &str = "service-accounts.key";

/// Signs and checks the tokens of one cluster's service accounts.
#[derive(Debug, Clone)]
pub struct ServiceAccountTokens {
    issuer: String,
    key: Arc<Key>,
    kid: String,
}

/// Why a token says nothing. All but `NotOurs` are final: an authenticator that knows other kinds of tokens goes on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a JWT, or one of another issuer or key.
    #[error("this is not a service account token of this cluster")]
    NotOurs,
    /// The signature is wrong.
    #[error("the service account token's signature is wrong")]
    BadSignature,
    /// It has expired.
    #[error("the service account token has expired at {0}")]
    Expired(Timestamp),
    /// It is meant for somebody else.
    #[error("the service account token is for the audience {0:?}")]
    WrongAudience(Vec<String>),
    /// Properly signed, and not what we sign.
    #[error("the service account token's claims cannot be read")]
    BadClaims,
}

// === impl ServiceAccountTokens ===

impl ServiceAccountTokens {
    /// Signs with the key stored in `dir`, or with a new one that is stored there. `issuer` stands in every token.
    ///
    /// # Errors
    /// When the key's file cannot be used.
    pub fn load_or_create(dir: &Path, issuer: &str) -> Result<Self, KeyError> {
        crate::files::private_dir(dir)?;
        let key = Key::load_or_create(&dir.join(KEY_FILE))?;
        Ok(Self::of_key(Arc::new(key), issuer))
    }

    /// Signs with a given key.
    #[must_use]
    pub fn of_key(key: Arc<Key>, issuer: &str) -> Self {
        let kid = BASE64.encode(key.pin().0);
        Self {
            issuer: issuer.to_owned(),
            key,
            kid,
        }
    }

    /// The issuer that stands in every token.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Signs a token.
    ///
    /// # Panics
    /// If the operating system has no randomness to give.
    #[must_use]
    pub fn sign(&self, request: &TokenRequest, now: Timestamp) -> String {
        let header = json!({"alg": "ES256", "kid": self.kid});
        let claims = request.to_json(&self.issuer, now);
        let encode = |part: &Value| BASE64.encode(part.to_string());
        let message = format!("{}.{}", encode(&header), encode(&claims));
        let signature = self.signature(message.as_bytes());
        format!("{message}.{}", BASE64.encode(signature))
    }

    /// Checks a token: signature, issuer, audience, expiry. Whether the account (and the pod) still exists is for the
    /// caller to see. `nbf` is not judged: we are who signed it, so it is valid already, whatever became of our clock.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn verify(
        &self,
        token: &str,
        audiences: &[String],
        now: Timestamp,
    ) -> Result<Claims, TokenError> {
        if token.len() > MAX_TOKEN {
            return Err(TokenError::NotOurs);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(TokenError::NotOurs)?;
        let (header, payload) = message.split_once('.').ok_or(TokenError::NotOurs)?;
        let header = part(header).ok_or(TokenError::NotOurs)?;
        if header["alg"] != "ES256" || header["kid"] != self.kid.as_str() {
            return Err(TokenError::NotOurs);
        }
        let signature = BASE64
            .decode(signature)
            .map_err(|_| TokenError::BadSignature)?;
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.key.pair().der_bytes())
            .verify(message.as_bytes(), &signature)
            .map_err(|_| TokenError::BadSignature)?;
        let payload = part(payload).ok_or(TokenError::BadClaims)?;
        if payload["iss"] != self.issuer.as_str() {
            return Err(TokenError::NotOurs);
        }
        let claims = Claims::from_json(&payload).ok_or(TokenError::BadClaims)?;
        match claims.expires {
            Some(at) if at <= now => return Err(TokenError::Expired(at)),
            _ => {}
        }
        if !claims.audiences.iter().any(|a| audiences.contains(a)) {
            return Err(TokenError::WrongAudience(claims.audiences));
        }
        Ok(claims)
    }

    /// The public keys, as `/openid/v1/jwks` serves them.
    #[must_use]
    pub fn jwks(&self) -> Value {
        let point = self.key.pair().der_bytes();
        let (x, y) = point[1..].split_at(32);
        json!({"keys": [{
            "use": "sig", "kty": "EC", "crv": "P-256", "alg": "ES256", "kid": self.kid,
            "x": BASE64.encode(x), "y": BASE64.encode(y),
        }]})
    }

    /// What `/.well-known/openid-configuration` serves.
    #[must_use]
    pub fn openid_configuration(&self, jwks_uri: &str) -> Value {
        json!({
            "issuer": self.issuer,
            "jwks_uri": jwks_uri,
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        })
    }

    fn signature(&self, message: &[u8]) -> Vec<u8> {
        let rng = SystemRandom::new();
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, self.key.pkcs8(), &rng)
                .expect("a key of ours is a P-256 key");
        let signature = pair
            .sign(&rng, message)
            .expect("the operating system gives random bytes");
        signature.as_ref().to_vec()
    }
}

fn part(text: &str) -> Option<Value> {
    serde_json::from_slice(&BASE64.decode(text).ok()?).ok()
}

#[cfg(test)]
mod tests;
