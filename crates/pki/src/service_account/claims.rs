//! What stands in a service account's token, in Kubernetes' words.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use crate::identity::Identity;

/// An object that a token lives and dies with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// `pod`, `secret` or `node`: the word of the claim.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

/// A token to be signed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenRequest {
    /// The account's namespace.
    pub namespace: String,
    /// The account's name.
    pub name: String,
    /// The account's uid.
    pub uid: String,
    /// Whom the token is shown to.
    pub audiences: Vec<String>,
    /// How long it lasts; `None` for one that never expires (those in Secrets).
    pub lifetime: Option<SignedDuration>,
    /// When its holder should be warned to fetch a new one, if that is earlier than the end (tokens that are given longer
    /// than was asked, for clients that never read theirs again).
    pub warn_after: Option<SignedDuration>,
    /// What it is bound to: the pod and the node that it runs on, or a Secret.
    pub bindings: Vec<Binding>,
}

/// A token that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The account's namespace.
    pub namespace: String,
    /// The account's name.
    pub name: String,
    /// The account's uid.
    pub uid: String,
    /// Whom it is meant for.
    pub audiences: Vec<String>,
    /// Its end.
    pub expires: Option<Timestamp>,
    /// Use after this is worth a warning.
    pub warn_after: Option<Timestamp>,
    /// What it is bound to.
    pub bindings: Vec<Binding>,
    /// Its own identity (`jti`).
    pub id: String,
}

/// The claims that name a bound object.
const BOUND: [&str; 3] = ["pod", "secret", "node"];

// === impl TokenRequest ===

impl TokenRequest {
    pub(super) fn to_json(&self, issuer: &str, now: Timestamp) -> Value {
        let at =
            |after: SignedDuration| now.checked_add(after).unwrap_or(Timestamp::MAX).as_second();
        let mut kubernetes = Map::new();
        kubernetes.insert("namespace".into(), json!(self.namespace));
        kubernetes.insert(
            "serviceaccount".into(),
            json!({"name": self.name, "uid": self.uid}),
        );
        for bound in &self.bindings {
            kubernetes.insert(
                bound.kind.clone(),
                json!({"name": bound.name, "uid": bound.uid}),
            );
        }
        if let Some(after) = self.warn_after {
            kubernetes.insert("warnafter".into(), json!(at(after)));
        }
        let mut claims = json!({
            "aud": self.audiences,
            "iat": now.as_second(),
            "iss": issuer,
            "jti": uuid(),
            "kubernetes.io": kubernetes,
            "nbf": now.as_second(),
            "sub": subject(&self.namespace, &self.name),
        });
        if let Some(lifetime) = self.lifetime {
            claims["exp"] = json!(at(lifetime));
        }
        claims
    }
}

// === impl Claims ===

impl Claims {
    pub(super) fn from_json(claims: &Value) -> Option<Self> {
        let kubernetes = claims.get("kubernetes.io")?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let time = |value: Option<&Value>| match value {
            None => Some(None),
            Some(v) => Timestamp::from_second(v.as_i64()?).ok().map(Some),
        };
        let named = |kind: &str| -> Option<Binding> {
            let object = kubernetes.get(kind)?;
            Some(Binding {
                kind: kind.to_owned(),
                name: text(object.get("name")?)?,
                uid: text(object.get("uid")?)?,
            })
        };
        let account = named("serviceaccount")?;
        let namespace = text(kubernetes.get("namespace")?)?;
        if claims.get("sub")?.as_str()? != subject(&namespace, &account.name) {
            return None;
        }
        Some(Self {
            namespace,
            name: account.name,
            uid: account.uid,
            audiences: claims
                .get("aud")?
                .as_array()?
                .iter()
                .map(text)
                .collect::<Option<_>>()?,
            expires: time(claims.get("exp"))?,
            warn_after: time(kubernetes.get("warnafter"))?,
            bindings: BOUND.iter().filter_map(|kind| named(kind)).collect(),
            id: text(claims.get("jti")?)?,
        })
    }

    /// What the token is bound to of a kind (`pod`, `secret`, `node`).
    #[must_use]
    pub fn bound(&self, kind: &str) -> Option<&Binding> {
        self.bindings.iter().find(|b| b.kind == kind)
    }

    /// The user that the token speaks for, with the groups and extra values that Kubernetes gives.
    #[must_use]
    pub fn identity(&self) -> Identity {
        let mut identity = service_account(&self.namespace, &self.name);
        identity.uid = Some(self.uid.clone());
        let mut extra = BTreeMap::new();
        let mut put = |key: &str, value: String| {
            extra.insert(format!("authentication.kubernetes.io/{key}"), vec![value]);
        };
        put("credential-id", format!("JTI={}", self.id));
        for bound in self.bindings.iter().filter(|b| b.kind != "secret") {
            put(&format!("{}-name", bound.kind), bound.name.clone());
            put(&format!("{}-uid", bound.kind), bound.uid.clone());
        }
        identity.extra = extra;
        identity
    }
}

/// The user that a service account is.
#[must_use]
pub fn service_account(namespace: &str, name: &str) -> Identity {
    Identity::authenticated(
        subject(namespace, name),
        [
            "system:serviceaccounts".to_owned(),
            format!("system:serviceaccounts:{namespace}"),
        ],
    )
}

fn subject(namespace: &str, name: &str) -> String {
    format!("system:serviceaccount:{namespace}:{name}")
}

/// A random UUID (version 4).
fn uuid() -> String {
    let mut bytes: [u8; 16] = crate::random();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}
