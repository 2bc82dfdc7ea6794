//! Whether they may.

use cedge_pki::Identity;
use serde_json::{Value, json};

use crate::api::Api;
use crate::call::Call;
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

/// What was decided, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) allowed: bool,
    pub(crate) reason: String,
}

/// Decides.
#[derive(Debug, Default)]
pub(crate) struct Authorizer {}

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

    /// The sentence of a refusal.
    fn refusal(&self, user: &str, reason: &str) -> Error {
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
    /// # Errors
    /// They may not; the error says what.
    pub(crate) fn check(
        &self,
        api: &Api,
        identity: &Identity,
        attributes: &Attributes,
    ) -> Result<()> {
        let decision = self.decide(api, identity, attributes);
        if decision.allowed {
            return Ok(());
        }
        Err(attributes.refusal(&identity.user, &decision.reason))
    }

    pub(crate) fn decide(&self, _api: &Api, identity: &Identity, _what: &Attributes) -> Decision {
        Decision {
            allowed: identity.in_group(cedge_pki::identity::MASTERS),
            reason: String::new(),
        }
    }

    pub(crate) fn rules(&self, _api: &Api, _identity: &Identity, _namespace: &str) -> Value {
        json!({"resourceRules": [], "nonResourceRules": [], "incomplete": true})
    }
}

/// Nobody grants what they do not have.
pub(crate) fn check_escalation(
    _api: &Api,
    _call: &Call,
    _new: &Value,
    _old: Option<&Value>,
) -> Result<()> {
    Ok(())
}
