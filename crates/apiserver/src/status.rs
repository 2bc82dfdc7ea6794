//! What a request can fail with, and how Kubernetes says it.

mod words;

use http::StatusCode;
use serde_json::{Map, Value, json};
use words::{conflict, forbidden, invalid, not_supported, quoted, terminating};

/// One mistake of several in an object.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cause {
    /// The kind of mistake, such as `FieldValueInvalid`; may be empty.
    pub reason: String,
    /// The mistake in words.
    pub message: String,
    /// The path of the field; may be empty.
    pub field: String,
}

/// The object that an error is about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct About {
    /// API group.
    pub group: String,
    /// Plural resource name; the kind for `Invalid`.
    pub resource: String,
    /// Name; may be empty.
    pub name: String,
}

/// Why a request was not done. Every variant has one `Status`.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// 400.
    #[error("{0}")]
    BadRequest(String),
    /// 401.
    #[error("Unauthorized")]
    Unauthorized,
    /// 403, with the words after `is forbidden: `.
    #[error("{}", forbidden(.0, .1))]
    Forbidden(About, String),
    /// 403 for new content in a namespace that is being deleted.
    #[error("{}", forbidden(.0, &terminating(.1)))]
    Terminating(About, String),
    /// 404 for an object.
    #[error("{} not found", quoted(.0))]
    NotFound(About),
    /// 404 for a path that nothing serves.
    #[error("the server could not find the requested resource")]
    NoSuchPath,
    /// 404 for a resource that a group of ours does not have.
    #[error("the server could not find the requested resource")]
    NoSuchResource,
    /// 409 for a name that is taken.
    #[error("{} already exists", quoted(.0))]
    AlreadyExists(About),
    /// The same for a name whose object is being deleted.
    #[error("object is being deleted: {} already exists", quoted(.0))]
    AlreadyExistsDeleting(About),
    /// 409 for a write on something that has changed or refuses.
    #[error("{}", conflict(.0, .1))]
    Conflict(About, String),
    /// 409 of server-side apply, with one cause per field that another manager owns.
    #[error("{0}")]
    ApplyConflict(String, Vec<Cause>),
    /// 422.
    #[error("{}", invalid(.0, .1))]
    Invalid(About, Vec<Cause>),
    /// 405.
    #[error("{}", not_supported(.0, .1))]
    MethodNotAllowed(About, String),
    /// 406.
    #[error("only the following media types are accepted: {0}")]
    NotAcceptable(String),
    /// 413.
    #[error("Request entity too large: {0}")]
    TooLarge(String),
    /// 415.
    #[error("the body of the request was in an unknown format - accepted media types include: {0}")]
    UnsupportedMediaType(String),
    /// 410 for a revision that is compacted away; the token continues a list inconsistently.
    #[error("{0}")]
    Expired(String, Option<String>),
    /// 429.
    #[error("{message}")]
    TooManyRequests {
        /// The whole message.
        message: String,
        /// When to come again.
        retry_after_seconds: u32,
        /// The causes, as for an eviction that a budget forbids.
        causes: Vec<Cause>,
    },
    /// 504 for a revision that is not reached yet.
    #[error("Timeout: Too large resource version: {wanted}, current: {current}")]
    FromTheFuture {
        /// What was asked for.
        wanted: u64,
        /// What there is.
        current: u64,
    },
    /// 504.
    #[error("Timeout: {0}")]
    Timeout(String),
    /// 503.
    #[error("{0}")]
    Unavailable(String),
    /// An answer that says no more than it must, as patches that do not fit get.
    #[error("{message}")]
    Plain {
        /// The HTTP status.
        code: u16,
        /// The CamelCase word; may be empty.
        reason: &'static str,
        /// The whole message.
        message: String,
    },
    /// The `Status` that somebody else wrote, such as a webhook that refuses.
    #[error("{}", .0["message"].as_str().unwrap_or_default())]
    Given(Box<Value>),
    /// 500.
    #[error("Internal error occurred: {0}")]
    Internal(String),
}

/// What a handler answers.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

// === impl About ===

impl About {
    /// About an object of a resource.
    #[must_use]
    pub fn new(group: &str, resource: &str, name: &str) -> Self {
        Self {
            group: group.into(),
            resource: resource.into(),
            name: name.into(),
        }
    }

    /// `deployments.apps`, or `pods`.
    fn qualified(&self) -> String {
        if self.group.is_empty() {
            self.resource.clone()
        } else {
            format!("{}.{}", self.resource, self.group)
        }
    }
}

// === impl Error ===

impl Error {
    /// An error that is nobody's fault but ours.
    pub(crate) fn internal(cause: impl std::fmt::Display) -> Self {
        Self::Internal(cause.to_string())
    }

    /// The mistakes of one field.
    pub(crate) fn invalid_field(about: About, reason: &str, field: &str, message: String) -> Self {
        Self::Invalid(
            about,
            vec![Cause {
                reason: reason.into(),
                message,
                field: field.into(),
            }],
        )
    }

    /// The HTTP status.
    #[must_use]
    pub fn code(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden(..) | Self::Terminating(..) => StatusCode::FORBIDDEN,
            Self::NotFound(_) | Self::NoSuchPath | Self::NoSuchResource => StatusCode::NOT_FOUND,
            Self::AlreadyExists(_)
            | Self::AlreadyExistsDeleting(_)
            | Self::Conflict(..)
            | Self::ApplyConflict(..) => StatusCode::CONFLICT,
            Self::Invalid(..) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::MethodNotAllowed(..) => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable(_) => StatusCode::NOT_ACCEPTABLE,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Expired(..) => StatusCode::GONE,
            Self::TooManyRequests { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::FromTheFuture { .. } | Self::Timeout(_) => StatusCode::GATEWAY_TIMEOUT,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Plain { code, .. } => {
                StatusCode::from_u16(*code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }
            Self::Given(status) => {
                let code = status["code"].as_u64().and_then(|c| u16::try_from(c).ok());
                let code = code.and_then(|c| StatusCode::from_u16(c).ok());
                code.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The CamelCase word for it, stable like an API.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::BadRequest(_) => "BadRequest",
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden(..) | Self::Terminating(..) => "Forbidden",
            Self::NotFound(_) | Self::NoSuchPath | Self::NoSuchResource => "NotFound",
            Self::AlreadyExists(_) | Self::AlreadyExistsDeleting(_) => "AlreadyExists",
            Self::Conflict(..) | Self::ApplyConflict(..) => "Conflict",
            Self::Invalid(..) => "Invalid",
            Self::MethodNotAllowed(..) => "MethodNotAllowed",
            Self::NotAcceptable(_) => "NotAcceptable",
            Self::TooLarge(_) => "RequestEntityTooLarge",
            Self::UnsupportedMediaType(_) => "UnsupportedMediaType",
            Self::Expired(..) => "Expired",
            Self::TooManyRequests { .. } => "TooManyRequests",
            Self::FromTheFuture { .. } | Self::Timeout(_) => "Timeout",
            Self::Unavailable(_) => "ServiceUnavailable",
            Self::Plain { reason, .. } => reason,
            // Its own word stands in it.
            Self::Given(_) => "",
            Self::Internal(_) => "InternalError",
        }
    }

    /// When to come again, in seconds.
    #[must_use]
    pub fn retry_after_seconds(&self) -> Option<u32> {
        match self {
            Self::TooManyRequests {
                retry_after_seconds,
                ..
            } => Some(*retry_after_seconds).filter(|s| *s > 0),
            Self::FromTheFuture { .. } => Some(1),
            _ => None,
        }
    }

    /// The `Status` object.
    #[must_use]
    pub fn status(&self) -> Value {
        if let Self::Given(status) = self {
            return status.as_ref().clone();
        }
        let mut metadata = Map::new();
        if let Self::Expired(_, Some(token)) = self {
            metadata.insert("continue".into(), json!(token));
        }
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": metadata, "status": "Failure",
            "message": self.to_string(), "code": self.code().as_u16(),
        });
        if !self.reason().is_empty() {
            status["reason"] = json!(self.reason());
        }
        let details = self.details();
        if !details.is_empty() || self.is_bare() {
            status["details"] = Value::Object(details);
        }
        status
    }

    /// Whether it is said with details that are there and empty, as Kubernetes does for what no handler has seen.
    fn is_bare(&self) -> bool {
        match self {
            Self::NoSuchPath | Self::NoSuchResource | Self::MethodNotAllowed(..) => true,
            Self::Forbidden(about, _) => about.resource.is_empty(),
            // Of these, what the router says has some, and what a transformer says has none.
            Self::Plain {
                code: 406, message, ..
            } => message.starts_with("406"),
            Self::Plain { code, .. } => matches!(code, 415 | 422),
            _ => false,
        }
    }

    fn details(&self) -> Map<String, Value> {
        let mut details = match self.about() {
            None => Map::new(),
            Some(about) => [
                ("name", &about.name),
                ("group", &about.group),
                ("kind", &about.resource),
            ]
            .into_iter()
            .filter(|(_, v)| !v.is_empty())
            .map(|(k, v)| (k.to_owned(), json!(v)))
            .collect(),
        };
        let causes = self.causes();
        if !causes.is_empty() {
            details.insert("causes".into(), Value::Array(causes));
        }
        if let Some(seconds) = self.retry_after_seconds() {
            details.insert("retryAfterSeconds".into(), json!(seconds));
        }
        details
    }

    fn about(&self) -> Option<&About> {
        match self {
            Self::Forbidden(about, _)
            | Self::Terminating(about, _)
            | Self::NotFound(about)
            | Self::AlreadyExists(about)
            | Self::AlreadyExistsDeleting(about)
            | Self::Conflict(about, _)
            | Self::Invalid(about, _)
            | Self::MethodNotAllowed(about, _) => Some(about),
            _ => None,
        }
    }

    fn causes(&self) -> Vec<Value> {
        match self {
            Self::Invalid(_, causes)
            | Self::ApplyConflict(_, causes)
            | Self::TooManyRequests { causes, .. } => causes.iter().map(Cause::value).collect(),
            Self::FromTheFuture { .. } => {
                vec![
                    json!({"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}),
                ]
            }
            Self::Terminating(_, namespace) => vec![json!({
                "reason": "NamespaceTerminating", "field": "metadata.namespace",
                "message": format!("namespace {namespace} is being terminated"),
            })],
            Self::Internal(message) => vec![json!({"message": message})],
            _ => Vec::new(),
        }
    }
}

// === impl Cause ===

impl Cause {
    fn value(&self) -> Value {
        let fields = [
            ("reason", &self.reason),
            ("message", &self.message),
            ("field", &self.field),
        ];
        let fields = fields.into_iter().filter(|(_, v)| !v.is_empty());
        Value::Object(fields.map(|(k, v)| (k.to_owned(), json!(v))).collect())
    }

    /// `spec.replicas: Invalid value: …`, or the message alone.
    fn in_words(&self) -> String {
        if self.field.is_empty() {
            self.message.clone()
        } else {
            format!("{}: {}", self.field, self.message)
        }
    }
}

/// The `Status` of a success, such as a deletion.
pub(crate) fn success(about: &About, uid: Option<&str>) -> Value {
    let mut details = Map::new();
    for (key, value) in [
        ("name", about.name.as_str()),
        ("group", about.group.as_str()),
        ("kind", about.resource.as_str()),
        ("uid", uid.unwrap_or_default()),
    ] {
        if !value.is_empty() {
            details.insert(key.into(), json!(value));
        }
    }
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}

#[cfg(test)]
mod tests;
