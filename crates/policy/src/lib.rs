//! Decision: what admission rules match, and what policies in CEL decide.
//!
//! What it is: the rules of webhooks and admission policies ([`rules`], [`labels`]), compiled once; the variables that
//! an expression sees ([`scope`]); ValidatingAdmissionPolicies and MutatingAdmissionPolicies ([`validating`],
//! [`mutating`]), and what is wrong with them when they are written ([`check`]). Expressions run with a budget.
//! What it never does: I/O, calling a webhook, looking up a binding's parameters.
//! Start reading at [`request`].
#![warn(missing_docs)]

pub mod check;
pub mod conditions;
pub mod labels;
pub mod mutating;
pub mod request;
pub mod rules;
pub mod scope;
mod undeclared;
pub mod validating;

pub use conditions::{Conditions, Met};
pub use labels::Selector;
pub use mutating::{Change, MutatingPolicy};
pub use request::{Operation, Request, Type, User};
pub use rules::{Asked, Matching, Rules};
pub use scope::{Scope, Sight};
pub use validating::{Denial, ValidatingPolicy, Verdict};
