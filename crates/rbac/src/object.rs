//! RBAC objects with what decisions need of them.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::request::User;
use crate::rule::{Rule, has, or_null};

/// A `Role` or `ClusterRole`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Role {
    /// What it allows. Of an aggregated role: what a controller once wrote there; the selected roles count, not this.
    #[serde(deserialize_with = "or_null")]
    pub rules: Vec<Rule>,
    /// Selects the roles whose rules it has (`ClusterRole` only).
    pub aggregation_rule: Option<AggregationRule>,
    #[serde(skip)]
    pub(crate) labels: BTreeMap<String, String>,
}

/// Selects roles by their labels: those that any of the selectors matches.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AggregationRule {
    /// The selectors, as in `matchLabels`, `matchExpressions`.
    #[serde(deserialize_with = "or_null")]
    pub cluster_role_selectors: Vec<crate::aggregate::Selector>,
}

/// A `RoleBinding` or `ClusterRoleBinding`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Binding {
    /// Who gets the role.
    #[serde(deserialize_with = "or_null")]
    pub subjects: Vec<Subject>,
    /// The role.
    pub role_ref: RoleRef,
}

/// Who gets a role.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Subject {
    /// `User`, `Group` or `ServiceAccount`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The namespace of a service account.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
}

/// The role of a binding.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RoleRef {
    /// `Role` or `ClusterRole`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// One of the four kinds, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Object {
    /// A `ClusterRole`.
    ClusterRole(String, Role),
    /// A `Role`: namespace, name.
    Role(String, String, Role),
    /// A `ClusterRoleBinding`.
    ClusterRoleBinding(String, Binding),
    /// A `RoleBinding`: namespace, name.
    RoleBinding(String, String, Binding),
}

/// Not an RBAC object, or a damaged one.
#[derive(Debug, thiserror::Error)]
#[error("not an RBAC object: {0}")]
pub struct NotRbac(String);

#[derive(Deserialize, Default)]
#[serde(default)]
struct Meta {
    name: String,
    namespace: String,
    #[serde(deserialize_with = "or_null")]
    labels: BTreeMap<String, String>,
}

// === impl Object ===

impl Object {
    /// Reads an object as the API stores it. `kind` is the resource's kind: stored bytes need not repeat it.
    ///
    /// # Errors
    /// When it is of another kind, or its parts have other types than they should.
    pub fn read(kind: &str, object: &Value) -> Result<Self, NotRbac> {
        let damaged = |e: serde_json::Error| NotRbac(e.to_string());
        let meta = Meta::deserialize(&object["metadata"]).map_err(damaged)?;
        let role = |labels| -> Result<Role, NotRbac> {
            let role = Role::deserialize(object).map_err(damaged)?;
            Ok(Role { labels, ..role })
        };
        let binding = || Binding::deserialize(object).map_err(damaged);
        Ok(match kind {
            "ClusterRole" => Self::ClusterRole(meta.name, role(meta.labels)?),
            "Role" => Self::Role(meta.namespace, meta.name, role(meta.labels)?),
            "ClusterRoleBinding" => Self::ClusterRoleBinding(meta.name, binding()?),
            "RoleBinding" => Self::RoleBinding(meta.namespace, meta.name, binding()?),
            other => return Err(NotRbac(format!("kind {other:?}"))),
        })
    }
}

// === impl Subject ===

impl Subject {
    /// Whether this is the user. `namespace` is that of the binding, for service accounts without one of their own.
    pub(crate) fn is(&self, user: &User<'_>, namespace: &str) -> bool {
        match self.kind.as_str() {
            "User" => self.name == user.name,
            "Group" => has(user.groups, &self.name),
            "ServiceAccount" => {
                let namespace = self.namespace_or(namespace);
                !namespace.is_empty()
                    && user
                        .name
                        .strip_prefix("system:serviceaccount:")
                        .and_then(|rest| rest.split_once(':'))
                        .is_some_and(|(ns, name)| ns == namespace && name == self.name)
            }
            _ => false,
        }
    }

    fn namespace_or<'a>(&'a self, namespace: &'a str) -> &'a str {
        match self.namespace.as_str() {
            "" => namespace,
            own => own,
        }
    }

    /// As reasons name it: service accounts as name and namespace, in this order.
    pub(crate) fn describe(&self, namespace: &str) -> impl fmt::Display {
        let name = match self.kind.as_str() {
            "ServiceAccount" => format!("{}/{}", self.name, self.namespace_or(namespace)),
            _ => self.name.clone(),
        };
        format!("{} {name:?}", self.kind)
    }
}
