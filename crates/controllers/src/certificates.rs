//! Certificate requests: those of nodes are approved, approved ones are signed, old ones are cleared away.

mod rules;

use std::sync::Arc;
use std::time::Duration;

use cedge_informer::{Cache, Key, Next, Object, Queue};
use cedge_pki::{Authority, CertificateRequest, Validity, request};
use cedge_tasks::clock;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use k8s_openapi::api::certificates::v1::{
    CertificateSigningRequest, CertificateSigningRequestCondition, CertificateSigningRequestStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Api;
use serde_json::{Value, json};

use crate::context::{Context, feed};
use crate::error::{Answer as _, Error};
use crate::update;

/// What a request may ask for at most, and gets if it asks for nothing; as in Kubernetes.
const LIFETIME: SignedDuration = SignedDuration::from_hours(365 * 24);
/// What it gets at least.
const LIFETIME_MIN: SignedDuration = SignedDuration::from_mins(10);
/// Answered requests are kept this long, others a day.
const KEPT: SignedDuration = SignedDuration::from_hours(1);
const KEPT_OPEN: SignedDuration = SignedDuration::from_hours(24);

fn requests(ctx: &Context, name: &'static str) -> (Cache, Queue<Key>) {
    let requests = ctx.informers.of::<CertificateSigningRequest>();
    let queue: Queue<Key> = Queue::new(name);
    feed(&requests, &queue);
    (requests, queue)
}

/// Approves what nodes may ask for themselves.
pub(crate) fn start_approving(ctx: &Context) {
    let (cache, queue) = requests(ctx, "csr-approving");
    let this = ctx.clone();
    ctx.work(&queue, &[&cache.clone()], 1, move |key| {
        let (this, cache) = (this.clone(), cache.clone());
        async move {
            if let Some(object) = cache.get_key(&key) {
                Box::pin(approve(&this, &object)).await?;
            }
            Ok(Next::OnChange)
        }
    });
}

/// Signs what is approved, with the authority of the cluster; does nothing without one.
pub(crate) fn start_signing(ctx: &Context) {
    let Some(authority) = ctx.config.authority.clone() else {
        return;
    };
    let (cache, queue) = requests(ctx, "csr-signing");
    let this = ctx.clone();
    ctx.work(&queue, &[&cache.clone()], 1, move |key| {
        let (this, cache, authority) = (this.clone(), cache.clone(), authority.clone());
        async move {
            if let Some(object) = cache.get_key(&key) {
                Box::pin(sign(&this, &authority, &object)).await?;
            }
            Ok(Next::OnChange)
        }
    });
}

/// Deletes what is old.
pub(crate) fn start_cleaner(ctx: &Context) {
    let (cache, queue) = requests(ctx, "csr-cleaner");
    let this = ctx.clone();
    ctx.work(&queue, &[&cache.clone()], 1, move |key| {
        let (this, cache) = (this.clone(), cache.clone());
        async move { clean(&this, &cache, &key).await }
    });
}

fn has(request: &CertificateSigningRequest, kind: &str) -> bool {
    let conditions = request.status.as_ref().and_then(|s| s.conditions.as_ref());
    conditions.into_iter().flatten().any(|c| c.type_ == kind)
}

fn is_issued(request: &CertificateSigningRequest) -> bool {
    let status = request.status.as_ref();
    status.is_some_and(|s| s.certificate.as_ref().is_some_and(|c| !c.0.is_empty()))
}

async fn approve(ctx: &Context, object: &Object) -> Result<(), Error> {
    let request: CertificateSigningRequest = object.decode()?;
    if is_issued(&request) || has(&request, "Approved") || has(&request, "Denied") {
        return Ok(());
    }
    let Ok(asked) = CertificateRequest::from_pem(&request.spec.request.0) else {
        return Ok(());
    };
    for (right, message) in rules::recognized(&request.spec, &asked) {
        if !is_allowed(ctx, &request, right).await? {
            continue;
        }
        let mut conditions = request
            .status
            .clone()
            .unwrap_or_default()
            .conditions
            .unwrap_or_default();
        conditions.push(condition("Approved", "AutoApproved", message.to_owned()));
        let change = json!({"status": {"conditions": conditions}});
        let api: Api<CertificateSigningRequest> = Api::all(ctx.client.clone());
        let whole = update::changed(object, &change)?;
        update::put(&api, Some("approval"), whole).await?;
        return Ok(());
    }
    Ok(())
}

async fn is_allowed(
    ctx: &Context,
    request: &CertificateSigningRequest,
    right: &str,
) -> Result<bool, Error> {
    let spec = &request.spec;
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {
            "user": spec.username, "uid": spec.uid, "groups": spec.groups, "extra": spec.extra,
            "resourceAttributes": {
                "group": "certificates.k8s.io", "resource": "certificatesigningrequests", "verb": "create",
                "subresource": right, "version": "*",
            },
        },
    });
    let ask = http::Request::post("/apis/authorization.k8s.io/v1/subjectaccessreviews")
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(review.to_string().into_bytes())
        .map_err(kube::Error::HttpError)?;
    let answer: Value = ctx.client.request(ask).await?;
    Ok(answer["status"]["allowed"] == true)
}

fn condition(kind: &str, reason: &str, message: String) -> CertificateSigningRequestCondition {
    CertificateSigningRequestCondition {
        type_: kind.to_owned(),
        status: "True".to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message),
        last_update_time: Some(Time(clock::now())),
        ..CertificateSigningRequestCondition::default()
    }
}

async fn sign(ctx: &Context, authority: &Arc<Authority>, object: &Object) -> Result<(), Error> {
    let request: CertificateSigningRequest = object.decode()?;
    if is_issued(&request) || !has(&request, "Approved") || has(&request, "Failed") {
        return Ok(());
    }
    let spec = &request.spec;
    let usages = spec.usages.clone().unwrap_or_default();
    let asked = CertificateRequest::from_pem(&spec.request.0);
    let asked = asked.map_err(|e| Error::Wait(format!("unable to parse csr: {e}")))?;
    let Some(judged) = rules::judge(&spec.signer_name, &asked, &usages) else {
        return Ok(());
    };
    let validity = Validity::lasting(clock::now(), lifetime(spec.expiration_seconds));
    let signed = judged.and_then(|()| {
        let signed = authority.sign_request(&asked, &usages, validity);
        signed.map_err(|e| e.to_string())
    });
    let old = request.status.clone().unwrap_or_default();
    let mut new = CertificateSigningRequestStatus { ..old.clone() };
    match signed {
        Ok(pem) => new.certificate = Some(ByteString(pem.into_bytes())),
        Err(why) => {
            let failed = condition("Failed", "SignerValidationFailure", why);
            new.conditions.get_or_insert_default().push(failed);
        }
    }
    let api: Api<CertificateSigningRequest> = Api::all(ctx.client.clone());
    update::status(&api, object, &old, &new).await?;
    Ok(())
}

fn lifetime(seconds: Option<i32>) -> SignedDuration {
    seconds.map_or(LIFETIME, |s| {
        SignedDuration::from_secs(i64::from(s)).clamp(LIFETIME_MIN, LIFETIME)
    })
}

async fn clean(ctx: &Context, cache: &Cache, key: &Key) -> Result<Next, Error> {
    let Some(object) = cache.get_key(key) else {
        return Ok(Next::OnChange);
    };
    let request: CertificateSigningRequest = object.decode()?;
    let Some(end) = end(&request) else {
        return Ok(Next::OnChange);
    };
    let left = Duration::try_from(end.duration_since(clock::now())).unwrap_or_default();
    if !left.is_zero() {
        return Ok(Next::After(left));
    }
    let api: Api<CertificateSigningRequest> = Api::all(ctx.client.clone());
    match api.delete(object.name(), &Default::default()).await {
        Err(e) if !e.is_not_found() => Err(e.into()),
        _ => Ok(Next::OnChange),
    }
}

/// When a request goes.
fn end(request: &CertificateSigningRequest) -> Option<Timestamp> {
    let status = request.status.clone().unwrap_or_default();
    let conditions = status.conditions.unwrap_or_default();
    let after = |at: Option<&Time>, span| at.and_then(|t| t.0.checked_add(span).ok());
    if conditions.is_empty() {
        return after(request.metadata.creation_timestamp.as_ref(), KEPT_OPEN);
    }
    let issued = is_issued(request);
    let answered = conditions.iter().filter_map(|c| {
        let kept = match c.type_.as_str() {
            "Denied" | "Failed" => KEPT,
            "Approved" if issued => KEPT,
            "Approved" => KEPT_OPEN,
            _ => return None,
        };
        after(c.last_update_time.as_ref(), kept)
    });
    let expired = status.certificate.and_then(|c| request::expiry(&c.0));
    answered.chain(expired).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answered_requests_go_after_an_hour_and_others_after_a_day() {
        let at = |s: i64| Timestamp::from_second(s).unwrap();
        let made = |status: Value| -> CertificateSigningRequest {
            serde_json::from_value(json!({"metadata": {"creationTimestamp": at(0)},
                "spec": {"request": "", "signerName": "a/b"}, "status": status}))
            .unwrap()
        };
        let told = |kind: &str| json!({"conditions": [{"type": kind, "status": "True", "lastUpdateTime": at(100)}]});
        assert_eq!(end(&made(json!({}))), Some(at(86_400)));
        assert_eq!(end(&made(told("Denied"))), Some(at(3_700)));
        assert_eq!(end(&made(told("Approved"))), Some(at(86_500)));
    }

    #[test]
    fn a_lifetime_is_at_most_a_year() {
        assert_eq!(lifetime(None), LIFETIME);
        assert_eq!(lifetime(Some(60)), LIFETIME_MIN);
        assert_eq!(lifetime(Some(7200)), SignedDuration::from_hours(2));
        assert_eq!(lifetime(Some(i32::MAX)), LIFETIME);
    }
}
