//! One operation on an object, as policies and webhooks see it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// A new object.
    Create,
    /// A change of an object.
    Update,
    /// A deletion.
    Delete,
    /// A stream or proxied request to an object.
    Connect,
}

/// A kind or a resource in one version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Type {
    /// API group.
    pub group: String,
    /// Version.
    pub version: String,
    /// The kind's name, or the plural name of the resource.
    pub name: String,
}

/// Who asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct User {
    /// Name.
    pub name: String,
    /// Identity over time; may be empty.
    pub uid: String,
    /// Groups.
    pub groups: Vec<String>,
    /// More that is known.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// A request for an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What is done.
    pub operation: Operation,
    /// The kind in the body.
    pub kind: Type,
    /// The resource in the path.
    pub resource: Type,
    /// Part of the resource; may be empty.
    pub subresource: String,
    /// Name of the object; may be empty when it is created.
    pub name: String,
    /// Its namespace; the name itself for a namespace; empty for other cluster-scoped objects.
    pub namespace: String,
    /// Who asks.
    pub user: User,
    /// Whether nothing is to be stored.
    pub dry_run: bool,
    /// `CreateOptions` and the like; null if there are none.
    pub options: Value,
}

// === impl Operation ===

impl Operation {
    /// The word in rules.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
        }
    }
}

// === impl Type ===

impl Type {
    /// A kind or resource.
    #[must_use]
    pub fn new(group: &str, version: &str, name: &str) -> Self {
        Self {
            group: group.to_owned(),
            version: version.to_owned(),
            name: name.to_owned(),
        }
    }

    fn value(&self, last: &str) -> Value {
        json!({"group": self.group, "version": self.version, last: self.name})
    }
}

// === impl User ===

impl User {
    fn value(&self) -> Value {
        let mut user = json!({});
        if !self.name.is_empty() {
            user["username"] = json!(self.name);
        }
        if !self.uid.is_empty() {
            user["uid"] = json!(self.uid);
        }
        if !self.groups.is_empty() {
            user["groups"] = json!(self.groups);
        }
        if !self.extra.is_empty() {
            user["extra"] = json!(self.extra);
        }
        user
    }
}

// === impl Request ===

impl Request {
    /// Whether it is for one of the objects that say how admission works: what they say must not keep anybody from
    /// changing them.
    #[must_use]
    pub fn is_about_admission(&self) -> bool {
        self.kind.group == "admissionregistration.k8s.io"
            && matches!(
                self.kind.name.as_str(),
                "ValidatingWebhookConfiguration"
                    | "MutatingWebhookConfiguration"
                    | "ValidatingAdmissionPolicy"
                    | "ValidatingAdmissionPolicyBinding"
                    | "MutatingAdmissionPolicy"
                    | "MutatingAdmissionPolicyBinding"
            )
    }

    /// Whether it only asks who somebody is or what they may: such questions are never admitted or refused.
    #[must_use]
    pub fn is_review(&self) -> bool {
        matches!(
            (self.resource.group.as_str(), self.resource.name.as_str()),
            (
                "authentication.k8s.io",
                "tokenreviews" | "selfsubjectreviews"
            ) | (
                "authorization.k8s.io",
                "localsubjectaccessreviews"
                    | "selfsubjectaccessreviews"
                    | "selfsubjectrulesreviews"
                    | "subjectaccessreviews"
            )
        )
    }

    /// The fields of an `AdmissionRequest`, without its uid and objects, for a rule that matched `resource`.
    #[must_use]
    pub fn value(&self, kind: &Type, resource: &Type) -> Value {
        let mut value = json!({
            "kind": kind.value("kind"), "resource": resource.value("resource"),
            "requestKind": self.kind.value("kind"), "requestResource": self.resource.value("resource"),
            "operation": self.operation.as_str(), "userInfo": self.user.value(),
            "object": null, "oldObject": null, "dryRun": self.dry_run, "options": self.options,
        });
        let texts = [
            ("subResource", &self.subresource),
            ("requestSubResource", &self.subresource),
            ("name", &self.name),
            ("namespace", &self.namespace),
        ];
        for (field, text) in texts {
            if !text.is_empty() {
                value[field] = json!(text);
            }
        }
        value
    }
}
