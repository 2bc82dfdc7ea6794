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
use crate::status::{About, Cause, Error, Result};

pub(super) fn answer(api: &Api, call: &Call, body: &Bytes) -> Result<Response<Body>> {
    let options = call.write_options("CreateOptions")?;
    let mut review = call.object(body, &options)?;
    meta::of(&mut review);
    if let Some(spec) = review.get_mut("spec") {
        without_empty_texts(spec);
    }
    if call.resource.namespaced {
        in_namespace(call, &mut review)?;
    }
    crate::managed::track_answered(call, &options, &mut review);
    let status = match call.resource.plural.as_str() {
        "selfsubjectreviews" => {
            // Of all reviews, this one alone is made as if it were kept.
            meta::set(&mut review, "creationTimestamp", call.stamp());
            json!({"userInfo": user_info(&call.identity)})
        }
        "tokenreviews" => token(api, &review)?,
        "selfsubjectaccessreviews" => {
            checked(attributes_mistakes(&review["spec"]))?;
            access(api, &call.identity, &review["spec"])
        }
        "selfsubjectrulesreviews" => {
            let status = rules(api, call, &review)?;
            // What was asked is not repeated.
            review["metadata"] = json!({});
            review["spec"] = json!({});
            status
        }
        "subjectaccessreviews" | "localsubjectaccessreviews" => subject_access(api, call, &review)?,
        _ => return Err(Error::NoSuchPath),
    };
    review["status"] = status;
    Ok(respond::value(
        StatusCode::CREATED,
        call.accepted.encoding,
        &review,
    ))
}

/// What is empty is not there.
fn without_empty_texts(value: &mut Value) {
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|_, value| value != "");
        fields.values_mut().for_each(without_empty_texts);
    }
}

/// The namespace of the path is the review's; another one cannot be named.
fn in_namespace(call: &Call, review: &mut Value) -> Result<()> {
    match meta::namespace(review) {
        "" => meta::set(review, "namespace", call.request.namespace.clone()),
        given if given == call.request.namespace => {}
        _ => {
            return Err(Error::BadRequest(
                "the namespace of the provided object does not match the namespace sent on the request".into(),
            ));
        }
    }
    Ok(())
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
        return Err(Error::BadRequest(
            "token is required for TokenReview in authentication".into(),
        ));
    }
    let audiences = texts(&review["spec"]["audiences"]);
    let asked = if audiences.is_empty() {
        vec![api.config.tokens.issuer().to_owned()]
    } else {
        audiences
    };
    Ok(match authn::of_token(api, token, &asked)? {
        None => json!({"user": {}, "error": refusal(api, token, &asked)}),
        Some((identity, good_for)) => {
            json!({"authenticated": true, "user": user_info(&identity), "audiences": good_for})
        }
    })
}

/// What is wrong with a token: that it is not ours, or that it is, and not for those who ask.
fn refusal(api: &Api, token: &str, asked: &[String]) -> String {
    let tokens = &api.config.tokens;
    let own = [tokens.issuer().to_owned()];
    match tokens.verify(token, &own, api.now()) {
        Err(_) => "invalid bearer token".into(),
        Ok(claims) if claims.audiences.iter().any(|a| asked.contains(a)) => {
            "[invalid bearer token, service account token has been invalidated]".into()
        }
        Ok(claims) => {
            let quoted = |list: &[String]| {
                let quoted: Vec<String> = list.iter().map(|a| format!("{a:?}")).collect();
                quoted.join(" ")
            };
            format!(
                "[invalid bearer token, token audiences [{}] is invalid for the target audiences [{}]]",
                quoted(&claims.audiences),
                quoted(asked)
            )
        }
    }
}

const EXACTLY_ONE: &str =
    "exactly one of nonResourceAttributes or resourceAttributes must be specified";

fn invalid(field: &str, value: &Value, why: &str) -> Cause {
    Cause {
        reason: "FieldValueInvalid".into(),
        message: format!("Invalid value: {value}: {why}"),
        field: field.into(),
    }
}

/// Mistakes in what is asked about, which must be one thing.
fn attributes_mistakes(spec: &Value) -> Vec<Cause> {
    let path = &spec["nonResourceAttributes"];
    match (spec["resourceAttributes"].is_object(), path.is_object()) {
        (true, true) => vec![invalid("spec", &shown(path), EXACTLY_ONE)],
        (false, false) => vec![invalid("spec", &Value::Null, EXACTLY_ONE)],
        _ => Vec::new(),
    }
}

/// As a message shows what is no resource.
fn shown(path: &Value) -> Value {
    json!({"Path": path["path"].as_str().unwrap_or_default(), "Verb": path["verb"].as_str().unwrap_or_default()})
}

/// Refuses a review that has mistakes; the kind is not named then.
fn checked(mistakes: Vec<Cause>) -> Result<()> {
    if mistakes.is_empty() {
        return Ok(());
    }
    let about = About::new("authorization.k8s.io", "", "");
    Err(Error::Invalid(about, mistakes))
}

fn subject_access(api: &Api, call: &Call, review: &Value) -> Result<Value> {
    let spec = &review["spec"];
    let user = spec["user"].as_str().unwrap_or_default();
    let groups = texts(&spec["groups"]);
    let mut mistakes = attributes_mistakes(spec);
    if user.is_empty() && groups.is_empty() {
        let why = "at least one of user or group must be specified";
        mistakes.push(invalid("spec.user", &json!(""), why));
    }
    if call.resource.namespaced {
        mistakes.extend(local_mistakes(spec, &call.request.namespace));
    }
    checked(mistakes)?;
    let identity = Identity {
        user: user.to_owned(),
        groups,
        ..Identity::default()
    };
    Ok(access(api, &identity, spec))
}

/// A local review asks about resources of its own namespace.
fn local_mistakes(spec: &Value, namespace: &str) -> Vec<Cause> {
    let mut mistakes = Vec::new();
    let resource = &spec["resourceAttributes"];
    let named = resource["namespace"].as_str().unwrap_or_default();
    if resource.is_object() && named != namespace {
        let why = "must match metadata.namespace";
        mistakes.push(invalid(
            "spec.resourceAttributes.namespace",
            &json!(named),
            why,
        ));
    }
    let path = &spec["nonResourceAttributes"];
    if path.is_object() {
        let why = "disallowed on this kind of request";
        mistakes.push(invalid("spec.nonResourceAttributes", &shown(path), why));
    }
    mistakes
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
