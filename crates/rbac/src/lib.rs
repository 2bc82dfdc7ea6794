//! Decision: who may do what, by the rules of Kubernetes RBAC.
//!
//! What it is: a [`Policy`] holds the RBAC objects of a cluster, decoded and indexed, and answers requests, in the words
//! that Kubernetes uses. [`escalation`] decides who may grant what; [`bootstrap`] holds the roles and bindings that every
//! Kubernetes cluster begins with. What it never does: read a store, know who a caller is (authentication did).
#![warn(missing_docs)]

pub mod aggregate;
pub mod bootstrap;
pub mod escalation;
mod grant;
mod object;
mod policy;
mod request;
mod review;
mod rule;

pub use grant::Grant;
pub use object::{AggregationRule, Binding, NotRbac, Object, Role, RoleRef, Subject};
pub use policy::{Decision, Policy};
pub use request::{Request, Target, User};
pub use review::rules_review;
pub use rule::Rule;

/// The API group of the objects.
pub const GROUP: &str = "rbac.authorization.k8s.io";
/// Members of this group may do everything: it is who the API server itself is, and what repairs broken rules.
pub const MASTERS: &str = "system:masters";

#[cfg(test)]
mod tests;
