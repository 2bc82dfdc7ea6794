//! What makes an object valid, with the paths and the words that Kubernetes uses.
//!
//! Rules of `metadata` hold for every kind; what else a kind demands stands in the module of its group. Mistakes
//! come in the order in which Kubernetes finds them; one and the same mistake may come twice, as it does there
//! (the message of a `Status` shows it once, its causes twice).

use serde_json::Value;

use crate::error::{Errors, FieldError};
use crate::path::Path;
use crate::read::Read;
use crate::registry::Kind;

pub mod metadata;

use metadata::{NameRule, path_segment_name};

/// What a number below zero is told.
pub(crate) const NOT_NEGATIVE: &str = "must be greater than or equal to 0";

/// What is wrong with an object that is to be created (`old` is `None`) or to replace `old`, written to the
/// resource itself or to one of its subresources.
#[must_use]
pub fn validate(
    kind: &Kind,
    subresource: Option<&str>,
    new: &Value,
    old: Option<&Value>,
) -> Vec<FieldError> {
    let mut errors = Errors::new();
    let path = Path::root("metadata");
    let meta = new.field("metadata");
    match old {
        None => {
            metadata::validate(meta, kind.namespaced, name_rule(kind), &path, &mut errors);
        }
        Some(old) => {
            let before = old.field("metadata");
            metadata::validate(meta, kind.namespaced, path_segment_name, &path, &mut errors);
            metadata::validate_update(meta, before, &path, &mut errors);
            metadata::validate_update(meta, before, &path, &mut errors);
        }
    }
    let _ = subresource;
    errors.0
}

/// How objects of a kind may be named.
fn name_rule(kind: &Kind) -> NameRule {
    match (kind.group, kind.kind) {
        ("", "Namespace") => metadata::label_name,
        ("rbac.authorization.k8s.io", _) => path_segment_name,
        _ => metadata::subdomain_name,
    }
}
