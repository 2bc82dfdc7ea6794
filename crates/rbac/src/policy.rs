//! All RBAC objects of a cluster, and what they decide.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::grant::Grant;
use crate::object::{Binding, Object, Role, RoleRef};
use crate::request::{Request, User};
use crate::rule::{Rule, has};
use crate::{GROUP, MASTERS, aggregate};

/// The RBAC objects of a cluster. Kept by whoever watches them; asked by the API server for every request.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    cluster_roles: BTreeMap<String, Role>,
    /// Of every cluster role, with aggregation resolved: what requests are judged by.
    effective: HashMap<String, Arc<[Rule]>>,
    roles: HashMap<String, HashMap<String, Arc<[Rule]>>>,
    cluster_bindings: BTreeMap<String, Binding>,
    bindings: HashMap<String, BTreeMap<String, Binding>>,
    /// Of the parts of the program itself; no object changes them.
    grants: Arc<[Grant]>,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It may. The reason is what Kubernetes writes (empty for `system:masters`).
    Allowed {
        /// Which binding allows it.
        reason: String,
    },
    /// It may not. The reason is empty, or names roles that bindings refer to and that do not exist.
    Denied {
        /// What could not be resolved.
        reason: String,
    },
}

/// Where a rule comes from.
#[derive(Debug, Clone, Copy)]
struct Source<'a> {
    namespace: &'a str,
    name: &'a str,
    binding: &'a Binding,
    subject: usize,
}

// === impl Decision ===

impl Decision {
    /// Whether it may.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed { .. })
    }

    /// The reason, perhaps empty.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::Allowed { reason } | Self::Denied { reason } => reason,
        }
    }
}

// === impl Policy ===

impl Policy {
    /// Adds or replaces an object.
    pub fn put(&mut self, object: Object) {
        match object {
            Object::ClusterRole(name, role) => {
                self.cluster_roles.insert(name, role);
                self.resolve();
            }
            Object::Role(namespace, name, role) => {
                let roles = self.roles.entry(namespace).or_default();
                roles.insert(name, role.rules.into());
            }
            Object::ClusterRoleBinding(name, binding) => {
                self.cluster_bindings.insert(name, binding);
            }
            Object::RoleBinding(namespace, name, binding) => {
                let bindings = self.bindings.entry(namespace).or_default();
                bindings.insert(name, binding);
            }
        }
    }

    /// Removes an object, by its kind and place. One that is not there is no matter.
    pub fn remove(&mut self, kind: &str, namespace: &str, name: &str) {
        match kind {
            "ClusterRole" if self.cluster_roles.remove(name).is_some() => self.resolve(),
            "Role" => {
                self.roles
                    .get_mut(namespace)
                    .map(|roles| roles.remove(name));
            }
            "ClusterRoleBinding" => {
                self.cluster_bindings.remove(name);
            }
            "RoleBinding" => {
                self.bindings.get_mut(namespace).map(|all| all.remove(name));
            }
            _ => {}
        }
    }

    /// Replaces everything: cheaper than one by one at a start.
    #[must_use]
    pub fn of(objects: impl IntoIterator<Item = Object>) -> Self {
        let mut policy = Self::default();
        for object in objects {
            match object {
                Object::ClusterRole(name, role) => {
                    policy.cluster_roles.insert(name, role);
                }
                other => policy.put(other),
            }
        }
        policy.resolve();
        policy
    }

    /// As [`Self::of`]; the rights of parts of the program stay.
    pub fn replace(&mut self, objects: impl IntoIterator<Item = Object>) {
        let grants = self.grants.clone();
        *self = Self::of(objects).granting(grants);
    }

    /// The same, with the rights of parts of the program itself.
    #[must_use]
    pub fn granting(mut self, grants: impl Into<Arc<[Grant]>>) -> Self {
        self.grants = grants.into();
        self
    }

    /// Whether the user may do this: by the objects, or as a part of the program.
    #[must_use]
    pub fn authorize(&self, user: &User<'_>, request: &Request<'_>) -> Decision {
        if has(user.groups, MASTERS) {
            let reason = String::new();
            return Decision::Allowed { reason };
        }
        let mut allowed = None;
        let missing = self.visit(user, request.namespace(), |source, rules| {
            if rules.iter().any(|rule| rule.allows(request)) {
                allowed = Some(source.describe());
            }
            allowed.is_none()
        });
        match allowed {
            Some(source) => Decision::Allowed {
                reason: format!("RBAC: allowed by {source}"),
            },
            None if self.grants.iter().any(|g| g.allows(user, request)) => Decision::Allowed {
                reason: "it is a part of this server".to_owned(),
            },
            None => Decision::Denied {
                reason: reason(&missing),
            },
        }
    }

    /// All rules that apply to the user in a namespace (`` for the cluster's own only), and what could not be resolved.
    #[must_use]
    pub fn rules_for(&self, user: &User<'_>, namespace: &str) -> (Vec<Rule>, Vec<String>) {
        let mut all = Vec::new();
        let missing = self.visit(user, namespace, |_, rules| {
            all.extend_from_slice(rules);
            true
        });
        let granted = self.grants.iter().filter(|g| g.reaches(user, namespace));
        all.extend(granted.flat_map(|g| g.rules.iter().cloned()));
        (all, missing)
    }

    /// The rules of the role that a binding in `namespace` refers to.
    ///
    /// # Errors
    /// In Kubernetes' words, when there is no such role.
    pub fn role(&self, reference: &RoleRef, namespace: &str) -> Result<&[Rule], String> {
        let RoleRef { kind, name } = reference;
        let (found, resource) = match kind.as_str() {
            "ClusterRole" => (self.effective.get(name), "clusterrole"),
            "Role" => {
                let here = self.roles.get(namespace);
                (here.and_then(|roles| roles.get(name)), "role")
            }
            other => return Err(format!("unsupported role reference kind: {other:?}")),
        };
        found
            .map(AsRef::as_ref)
            .ok_or_else(|| format!("{resource}.{GROUP} {name:?} not found"))
    }

    /// The rules that an aggregated cluster role has at present, for whoever writes them into the object; `None` if it
    /// is not aggregated.
    #[must_use]
    pub fn aggregated(&self, name: &str) -> Option<&[Rule]> {
        self.cluster_roles.get(name)?.aggregation_rule.as_ref()?;
        self.effective.get(name).map(AsRef::as_ref)
    }

    /// The names of the aggregated cluster roles.
    pub fn aggregated_names(&self) -> impl Iterator<Item = &str> {
        let aggregated = |(_, role): &(&String, &Role)| role.aggregation_rule.is_some();
        let roles = self.cluster_roles.iter().filter(aggregated);
        roles.map(|(name, _)| name.as_str())
    }

    /// Visits the rules of each binding that applies, until `visit` says no. Answers with what could not be resolved.
    fn visit<'a>(
        &'a self,
        user: &User<'_>,
        namespace: &'a str,
        mut visit: impl FnMut(Source<'a>, &'a [Rule]) -> bool,
    ) -> Vec<String> {
        let of_cluster = self.cluster_bindings.iter().map(|b| ("", b));
        let here = self.bindings.get(namespace).into_iter().flatten();
        let here = here.map(|b| (namespace, b));
        let mut missing = Vec::new();
        for (namespace, (name, binding)) in of_cluster.chain(here) {
            let applies = |s: &crate::Subject| s.is(user, namespace);
            let Some(subject) = binding.subjects.iter().position(applies) else {
                continue;
            };
            match self.role(&binding.role_ref, namespace) {
                Err(error) if missing.contains(&error) => {}
                Err(error) => missing.push(error),
                Ok(rules) => {
                    let source = Source {
                        namespace,
                        name,
                        binding,
                        subject,
                    };
                    if !visit(source, rules) {
                        break;
                    }
                }
            }
        }
        missing
    }

    fn resolve(&mut self) {
        let of_role = |(name, role): (&String, &Role)| {
            let rules = match &role.aggregation_rule {
                None => role.rules.clone(),
                Some(_) => aggregate::rules(name, &self.cluster_roles),
            };
            // Most changes concern one role: the others keep the memory that they have.
            let same = self.effective.get(name).filter(|old| ***old == *rules);
            let rules = same.map_or_else(|| rules.into(), Arc::clone);
            (name.clone(), rules)
        };
        self.effective = self.cluster_roles.iter().map(of_role).collect();
    }
}

fn reason(missing: &[String]) -> String {
    match missing {
        [] => String::new(),
        [one] => format!("RBAC: {one}"),
        many => format!("RBAC: [{}]", many.join(", ")),
    }
}

// === impl Source ===

impl Source<'_> {
    fn describe(&self) -> String {
        let (kind, name) = match self.namespace {
            "" => ("ClusterRoleBinding", self.name.to_owned()),
            namespace => ("RoleBinding", format!("{}/{namespace}", self.name)),
        };
        let role = &self.binding.role_ref;
        let subject = self.binding.subjects[self.subject].describe(self.namespace);
        format!(
            "{kind} {name:?} of {} {:?} to {subject}",
            role.kind, role.name
        )
    }
}
