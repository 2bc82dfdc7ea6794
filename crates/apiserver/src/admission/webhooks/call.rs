//! One question to a webhook: AdmissionReview there and back.

use bytes::Bytes;
use cedge_kinds::read::Read;
use cedge_policy::Asked;
use futures::future::BoxFuture;
use http::Request;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT};
use serde_json::{Value, json};

use super::{Deed, Webhook};
use crate::api::Api;
use crate::outbound::{Peer, whole};
use crate::status::{Error, Result};
use crate::verbs::create::new_uid;

/// Largest answer: a patch of the largest object, with some air.
const ANSWER_MAX: usize = 8 << 20;

/// Why a webhook gave no answer that counts.
#[derive(Debug)]
pub(super) enum Failure {
    /// It could not be asked, or what it said is no answer: the failure policy decides.
    Calling(String),
    /// It refused, or must not be asked like this.
    Refused(Error),
}

/// What a webhook said.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// The patch, decoded; null if there is none.
    pub(super) patch: Value,
    pub(super) annotations: Vec<(String, String)>,
    pub(super) warnings: Vec<String>,
    /// The refusal, if it is one.
    pub(super) refusal: Option<Error>,
}

// === impl Webhook ===

impl Webhook {
    /// The words for a webhook that could not be asked.
    pub(super) fn failed(&self, why: &str) -> Error {
        Error::internal(format!("failed calling webhook {:?}: {why}", self.name))
    }

    /// Asks it.
    pub(super) async fn ask(
        &self,
        deed: &Deed<'_>,
        asked: &Asked,
        object: Option<&Value>,
        old: Option<&Value>,
        mutating: bool,
    ) -> std::result::Result<Answer, Failure> {
        if deed.request.dry_run && !self.dry_run {
            return Err(Failure::Refused(Error::BadRequest(format!(
                "admission webhook {:?} does not support dry run",
                self.name
            ))));
        }
        let version = self.version.ok_or_else(|| {
            Failure::Calling(
                "could not create admission objects: webhook does not accept known AdmissionReview versions (v1, \
                 v1beta1)"
                    .into(),
            )
        })?;
        let client = self
            .client
            .as_ref()
            .map_err(|e| Failure::Calling(format!("could not get REST client: {e}")))?;
        let uid = new_uid();
        let mut request = deed.request.value(&asked.kind, &asked.resource);
        request["uid"] = json!(uid);
        request["object"] = object.cloned().unwrap_or_default();
        request["oldObject"] = old.cloned().unwrap_or_default();
        let review = json!({
            "kind": "AdmissionReview", "apiVersion": format!("admission.k8s.io/{version}"), "request": request,
        });
        let path = format!("{}?timeout={}s", client.path, self.timeout.as_secs());
        let answer = post(deed.api, &client.peer, &path, &review, self.timeout).await;
        let review =
            answer.map_err(|why| Failure::Calling(format!("failed to call webhook: {why}")))?;
        self.read(&review, &uid, version == "v1", mutating)
            .map_err(|why| Failure::Calling(format!("received invalid webhook response: {why}")))
    }

    /// Reads what it said.
    fn read(
        &self,
        review: &Value,
        uid: &str,
        strict: bool,
        mutating: bool,
    ) -> std::result::Result<Answer, String> {
        let response = review.field("response");
        if !response.is_object() {
            return Err("webhook response was absent".into());
        }
        if strict {
            let given = response.text("uid");
            if given != uid {
                return Err(format!("expected response.uid={uid:?}, got {given:?}"));
            }
            let (version, kind) = (review.text("apiVersion"), review.text("kind"));
            if (version, kind) != ("admission.k8s.io/v1", "AdmissionReview") {
                return Err(format!(
                    "expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got {}, Kind={kind}",
                    if version.contains('/') {
                        version.to_owned()
                    } else {
                        format!("/{version}")
                    },
                ));
            }
        }
        let patch = patch(response, strict, mutating)?;
        let texts = |list: &[Value]| -> Vec<String> {
            let texts = list.iter().filter_map(Value::as_str);
            texts.map(ToOwned::to_owned).collect()
        };
        let annotations = response.entries("auditAnnotations").map(|(key, value)| {
            let key = format!("{}/{key}", self.name);
            (key, value.as_str().unwrap_or_default().to_owned())
        });
        Ok(Answer {
            patch,
            annotations: annotations.collect(),
            warnings: texts(response.items("warnings")),
            refusal: (!response.flag("allowed"))
                .then(|| denied(&self.name, response.field("status"))),
        })
    }
}

/// The patch in an answer, decoded.
fn patch(response: &Value, strict: bool, mutating: bool) -> std::result::Result<Value, String> {
    use base64::Engine as _;
    let (text, kind) = (response.text("patch"), response.get("patchType"));
    let kind = kind.filter(|k| !k.is_null());
    if !mutating {
        return match (strict && !text.is_empty(), strict && kind.is_some()) {
            (true, _) => Err("validating webhook may not return response.patch".into()),
            (_, true) => Err("validating webhook may not return response.patchType".into()),
            _ => Ok(Value::Null),
        };
    }
    match (text.is_empty(), kind) {
        (true, None) => return Ok(Value::Null),
        (true, Some(_)) if !strict => return Ok(Value::Null),
        (false, None) if strict => {
            return Err("webhook returned response.patch but not response.patchType".into());
        }
        (true, Some(_)) => {
            return Err("webhook returned response.patchType but not response.patch".into());
        }
        (false, Some(kind)) if strict && kind == "" => {
            return Err("webhook returned invalid response.patchType of \"\"".into());
        }
        (false, Some(kind)) if strict && kind != "JSONPatch" => {
            return Err(format!("unsupported patch type {kind}"));
        }
        (false, _) => {}
    }
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(text)
        .map_err(|e| format!("illegal base64 data: {e}"))?;
    serde_json::from_slice(&bytes)
        .map_err(|e| format!("received undecodable patch in webhook response: {e}"))
}

/// A refusal in the words of the webhook.
fn denied(name: &str, status: &Value) -> Error {
    let head = format!("admission webhook {name:?} denied the request");
    let mut status = if status.is_object() {
        status.clone()
    } else {
        json!({})
    };
    let message = match (status.text("message"), status.text("reason")) {
        ("", "") => format!("{head} without explanation"),
        ("", reason) => format!("{head}: {reason}"),
        (message, _) => format!("{head}: {message}"),
    };
    let code = status.int("code").filter(|c| (400..600).contains(c));
    status["code"] = json!(code.unwrap_or(400));
    status["message"] = json!(message);
    status["status"] = json!("Failure");
    status["kind"] = json!("Status");
    status["apiVersion"] = json!("v1");
    if !status["metadata"].is_object() {
        status["metadata"] = json!({});
    }
    Error::Given(Box::new(status))
}

/// Sends an object to a webhook and reads the object that it answers with.
///
/// # Errors
/// In words, as they stand behind `failed to call webhook: `.
pub(crate) fn post<'a>(
    api: &'a Api,
    peer: &'a Peer,
    path: &'a str,
    body: &'a Value,
    limit: std::time::Duration,
) -> BoxFuture<'a, std::result::Result<Value, String>> {
    Box::pin(exchange(api, peer, path, body, limit))
}

async fn exchange(
    api: &Api,
    peer: &Peer,
    path: &str,
    body: &Value,
    limit: std::time::Duration,
) -> std::result::Result<Value, String> {
    let authority = peer.authority();
    let url = format!("https://{authority}{path}");
    let bytes = serde_json::to_vec(body).map_err(|e| e.to_string())?;
    let request = Request::post(path)
        .header(HOST, &authority)
        .header(ACCEPT, "application/json, */*")
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, "kube-apiserver-admission")
        .body(Bytes::from(bytes))
        .map_err(|e| e.to_string())?;
    let work = async {
        let _turn = api.turns.acquire().await.map_err(|e| e.to_string())?;
        let answer = api.outbound.send(api, peer, request, true).await;
        let answer = answer.map_err(|e| format!("Post {url:?}: {e}"))?;
        let code = answer.status();
        let body = whole(answer.into_body(), ANSWER_MAX).await?;
        Ok::<_, String>((code, body))
    };
    let late = |_| format!("Post {url:?}: context deadline exceeded");
    let (code, body) = tokio::time::timeout(limit, work).await.map_err(late)??;
    if !code.is_success() {
        return Err(unexpected(code, &body));
    }
    serde_json::from_slice(&body)
        .map_err(|e| format!("couldn't get version/kind; json parse error: {e}"))
}

/// What a status says that is no success.
fn unexpected(code: http::StatusCode, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(2048)]);
    if let Ok(status) = serde_json::from_slice::<Value>(body)
        && status.text("kind") == "Status"
    {
        return status.text("message").to_owned();
    }
    match code.as_u16() {
        404 => "the server could not find the requested resource".into(),
        500..=599 => format!(
            "an error on the server ({:?}) has prevented the request from succeeding",
            text.trim()
        ),
        code => format!(
            "the server responded with the status code {code} but did not return more information"
        ),
    }
}

/// Adds what a webhook says to the answer, and stops where it refuses.
pub(super) fn heed(deed: &Deed<'_>, answer: &mut Answer) -> Result<()> {
    for warning in answer.warnings.drain(..) {
        deed.call.warn(warning);
    }
    for (key, value) in answer.annotations.drain(..) {
        deed.call.annotate(key, value);
    }
    answer.refusal.take().map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_keeps_what_the_webhook_says() {
        let error = denied(
            "a.b.c",
            &json!({"message": "no", "code": 403, "reason": "Forbidden"}),
        );
        assert_eq!(
            error.to_string(),
            "admission webhook \"a.b.c\" denied the request: no"
        );
        assert_eq!(error.code(), 403);
        let bare = denied("a.b.c", &Value::Null);
        assert_eq!(bare.code(), 400);
        assert!(
            bare.to_string()
                .ends_with("denied the request without explanation")
        );
    }

    #[test]
    fn a_patch_must_say_what_it_is() {
        let answer = |value: Value| patch(&value, true, true);
        assert_eq!(answer(json!({})), Ok(Value::Null));
        assert_eq!(
            answer(json!({"patch": "W10=", "patchType": "JSONPatch"})),
            Ok(json!([]))
        );
        assert!(answer(json!({"patch": "W10="})).is_err());
        assert!(answer(json!({"patchType": "JSONPatch"})).is_err());
        assert!(
            patch(
                &json!({"patch": "W10=", "patchType": "JSONPatch"}),
                true,
                false
            )
            .is_err()
        );
    }
}
