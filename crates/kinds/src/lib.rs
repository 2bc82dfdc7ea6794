//! Decision: what each built-in kind is.
//!
//! Names and verbs, defaults, what a write may change, what makes an object valid, which fields can be selected
//! on, and how `kubectl get` shows it: for every kind of Kubernetes 1.37 that we serve, in pure functions on JSON.
//! What it never does: I/O, clocks, allocation of addresses. Start reading at [`registry`], whose table names every
//! kind; then follow a write: [`default_object`], [`prepare_create`], [`validate`].
#![warn(missing_docs)]

pub mod amounts;
pub mod cron;
pub mod error;
pub mod fields;
pub mod formats;
pub mod limit_range;
pub mod path;
pub mod quantity;
pub mod quota;
pub mod read;
pub mod registry;
pub mod strategy;
pub mod tables;
pub mod time;
pub mod validation;

mod convert;
mod defaults;

pub use convert::convert;
pub use defaults::{default_object, default_pod_template};
pub use error::{ErrorKind, Errors, FieldError};
pub use fields::{UnsupportedField, check_field, fields};
pub use path::Path;
pub use quantity::Quantity;
pub use registry::{Generation, Kind, Subresource, all, find, of};
pub use strategy::{prepare_create, prepare_update};
pub use tables::{Column, row_conditions, table_columns, table_row};
pub use validation::validate;
