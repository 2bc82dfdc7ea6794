//! Who asks: by the connection, by a bearer token, or nobody in particular.

use cedge_pki::Identity;
use cedge_serving::Connection;
use http::header::AUTHORIZATION;
use http::request::Parts;
use serde_json::Value;

use crate::api::Api;
use crate::meta;
use crate::status::{Error, Result};
use crate::websocket;

/// Stands in the extensions of requests that were made in this process, for whom they speak.
#[derive(Debug, Clone)]
pub struct InProcess(pub Identity);

/// Finds out who makes a request.
///
/// # Errors
/// A token was shown that says nothing.
pub(crate) fn authenticate(api: &Api, parts: &Parts) -> Result<Identity> {
    if let Some(InProcess(identity)) = parts.extensions.get::<InProcess>() {
        return Ok(identity.clone());
    }
    let connection = parts.extensions.get::<Connection>();
    if let Some(identity) = connection.and_then(Connection::identity) {
        return Ok(identity);
    }
    let token = match bearer(parts) {
        Some(token) => Some(token.to_owned()),
        None if websocket::is_wanted(&parts.headers) => websocket::token(&parts.headers)?,
        None => None,
    };
    match token {
        Some(token) => {
            let audiences = [api.config.tokens.issuer().to_owned()];
            let identity = of_token(api, &token, &audiences)?;
            Ok(identity.ok_or(Error::Unauthorized)?.0)
        }
        None => Ok(Identity::anonymous()),
    }
}

/// Whom a token speaks for, and the audiences that it is good for.
pub(crate) fn of_token(
    api: &Api,
    token: &str,
    audiences: &[String],
) -> Result<Option<(Identity, Vec<String>)>> {
    let known = api.config.static_tokens.iter();
    let mut found = None;
    for candidate in known {
        // Every candidate is compared as a whole, so that time tells nothing of the secret.
        if same(candidate.token.as_bytes(), token.as_bytes()) {
            found = Some((candidate.identity.clone(), audiences.to_vec()));
        }
    }
    if found.is_some() {
        return Ok(found);
    }
    let claims = match api.config.tokens.verify(token, audiences, api.now()) {
        Ok(claims) => claims,
        Err(error) => {
            tracing::debug!(%error, "token was refused");
            return Ok(None);
        }
    };
    let account = format!("{}/{}", claims.namespace, claims.name);
    let alive = lives(api, "serviceaccounts", &account, &claims.uid)?
        && claims.bindings.iter().try_fold(true, |alive, bound| {
            let path = match bound.kind.as_str() {
                "node" => return Ok(alive),
                _ => format!("{}/{}", claims.namespace, bound.name),
            };
            Ok(alive && lives(api, &format!("{}s", bound.kind), &path, &bound.uid)?)
        })?;
    if !alive {
        return Ok(None);
    }
    let good_for = audiences.iter().filter(|a| claims.audiences.contains(a));
    Ok(Some((claims.identity(), good_for.cloned().collect())))
}

/// Whether an object that a token depends on is still there.
fn lives(api: &Api, plural: &str, path: &str, uid: &str) -> Result<bool> {
    let Some(object) = api.cache.kind("", plural).get(path) else {
        return Ok(false);
    };
    let object: Value = object.value()?;
    Ok(meta::uid(&object) == uid)
}

fn bearer(parts: &Parts) -> Option<&str> {
    let header = parts.headers.get(AUTHORIZATION)?.to_str().ok()?;
    let mut words = header.trim().splitn(3, ' ');
    let scheme = words.next()?;
    words
        .next()
        .filter(|token| scheme.eq_ignore_ascii_case("bearer") && !token.is_empty())
}

fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differ, (x, y)| differ | (x ^ y)) == 0
}
