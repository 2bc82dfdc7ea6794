//! A page cannot set the header `Authorization` of a WebSocket, so its token stands among the protocols that it offers.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::SEC_WEBSOCKET_PROTOCOL;
use http::{HeaderMap, HeaderValue};

use crate::status::{Error, Result};

/// Before the token, in base64.
const BEARER: &str = "base64url.bearer.authorization.k8s.io.";

/// The token that a WebSocket offers.
///
/// # Errors
/// There are several, it is no text, or there is no other protocol to agree to.
pub(crate) fn token(headers: &HeaderMap) -> Result<Option<String>> {
    let (tokens, others): (Vec<&str>, Vec<&str>) =
        offered(headers).partition(|word| word.starts_with(BEARER));
    let token = match tokens.as_slice() {
        [] => return Ok(None),
        [token] => &token[BEARER.len()..],
        _ => return Err(Error::Unauthorized),
    };
    let decoded = URL_SAFE_NO_PAD.decode(token).ok();
    let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    let text = text.ok_or(Error::Unauthorized)?;
    match text.as_str() {
        "" => Ok(None),
        _ if others.is_empty() => Err(Error::Unauthorized),
        _ => Ok(Some(text)),
    }
}

/// Takes the token out, before anybody else sees it.
pub(crate) fn without_token(headers: &mut HeaderMap) {
    if !offered(headers).any(|word| word.starts_with(BEARER)) {
        return;
    }
    let kept: Vec<&str> = offered(headers)
        .filter(|w| !w.starts_with(BEARER))
        .collect();
    let kept = HeaderValue::from_str(&kept.join(", "));
    match kept {
        Ok(kept) if !kept.is_empty() => _ = headers.insert(SEC_WEBSOCKET_PROTOCOL, kept),
        _ => _ = headers.remove(SEC_WEBSOCKET_PROTOCOL),
    }
}

/// The protocols that a request offers.
pub(super) fn offered(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let texts = headers.get_all(SEC_WEBSOCKET_PROTOCOL).into_iter();
    texts
        .filter_map(|v| v.to_str().ok())
        .flat_map(|text| text.split(','))
        .map(str::trim)
        .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_stands_among_the_protocols_and_is_taken_out() {
        let of = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(text));
            headers
        };
        let mut headers = of("a, base64url.bearer.authorization.k8s.io.c2VjcmV0, b");
        assert_eq!(token(&headers).unwrap().as_deref(), Some("secret"));
        without_token(&mut headers);
        assert_eq!(headers[SEC_WEBSOCKET_PROTOCOL], "a, b");
        assert_eq!(token(&headers).unwrap(), None);
        for wrong in [
            "base64url.bearer.authorization.k8s.io.c2VjcmV0",
            "a, base64url.bearer.authorization.k8s.io.!",
            "a, base64url.bearer.authorization.k8s.io.eA, base64url.bearer.authorization.k8s.io.eA",
        ] {
            assert!(token(&of(wrong)).is_err(), "{wrong}");
        }
        let mut alone = of("base64url.bearer.authorization.k8s.io.eA");
        without_token(&mut alone);
        assert!(alone.is_empty());
    }
}
