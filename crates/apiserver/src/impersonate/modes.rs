//! The ways in which a caller may be allowed to act for another.
//!
//! Source: KEP-5284, constrained impersonation. Four ways allow it for a verb on a resource only
//! (`impersonate-on:MODE:VERB` on what is asked for, beside `impersonate:MODE` on who is wanted); the oldest,
//! `impersonate`, for everything.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use cedge_kinds::formats;
use cedge_pki::Identity;
use cedge_pki::identity::{ANONYMOUS, AUTHENTICATED, UNAUTHENTICATED};
use cedge_rbac::Decision;

use super::Wanted;
use crate::authz::{Attributes, Authorizer};
use crate::status::{Error, Result};

const AUTHENTICATION: &str = "authentication.k8s.io";
const ACCOUNT: &str = "system:serviceaccount:";
const NODE: &str = "system:node:";
const NODES: &str = "system:nodes";
const MASTERS: &str = "system:masters";
/// Says in the extra fields of a service account's token on which node its pod runs.
const NODE_OF_CALLER: &str = "authentication.kubernetes.io/node-name";
/// From so many groups or extra values on, it is tried first whether all are allowed.
const MANY: usize = 4;
/// So many callers are remembered, then all are forgotten.
const CALLERS_MAX: usize = 10_000;

/// In the order in which they are tried.
const MODES: [Mode; 5] = [
    Mode::AssociatedNode,
    Mode::ArbitraryNode,
    Mode::ServiceAccount,
    Mode::UserInfo,
    Mode::Legacy,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// A service account for the node on which it runs.
    AssociatedNode,
    ArbitraryNode,
    ServiceAccount,
    /// Whoever is neither a node nor a service account.
    UserInfo,
    Legacy,
}

/// By which mode each caller was allowed last: it is tried first.
#[derive(Debug, Default)]
pub(crate) struct Habits(Mutex<HashMap<String, Mode>>);

/// Who is wanted, as the mode that allows it knows them.
#[derive(Debug)]
pub(crate) struct Allowed {
    pub(crate) identity: Identity,
    /// The verb that allowed it, if that was for a constrained way.
    pub(crate) constraint: &'static str,
}

/// Who wants to be somebody else, and for what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asking<'a> {
    pub(super) authorizer: &'a Authorizer,
    pub(super) caller: &'a Identity,
    pub(super) request: &'a Attributes,
    pub(super) wanted: &'a Wanted,
}

// === impl Habits ===

impl Habits {
    /// Tries all modes; the first error is the one that is told.
    pub(super) fn allow(&self, asking: Asking<'_>) -> Result<Allowed> {
        let habit = self.of(&asking.caller.user);
        let others = MODES.into_iter().filter(|mode| Some(*mode) != habit);
        let mut first = None;
        for mode in habit.into_iter().chain(others) {
            if !mode.applies(asking.wanted, asking.caller) {
                continue;
            }
            match mode.check(asking) {
                Ok(identity) => {
                    self.note(&asking.caller.user, mode);
                    let constraint = mode.constraint();
                    return Ok(Allowed {
                        identity,
                        constraint,
                    });
                }
                Err(error) => first = first.or(Some(error)),
            }
        }
        Err(first.unwrap_or_else(|| Error::internal("all impersonation modes failed")))
    }

    fn of(&self, caller: &str) -> Option<Mode> {
        let habits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        habits.get(caller).copied()
    }

    fn note(&self, caller: &str, mode: Mode) {
        let mut habits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if habits.get(caller) == Some(&mode) {
            return;
        }
        if habits.len() >= CALLERS_MAX {
            habits.clear();
        }
        habits.insert(caller.to_owned(), mode);
    }
}

// === impl Mode ===

impl Mode {
    /// The verb on who is wanted.
    fn verb(self) -> &'static str {
        match self {
            Self::AssociatedNode => "impersonate:associated-node",
            Self::ArbitraryNode => "impersonate:arbitrary-node",
            Self::ServiceAccount => "impersonate:serviceaccount",
            Self::UserInfo => "impersonate:user-info",
            Self::Legacy => "impersonate",
        }
    }

    fn is_constrained(self) -> bool {
        self != Self::Legacy
    }

    fn constraint(self) -> &'static str {
        if self.is_constrained() {
            self.verb()
        } else {
            ""
        }
    }

    /// Whether this is a way to be that user at all.
    fn applies(self, wanted: &Wanted, caller: &Identity) -> bool {
        match self {
            Self::AssociatedNode => {
                let at = caller.extra.get(NODE_OF_CALLER).map(Vec::as_slice);
                wanted.has_a_name_only()
                    && account(&caller.user).is_some()
                    && node(&wanted.user).is_some_and(|name| at == Some(&[name.to_owned()]))
            }
            Self::ArbitraryNode => wanted.has_a_name_only() && node(&wanted.user).is_some(),
            Self::ServiceAccount => wanted.has_a_name_only() && account(&wanted.user).is_some(),
            Self::UserInfo => node(&wanted.user).is_none() && account(&wanted.user).is_none(),
            Self::Legacy => true,
        }
    }

    /// Who they are then.
    fn check(self, asking: Asking<'_>) -> Result<Identity> {
        if let Some(name) = self.verb().strip_prefix("impersonate:") {
            let verb = format!("impersonate-on:{name}:{}", asking.request.verb);
            asking.may(&Attributes {
                verb,
                ..asking.request.clone()
            })?;
        }
        let groups = self.check_user(asking)?;
        self.check_uid(asking)?;
        self.check_groups(asking)?;
        self.check_extra(asking)?;
        Ok(asking.wanted.with_groups(groups))
    }

    fn attributes(self, resource: &str, name: &str) -> Attributes {
        let always = matches!(resource, "uids" | "userextras");
        let group = if always || self.is_constrained() {
            AUTHENTICATION
        } else {
            ""
        };
        Attributes {
            verb: self.verb().to_owned(),
            group: group.to_owned(),
            version: "v1".to_owned(),
            resource: resource.to_owned(),
            name: name.to_owned(),
            ..Attributes::default()
        }
    }

    /// The groups that they have: those that are wanted, or those that follow from the name.
    fn check_user(self, asking: Asking<'_>) -> Result<Vec<String>> {
        let wanted = asking.wanted;
        let mut attributes = self.attributes("users", &wanted.user);
        let mut groups = wanted.groups.clone();
        if let Some(name) = node(&wanted.user).filter(|_| self.is_constrained()) {
            let any = self == Self::AssociatedNode;
            "nodes".clone_into(&mut attributes.resource);
            attributes.name = if any { "*" } else { name }.to_owned();
            groups = vec![NODES.to_owned()];
        }
        if let Some((namespace, name)) = account(&wanted.user) {
            "serviceaccounts".clone_into(&mut attributes.resource);
            namespace.clone_into(&mut attributes.namespace);
            name.clone_into(&mut attributes.name);
            if groups.is_empty() {
                groups = vec![
                    "system:serviceaccounts".to_owned(),
                    format!("system:serviceaccounts:{namespace}"),
                ];
            }
        }
        asking.may(&attributes)?;
        Ok(groups)
    }

    fn check_uid(self, asking: Asking<'_>) -> Result<()> {
        match &asking.wanted.uid {
            Some(uid) => asking.may(&self.attributes("uids", uid)),
            None => Ok(()),
        }
    }

    fn check_groups(self, asking: Asking<'_>) -> Result<()> {
        let groups = &asking.wanted.groups;
        let wanted = |name: &str| groups.iter().any(|group| group == name);
        let named = |name: &str| self.attributes("groups", name);
        if self.is_constrained() {
            if wanted("") {
                let why = "impersonating the empty string group is not allowed";
                return Err(named("").refusal(&asking.caller.user, why));
            }
            if wanted(MASTERS) {
                let why = "impersonating the system:masters group is not allowed";
                return Err(named(MASTERS).refusal(&asking.caller.user, why));
            }
            if groups.len() >= MANY && asking.may(&named("*")).is_ok() {
                return Ok(());
            }
        }
        groups
            .iter()
            .try_for_each(|group| asking.may(&named(group)))
    }

    fn check_extra(self, asking: Asking<'_>) -> Result<()> {
        let extra = &asking.wanted.extra;
        let named = |key: &str, value: &str| Attributes {
            subresource: key.to_owned(),
            ..self.attributes("userextras", value)
        };
        if self.is_constrained() {
            for (key, values) in extra {
                super::extra::check(key, values)
                    .map_err(|why| named("", "").refusal(&asking.caller.user, &why))?;
            }
            let count: usize = extra.values().map(Vec::len).sum();
            let many = extra.len() >= MANY || count >= MANY;
            if many && asking.may(&named("*", "*")).is_ok() {
                return Ok(());
            }
        }
        let mut all = extra
            .iter()
            .flat_map(|(k, vs)| vs.iter().map(move |v| (k, v)));
        all.try_for_each(|(key, value)| asking.may(&named(key, value)))
    }
}

// === impl Asking ===

impl Asking<'_> {
    fn may(self, attributes: &Attributes) -> Result<()> {
        match self.authorizer.decide(self.caller, attributes) {
            Decision::Allowed { .. } => Ok(()),
            Decision::Denied { reason } => {
                // Here, other than elsewhere, it is told who says so.
                let says = if reason.is_empty() { "" } else { "rbac: " };
                Err(attributes.refusal(&self.caller.user, &format!("{says}{reason}")))
            }
        }
    }
}

// === impl Wanted ===

impl Wanted {
    fn with_groups(&self, mut groups: Vec<String>) -> Identity {
        let mut ensure = |group: &str| {
            if !groups.iter().any(|g| g == group) {
                groups.push(group.to_owned());
            }
        };
        if self.user == ANONYMOUS {
            ensure(UNAUTHENTICATED);
        } else if !self.groups.iter().any(|g| g == UNAUTHENTICATED) {
            ensure(AUTHENTICATED);
        }
        Identity {
            user: self.user.clone(),
            uid: self.uid.clone(),
            groups,
            extra: self.extra.clone(),
        }
    }
}

/// Namespace and name of a service account's user.
fn account(user: &str) -> Option<(&str, &str)> {
    let (namespace, name) = user.strip_prefix(ACCOUNT)?.split_once(':')?;
    let valid = formats::dns_label(namespace).is_empty() && formats::dns_subdomain(name).is_empty();
    valid.then_some((namespace, name))
}

/// The name of a node's user.
fn node(user: &str) -> Option<&str> {
    let name = user.strip_prefix(NODE)?;
    formats::dns_subdomain(name).is_empty().then_some(name)
}
