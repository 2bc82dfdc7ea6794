//! WebSockets, which pages in browsers open: a token among their protocols, and watches whose events are messages.

mod token;
mod watched;

pub(crate) use token::{token, without_token};
pub(crate) use watched::carry;

use http::HeaderMap;
use http::header::{CONNECTION, UPGRADE};

/// Whether a request asks for a WebSocket.
pub(crate) fn is_wanted(headers: &HeaderMap) -> bool {
    let websocket = headers.get(UPGRADE);
    websocket.is_some_and(|u| u.as_bytes().eq_ignore_ascii_case(b"websocket"))
        && wants_upgrade(headers)
}

/// Whether a request asks for any other protocol.
pub(crate) fn wants_upgrade(headers: &HeaderMap) -> bool {
    let connection = headers.get_all(CONNECTION).iter();
    let mut texts = connection.filter_map(|v| v.to_str().ok());
    texts.any(|text| text.to_ascii_lowercase().contains("upgrade"))
}
