//! Questions about rights and identities.

use bytes::Bytes;
use cedge_pki::Identity;
use http::{Response, StatusCode};
use serde_json::{Value, json};

use crate::api::Api;
use crate::authn;
use crate::authz::Attributes;
use crate::call::Call;
use crate::meta;
use crate::respond::{self, Body};
use crate::status::{About, Error, Result};

pub(super) fn answer(api: &Api, call: &Call, body: &Bytes) -> Result<Response<Body>> {
    let options = call.write_options("CreateOptions")?;
    let mut review = call.object(body, &options)?;
    let status = match call.resource.plural.as_str() {
        "selfsubjectreviews" => json!({"userInfo": user_info(&call.identity)}),
        "tokenreviews" => token(api, &review)?,
        "selfsubjectaccessreviews" => access(api, &call.identity, &review["spec"]),
        "selfsubjectrulesreviews" => rules(api, call, &review)?,
        "subjectaccessreviews" | "localsubjectaccessreviews" => subject_access(api, call, &review)?,
        _ => return Err(Error::NoSuchPath),
    };
    meta::set(&mut review, "creationTimestamp", Value::Null);
    review["status"] = status;
    crate::managed::track_answered(call, &options, &mut review);
    Ok(respond::value(
        StatusCode::CREATED,
        call.accepted.encoding,
        &review,
    ))
}

fn user_info(identity: &Identity) -> Value {
    let mut info = json!({"username": identity.user});
    if let Some(uid) = identity.uid.as_deref().filter(|uid| !uid.is_empty()) {
        info["uid"] = json!(uid);
    }
    if !identity.groups.is_empty() {
        info["groups"] = json!(identity.groups);
    }
    if !identity.extra.is_empty() {
        info["extra"] = json!(identity.extra);
    }
    info
}

fn token(api: &Api, review: &Value) -> Result<Value> {
    let token = review["spec"]["token"].as_str().unwrap_or_default();
    if token.is_empty() {
        return Err(Error::invalid_field(
            About::new("authentication.k8s.io", "TokenReview", ""),
            "FieldValueRequired",
            "spec.token",
            "Required value: token is required for TokenReview in authentication".into(),
        ));
    }
    let audiences = texts(&review["spec"]["audiences"]);
    let asked = if audiences.is_empty() {
        vec![api.config.tokens.issuer().to_owned()]
    } else {
        audiences
    };
    Ok(match authn::of_token(api, token, &asked)? {
        None => json!({"user": {}, "error": "[invalid bearer token]"}),
        Some((identity, good_for)) => {
            json!({"authenticated": true, "user": user_info(&identity), "audiences": good_for})
        }
    })
}

fn subject_access(api: &Api, call: &Call, review: &Value) -> Result<Value> {
    let spec = &review["spec"];
    let invalid = |reason: &str, field: &str, message: &str| {
        let about = About::new("authorization.k8s.io", &call.resource.kind, "");
        Err(Error::invalid_field(about, reason, field, message.into()))
    };
    let user = spec["user"].as_str().unwrap_or_default();
    let groups = texts(&spec["groups"]);
    if user.is_empty() && groups.is_empty() {
        return invalid(
            "FieldValueRequired",
            "spec.user",
            "Required value: at least one of user or group must be specified",
        );
    }
    if spec["resourceAttributes"].is_object() == spec["nonResourceAttributes"].is_object() {
        return invalid(
            "FieldValueRequired",
            "spec.resourceAttributes",
            "Required value: exactly one of nonResourceAttributes or resourceAttributes must be specified",
        );
    }
    let namespace = spec["resourceAttributes"]["namespace"]
        .as_str()
        .unwrap_or_default();
    if call.resource.namespaced && namespace != call.request.namespace {
        return Err(Error::BadRequest(format!(
            "spec.resourceAttributes.namespace must match namespace: {}",
            call.request.namespace
        )));
    }
    let identity = Identity {
        user: user.to_owned(),
        groups,
        ..Identity::default()
    };
    Ok(access(api, &identity, spec))
}

fn access(api: &Api, identity: &Identity, spec: &Value) -> Value {
    let attributes = attributes(spec);
    let decision = crate::authz::decide(api, identity, &attributes, "");
    let mut status = json!({"allowed": decision.is_allowed()});
    if !decision.reason().is_empty() {
        status["reason"] = json!(decision.reason());
    }
    status
}

fn attributes(spec: &Value) -> Attributes {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let path = &spec["nonResourceAttributes"];
    if path.is_object() {
        return Attributes::path(
            path["verb"].as_str().unwrap_or_default(),
            path["path"].as_str().unwrap_or_default(),
        );
    }
    let resource = &spec["resourceAttributes"];
    Attributes {
        verb: text(&resource["verb"]),
        group: text(&resource["group"]),
        version: text(&resource["version"]),
        resource: text(&resource["resource"]),
        subresource: text(&resource["subresource"]),
        namespace: text(&resource["namespace"]),
        name: text(&resource["name"]),
        path: String::new(),
    }
}

fn rules(api: &Api, call: &Call, review: &Value) -> Result<Value> {
    let namespace = review["spec"]["namespace"].as_str().unwrap_or_default();
    if namespace.is_empty() {
        return Err(Error::BadRequest("no namespace on request".into()));
    }
    Ok(api.authorizer.rules(&call.identity, namespace))
}

fn texts(list: &Value) -> Vec<String> {
    let texts = list
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    texts.map(ToOwned::to_owned).collect()
}
