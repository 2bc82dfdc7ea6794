//! A polite deletion: not while a disruption budget forbids it.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Value, json};

use crate::api::{Api, WriteFailure};
use crate::cache::Object;
use crate::call::Call;
use crate::meta;
use crate::respond::{self, Body};
use crate::selector::Filter;
use crate::status::{Cause, Error, Result};
use crate::verbs::delete::{DeleteOptions, delete_object};

pub(super) async fn evict(api: &Api, call: &Call, body: &Bytes) -> Result<Response<Body>> {
    let options = call.write_options("CreateOptions")?;
    let mut eviction = call.object(body, &options)?;
    crate::admission::of_answered(api, call, &mut eviction, options.dry_run).await?;
    let named = meta::name(&eviction);
    if !named.is_empty() && named != call.request.name {
        return Err(Error::BadRequest(
            "name in URL does not match name in Eviction object".into(),
        ));
    }
    let pod = api.get(&call.resource.cache, &call.path()).await?;
    let pod = pod.ok_or_else(|| Error::NotFound(call.resource.about(&call.request.name)))?;
    let asked = &eviction["deleteOptions"];
    let text = |value: &Value| {
        value
            .as_str()
            .filter(|t| !t.is_empty())
            .map(ToOwned::to_owned)
    };
    let delete = DeleteOptions {
        grace_seconds: asked["gracePeriodSeconds"].as_i64(),
        uid: text(&asked["preconditions"]["uid"]),
        revision: text(&asked["preconditions"]["resourceVersion"]),
        dry_run: options.dry_run || asked["dryRun"].as_array().is_some_and(|d| !d.is_empty()),
        ..DeleteOptions::default()
    };
    let decoded = pod.value()?;
    if !needs_no_permission(&decoded) {
        ask_budgets(api, call, &pod, delete.dry_run).await?;
    }
    delete_object(api, call, &call.path(), &delete).await?;
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
    Ok(respond::value(
        StatusCode::CREATED,
        call.accepted.encoding,
        &status,
    ))
}

/// Pods that have ended, are not begun, or are being deleted disturb nobody.
fn needs_no_permission(pod: &Value) -> bool {
    let phase = pod["status"]["phase"].as_str().unwrap_or_default();
    meta::is_deleting(pod) || matches!(phase, "Succeeded" | "Failed" | "Pending")
}

async fn ask_budgets(api: &Api, call: &Call, pod: &Object, dry_run: bool) -> Result<()> {
    let budgets = api
        .registry
        .built_in("policy", "v1", "poddisruptionbudgets");
    let filter = Filter {
        namespace: call.request.namespace.clone(),
        ..Filter::default()
    };
    let mut matching = Vec::new();
    for object in budgets.cache.list(&filter, None, 0, 0).objects {
        let budget = object.value()?;
        if selects(&budget["spec"]["selector"], pod) {
            matching.push((object, budget));
        }
    }
    match matching.as_mut_slice() {
        [] => Ok(()),
        [(object, budget)] => {
            take_one(call, budget)?;
            if dry_run {
                return Ok(());
            }
            match api.replace(&budgets, budget, object.revision()).await {
                Ok(_) => Ok(()),
                Err(WriteFailure::Conflict) => Err(too_many(Vec::new(), 10)),
                Err(WriteFailure::Other(error)) => Err(error),
            }
        }
        _ => Err(Error::internal(
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
        )),
    }
}

/// Notes one disruption in a budget, if it allows one.
fn take_one(call: &Call, budget: &mut Value) -> Result<()> {
    let name = meta::name(budget).to_owned();
    let status = &budget["status"];
    let observed = status["observedGeneration"].as_i64().unwrap_or(0);
    if observed < budget["metadata"]["generation"].as_i64().unwrap_or(0) {
        let cause = disruption(format!(
            "The disruption budget {name} is still being processed by the server."
        ));
        return Err(too_many(vec![cause], 10));
    }
    let allowed = status["disruptionsAllowed"].as_i64().unwrap_or(0);
    if allowed <= 0 {
        let cause = disruption(format!(
            "The disruption budget {name} needs {} healthy pods and has {} currently",
            status["desiredHealthy"].as_i64().unwrap_or(0),
            status["currentHealthy"].as_i64().unwrap_or(0)
        ));
        return Err(too_many(vec![cause], 0));
    }
    let status = meta::fields(budget, "status");
    status.insert("disruptionsAllowed".into(), json!(allowed - 1));
    let disrupted = status.entry("disruptedPods").or_insert_with(|| json!({}));
    disrupted[&call.request.name] = json!(call.stamp());
    Ok(())
}

fn disruption(message: String) -> Cause {
    Cause {
        reason: "DisruptionBudget".into(),
        message,
        ..Cause::default()
    }
}

fn too_many(causes: Vec<Cause>, retry_after_seconds: u32) -> Error {
    Error::TooManyRequests {
        message: "Cannot evict pod as it would violate the pod's disruption budget.".into(),
        retry_after_seconds,
        causes,
    }
}

/// Whether a label selector, as objects write it, matches. An empty one matches everything, none matches nothing.
fn selects(selector: &Value, pod: &Object) -> bool {
    let Some(fields) = selector.as_object() else {
        return false;
    };
    let labels = fields.get("matchLabels").and_then(Value::as_object);
    let mut labels = labels.into_iter().flatten();
    let expressions = fields.get("matchExpressions").and_then(Value::as_array);
    labels.all(|(key, value)| pod.label(key) == value.as_str())
        && expressions.into_iter().flatten().all(|e| holds(e, pod))
}

fn holds(expression: &Value, pod: &Object) -> bool {
    let value = pod.label(expression["key"].as_str().unwrap_or_default());
    let values = expression["values"].as_array();
    let named = value.is_some_and(|v| values.into_iter().flatten().any(|w| w == v));
    match expression["operator"].as_str().unwrap_or_default() {
        "In" => named,
        "NotIn" => !named,
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        _ => false,
    }
}
