//! Headers on their way through.

use std::net::IpAddr;

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, HOST,
    HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderValue};

use crate::websocket::without_token;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// The words of a header that is a list, in small letters.
fn words<'a>(headers: &'a HeaderMap, name: &'a HeaderName) -> impl Iterator<Item = String> + 'a {
    let texts = headers.get_all(name).iter().filter_map(|v| v.to_str().ok());
    texts
        .flat_map(|text| text.split(','))
        .map(|word| word.trim().to_ascii_lowercase())
}

/// Whether a header speaks of one connection only.
fn is_hop(name: &HeaderName) -> bool {
    [
        CONNECTION,
        UPGRADE,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION,
    ]
    .contains(name)
        || ["keep-alive", "proxy-connection"].contains(&name.as_str())
}

/// Whether a header proves or claims who somebody is.
fn is_claim(name: &HeaderName) -> bool {
    let text = name.as_str();
    *name == AUTHORIZATION || text.starts_with("x-remote-") || text.starts_with("impersonate-")
}

/// The headers of a request that go on.
pub(super) fn onward(headers: &HeaderMap, upgrades: bool, remote: Option<IpAddr>) -> HeaderMap {
    let mut out = hopless(headers);
    for name in headers.keys().filter(|name| is_claim(name)) {
        out.remove(name);
    }
    out.remove(HOST);
    if words(headers, &TE).any(|word| word == "trailers") {
        out.insert(TE, HeaderValue::from_static("trailers"));
    }
    if upgrades {
        out.remove(CONTENT_LENGTH);
        for name in [CONNECTION, UPGRADE] {
            for value in headers.get_all(&name) {
                out.append(&name, value.clone());
            }
        }
    }
    without_token(&mut out);
    if let Some(remote) = remote {
        let before = headers.get_all(FORWARDED_FOR).iter();
        let mut chain: Vec<&str> = before.filter_map(|v| v.to_str().ok()).collect();
        let remote = remote.to_string();
        chain.push(&remote);
        if let Ok(chain) = HeaderValue::from_str(&chain.join(", ")) {
            out.insert(FORWARDED_FOR, chain);
        }
    }
    out
}

/// All headers but those of one connection.
pub(super) fn hopless(headers: &HeaderMap) -> HeaderMap {
    let named: Vec<String> = words(headers, &CONNECTION).collect();
    let mut out = HeaderMap::new();
    for (name, value) in headers {
        if !is_hop(name) && !named.iter().any(|n| n == name.as_str()) {
            out.append(name, value.clone());
        }
    }
    out
}

/// The headers of an answer that come back: the server behind has no say in who may read them here.
pub(super) fn back(headers: &HeaderMap) -> HeaderMap {
    let mut out = hopless(headers);
    for name in [
        ACCESS_CONTROL_ALLOW_CREDENTIALS,
        ACCESS_CONTROL_ALLOW_HEADERS,
        ACCESS_CONTROL_ALLOW_METHODS,
        ACCESS_CONTROL_ALLOW_ORIGIN,
    ] {
        out.remove(name);
    }
    never_kept(&mut out);
    out
}

/// No cache keeps what comes from here.
pub(super) fn never_kept(headers: &mut HeaderMap) {
    headers.append(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn credentials_and_hops_stay_here() {
        let asked = map(&[
            ("authorization", "Bearer x"),
            ("impersonate-user", "root"),
            ("x-remote-group", "system:masters"),
            ("connection", "keep-alive, X-Mine"),
            ("x-mine", "1"),
            ("te", "gzip, trailers"),
            ("transfer-encoding", "chunked"),
            ("cookie", "a=b"),
            ("x-forwarded-for", "1.2.3.4"),
        ]);
        let onward = onward(&asked, false, Some([127, 0, 0, 1].into()));
        let mut expected = map(&[("cookie", "a=b"), ("te", "trailers")]);
        expected.insert(FORWARDED_FOR, "1.2.3.4, 127.0.0.1".parse().unwrap());
        assert_eq!(onward, expected);
    }

    #[test]
    fn an_answer_says_nothing_of_other_origins() {
        let answer = map(&[
            ("access-control-allow-origin", "*"),
            ("connection", "x-hop"),
            ("x-hop", "1"),
            ("set-cookie", "a=b"),
            ("cache-control", "max-age=5"),
        ]);
        let expected = map(&[
            ("set-cookie", "a=b"),
            ("cache-control", "max-age=5"),
            ("cache-control", "no-cache, private"),
        ]);
        assert_eq!(back(&answer), expected);
    }
}
