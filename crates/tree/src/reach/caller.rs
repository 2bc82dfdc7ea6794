//! Who calls, and whether he may: asked of this cluster's own API.

use cedge_pki::Identity;
use cedge_serving::Connection;
use http::{Method, Request, StatusCode, header};
use hyper::body::Incoming;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::Api;
use kube::api::PostParams;

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
    let Some(token) = bearer.and_then(|b| b.strip_prefix("Bearer ")) else {
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
    let answer = api.create(&PostParams::default(), &review).await;
    let status = answer.ok().and_then(|r| r.status).unwrap_or_default();
    if status.authenticated != Some(true) {
        return Err(denied("the bearer token is not valid here"));
    }
    let user = status.user.unwrap_or_default();
    Ok(Identity::authenticated(
        user.username.unwrap_or_default(),
        user.groups.unwrap_or_default(),
    ))
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
    ask(
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
    ask(
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

async fn ask(hub: &Hub, caller: &Caller, what: ResourceAttributes) -> Result<(), Box<Answer>> {
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
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(user),
            groups: Some(groups),
            resource_attributes: Some(what),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let api: Api<SubjectAccessReview> = Api::all(hub.parts.client.clone());
    match api.create(&PostParams::default(), &review).await {
        Ok(answer) if answer.status.as_ref().is_some_and(|s| s.allowed) => Ok(()),
        Ok(_) => Err(Box::new(refusal(StatusCode::FORBIDDEN, "Forbidden", &text))),
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
