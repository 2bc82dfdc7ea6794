//! Tokens by which a list goes on, as Kubernetes writes them: base64 of JSON.

use base64::DecodeError;
use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::general_purpose::{
    GeneralPurpose, GeneralPurposeConfig, NO_PAD, URL_SAFE_NO_PAD,
};
use serde_json::{Value, json};

use crate::status::{Error, Result};

/// As Go reads tokens: bits that are left over are nobody's business.
const LENIENT: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LENIENT_CONFIG);
const LENIENT_CONFIG: GeneralPurposeConfig = NO_PAD.with_decode_allow_trailing_bits(true);

/// Says where a list goes on: after a path, in the state of a revision or in whatever is present.
pub(super) fn encode(revision: Option<u64>, after: &str) -> String {
    let revision = revision.map_or(-1, |r| i64::try_from(r).unwrap_or(i64::MAX));
    let token = json!({"v": "meta.k8s.io/v1", "rv": revision, "start": format!("{after}\u{0}")});
    URL_SAFE_NO_PAD.encode(token.to_string())
}

/// The revision, if it names one, and the path.
pub(super) fn decode(token: &str) -> Result<(Option<u64>, String)> {
    let wrong = |why: &str| {
        Error::BadRequest(format!(
            "invalid continue token: continue key is not valid: {why}"
        ))
    };
    let bytes = LENIENT.decode(token).map_err(|e| {
        let at = match e {
            DecodeError::InvalidByte(at, _) => at,
            DecodeError::InvalidLength(length) => length.saturating_sub(1),
            DecodeError::InvalidLastSymbol(..) | DecodeError::InvalidPadding => {
                token.find('=').unwrap_or(token.len())
            }
        };
        wrong(&format!("illegal base64 data at input byte {at}"))
    })?;
    let token: Value = serde_json::from_slice(&bytes)
        .map_err(|e| wrong(&not_json(&bytes).unwrap_or_else(|| e.to_string())))?;
    let version = token["v"].as_str().unwrap_or_default();
    if version != "meta.k8s.io/v1" {
        return Err(wrong(&format!(
            "server does not recognize this encoded version {version}"
        )));
    }
    let start = token["start"].as_str().filter(|s| !s.is_empty());
    let revision = token["rv"].as_i64();
    if matches!(revision, Some(0) | None) {
        return Err(wrong(
            "incorrect encoded start resourceVersion (version meta.k8s.io/v1)",
        ));
    }
    let start = start.ok_or_else(|| wrong("encoded start key empty (version meta.k8s.io/v1)"))?;
    if start.split('/').any(|part| matches!(part, "." | "..")) {
        return Err(wrong(start));
    }
    match revision {
        Some(0) | None => Err(wrong("no revision")),
        Some(rv) => Ok((
            u64::try_from(rv).ok(),
            start.trim_end_matches('\0').to_owned(),
        )),
    }
}

/// What Go says of bytes that do not begin as JSON does.
fn not_json(bytes: &[u8]) -> Option<String> {
    let first = *bytes.iter().find(|b| !b.is_ascii_whitespace())?;
    let begins = matches!(
        first,
        b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n'
    );
    let sign = match first {
        0x7f => "\\x7f".to_owned(),
        b' '..=b'~' => char::from(first).to_string(),
        0xa1..=0xff if first != 0xad => char::from(first).to_string(),
        0..0x80 => format!("\\x{first:02x}"),
        _ => format!("\\u{first:04x}"),
    };
    (!begins).then(|| format!("invalid character '{sign}' looking for beginning of value"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_where_and_when() {
        let token = encode(Some(7), "ns/a");
        assert_eq!(decode(&token).unwrap(), (Some(7), "ns/a".into()));
        assert_eq!(decode(&encode(None, "a")).unwrap(), (None, "a".into()));
        assert!(decode("nonsense").is_err());
    }
}
