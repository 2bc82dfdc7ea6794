//! One request for objects, with all that its handlers ask about.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use cedge_pki::Identity;
use http::HeaderMap;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::audit::Record;
use crate::decode;
use crate::negotiate::{self, Accepted, BodyForm};
use crate::query::{FieldValidation, Query, WriteOptions};
use crate::request::{ResourceRequest, Verb};
use crate::resource::{Resource, Speaks};
use crate::status::{Error, Result};

/// A request that is authenticated, authorized, and for a resource that exists.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) identity: Identity,
    pub(crate) request: ResourceRequest,
    pub(crate) resource: Arc<Resource>,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    pub(crate) accepted: Accepted,
    pub(crate) now: Timestamp,
    /// Sent as `Warning` headers.
    pub(crate) warnings: Mutex<Vec<String>>,
    /// What the audit log says of it.
    pub(crate) record: Option<Arc<Record>>,
}

// === impl Call ===

impl Call {
    /// A request that the server makes to itself.
    pub(crate) fn of_server(identity: Identity, resource: Arc<Resource>, now: Timestamp) -> Self {
        Self {
            identity,
            request: ResourceRequest {
                verb: Verb::Delete,
                group: resource.group.clone(),
                version: resource.version.clone(),
                namespace: String::new(),
                resource: resource.plural.clone(),
                name: String::new(),
                subresource: String::new(),
                rest: String::new(),
            },
            resource,
            query: Query::default(),
            headers: HeaderMap::new(),
            accepted: Accepted::default(),
            now,
            warnings: Mutex::default(),
            record: None,
        }
    }

    /// `namespace/name` of the object that the path names.
    pub(crate) fn path(&self) -> String {
        self.resource
            .path(&self.request.namespace, &self.request.name)
    }

    pub(crate) fn user_agent(&self) -> &str {
        let agent = self.headers.get(http::header::USER_AGENT);
        agent.and_then(|v| v.to_str().ok()).unwrap_or_default()
    }

    pub(crate) fn write_options(&self, kind: &str) -> Result<WriteOptions> {
        self.query.write_options(kind, self.user_agent())
    }

    /// Now, as Kubernetes writes times.
    pub(crate) fn stamp(&self) -> String {
        stamp(self.now)
    }

    /// What the caller is to be warned of, so far.
    pub(crate) fn warned(&self) -> Vec<String> {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *warnings)
    }

    pub(crate) fn warn(&self, text: impl Into<String>) {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        let text = text.into();
        if warnings.len() < 20 && !warnings.contains(&text) {
            warnings.push(text);
        }
    }

    /// Notes something for the audit log; what was noted first stays.
    pub(crate) fn annotate(&self, key: String, value: String) {
        if let Some(record) = &self.record {
            record.annotate(key, value);
        }
    }

    /// The object in the body, in the version of the request: of the right kind, with fields of the right types, and
    /// without unknown ones.
    pub(crate) fn object(&self, body: &Bytes, options: &WriteOptions) -> Result<Value> {
        let form = negotiate::body_form(&self.headers, self.resource.is_custom())?;
        let speaks = self.resource.speaks(&self.request.subresource);
        let (mut object, twice) = decode::object(body, form).map_err(|e| {
            let kind = &speaks.kind;
            let shown = summary(body);
            Error::BadRequest(format!(
                "the object provided is unrecognized (must be of type {kind}): {e} ({shown})"
            ))
        })?;
        if self.resource.is_custom() && object["kind"].as_str().is_none_or(str::is_empty) {
            // No type says what it must be.
            let (kind, body) = (&speaks.kind, String::from_utf8_lossy(body));
            return Err(Error::BadRequest(format!(
                "the object provided is unrecognized (must be of type {kind}): Object 'Kind' is missing in '{body}' ({})",
                summary(body.as_bytes())
            )));
        }
        check_kind(&mut object, &speaks)?;
        let strict = options.field_validation != FieldValidation::Ignore;
        match self.resource.types(&speaks) {
            Some(ty) if strict && form == BodyForm::Json && !self.resource.is_custom() => {
                let ordered = cedge_schema::strict_errors(ty, body);
                self.check_ordered(&mut object, &speaks, options, ordered)?;
            }
            _ => {
                let mistakes = match form {
                    BodyForm::Json if strict => cedge_schema::duplicate_fields(body)
                        .iter()
                        .map(|path| format!("duplicate field \"{path}\""))
                        .collect(),
                    _ => twice,
                };
                self.check_fields(&mut object, &speaks, options, &mistakes)?;
            }
        }
        Ok(object)
    }

    /// Refuses wrong types; refuses, warns of, or ignores unknown fields and the mistakes that were found before; removes
    /// the unknown ones.
    pub(crate) fn check_fields(
        &self,
        object: &mut Value,
        speaks: &Speaks,
        options: &WriteOptions,
        found: &[String],
    ) -> Result<()> {
        let mut with_unknown = object.clone();
        let unknown = self.resource.prune(speaks, &mut with_unknown);
        let unknown = unknown
            .iter()
            .map(|path| format!("unknown field \"{path}\""));
        let mistakes = found.iter().cloned().chain(unknown).collect();
        self.check_ordered(object, speaks, options, mistakes)
    }

    fn check_ordered(
        &self,
        object: &mut Value,
        speaks: &Speaks,
        options: &WriteOptions,
        mistakes: Vec<String>,
    ) -> Result<()> {
        let cannot = |why: String| {
            let (kind, version) = (&speaks.kind, &speaks.version);
            Error::BadRequest(format!(
                "{kind} in version \"{version}\" cannot be handled as a {kind}: {why}"
            ))
        };
        self.resource.check_types(speaks, object).map_err(cannot)?;
        self.resource.prune(speaks, object);
        match options.field_validation {
            FieldValidation::Ignore => {}
            FieldValidation::Warn => mistakes.into_iter().for_each(|m| self.warn(m)),
            FieldValidation::Strict if mistakes.is_empty() => {}
            FieldValidation::Strict => {
                let yaml = match mistakes.first() {
                    Some(first) if first.starts_with("line ") => "yaml: unmarshal errors:\n  ",
                    _ => "",
                };
                let why = format!("strict decoding error: {yaml}{}", mistakes.join(", "));
                // What is there twice is found by whoever reads the body, the rest by whoever reads the object.
                let twice = mistakes.iter().any(|m| m.starts_with("duplicate field"));
                let patched = self.request.verb == Verb::Patch;
                return Err(if self.resource.is_custom() && patched && !twice {
                    Error::BadRequest(why)
                } else {
                    cannot(why)
                });
            }
        }
        Ok(())
    }
}

/// A point in time, as Kubernetes writes it.
pub(crate) fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Checks what a body says it is, and fills it in where it says nothing.
pub(crate) fn check_kind(object: &mut Value, speaks: &Speaks) -> Result<()> {
    let expected = speaks.api_version();
    if let Some(version) = object["apiVersion"]
        .as_str()
        .filter(|v| v.matches('/').count() > 1)
    {
        return Err(Error::BadRequest(format!(
            "the object provided is unrecognized (must be of type {}): unexpected GroupVersion string: {version} ({})",
            speaks.kind,
            summary(object.to_string().as_bytes())
        )));
    }
    let text = |field: &str| object[field].as_str().unwrap_or_default().to_owned();
    let (mut version, mut kind) = (text("apiVersion"), text("kind"));
    if version.is_empty() {
        version.clone_from(&expected);
        object["apiVersion"] = json!(version);
    }
    if kind.is_empty() {
        kind.clone_from(&speaks.kind);
        object["kind"] = json!(kind);
    }
    if (version.as_str(), kind.as_str()) == ("policy/v1beta1", "Eviction") && kind == speaks.kind {
        // The one request of an older version that is still taken.
        object["apiVersion"] = json!(expected);
        return Ok(());
    }
    if version == expected && kind == speaks.kind {
        return Ok(());
    }
    if (version.as_str(), kind.as_str()) == ("extensions/v1beta1", "Scale") && kind == speaks.kind {
        return Err(not_expected(&version, &expected));
    }
    let known = (version.as_str(), kind.as_str()) == ("v1", "List")
        || cedge_schema::builtin()
            .of_api_version(&version, &kind)
            .is_some();
    let (group, short) = version.split_once('/').unwrap_or(("", &version));
    let why = match (known, kind == speaks.kind && group == speaks.group) {
        (true, true) => {
            return Err(not_expected(&version, &expected));
        }
        (true, false) => {
            let internal = match speaks.group.split('.').next() {
                None | Some("") => "core",
                Some(group) => group,
            };
            format!(
                "converting ({short}.{kind}) to ({internal}.{}): unknown conversion",
                speaks.kind
            )
        }
        (false, _) => format!(
            "no kind \"{kind}\" is registered for version \"{version}\" in scheme \"pkg/runtime/scheme.go:111\""
        ),
    };
    Err(Error::BadRequest(format!(
        "{kind} in version \"{short}\" cannot be handled as a {}: {why}",
        speaks.kind
    )))
}

fn not_expected(version: &str, expected: &str) -> Error {
    Error::BadRequest(format!(
        "the API version in the data ({version}) does not match the expected API version ({expected})"
    ))
}

/// The beginning of a body that cannot be read, as Kubernetes shows it.
fn summary(body: &[u8]) -> String {
    const SHOWN: usize = 30;
    let cut = &body[..body.len().min(SHOWN)];
    let more = if body.len() > SHOWN { " ..." } else { "" };
    match body.first() {
        None => "<empty>".into(),
        Some(b'{') => format!("{}{more}", String::from_utf8_lossy(cut)),
        Some(_) => {
            let hex: String = cut.iter().map(|b| format!("{b:02x}")).collect();
            format!("{hex}{more}")
        }
    }
}
