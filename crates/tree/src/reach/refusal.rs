//! Answers of the hub itself, as Kubernetes writes them.

use bytes::Bytes;
use http::{Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use serde_json::json;

use super::Answer;

/// A `Status`.
pub(crate) fn refusal(code: StatusCode, reason: &str, message: &str) -> Answer {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code.as_u16(),
    });
    json(code, serde_json::to_vec(&status).unwrap_or_default())
}

/// A JSON document.
pub(super) fn json(code: StatusCode, body: Vec<u8>) -> Answer {
    let body = Full::new(Bytes::from(body))
        .map_err(|never| match never {})
        .boxed();
    let mut answer = Response::new(body);
    *answer.status_mut() = code;
    let kind = header::HeaderValue::from_static("application/json");
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    answer
}
