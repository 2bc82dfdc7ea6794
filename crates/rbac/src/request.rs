//! What somebody wants to do, and how a refusal reads.

use crate::GROUP;

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub struct User<'a> {
    /// The name.
    pub name: &'a str,
    /// The groups.
    pub groups: &'a [String],
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// `get`, `list`, `create`, `deletecollection`, …; for paths the HTTP method in lower case.
    pub verb: &'a str,
    /// Of what.
    pub target: Target<'a>,
}

/// What a request is about.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    /// A resource; what is not given is empty.
    Resource {
        /// API group, `` for the core group.
        group: &'a str,
        /// Plural name.
        resource: &'a str,
        /// `status`, `log`, …
        subresource: &'a str,
        /// Namespace.
        namespace: &'a str,
        /// Name of the object.
        name: &'a str,
    },
    /// A path that is no resource.
    Path(&'a str),
}

// === impl Request ===

impl Request<'_> {
    /// The namespace that is asked about, or `` for the whole cluster.
    #[must_use]
    pub fn namespace(&self) -> &str {
        match self.target {
            Target::Resource { namespace, .. } => namespace,
            Target::Path(_) => "",
        }
    }

    /// The message of the 403 that Kubernetes gives, `reason` being what the decision said.
    #[must_use]
    pub fn forbidden(&self, user: &User<'_>, reason: &str) -> String {
        let mut text = self.cannot(user);
        if !reason.is_empty() {
            text.push_str(": ");
            text.push_str(reason);
        }
        match self.target {
            Target::Path(_) => format!("forbidden: {text}"),
            Target::Resource {
                group,
                resource,
                name,
                ..
            } => {
                let dot = if group.is_empty() { "" } else { "." };
                let named = match name {
                    "" => String::new(),
                    name => format!(" {name:?}"),
                };
                format!("{resource}{dot}{group}{named} is forbidden: {text}")
            }
        }
    }

    fn cannot(&self, user: &User<'_>) -> String {
        let (user, verb) = (user.name, self.verb);
        match self.target {
            Target::Path(path) => format!("User {user:?} cannot {verb} path {path:?}"),
            Target::Resource {
                group,
                resource,
                subresource,
                namespace,
                ..
            } => {
                let slash = if subresource.is_empty() { "" } else { "/" };
                let place = match namespace {
                    "" => "at the cluster scope".to_owned(),
                    namespace => format!("in the namespace {namespace:?}"),
                };
                format!(
                    "User {user:?} cannot {verb} resource \"{resource}{slash}{subresource}\" \
                     in API group {group:?} {place}"
                )
            }
        }
    }
}

impl<'a> Target<'a> {
    /// An RBAC object, for the verbs `bind` and `escalate`.
    pub(crate) fn rbac(resource: &'a str, namespace: &'a str, name: &'a str) -> Self {
        Self::Resource {
            group: GROUP,
            resource,
            subresource: "",
            namespace,
            name,
        }
    }
}
