//! The webhooks and policies that there are: compiled once when they are written, read by every request without a lock.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use cedge_kinds::read::Read;
use cedge_policy::{Matching, MutatingPolicy, ValidatingPolicy};
use serde_json::Value;

use super::webhooks::Webhook;
use crate::meta;

/// What asks for admission.
#[derive(Debug, Default)]
pub(crate) struct Hooks {
    known: Mutex<Known>,
    shown: ArcSwap<Shown>,
}

/// By name of the object.
#[derive(Debug, Default)]
struct Known {
    mutating: BTreeMap<String, Vec<Arc<Webhook>>>,
    validating: BTreeMap<String, Vec<Arc<Webhook>>>,
    policies: BTreeMap<String, Arc<ValidatingPolicy>>,
    bindings: BTreeMap<String, Arc<Binding>>,
    changers: BTreeMap<String, Arc<MutatingPolicy>>,
    changer_bindings: BTreeMap<String, Arc<Binding>>,
}

/// What requests see: only policies that are bound.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    pub(crate) mutating: Vec<Arc<Webhook>>,
    pub(crate) validating: Vec<Arc<Webhook>>,
    pub(crate) policies: Vec<(Arc<ValidatingPolicy>, Vec<Arc<Binding>>)>,
    pub(crate) changers: Vec<(Arc<MutatingPolicy>, Vec<Arc<Binding>>)>,
}

/// Where a policy is in force.
#[derive(Debug)]
pub(crate) struct Binding {
    pub(crate) name: String,
    policy: String,
    /// `None` where it adds nothing to the policy's own rules.
    pub(crate) matching: Option<Matching>,
    /// `paramRef`; null if there is none.
    pub(crate) params: Value,
    /// `Deny`, `Warn`, `Audit`.
    pub(crate) actions: Vec<String>,
}

// === impl Hooks ===

impl Hooks {
    /// An object was written or has gone; `kind` is `group/plural`.
    pub(crate) fn changed(&self, kind: &str, object: &Value, deleted: bool) {
        let name = meta::name(object).to_owned();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let plural = kind.split_once('/').map_or(kind, |(_, plural)| plural);
        match plural {
            "mutatingwebhookconfigurations" => {
                let hooks = (!deleted).then(|| Webhook::compile_all(object, true));
                put(&mut known.mutating, name, hooks);
            }
            "validatingwebhookconfigurations" => {
                let hooks = (!deleted).then(|| Webhook::compile_all(object, false));
                put(&mut known.validating, name, hooks);
            }
            "validatingadmissionpolicies" => {
                let policy = (!deleted).then(|| Arc::new(ValidatingPolicy::compile(object)));
                put(&mut known.policies, name, policy);
            }
            "mutatingadmissionpolicies" => {
                let policy = (!deleted).then(|| Arc::new(MutatingPolicy::compile(object)));
                put(&mut known.changers, name, policy);
            }
            "validatingadmissionpolicybindings" => {
                let binding = (!deleted).then(|| Arc::new(Binding::read(object)));
                put(&mut known.bindings, name, binding);
            }
            "mutatingadmissionpolicybindings" => {
                let binding = (!deleted).then(|| Arc::new(Binding::read(object)));
                put(&mut known.changer_bindings, name, binding);
            }
            _ => return,
        }
        self.shown.store(Arc::new(known.shown()));
    }

    pub(crate) fn shown(&self) -> Arc<Shown> {
        self.shown.load_full()
    }
}

fn put<T>(map: &mut BTreeMap<String, T>, name: String, value: Option<T>) {
    match value {
        Some(value) => map.insert(name, value),
        None => map.remove(&name),
    };
}

// === impl Known ===

impl Known {
    fn shown(&self) -> Shown {
        let all = |hooks: &BTreeMap<String, Vec<Arc<Webhook>>>| -> Vec<Arc<Webhook>> {
            hooks.values().flatten().cloned().collect()
        };
        Shown {
            mutating: all(&self.mutating),
            validating: all(&self.validating),
            policies: bound(&self.policies, &self.bindings),
            changers: bound(&self.changers, &self.changer_bindings),
        }
    }
}

fn bound<P>(
    policies: &BTreeMap<String, Arc<P>>,
    bindings: &BTreeMap<String, Arc<Binding>>,
) -> Vec<(Arc<P>, Vec<Arc<Binding>>)> {
    let with = policies.iter().map(|(name, policy)| {
        let bound = bindings.values().filter(|b| b.policy == *name);
        (policy.clone(), bound.cloned().collect::<Vec<_>>())
    });
    with.filter(|(_, bound)| !bound.is_empty()).collect()
}

// === impl Shown ===

impl Shown {
    pub(crate) fn nobody_changes(&self) -> bool {
        self.mutating.is_empty() && self.changers.is_empty()
    }

    pub(crate) fn nobody_judges(&self) -> bool {
        self.validating.is_empty() && self.policies.is_empty()
    }
}

// === impl Binding ===

impl Binding {
    fn read(object: &Value) -> Self {
        let spec = object.field("spec");
        let matched = spec.field("matchResources");
        let actions = spec.items("validationActions").iter();
        Self {
            name: meta::name(object).to_owned(),
            policy: spec.text("policyName").to_owned(),
            matching: matched.is_object().then(|| Matching::of_policy(matched)),
            params: spec.field("paramRef").clone(),
            actions: actions
                .filter_map(Value::as_str)
                .map(ToOwned::to_owned)
                .collect(),
        }
    }
}
