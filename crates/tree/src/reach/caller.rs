//! Who calls, and whether he may: asked of this cluster's own API.

use cedge_pki::Identity;
use cedge_serving::Connection;
use http::{Method, Request, StatusCode, header};
use hyper::body::Incoming;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};

use super::refusal::refusal;
use super::{Answer, PARENT_GROUP};
use crate::hub::Hub;

/// Who calls.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    /// Somebody who has rights in this cluster.
    Local(Identity),
    /// Somebody above, through the parent of this name.
    Parent(String),
}

impl Caller {
    fn user(&self) -> (String, Vec<String>) {
        match self {
            Self::Local(identity) => (identity.user.clone(), identity.groups.clone()),
            Self::Parent(name) => {
                let groups = [PARENT_GROUP, "system:authenticated"].map(str::to_owned);
                (format!("{PARENT_GROUP}:{name}"), groups.to_vec())
            }
        }
    }
}

/// From the client certificate, else from a bearer token.
pub(super) async fn identify(
    hub: &Hub,
    request: &Request<Incoming>,
) -> Result<Identity, Box<Answer>> {
    let connection = request.extensions().get::<Connection>();
    if let Some(identity) = connection.and_then(Connection::identity) {
        return Ok(identity);
    }
    let denied =
        |message: &str| Box::new(refusal(StatusCode::UNAUTHORIZED, "Unauthorized", message));
    let bearer = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|v| v.to_str().ok());
    let Some(token) = bearer.and_then(token_of) else {
        return Err(denied("a client certificate or a bearer token is needed"));
    };
    let review = TokenReview {
        spec: TokenReviewSpec {
            token: token.to_owned(),
            audiences: None,
        },
        ..TokenReview::default()
    };
    let api: Api<TokenReview> = Api::all(hub.parts.client.clone());
    let status = match api.create(&PostParams::default(), &review).await {
        Ok(answer) => answer.status.unwrap_or_default(),
        // Whoever hears 401 throws a good token away.
        Err(error) => {
            let message = format!("could not ask the API whose bearer token this is: {error}");
            let code = StatusCode::SERVICE_UNAVAILABLE;
            return Err(Box::new(refusal(code, "ServiceUnavailable", &message)));
        }
    };
    if status.authenticated != Some(true) {
        return Err(denied("the bearer token is not valid here"));
    }
    let user = status.user.unwrap_or_default();
    Ok(Identity::authenticated(
        user.username.unwrap_or_default(),
        user.groups.unwrap_or_default(),
    ))
}

/// The token of an `Authorization` header; the word before it may be written in any case.
fn token_of(header: &str) -> Option<&str> {
    let (scheme, token) = header.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Whether the caller may use the API of child `name`.
pub(super) async fn authorize(
    hub: &Hub,
    caller: &Caller,
    method: &Method,
    name: &str,
) -> Result<(), Box<Answer>> {
    let verb = match *method {
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "get",
    };
    let subresource = Some("proxy".to_owned());
    let name = Some(name.to_owned());
    ask_here(
        hub,
        caller,
        ResourceAttributes {
            subresource,
            name,
            verb: Some(verb.to_owned()),
            ..resource()
        },
    )
    .await
}

/// Whether the caller may see the tree.
pub(super) async fn authorize_list(hub: &Hub, caller: &Caller) -> Result<(), Box<Answer>> {
    ask_here(
        hub,
        caller,
        ResourceAttributes {
            verb: Some("list".to_owned()),
            ..resource()
        },
    )
    .await
}

fn resource() -> ResourceAttributes {
    ResourceAttributes {
        group: Some(cedge_api::GROUP.to_owned()),
        version: Some(cedge_api::VERSION.to_owned()),
        resource: Some("edgeclusters".to_owned()),
        ..ResourceAttributes::default()
    }
}

async fn ask_here(hub: &Hub, caller: &Caller, what: ResourceAttributes) -> Result<(), Box<Answer>> {
    let (user, groups) = caller.user();
    let text = format!(
        "User {user:?} cannot {} resource \"edgeclusters{}\" in API group {:?} at {}",
        what.verb.as_deref().unwrap_or_default(),
        if what.subresource.is_some() {
            "/proxy"
        } else {
            ""
        },
        cedge_api::GROUP,
        hub.parts.name,
    );
    let identity = Identity {
        user,
        groups,
        ..Identity::default()
    };
    ask(&hub.parts.client, &identity, what, &text).await
}

/// Asks the cluster's API whether somebody may do something; `text` says that he may not.
pub(crate) async fn ask(
    client: &Client,
    identity: &Identity,
    what: ResourceAttributes,
    text: &str,
) -> Result<(), Box<Answer>> {
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(identity.user.clone()),
            groups: Some(identity.groups.clone()),
            resource_attributes: Some(what),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let api: Api<SubjectAccessReview> = Api::all(client.clone());
    match api.create(&PostParams::default(), &review).await {
        Ok(answer) if answer.status.as_ref().is_some_and(|s| s.allowed) => Ok(()),
        Ok(_) => Err(Box::new(refusal(StatusCode::FORBIDDEN, "Forbidden", text))),
        Err(error) => {
            let message = format!("could not ask the API whether this is allowed: {error}");
            Err(Box::new(refusal(
                StatusCode::SERVICE_UNAVAILABLE,
                "ServiceUnavailable",
                &message,
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::token_of;

    #[test]
    fn a_bearer_token_is_found_however_the_scheme_is_written() {
        for header in ["Bearer abc", "bearer abc", "BEARER  abc "] {
            assert_eq!(token_of(header), Some("abc"), "{header}");
        }
        for header in ["Basic abc", "Bearer", "Bearer ", "abc"] {
            assert_eq!(token_of(header), None, "{header}");
        }
    }
}
