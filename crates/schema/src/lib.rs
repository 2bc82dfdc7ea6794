//! Decision: the table of Kubernetes types.
//!
//! What it is: for every built-in kind of Kubernetes 1.37, and for every kind that a CustomResourceDefinition
//! describes, the graph of its types: fields, defaults, list and map topologies, patch keys. Patches,
//! server-side apply, strict field validation and the OpenAPI documents all read this one table.
//! What it never does: I/O, defaulting or validation of values beyond their JSON types (crates `kinds` and `crd`).
//! Start reading at [`types`].
#![warn(missing_docs)]

mod builder;
pub mod builtin;
pub mod check;
pub mod generate;
#[cfg(test)]
mod hostile;
pub mod normalize;
pub mod openapi;
pub mod strict;
mod table;
pub mod types;
pub mod unknown;

pub use builder::SchemaError;
pub use builtin::builtin;
pub use check::{TypeMismatch, check_types};
pub use normalize::{normalize, zero};
pub use strict::{duplicate_fields, strict_errors};
pub use table::Presence;
pub use types::{Field, ListTopology, MapTopology, PatchStrategy, Scalar, Shape, TypeRef, Types};
pub use unknown::unknown_fields;
