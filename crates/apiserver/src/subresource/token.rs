//! Tokens for service accounts.

use bytes::Bytes;
use cedge_pki::service_account::{Binding, TokenRequest};
use http::{Response, StatusCode};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::api::Api;
use crate::call::{Call, stamp};
use crate::meta;
use crate::respond::{self, Body};
use crate::status::{About, Error, Result};

const SECONDS_MIN: i64 = 600;
const SECONDS_MAX: i64 = 1 << 32;
const SECONDS_DEFAULT: i64 = 3600;
/// How long the token that every pod gets is really good, as in Kubernetes: clients that read it once go on for a year.
const EXTENDED: SignedDuration = SignedDuration::from_hours(365 * 24);

pub(super) async fn issue(api: &Api, call: &Call, body: &Bytes) -> Result<Response<Body>> {
    let options = call.write_options("CreateOptions")?;
    let mut request = call.object(body, &options)?;
    same_account(call, &request)?;
    let mut asked = request.clone();
    meta::of(&mut asked);
    let lasts = meta::fields(&mut asked, "spec").entry("expirationSeconds");
    lasts.or_insert_with(|| json!(SECONDS_DEFAULT));
    crate::admission::of_answered(api, call, &mut request, options.dry_run).await?;
    let account = api.read("", "serviceaccounts", &call.path()).await?;
    let account =
        account.ok_or_else(|| Error::NotFound(call.resource.about(&call.request.name)))?;
    let seconds = request["spec"]["expirationSeconds"]
        .as_i64()
        .unwrap_or(SECONDS_DEFAULT);
    check_seconds(seconds)?;
    let audiences: Vec<String> = match request["spec"]["audiences"].as_array() {
        Some(list) if !list.is_empty() => list
            .iter()
            .filter_map(Value::as_str)
            .map(ToOwned::to_owned)
            .collect(),
        _ => vec![api.config.tokens.issuer().to_owned()],
    };
    let bindings = bindings(api, call, &request["spec"]["boundObjectRef"]).await?;
    let lifetime = SignedDuration::from_secs(seconds);
    let for_us = audiences.iter().any(|a| a == api.config.tokens.issuer());
    let of_pod = bindings.iter().any(|b| b.kind == "pod");
    let extended = seconds == crate::admission::WARN_SECONDS && of_pod && for_us;
    let token = api.config.tokens.sign(
        &TokenRequest {
            namespace: call.request.namespace.clone(),
            name: call.request.name.clone(),
            uid: meta::uid(&account).to_owned(),
            audiences: audiences.clone(),
            lifetime: Some(if extended { EXTENDED } else { lifetime }),
            warn_after: extended.then_some(lifetime),
            bindings,
        },
        call.now,
    );
    let expires = call.now.checked_add(lifetime).unwrap_or(call.now);
    meta::fields(&mut request, "spec").insert("expirationSeconds".into(), json!(seconds));
    request["spec"]["audiences"] = json!(audiences);
    if request["spec"].get("boundObjectRef").is_none() {
        request["spec"]["boundObjectRef"] = Value::Null;
    }
    request["metadata"] = json!({
        "name": call.request.name, "namespace": call.request.namespace, "creationTimestamp": call.stamp(),
        "uid": crate::verbs::create::new_uid(),
    });
    crate::managed::track_answered(call, &options, &mut asked);
    if let Some(managers) = asked["metadata"].get("managedFields") {
        request["metadata"]["managedFields"] = managers.clone();
    }
    request["status"] = json!({"token": token, "expirationTimestamp": stamp(expires)});
    Ok(respond::value(
        StatusCode::CREATED,
        call.accepted.encoding,
        &request,
    ))
}

/// A request that names an account names that of the path.
fn same_account(call: &Call, request: &Value) -> Result<()> {
    if !matches!(meta::namespace(request), given if given.is_empty() || given == call.request.namespace)
    {
        return Err(Error::BadRequest(
            "the namespace of the provided object does not match the namespace sent on the request"
                .into(),
        ));
    }
    let (name, account) = (meta::name(request), &call.request.name);
    if name.is_empty() || name == account {
        return Ok(());
    }
    Err(Error::invalid_field(
        About::new("authentication.k8s.io", "TokenRequest", account),
        "FieldValueInvalid",
        "metadata.name",
        format!("Invalid value: {name:?}: must match the service account name if specified"),
    ))
}

fn check_seconds(seconds: i64) -> Result<()> {
    let why = if seconds < SECONDS_MIN {
        "may not specify a duration less than 10 minutes"
    } else if seconds > SECONDS_MAX {
        "may not specify a duration larger than 2^32 seconds"
    } else {
        return Ok(());
    };
    Err(Error::invalid_field(
        About::new("authentication.k8s.io", "TokenRequest", ""),
        "FieldValueInvalid",
        "spec.expirationSeconds",
        format!("Invalid value: {seconds}: {why}"),
    ))
}

/// What the token dies with.
async fn bindings(api: &Api, call: &Call, reference: &Value) -> Result<Vec<Binding>> {
    let Some(kind) = reference["kind"].as_str() else {
        return Ok(Vec::new());
    };
    let name = reference["name"].as_str().unwrap_or_default();
    let (word, plural, path) = match kind {
        "Pod" => ("pod", "pods", format!("{}/{name}", call.request.namespace)),
        "Secret" => (
            "secret",
            "secrets",
            format!("{}/{name}", call.request.namespace),
        ),
        "Node" => ("node", "nodes", name.to_owned()),
        _ => {
            let version = reference["apiVersion"].as_str().unwrap_or_default();
            return Err(Error::BadRequest(format!(
                "cannot bind token to object of type /{version}, Kind={kind}"
            )));
        }
    };
    let object = api.read("", plural, &path).await?;
    let object = object.ok_or_else(|| Error::NotFound(About::new("", plural, name)))?;
    let wanted = reference["uid"].as_str().unwrap_or_default();
    let uid = meta::uid(&object);
    if !wanted.is_empty() && wanted != uid {
        return Err(Error::Conflict(
            About::new("", plural, name),
            format!(
                "the UID in the bound object reference ({wanted}) does not match the UID in record. The object might have been deleted and then recreated"
            ),
        ));
    }
    if kind == "Pod" {
        let account = object["spec"]["serviceAccountName"]
            .as_str()
            .unwrap_or_default();
        if account != call.request.name {
            return Err(Error::BadRequest(format!(
                "cannot bind token for serviceaccount \"{}\" to pod running with different serviceaccount name.",
                call.request.name
            )));
        }
    }
    let mut bindings = vec![Binding {
        kind: word.to_owned(),
        name: name.to_owned(),
        uid: uid.to_owned(),
    }];
    if let Some(node) = object["spec"]["nodeName"]
        .as_str()
        .filter(|n| kind == "Pod" && !n.is_empty())
    {
        let found = api.read("", "nodes", node).await?;
        bindings.extend(found.map(|found| Binding {
            kind: "node".into(),
            name: node.to_owned(),
            uid: meta::uid(&found).to_owned(),
        }));
    }
    Ok(bindings)
}
