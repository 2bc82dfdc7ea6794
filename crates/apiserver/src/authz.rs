//! Whether they may: RBAC, and beside it what nodes may.

pub(crate) mod node;

use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard};

use cedge_pki::Identity;
use cedge_rbac::{
    Decision, Grant, Object, Policy, Request, Target, User, escalation, rules_review,
};
use serde_json::Value;

use crate::api::Api;
use crate::call::Call;
use crate::meta;
use crate::request::ResourceRequest;
use crate::status::{About, Error, Result};

/// What is to be done to what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Attributes {
    pub(crate) verb: String,
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) resource: String,
    pub(crate) subresource: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// Set for requests that are for no resource.
    pub(crate) path: String,
}

/// RBAC over the objects of the cache, of which the feed tells.
#[derive(Debug)]
pub(crate) struct Authorizer {
    policy: RwLock<Policy>,
    /// What was loaded at the start; taken at once when all is there.
    loading: Mutex<Vec<Object>>,
}

// === impl Attributes ===

impl Attributes {
    pub(crate) fn of(request: &ResourceRequest) -> Self {
        Self {
            verb: request.verb.as_str().to_owned(),
            group: request.group.clone(),
            version: request.version.clone(),
            resource: request.resource.clone(),
            subresource: request.subresource.clone(),
            namespace: request.namespace.clone(),
            name: request.name.clone(),
            path: String::new(),
        }
    }

    pub(crate) fn path(verb: &str, path: &str) -> Self {
        Self {
            verb: verb.to_owned(),
            path: path.to_owned(),
            ..Self::default()
        }
    }

    fn request(&self) -> Request<'_> {
        let target = if self.path.is_empty() {
            Target::Resource {
                group: &self.group,
                resource: &self.resource,
                subresource: &self.subresource,
                namespace: &self.namespace,
                name: &self.name,
            }
        } else {
            Target::Path(&self.path)
        };
        Request {
            verb: &self.verb,
            target,
        }
    }

    /// The sentence of a refusal.
    pub(crate) fn refusal(&self, user: &str, reason: &str) -> Error {
        let verb = &self.verb;
        let because = if reason.is_empty() {
            String::new()
        } else {
            format!(": {reason}")
        };
        if !self.path.is_empty() {
            let why = format!("User {user:?} cannot {verb} path {:?}{because}", self.path);
            return Error::Forbidden(About::default(), why);
        }
        let resource = match self.subresource.as_str() {
            "" => self.resource.clone(),
            part => format!("{}/{part}", self.resource),
        };
        let place = match self.namespace.as_str() {
            "" => "at the cluster scope".to_owned(),
            namespace => format!("in the namespace {namespace:?}"),
        };
        let why = format!(
            "User {user:?} cannot {verb} resource {resource:?} in API group {:?} {place}{because}",
            self.group
        );
        Error::Forbidden(About::new(&self.group, &self.resource, &self.name), why)
    }
}

// === impl Authorizer ===

impl Authorizer {
    /// Knows no objects yet, and what the parts of this process may do beside them.
    pub(crate) fn new(grants: &[Grant]) -> Self {
        Self {
            policy: RwLock::new(Policy::default().granting(grants)),
            loading: Mutex::default(),
        }
    }

    /// # Errors
    /// They may not; the error says what.
    pub(crate) fn check(&self, identity: &Identity, attributes: &Attributes) -> Result<()> {
        match self.decide(identity, attributes) {
            Decision::Allowed { .. } => Ok(()),
            Decision::Denied { reason } => Err(attributes.refusal(&identity.user, &reason)),
        }
    }

    pub(crate) fn decide(&self, identity: &Identity, attributes: &Attributes) -> Decision {
        self.policy()
            .authorize(&user(identity), &attributes.request())
    }

    /// The status of a `SelfSubjectRulesReview`.
    pub(crate) fn rules(&self, identity: &Identity, namespace: &str) -> Value {
        rules_review(&self.policy(), &user(identity), namespace)
    }

    /// An object that was there at the start.
    pub(crate) fn load(&self, kind: &str, object: &Value) {
        if let Some(object) = read(kind, object) {
            let mut loading = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
            loading.push(object);
        }
    }

    /// All that was there has been loaded.
    pub(crate) fn loaded(&self) {
        let mut loading = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
        let mut policy = self.policy.write().unwrap_or_else(PoisonError::into_inner);
        policy.replace(std::mem::take(&mut *loading));
    }

    /// An object was written or has gone.
    pub(crate) fn changed(&self, kind: &str, object: &Value, deleted: bool) {
        let mut policy = self.policy.write().unwrap_or_else(PoisonError::into_inner);
        if deleted {
            policy.remove(kind, meta::namespace(object), meta::name(object));
        } else if let Some(object) = read(kind, object) {
            policy.put(object);
        }
    }

    /// The aggregated cluster roles with the rules that they have at present.
    pub(crate) fn aggregated(&self) -> Vec<(String, Value)> {
        let policy = self.policy();
        let names = policy.aggregated_names();
        let rules = names.filter_map(|name| {
            let rules = serde_json::to_value(policy.aggregated(name)?).ok()?;
            Some((name.to_owned(), rules))
        });
        rules.collect()
    }

    fn policy(&self) -> RwLockReadGuard<'_, Policy> {
        self.policy.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn user(identity: &Identity) -> User<'_> {
    User {
        name: &identity.user,
        groups: &identity.groups,
    }
}

fn read(kind: &str, object: &Value) -> Option<Object> {
    let read = Object::read(kind, object);
    read.inspect_err(|error| tracing::error!(kind, name = meta::name(object), %error, "role or binding is ignored"))
        .ok()
}

/// Whether somebody may: by RBAC, or as a node. `fields` is the field selector of a list or watch.
pub(crate) fn decide(
    api: &Api,
    identity: &Identity,
    attributes: &Attributes,
    fields: &str,
) -> Decision {
    let why = match node::speaking(identity) {
        None => String::new(),
        Some(node) => match node::check(api, identity, node, attributes, fields) {
            Ok(()) => {
                let reason = String::new();
                return Decision::Allowed { reason };
            }
            // As whoever said it is called among those who were asked.
            Err(why) => format!("node: {why}"),
        },
    };
    match api.authorizer.decide(identity, attributes) {
        Decision::Denied { reason } if reason.is_empty() => Decision::Denied { reason: why },
        decided => decided,
    }
}

/// # Errors
/// They may not; the error says what.
pub(crate) fn check(
    api: &Api,
    identity: &Identity,
    attributes: &Attributes,
    fields: &str,
) -> Result<()> {
    match decide(api, identity, attributes, fields) {
        Decision::Allowed { .. } => Ok(()),
        Decision::Denied { reason } => Err(attributes.refusal(&identity.user, &reason)),
    }
}

/// Nobody grants what they do not have.
///
/// # Errors
/// They do not have it.
pub(crate) fn check_escalation(
    api: &Api,
    call: &Call,
    new: &Value,
    old: Option<&Value>,
) -> Result<()> {
    const GRANTS: [&str; 4] = ["rules", "aggregationRule", "subjects", "roleRef"];
    if old.is_some_and(|old| GRANTS.iter().all(|field| new[field] == old[field])) {
        return Ok(());
    }
    let kind = call.resource.kind.as_str();
    // What cannot be read is refused by validation.
    let Ok(wanted) = Object::read(kind, new) else {
        return Ok(());
    };
    let before = old.and_then(|old| Object::read(kind, old).ok());
    let policy = api.authorizer.policy();
    let refused = escalation::check(&policy, &user(&call.identity), &wanted, before.as_ref());
    refused.map_err(|why| {
        let role = match &wanted {
            Object::RoleBinding(namespace, _, binding) => {
                Some((&binding.role_ref, namespace.as_str()))
            }
            Object::ClusterRoleBinding(_, binding) => Some((&binding.role_ref, "")),
            Object::Role(..) | Object::ClusterRole(..) => None,
        };
        match role {
            Some((role, namespace)) if policy.role(role, namespace).is_err() => {
                Error::NotFound(call.resource.about(&role.name))
            }
            _ => Error::Forbidden(call.resource.about(meta::name(new)), why),
        }
    })
}
