//! What is wrong with one field, in Kubernetes' words.

use std::fmt;

use serde_json::Value;

use crate::path::Path;

/// One mistake in an object; becomes one cause of a `Status`.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldError {
    /// What sort of mistake.
    pub kind: ErrorKind,
    /// Path of the field: `spec.containers[0].name`.
    pub field: String,
    /// The value that is shown; `None` where Kubernetes shows none.
    pub value: Option<Value>,
    /// What would be right; may be empty.
    pub detail: String,
}

/// The sorts of mistakes, as the causes of a `Status` name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Something referred to does not exist.
    NotFound,
    /// A value is missing.
    Required,
    /// A value that must be unique occurs twice.
    Duplicate,
    /// A value is malformed.
    Invalid,
    /// A value is none of the known ones.
    NotSupported,
    /// A well-formed value is not permitted here.
    Forbidden,
    /// A value is too long.
    TooLong,
    /// A value is too short.
    TooShort,
    /// A list has too many items.
    TooMany,
    /// A list has too few items.
    TooFew,
    /// A value has the wrong JSON type.
    TypeInvalid,
    /// Not the user's mistake.
    Internal,
}

/// The mistakes of an object, in the order in which they were found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Errors(pub Vec<FieldError>);

// === impl ErrorKind ===

impl ErrorKind {
    /// The stable word: `FieldValueRequired`.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::NotFound => "FieldValueNotFound",
            Self::Required => "FieldValueRequired",
            Self::Duplicate => "FieldValueDuplicate",
            Self::Invalid => "FieldValueInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Forbidden => "FieldValueForbidden",
            Self::TooLong => "FieldValueTooLong",
            Self::TooShort => "FieldValueTooShort",
            Self::TooMany => "FieldValueTooMany",
            Self::TooFew => "FieldValueTooFew",
            Self::TypeInvalid => "FieldValueTypeInvalid",
            Self::Internal => "InternalError",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::NotFound => "Not found",
            Self::Required => "Required value",
            Self::Duplicate => "Duplicate value",
            Self::Invalid | Self::TypeInvalid => "Invalid value",
            Self::NotSupported => "Unsupported value",
            Self::Forbidden => "Forbidden",
            Self::TooLong => "Too long",
            Self::TooShort => "Too short",
            Self::TooMany => "Too many",
            Self::TooFew => "Too few",
            Self::Internal => "Internal error",
        }
    }

    fn shows_value(self) -> bool {
        !matches!(
            self,
            Self::Required | Self::Forbidden | Self::TooLong | Self::TooShort | Self::Internal
        )
    }
}

// === impl FieldError ===

impl FieldError {
    /// The stable word of this mistake, for a cause's `reason`.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        self.kind.reason()
    }

    /// The text without the field, for a cause's `message`.
    #[must_use]
    pub fn body(&self) -> String {
        let mut text = self.kind.words().to_owned();
        if self.kind.shows_value()
            && let Some(value) = &self.value
        {
            text.push_str(": ");
            match value {
                Value::String(s) => text.push_str(&quote(s)),
                other => text.push_str(&go_json(other)),
            }
        }
        if !self.detail.is_empty() {
            text.push_str(": ");
            text.push_str(&self.detail);
        }
        text
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.body())
    }
}

impl std::error::Error for FieldError {}

// === impl Errors ===

impl Errors {
    /// Nothing found yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a mistake of any kind.
    pub fn add(
        &mut self,
        kind: ErrorKind,
        path: &Path<'_>,
        value: Option<Value>,
        detail: impl Into<String>,
    ) {
        self.0.push(FieldError {
            kind,
            field: path.to_string(),
            value,
            detail: detail.into(),
        });
    }

    /// `Required value: DETAIL`.
    pub fn required(&mut self, path: &Path<'_>, detail: &str) {
        self.add(ErrorKind::Required, path, None, detail);
    }

    /// `Invalid value: VALUE: DETAIL`.
    pub fn invalid(&mut self, path: &Path<'_>, value: impl Into<Value>, detail: impl Into<String>) {
        self.add(ErrorKind::Invalid, path, Some(value.into()), detail);
    }

    /// One `Invalid value` for each text.
    pub fn invalid_all(&mut self, path: &Path<'_>, value: &str, details: Vec<String>) {
        for detail in details {
            self.invalid(path, value, detail);
        }
    }

    /// `Duplicate value: VALUE`.
    pub fn duplicate(&mut self, path: &Path<'_>, value: impl Into<Value>) {
        self.add(ErrorKind::Duplicate, path, Some(value.into()), "");
    }

    /// `Not found: VALUE`.
    pub fn not_found(&mut self, path: &Path<'_>, value: impl Into<Value>) {
        self.add(ErrorKind::NotFound, path, Some(value.into()), "");
    }

    /// `Unsupported value: VALUE: supported values: "A", "B"`.
    pub fn not_supported(&mut self, path: &Path<'_>, value: impl Into<Value>, known: &[&str]) {
        let detail = if known.is_empty() {
            String::new()
        } else {
            let quoted: Vec<String> = known.iter().map(|k| quote(k)).collect();
            format!("supported values: {}", quoted.join(", "))
        };
        self.add(ErrorKind::NotSupported, path, Some(value.into()), detail);
    }

    /// `Forbidden: DETAIL`.
    pub fn forbidden(&mut self, path: &Path<'_>, detail: impl Into<String>) {
        self.add(ErrorKind::Forbidden, path, None, detail);
    }

    /// `Too long: may not be more than N bytes`.
    pub fn too_long(&mut self, path: &Path<'_>, max: usize) {
        let unit = if max == 1 { "byte" } else { "bytes" };
        let detail = format!("may not be more than {max} {unit}");
        self.add(ErrorKind::TooLong, path, None, detail);
    }

    /// `Too many: N: must have at most M items`.
    pub fn too_many(&mut self, path: &Path<'_>, actual: usize, max: usize) {
        let unit = if max == 1 { "item" } else { "items" };
        let detail = format!("must have at most {max} {unit}");
        self.add(ErrorKind::TooMany, path, Some(actual.into()), detail);
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A string as Go's `%q` writes it.
#[must_use]
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            c if c.is_ascii_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A value as messages show it where Kubernetes dumps a struct that has no names on the wire: every field that it
/// has, by its name in Go, with null for what is not set. `fields` are the names in Go and on the wire.
pub(crate) fn dumped(value: &Value, fields: &[(&str, &str)]) -> Value {
    let of = |(go, wire): &(&str, &str)| {
        let value = value.get(wire).cloned().unwrap_or_default();
        ((*go).to_owned(), value)
    };
    Value::Object(fields.iter().map(of).collect())
}

/// A value as Go's `encoding/json` writes it: like ours, with `<`, `>` and `&` escaped.
fn go_json(value: &Value) -> String {
    let text = value.to_string();
    if !text.contains(['<', '>', '&']) {
        return text;
    }
    text.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
}

#[cfg(test)]
mod tests {
    use super::{ErrorKind, Errors, FieldError, quote};
    use crate::path::Path;
    use serde_json::json;

    #[test]
    fn texts_are_those_of_kubernetes() {
        let spec = Path::root("spec");
        let mut errors = Errors::new();
        errors.required(&spec.child("containers").index(0).child("name"), "");
        errors.invalid(
            &spec.child("replicas"),
            -1,
            "must be greater than or equal to 0",
        );
        errors.not_supported(&spec.child("restartPolicy"), "x", &["Always", "Never"]);
        errors.duplicate(&spec.child("names").key("a/b"), "x\"y");
        errors.too_long(&spec, 63);
        errors.too_many(&spec, 4, 1);
        errors.invalid(&spec, json!({"a": "<b>"}), "field is immutable");
        let texts: Vec<String> = errors.0.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "spec.containers[0].name: Required value",
                "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
                "spec.restartPolicy: Unsupported value: \"x\": supported values: \"Always\", \"Never\"",
                "spec.names[a/b]: Duplicate value: \"x\\\"y\"",
                "spec: Too long: may not be more than 63 bytes",
                "spec: Too many: 4: must have at most 1 item",
                "spec: Invalid value: {\"a\":\"\\u003cb\\u003e\"}: field is immutable",
            ]
        );
    }

    #[test]
    fn an_omitted_value_leaves_no_trace() {
        let error = FieldError {
            kind: ErrorKind::NotSupported,
            field: "x".to_owned(),
            value: None,
            detail: String::new(),
        };
        assert_eq!(error.to_string(), "x: Unsupported value");
        assert_eq!(error.reason(), "FieldValueNotSupported");
        assert_eq!(quote("a\u{1}"), "\"a\\x01\"");
    }
}
