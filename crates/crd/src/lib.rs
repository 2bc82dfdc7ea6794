//! Decision: custom resource definitions, compiled.
//!
//! A `CustomResourceDefinition` is judged as Kubernetes judges it ([`check`]), then compiled into a [`CustomKind`]
//! that can do everything the API server needs for its objects: prune, default, validate (OpenAPI, list types, CEL),
//! print, scale, and say what its fields merge like. Everything is pure; time comes as an argument.
//! What it never does: I/O, storage, calls to conversion webhooks. Start reading at [`definition`].
#![warn(missing_docs)]

pub mod cel;
pub mod check;
pub mod columns;
pub mod definition;
pub mod jsonpath;
pub mod names;
pub mod node;
pub mod object;
mod pattern;

pub use check::{validate_create, validate_update};
pub use columns::PrinterColumn;
pub use definition::{CustomKind, Scale, Version};
pub use names::{AcceptedNames, accept_names};
