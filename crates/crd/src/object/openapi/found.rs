//! What was found to be wrong, and how it is told.

use serde_json::Value;

use cedge_kinds::error::{ErrorKind, FieldError, quote};

#[derive(Default)]
pub(super) struct Found {
    pub(super) issues: Vec<Issue>,
    /// How much was right: picks the alternative whose mistakes are shown.
    pub(super) matches: usize,
}

/// One mistake, with the validator's own message (by which repeated ones are told).
#[derive(Clone)]
pub(super) struct Issue {
    pub(super) path: Option<String>,
    pub(super) kind: ErrorKind,
    pub(super) value: Option<Value>,
    pub(super) detail: String,
    pub(super) message: String,
}

impl Issue {
    pub(super) fn into_error(self, prefix: &str) -> FieldError {
        let root = if prefix.is_empty() { "<nil>" } else { prefix };
        let field = match self.path.as_deref() {
            None | Some("" | ".") => root.to_owned(),
            Some(path) => {
                let path = path.strip_prefix('.').unwrap_or(path);
                if prefix.is_empty() {
                    path.to_owned()
                } else {
                    format!("{prefix}.{path}")
                }
            }
        };
        FieldError {
            kind: self.kind,
            field,
            value: self.value,
            detail: self.detail,
        }
    }
}

impl Found {
    pub(super) fn add(
        &mut self,
        path: &str,
        kind: ErrorKind,
        value: Option<Value>,
        detail: String,
        message: String,
    ) {
        let path = Some(path.to_owned());
        self.issues.push(Issue {
            path,
            kind,
            value,
            detail,
            message,
        });
    }

    /// `Invalid value: VALUE: PATH in body WORDS`.
    pub(super) fn invalid(&mut self, path: &str, value: Value, words: &str) {
        let message = format!("{path} in body {words}");
        self.add(
            path,
            ErrorKind::Invalid,
            Some(value),
            message.clone(),
            message,
        );
    }

    /// `Invalid value: GOT: PATH in body must be of type WANTED: GOT`.
    pub(super) fn wrong_type(&mut self, path: &str, wanted: &str, got: &str) {
        let message = format!("{path} in body must be of type {wanted}: {}", quote(got));
        self.add(
            path,
            ErrorKind::TypeInvalid,
            Some(got.into()),
            message.clone(),
            message,
        );
    }

    /// A mistake of the whole, without a path.
    pub(super) fn composite(&mut self, message: String) {
        self.issues.push(Issue {
            path: None,
            kind: ErrorKind::Invalid,
            value: Some("".into()),
            detail: message.clone(),
            message,
        });
    }

    pub(super) fn merge(&mut self, other: Found) {
        self.issues.extend(other.issues);
        self.matches += other.matches;
    }
}

pub(super) fn too_many(path: &str, actual: u64, max: u64, unit: &str, found: &mut Found) {
    let items = if max == 1 { "item" } else { "items" };
    let detail = format!("must have at most {max} {items}");
    let message = format!("{path} in body should have at most {max} {unit}");
    found.add(
        path,
        ErrorKind::TooMany,
        Some(actual.into()),
        detail,
        message,
    );
}
