//! Rights of the parts of a program, beside those that objects give.

use serde_json::{Value, json};

use crate::GROUP;
use crate::request::{Request, User};
use crate::rule::Rule;

/// What one user may do whatever the objects say: never stored, so nobody can take it away or see it in a list of roles.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grant {
    /// Who.
    pub user: String,
    /// Where; `` is everywhere.
    pub namespace: String,
    /// What.
    pub rules: Vec<Rule>,
}

// === impl Grant ===

impl Grant {
    /// Whether this grant alone allows the request.
    #[must_use]
    pub fn allows(&self, user: &User<'_>, request: &Request<'_>) -> bool {
        self.reaches(user, request.namespace())
            && self.rules.iter().any(|rule| rule.allows(request))
    }

    pub(crate) fn reaches(&self, user: &User<'_>, namespace: &str) -> bool {
        self.user == user.name && (self.namespace.is_empty() || self.namespace == namespace)
    }

    /// The same as objects, a role and its binding, for an API server of others. Both bear `name`.
    #[must_use]
    pub fn objects(&self, name: &str) -> [Value; 2] {
        let (role, binding, mut metadata) = match self.namespace.as_str() {
            "" => ("ClusterRole", "ClusterRoleBinding", json!({})),
            namespace => ("Role", "RoleBinding", json!({ "namespace": namespace })),
        };
        metadata["name"] = name.into();
        let version = format!("{GROUP}/v1");
        [
            json!({"apiVersion": version, "kind": role, "metadata": metadata, "rules": self.rules}),
            json!({"apiVersion": version, "kind": binding, "metadata": metadata,
                "roleRef": {"apiGroup": GROUP, "kind": role, "name": name},
                "subjects": [{"apiGroup": GROUP, "kind": "User", "name": self.user}]}),
        ]
    }
}
