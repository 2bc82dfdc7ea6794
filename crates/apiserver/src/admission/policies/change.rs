//! MutatingAdmissionPolicies: each change is made of what the ones before have left.

use cedge_policy::{Asked, Change, Met, MutatingPolicy, Sight};
use serde_json::{Value, json};

use super::{Bound, Deed, is_bound, meant, namespace_object, parameters};
use crate::admission::hooks::{Binding, Shown};
use crate::admission::rights;
use crate::admission::webhooks::{Round, seen_as, settle};
use crate::status::{Error, Result};

/// A policy that stands in the way, and why.
struct Refusal<'a> {
    policy: &'a MutatingPolicy,
    binding: Option<&'a Binding>,
    why: String,
    /// Whether an expression is at fault, not how the policy is bound.
    evaluated: bool,
}

pub(crate) async fn change(
    shown: &Shown,
    deed: &Deed<'_>,
    round: &mut Round,
    object: &mut Value,
    old: Option<&Value>,
) -> Result<()> {
    round.begin(Some(object));
    let mut refusals = Vec::new();
    for (policy, bindings) in &shown.changers {
        let asked = match meant(deed, &policy.matching, Some(object), old) {
            Bound::No => continue,
            Bound::Broken(why) => {
                let why = format!("failed to configure policy: {why}");
                refusals.push(Refusal {
                    policy,
                    binding: None,
                    why,
                    evaluated: false,
                });
                continue;
            }
            Bound::As(asked) => asked,
        };
        for binding in bindings {
            let refuse = |why: String| Refusal {
                policy,
                binding: Some(binding),
                why,
                evaluated: false,
            };
            match is_bound(deed, binding, Some(object), old) {
                Bound::No => continue,
                Bound::Broken(why) => {
                    refusals.push(refuse(format!("failed to configure binding: {why}")));
                    continue;
                }
                Bound::As(_) => {}
            }
            let given = parameters(deed, policy.param_kind.as_ref(), &binding.params);
            let given = match given.await {
                Ok(given) => given,
                Err(why) => {
                    refusals.push(refuse(format!("failed to configure binding: {why}")));
                    continue;
                }
            };
            for (at, params) in given.iter().enumerate() {
                let uid = format!("{}/{}/{at}", policy.name, binding.name);
                if !round.asks(&uid) {
                    continue;
                }
                let made = one(deed, policy, &asked, object, old, params.as_ref()).await;
                match made {
                    Ok(changed) => round.was_asked(&uid, policy.reinvoke, changed),
                    Err(why) => refusals.push(Refusal {
                        evaluated: true,
                        ..refuse(why)
                    }),
                }
            }
        }
    }
    round.end(Some(object));
    refusals.retain(|r| !r.policy.ignore_failures);
    if refusals.is_empty() {
        return Ok(());
    }
    Err(refused(deed, object, &refusals))
}

/// Does what one policy says; whether that changed the object.
async fn one(
    deed: &Deed<'_>,
    policy: &MutatingPolicy,
    asked: &Asked,
    object: &mut Value,
    old: Option<&Value>,
    params: Option<&Value>,
) -> std::result::Result<bool, String> {
    let in_words = |e: Error| e.to_string();
    let before = deed.seen_as(asked, object).await.map_err(in_words)?;
    let old = seen_as(deed, asked, old).await.map_err(in_words)?;
    let namespace = namespace_object(deed).map_err(in_words)?;
    let request = deed.request.value(&asked.kind, &asked.resource);
    let around = Sight {
        object: None,
        old: old.as_ref(),
        request: Some(&request),
        namespace: namespace.as_ref(),
        params,
        authorizer: Some(rights::of(deed)),
    };
    match policy.met(&around.with(&before)) {
        Met::Yes => {}
        Met::No => return Ok(false),
        Met::Unknown(why) => return Err(why),
    }
    let mut now = before.clone();
    for index in 0..policy.len() {
        let made = policy.change(index, &around.with(&now));
        let made = made.map_err(|stop| stop.text().to_owned())?;
        let Some(change) = made else {
            continue;
        };
        now = applied(deed, asked, &now, change)?;
    }
    let changed = now != before;
    if changed {
        *object = deed.taken_from(asked, &now).await.map_err(in_words)?;
    }
    Ok(changed)
}

fn applied(
    deed: &Deed<'_>,
    asked: &Asked,
    object: &Value,
    change: Change,
) -> std::result::Result<Value, String> {
    let in_words = |e: Error| e.to_string();
    let resource = deed.resource(asked).map_err(in_words)?;
    let speaks = resource.speaks(&deed.request.subresource);
    let mut new = match change {
        Change::Patch(steps) => {
            let patched = cedge_merge::json_patch(object, &steps);
            patched.map_err(|e| format!("JSON Patch: {e}"))?
        }
        Change::Apply(fields) => cedge_merge::overlay(resource.types(&speaks), object, &fields)?,
    };
    settle(&resource, &deed.request.subresource, &mut new).map_err(in_words)?;
    Ok(new)
}

fn refused(deed: &Deed<'_>, object: &Value, refusals: &[Refusal<'_>]) -> Error {
    let message = |r: &Refusal<'_>| match r.binding {
        Some(binding) => format!(
            "policy '{}' with binding '{}' denied request: {}",
            r.policy.name, binding.name, r.why
        ),
        None => format!("policy {:?} denied request: {}", r.policy.name, r.why),
    };
    let messages: Vec<String> = refusals.iter().map(message).collect();
    let about = deed.call.resource.about(&deed.shown_name(Some(object)));
    let mut status = Error::Forbidden(about, "admission request denied by policy".into()).status();
    status["message"] = json!(messages[0]);
    if refusals[0].evaluated {
        status["reason"] = json!("Invalid");
    }
    status["details"]["causes"] = messages.iter().map(|m| json!({"message": m})).collect();
    Error::Given(Box::new(status))
}
