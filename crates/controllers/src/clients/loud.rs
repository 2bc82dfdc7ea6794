//! A client that tells when it is refused for want of a right.

use std::sync::PoisonError;
use std::task::{Context, Poll};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::header::USER_AGENT;
use http::{HeaderValue, Request, Response, StatusCode};
use kube::Client;
use kube::client::Body;
use serde_json::Value;
use tower::{BoxError, Service};

use super::{REMEMBERED_MAX, Refusals};

/// The name before the `/` is who `managedFields` says wrote, as with Kubernetes' own controllers.
const AGENT: HeaderValue = HeaderValue::from_static(concat!(
    "kube-controller-manager/",
    env!("CARGO_PKG_VERSION"),
    " cedge"
));

pub(super) struct Loud {
    inner: Client,
    user: String,
    refusals: Refusals,
}

// === impl Loud ===

impl Loud {
    pub(super) fn new(inner: Client, user: &str, refusals: Refusals) -> Self {
        Self {
            inner,
            user: user.to_owned(),
            refusals,
        }
    }
}

impl Service<Request<Body>> for Loud {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<Body>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        request.headers_mut().insert(USER_AGENT, AGENT);
        let (client, user, refusals) =
            (self.inner.clone(), self.user.clone(), self.refusals.clone());
        async move {
            let answer = client.send(request).await?;
            if answer.status() != StatusCode::FORBIDDEN {
                return Ok(answer);
            }
            let (parts, body) = answer.into_parts();
            let bytes = body.collect_bytes().await?;
            if let Some(message) = missing_right(&bytes, &user) {
                tracing::error!(user, message, "a controller lacks a right");
                let mut known = refusals.lock().unwrap_or_else(PoisonError::into_inner);
                if known.len() < REMEMBERED_MAX {
                    known.push(message);
                }
            }
            Ok(Response::from_parts(parts, Body::from(bytes)))
        }
        .boxed()
    }
}

/// What the API says of a right that the user does not have; quotas, policies and namespaces in deletion refuse, too, and
/// that is no matter of rights.
fn missing_right(body: &[u8], user: &str) -> Option<String> {
    let status: Value = serde_json::from_slice(body).ok()?;
    let message = status["message"].as_str()?;
    let lacks = message.contains(&format!("User {user:?} cannot "))
        || message.contains("cannot set blockOwnerDeletion")
        || message.contains("user not permitted to");
    lacks.then(|| message.to_owned())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use serde_json::json;

    use crate::{Clients, Controller};
    use kube::Client;

    use super::*;

    const LACKS: &str = r#"pods is forbidden: User "system:serviceaccount:kube-system:pod-garbage-collector" cannot list resource "pods" in API group "" at the cluster scope"#;

    #[tokio::test]
    async fn only_a_refusal_for_want_of_a_right_is_remembered_and_each_reaches_who_asked() {
        for (message, remembered) in [(LACKS, 1), ("exceeded quota: small", 0)] {
            let clients = Clients::new(move |_| {
                let refuse = tower::service_fn(move |request: Request<Body>| async move {
                    assert_eq!(request.headers()[USER_AGENT], AGENT);
                    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure",
                        "reason": "Forbidden", "code": 403, "message": message});
                    let mut answer = Response::new(Body::from(status.to_string().into_bytes()));
                    *answer.status_mut() = StatusCode::FORBIDDEN;
                    Ok::<_, Infallible>(answer)
                });
                Client::new(refuse, "default")
            });
            let client = clients.of(Controller::PodGc);
            let request = Request::get("/api/v1/pods").body(Vec::new()).unwrap();
            let refused = client.request_text(request).await.unwrap_err();
            assert!(refused.to_string().contains(message), "{refused}");
            assert_eq!(clients.refusals(), vec![message; remembered]);
        }
    }
}
