//! ValidatingAdmissionPolicies: what does not hold is refused, warned of, or noted, as the binding says.

use cedge_policy::{Asked, Denial, Sight, ValidatingPolicy, Verdict};
use serde_json::{Value, json};

use super::{Bound, Deed, is_bound, meant, namespace_object, parameters};
use crate::admission::hooks::{Binding, Shown};
use crate::admission::rights;
use crate::admission::webhooks::seen_as;
use crate::status::{Error, Result};

/// Failures that the audit log gets at most.
const NOTED_MAX: usize = 50;

/// What is found while policies are asked.
#[derive(Default)]
struct Found {
    /// The first refusal: its message and reason.
    refusal: Option<(String, String)>,
    noted: Vec<Value>,
}

/// An object in the version that a policy matched.
struct Shape {
    asked: Asked,
    object: Option<Value>,
    old: Option<Value>,
}

pub(crate) async fn judge(
    shown: &Shown,
    deed: &Deed<'_>,
    object: Option<&Value>,
    old: Option<&Value>,
) -> Result<()> {
    let mut found = Found::default();
    for (policy, bindings) in &shown.policies {
        let asked = match meant(deed, &policy.matching, object, old) {
            Bound::No => continue,
            Bound::Broken(why) => {
                found.broken(policy, None, &why);
                continue;
            }
            Bound::As(asked) => asked,
        };
        let mut shape = None;
        let mut annotations: Vec<(String, String)> = Vec::new();
        for binding in bindings {
            match is_bound(deed, binding, object, old) {
                Bound::No => continue,
                Bound::Broken(why) => {
                    found.broken(policy, Some(binding), &why);
                    continue;
                }
                Bound::As(_) => {}
            }
            let given = parameters(deed, policy.param_kind.as_ref(), &binding.params);
            let given = match given.await {
                Ok(given) => given,
                Err(why) => {
                    found.broken(policy, Some(binding), &why);
                    continue;
                }
            };
            if shape.is_none() {
                shape = Some(Shape {
                    object: seen_as(deed, &asked, object).await?,
                    old: seen_as(deed, &asked, old).await?,
                    asked: asked.clone(),
                });
            }
            let Some(shape) = &shape else { continue };
            let namespace = namespace_object(deed)?;
            for params in given {
                let verdict = ask(deed, policy, shape, namespace.as_ref(), params.as_ref());
                found.heed(deed, policy, binding, verdict, &mut annotations);
            }
        }
        publish(deed, &policy.name, annotations);
    }
    found.end(deed, object.or(old))
}

fn ask(
    deed: &Deed<'_>,
    policy: &ValidatingPolicy,
    shape: &Shape,
    namespace: Option<&Value>,
    params: Option<&Value>,
) -> Verdict {
    let request = deed.request.value(&shape.asked.kind, &shape.asked.resource);
    policy.judge(&Sight {
        object: shape.object.as_ref(),
        old: shape.old.as_ref(),
        request: Some(&request),
        namespace,
        params,
        authorizer: Some(rights::of(deed)),
    })
}

/// Values of one key stand behind each other, each once.
fn publish(deed: &Deed<'_>, policy: &str, annotations: Vec<(String, String)>) {
    let mut keys: Vec<(String, Vec<String>)> = Vec::new();
    for (key, value) in annotations {
        match keys.iter_mut().find(|(k, _)| *k == key) {
            Some((_, values)) if values.contains(&value) => {}
            Some((_, values)) => values.push(value),
            None => keys.push((key, vec![value])),
        }
    }
    for (key, values) in keys {
        deed.call
            .annotate(format!("{policy}/{key}"), values.join(", "));
    }
}

// === impl Found ===

impl Found {
    /// A policy or binding that cannot be asked at all.
    fn broken(&mut self, policy: &ValidatingPolicy, binding: Option<&Binding>, why: &str) {
        if policy.ignore_failures {
            return;
        }
        let what = if binding.is_some() {
            "binding"
        } else {
            "policy"
        };
        self.refuse(
            policy,
            binding,
            &format!("failed to configure {what}: {why}"),
            String::new(),
        );
    }

    fn refuse(
        &mut self,
        policy: &ValidatingPolicy,
        binding: Option<&Binding>,
        message: &str,
        reason: String,
    ) {
        let with = binding.map(|b| format!(" with binding '{}'", b.name));
        let message = format!(
            "ValidatingAdmissionPolicy '{}'{} denied request: {message}",
            policy.name,
            with.unwrap_or_default()
        );
        self.refusal.get_or_insert((message, reason));
    }

    fn heed(
        &mut self,
        deed: &Deed<'_>,
        policy: &ValidatingPolicy,
        binding: &Binding,
        verdict: Verdict,
        annotations: &mut Vec<(String, String)>,
    ) {
        for Denial {
            index,
            message,
            reason,
        } in verdict.denials
        {
            for action in &binding.actions {
                match action.as_str() {
                    "Deny" => {
                        self.refuse(policy, Some(binding), &message, reason.clone());
                    }
                    "Warn" => deed.call.warn(format!(
                        "Validation failed for ValidatingAdmissionPolicy '{}' with binding '{}': {message}",
                        policy.name, binding.name
                    )),
                    "Audit" => self.noted.push(json!({
                        "message": message, "policy": policy.name, "binding": binding.name,
                        "expressionIndex": index, "validationActions": binding.actions,
                    })),
                    _ => {}
                }
            }
        }
        annotations.extend(verdict.annotations);
        for why in verdict.annotation_errors {
            self.refuse(policy, Some(binding), &why, String::new());
        }
    }

    fn end(mut self, deed: &Deed<'_>, object: Option<&Value>) -> Result<()> {
        if !self.noted.is_empty() {
            self.noted.truncate(NOTED_MAX);
            let key = "validation.policy.admission.k8s.io/validation_failure".to_owned();
            deed.call
                .annotate(key, Value::Array(self.noted).to_string());
        }
        let Some((message, reason)) = self.refusal else {
            return Ok(());
        };
        let reason = if reason.is_empty() {
            "Invalid"
        } else {
            &reason
        };
        let code = match reason {
            "Forbidden" => 403,
            "Unauthorized" => 401,
            "RequestEntityTooLarge" => 413,
            _ => 422,
        };
        let about = deed.call.resource.about(&deed.shown_name(object));
        let mut status = Error::Forbidden(about, message.clone()).status();
        status["reason"] = json!(reason);
        status["code"] = json!(code);
        status["details"]["causes"] = json!([{"message": message}]);
        Err(Error::Given(Box::new(status)))
    }
}
