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
use crate::status::{About, Cause, Error, Result};
use crate::verbs::delete::{DeleteOptions, delete_object};

/// How often a change is tried again when others write as well.
const ATTEMPTS: usize = 20;
/// More evictions than this wait for the budget's controller: it does not keep up.
const DISRUPTED_MAX: usize = 2000;
/// Seconds after which an eviction that was refused for want of news may be tried again.
const RETRY_AFTER: u32 = 10;

/// What the budgets say.
enum Verdict {
    /// Nobody has a say, or the one budget has been charged.
    Evict,
    /// The pod is not healthy, so it may go as long as it is the pod that was looked at.
    EvictThisOne,
}

pub(super) async fn evict(api: &Api, call: &Call, body: &Bytes) -> Result<Response<Body>> {
    let options = call.write_options("CreateOptions")?;
    let mut eviction = call.object(body, &options)?;
    crate::admission::of_answered(api, call, &mut eviction, options.dry_run).await?;
    if meta::name(&eviction) != call.request.name {
        return Err(Error::BadRequest(
            "name in URL does not match name in Eviction object".into(),
        ));
    }
    let asked = &eviction["deleteOptions"];
    let text = |value: &Value| {
        let text = value.as_str().filter(|t| !t.is_empty());
        text.map(ToOwned::to_owned)
    };
    let delete = DeleteOptions {
        grace_seconds: asked["gracePeriodSeconds"].as_i64(),
        uid: text(&asked["preconditions"]["uid"]),
        revision: text(&asked["preconditions"]["resourceVersion"]),
        dry_run: options.dry_run || asked["dryRun"].as_array().is_some_and(|d| !d.is_empty()),
        ..DeleteOptions::default()
    };
    if !delete_without_asking(api, call, &delete).await? {
        ask_and_delete(api, call, &delete).await?;
    }
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
    Ok(respond::value(
        StatusCode::CREATED,
        call.accepted.encoding,
        &status,
    ))
}

async fn pod(api: &Api, call: &Call) -> Result<std::sync::Arc<Object>> {
    let pod = api.get(&call.resource.cache, &call.path()).await?;
    pod.ok_or_else(|| Error::NotFound(call.resource.about(&call.request.name)))
}

/// Deletes a pod whose end disturbs nobody; whether it was one.
async fn delete_without_asking(api: &Api, call: &Call, asked: &DeleteOptions) -> Result<bool> {
    for _ in 0..ATTEMPTS {
        let object = pod(api, call).await?;
        let decoded = object.value()?;
        if !needs_no_permission(&decoded) {
            return Ok(false);
        }
        let mut delete = asked.clone();
        let pending = decoded["status"]["phase"] == "Pending" && !meta::is_deleting(&decoded);
        if pending && asked.revision.is_none() {
            // It may be about to become healthy: then the budgets have a say.
            delete.revision = Some(object.revision().to_string());
        }
        match mark_and_delete(api, call, delete).await {
            Err(Error::Conflict(..)) if asked.revision.is_none() => {}
            done => return done.map(|()| true),
        }
    }
    Err(Error::Conflict(
        call.resource.about(&call.request.name),
        crate::verbs::update::MODIFIED.into(),
    ))
}

/// Pods that have ended, are not begun, or are being deleted disturb nobody.
fn needs_no_permission(pod: &Value) -> bool {
    let phase = pod["status"]["phase"].as_str().unwrap_or_default();
    meta::is_deleting(pod) || matches!(phase, "Succeeded" | "Failed" | "Pending")
}

async fn ask_and_delete(api: &Api, call: &Call, asked: &DeleteOptions) -> Result<()> {
    let object = pod(api, call).await?;
    let (verdict, budget) = ask_budgets(api, call, &object, asked.dry_run).await?;
    let mut delete = asked.clone();
    let this_one = matches!(verdict, Verdict::EvictThisOne);
    if this_one {
        delete.revision = Some(object.revision().to_string());
    }
    match mark_and_delete(api, call, delete).await {
        Err(Error::Conflict(..)) if this_one && asked.revision.is_none() => {
            Err(in_process(&budget))
        }
        done => done,
    }
}

/// Notes in the pod why it ends, and deletes it.
async fn mark_and_delete(api: &Api, call: &Call, mut delete: DeleteOptions) -> Result<()> {
    if !delete.dry_run {
        let revision = mark(api, call, &delete).await?;
        if delete.revision.is_some() {
            delete.revision = Some(revision.to_string());
        }
    }
    delete_object(api, call, &call.path(), &delete).await?;
    Ok(())
}

/// The revision of the marked pod.
async fn mark(api: &Api, call: &Call, delete: &DeleteOptions) -> Result<u64> {
    for _ in 0..ATTEMPTS {
        let current = pod(api, call).await?;
        let mut new = current.value()?;
        delete.check_preconditions(&call.resource, &new)?;
        if !note_disruption(call, &mut new) {
            return Ok(current.revision());
        }
        match api.replace(&call.resource, &new, current.revision()).await {
            Ok(revision) => return Ok(revision),
            Err(WriteFailure::Conflict) => {}
            Err(WriteFailure::Other(error)) => return Err(error),
        }
    }
    Err(Error::Conflict(
        call.resource.about(&call.request.name),
        crate::verbs::update::MODIFIED.into(),
    ))
}

/// Whether that is news.
fn note_disruption(call: &Call, pod: &mut Value) -> bool {
    const KIND: &str = "DisruptionTarget";
    const REASON: &str = "EvictionByEvictionAPI";
    let status = meta::fields(pod, "status");
    let conditions = status.entry("conditions").or_insert_with(|| json!([]));
    let Some(list) = conditions.as_array_mut() else {
        return false;
    };
    let before = list.iter().find(|c| c["type"] == KIND);
    if before.is_some_and(|c| c["status"] == "True" && c["reason"] == REASON) {
        return false;
    }
    list.retain(|c| c["type"] != KIND);
    list.push(json!({
        "type": KIND, "status": "True", "lastProbeTime": null, "lastTransitionTime": call.stamp(),
        "reason": REASON, "message": "Eviction API: evicting",
    }));
    true
}

/// The verdict, and the name of the budget that gave it.
async fn ask_budgets(
    api: &Api,
    call: &Call,
    pod: &Object,
    dry_run: bool,
) -> Result<(Verdict, String)> {
    let budgets = api
        .registry
        .built_in("policy", "v1", "poddisruptionbudgets");
    let filter = Filter {
        namespace: call.request.namespace.clone(),
        ..Filter::default()
    };
    for _ in 0..ATTEMPTS {
        api.cache.fresh().await?;
        let mut matching = Vec::new();
        for object in budgets.cache.list(&filter, None, 0, 0).objects {
            let budget = object.value()?;
            if selects(&budget["spec"]["selector"], pod) {
                matching.push((object, budget));
            }
        }
        let (object, budget) = match matching.as_mut_slice() {
            [] => return Ok((Verdict::Evict, String::new())),
            [one] => one,
            _ => return Err(several()),
        };
        let name = meta::name(budget).to_owned();
        if may_go_unhealthy(&pod.value()?, budget) {
            return Ok((Verdict::EvictThisOne, name));
        }
        take_one(call, budget)?;
        if dry_run {
            return Ok((Verdict::Evict, name));
        }
        match api.replace(&budgets, budget, object.revision()).await {
            Ok(_) => return Ok((Verdict::Evict, name)),
            Err(WriteFailure::Conflict) => {}
            Err(WriteFailure::Other(error)) => return Err(error),
        }
    }
    Err(Error::Timeout(
        "couldn't update PodDisruptionBudget due to conflicts".into(),
    ))
}

fn several() -> Error {
    Error::Plain {
        code: 500,
        reason: "",
        message: "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
            .into(),
    }
}

/// A pod that serves nobody may go if the budget lets all such go, or if there are enough others.
fn may_go_unhealthy(pod: &Value, budget: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    if conditions.any(|c| c["type"] == "Ready" && c["status"] == "True") {
        return false;
    }
    let count = |field: &str| budget["status"][field].as_i64().unwrap_or(0);
    let (has, needs) = (count("currentHealthy"), count("desiredHealthy"));
    budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow" || has >= needs && needs > 0
}

/// Notes one disruption in a budget, if it allows one.
fn take_one(call: &Call, budget: &mut Value) -> Result<()> {
    let name = meta::name(budget).to_owned();
    let status = &budget["status"];
    let observed = status["observedGeneration"].as_i64().unwrap_or(0);
    if observed < budget["metadata"]["generation"].as_i64().unwrap_or(0) {
        return Err(in_process(&name));
    }
    let allowed = status["disruptionsAllowed"].as_i64().unwrap_or(0);
    let waiting = status["disruptedPods"].as_object().map_or(0, |p| p.len());
    if allowed < 0 {
        return Err(out_of_order(&name, "pdb disruptions allowed is negative"));
    }
    if waiting > DISRUPTED_MAX {
        return Err(out_of_order(
            &name,
            "DisruptedPods map too big - too many evictions not confirmed by PDB controller",
        ));
    }
    if allowed == 0 {
        let cause = why_none(&name, status);
        return Err(too_many(cause, 0));
    }
    let stamp = call.stamp();
    let status = meta::fields(budget, "status");
    status.insert("disruptionsAllowed".into(), json!(allowed - 1));
    let disrupted = status.entry("disruptedPods").or_insert_with(|| json!({}));
    disrupted[&call.request.name] = json!(stamp);
    if allowed == 1 {
        none_left(status, &stamp);
    }
    Ok(())
}

/// Says in the budget's condition that the last disruption is taken.
fn none_left(status: &mut serde_json::Map<String, Value>, stamp: &str) {
    const KIND: &str = "DisruptionAllowed";
    let observed = status.get("observedGeneration").cloned();
    let conditions = status.entry("conditions").or_insert_with(|| json!([]));
    let Some(list) = conditions.as_array_mut() else {
        return;
    };
    let mut new = json!({
        "type": KIND, "status": "False", "reason": "InsufficientPods", "message": "",
        "observedGeneration": observed, "lastTransitionTime": stamp,
    });
    match list.iter_mut().find(|c| c["type"] == KIND) {
        Some(old) => {
            if old["status"] == "False" {
                new["lastTransitionTime"] = old["lastTransitionTime"].clone();
            }
            *old = new;
        }
        None => list.push(new),
    }
}

fn why_none(name: &str, status: &Value) -> String {
    let conditions = status["conditions"].as_array().into_iter().flatten();
    let mut conditions = conditions.filter(|c| c["type"] == "DisruptionAllowed");
    let told = conditions.next().filter(|c| c["status"] == "False");
    let word = |field: &str| told.map_or("", |c| c[field].as_str().unwrap_or_default());
    let (reason, message) = (word("reason"), word("message"));
    let count = |field: &str| status[field].as_i64().unwrap_or(0);
    let (has, needs) = (count("currentHealthy"), count("desiredHealthy"));
    let cannot = format!("The disruption budget {name} does not allow evicting pods currently");
    if !message.is_empty() && reason == "SyncFailed" {
        format!("{cannot} because it failed sync: {message}")
    } else if has <= needs {
        format!("The disruption budget {name} needs {needs} healthy pods and has {has} currently")
    } else if message.is_empty() {
        cannot
    } else {
        format!("{cannot} ({reason}): {message}")
    }
}

/// The budget's controller has not seen its newest version, or the pod changed meanwhile.
fn in_process(name: &str) -> Error {
    let cause = format!("The disruption budget {name} is still being processed by the server.");
    too_many(cause, RETRY_AFTER)
}

fn too_many(cause: String, retry_after_seconds: u32) -> Error {
    Error::TooManyRequests {
        message: "Cannot evict pod as it would violate the pod's disruption budget.".into(),
        retry_after_seconds,
        causes: vec![Cause {
            reason: "DisruptionBudget".into(),
            message: cause,
            ..Cause::default()
        }],
    }
}

fn out_of_order(name: &str, why: &str) -> Error {
    Error::Forbidden(
        About::new("policy", "poddisruptionbudget", name),
        why.into(),
    )
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
