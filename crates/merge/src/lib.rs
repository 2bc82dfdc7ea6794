//! Decision: patches and server-side apply.
//!
//! What it is: the four ways in which Kubernetes lets a client change an object (JSON patch, JSON merge patch,
//! strategic merge patch, server-side apply) and the book-keeping of who owns which field. Pure functions on
//! `serde_json::Value` and the type table of crate `schema`; the time is an argument.
//! What it never does: I/O, validation of the result, defaulting.
//! Start reading at [`mod@apply`].
#![warn(missing_docs)]

pub mod apply;
mod depth;
mod error;
mod fields;
mod go;
mod json_patch;
mod managers;
mod merge_patch;
mod overlay;
mod scale;
mod strategic;
mod typed;

pub use apply::{
    ApplyArgs, ApplyError, Conflict, Conflicts, OneVersion, UpdateArgs, Versions, apply,
    keep_times_if_unchanged, reset_fields, track_update,
};
pub use depth::DEPTH_MAX;
pub use error::PatchError;
pub use go::plain as in_go;
pub use json_patch::{OPERATIONS_MAX, json_patch};
pub use merge_patch::merge_patch;
pub use overlay::overlay;
pub use scale::ScaleOwners;
pub use strategic::strategic;
