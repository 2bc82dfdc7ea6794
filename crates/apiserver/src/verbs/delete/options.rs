//! `DeleteOptions`: what whoever deletes asks for, in the body or in the query.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::call::Call;
use crate::meta;
use crate::negotiate;
use crate::resource::Resource;
use crate::status::{About, Cause, Error, Result};

pub(super) const ORPHAN: &str = "orphan";
pub(super) const FOREGROUND: &str = "foregroundDeletion";

/// What becomes of those that an object owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    Background,
    Foreground,
    Orphan,
}

/// `DeleteOptions`, from the body or the query.
#[derive(Debug, Clone, Default)]
pub(crate) struct DeleteOptions {
    pub(crate) grace_seconds: Option<i64>,
    pub(crate) uid: Option<String>,
    pub(crate) revision: Option<String>,
    pub(crate) dry_run: bool,
    pub(crate) policy: Option<Policy>,
    pub(crate) orphan: Option<bool>,
    /// The options as policies and webhooks see them.
    pub(crate) shown: Value,
}

// === impl DeleteOptions ===

impl DeleteOptions {
    pub(crate) fn read(call: &Call, body: &Bytes) -> Result<Self> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Self::from_query(call);
        }
        let form = negotiate::body_form(&call.headers, false)?;
        let (given, _) = crate::decode::object(body, form)?;
        if let Some(kind) = given["kind"]
            .as_str()
            .filter(|k| !k.is_empty() && *k != "DeleteOptions")
        {
            let version = given["apiVersion"].as_str().unwrap_or_default();
            return Err(Error::BadRequest(format!(
                "no kind \"{kind}\" is registered for version \"{version}\" in scheme \"pkg/runtime/scheme.go:111\""
            )));
        }
        well_typed(&given)?;
        let text = |value: &Value| {
            value
                .as_str()
                .filter(|t| !t.is_empty())
                .map(ToOwned::to_owned)
        };
        let dry_run = match given["dryRun"].as_array().map(Vec::as_slice) {
            None | Some([]) => call.query.dry_run("DeleteOptions")?,
            Some([all]) if all == "All" => true,
            Some(_) => {
                let given = &given["dryRun"];
                return Err(wrong(
                    "dryRun",
                    &format!("Unsupported value: {given}: supported values: \"All\""),
                ));
            }
        };
        Self {
            grace_seconds: given["gracePeriodSeconds"].as_i64(),
            uid: text(&given["preconditions"]["uid"]),
            revision: text(&given["preconditions"]["resourceVersion"]),
            dry_run,
            policy: match given["propagationPolicy"].as_str() {
                None => None,
                // Not left out, but empty.
                Some("") => return Err(unknown_policy("")),
                Some(text) => policy(Some(text))?,
            },
            orphan: given["orphanDependents"].as_bool(),
            shown: shown(&given),
        }
        .checked()
    }

    fn from_query(call: &Call) -> Result<Self> {
        let query = &call.query;
        let grace = query.get("gracePeriodSeconds").filter(|g| !g.is_empty());
        let grace_seconds = grace.map(str::parse).transpose();
        Self {
            grace_seconds: grace_seconds.map_err(|_| {
                Error::BadRequest(format!(
                    "strconv.ParseInt: parsing {:?}: invalid syntax",
                    grace.unwrap_or_default()
                ))
            })?,
            dry_run: query.dry_run("DeleteOptions")?,
            policy: policy(query.get("propagationPolicy"))?,
            orphan: query
                .get("orphanDependents")
                .map(|_| query.flag("orphanDependents")),
            shown: shown(&of_query(query)),
            ..Self::default()
        }
        .checked()
    }

    fn checked(self) -> Result<Self> {
        if let (Some(policy), Some(_)) = (self.policy, self.orphan) {
            return Err(wrong(
                "propagationPolicy",
                &format!(
                    "Invalid value: \"{policy:?}\": orphanDependents and deletionPropagation cannot be both set"
                ),
            ));
        }
        Ok(self)
    }

    pub(crate) fn check_preconditions(&self, resource: &Resource, object: &Value) -> Result<()> {
        let conflict = |why| {
            let about = About::new(&resource.group, &resource.kind, meta::name(object));
            Err(Error::Conflict(about, why))
        };
        let (uid, revision) = (meta::uid(object), meta::text(object, "resourceVersion"));
        if let Some(wanted) = self.uid.as_deref().filter(|w| *w != uid)
            && resource.is("", "namespaces")
        {
            return Err(Error::Conflict(
                resource.about(meta::name(object)),
                format!(
                    "Precondition failed: UID in precondition: {wanted}, UID in object meta: {uid}"
                ),
            ));
        }
        if let Some(wanted) = self.uid.as_deref().filter(|w| *w != uid) {
            return conflict(format!(
                "the UID in the precondition ({wanted}) does not match the UID in record ({uid}). The object might have \
                 been deleted and then recreated"
            ));
        }
        if let Some(wanted) = self.revision.as_deref().filter(|w| *w != revision) {
            return conflict(format!(
                "the ResourceVersion in the precondition ({wanted}) does not match the ResourceVersion in record \
                 ({revision}). The object might have been modified"
            ));
        }
        Ok(())
    }

    /// The finalizers of the object once the policy is noted in them.
    pub(super) fn finalizers(&self, resource: &Resource, object: &Value) -> Vec<String> {
        let mut finalizers = meta::finalizers(object);
        let noted = |name: &str| finalizers.iter().any(|f| f == name);
        let policy = match (self.policy, self.orphan) {
            (Some(policy), _) => policy,
            (None, Some(true)) => Policy::Orphan,
            (None, Some(false)) => Policy::Background,
            (None, None) if noted(ORPHAN) => Policy::Orphan,
            (None, None) if noted(FOREGROUND) => Policy::Foreground,
            (None, None) => default_policy(resource),
        };
        finalizers.retain(|f| f != ORPHAN && f != FOREGROUND);
        match policy {
            Policy::Background => {}
            Policy::Foreground => finalizers.push(FOREGROUND.into()),
            Policy::Orphan => finalizers.push(ORPHAN.into()),
        }
        finalizers
    }
}

/// The options with their kind.
fn shown(given: &Value) -> Value {
    let mut shown = json!({"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1"});
    for (key, value) in given.as_object().into_iter().flatten() {
        if !matches!(key.as_str(), "kind" | "apiVersion") {
            shown[key] = value.clone();
        }
    }
    shown
}

/// The options that stand in a query.
fn of_query(query: &crate::query::Query) -> Value {
    let mut given = json!({});
    let seconds = query
        .get("gracePeriodSeconds")
        .and_then(|s| s.parse::<i64>().ok());
    if let Some(seconds) = seconds {
        given["gracePeriodSeconds"] = json!(seconds);
    }
    if let Some(policy) = query.get("propagationPolicy").filter(|p| !p.is_empty()) {
        given["propagationPolicy"] = json!(policy);
    }
    let dry: Vec<&str> = query.all("dryRun").collect();
    if !dry.is_empty() {
        given["dryRun"] = json!(dry);
    }
    given
}

/// Two old kinds keep what they own unless asked otherwise.
fn default_policy(resource: &Resource) -> Policy {
    if resource.is("batch", "jobs") || resource.is("", "replicationcontrollers") {
        Policy::Orphan
    } else {
        Policy::Background
    }
}

fn policy(text: Option<&str>) -> Result<Option<Policy>> {
    match text.unwrap_or_default() {
        "" => Ok(None),
        "Background" => Ok(Some(Policy::Background)),
        "Foreground" => Ok(Some(Policy::Foreground)),
        "Orphan" => Ok(Some(Policy::Orphan)),
        other => Err(unknown_policy(other)),
    }
}

fn unknown_policy(text: &str) -> Error {
    wrong(
        "propagationPolicy",
        &format!(
            "Unsupported value: \"{text}\": supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\""
        ),
    )
}

/// Refuses options of other types, in the words of Go.
fn well_typed(given: &Value) -> Result<()> {
    type Fits = fn(&Value) -> bool;
    let expected: [(&str, Fits, &str); 6] = [
        ("gracePeriodSeconds", Value::is_i64, "int64"),
        ("preconditions", Value::is_object, "v1.Preconditions"),
        ("orphanDependents", Value::is_boolean, "bool"),
        (
            "propagationPolicy",
            Value::is_string,
            "v1.DeletionPropagation",
        ),
        ("dryRun", Value::is_array, "[]string"),
        (UNSAFE, Value::is_boolean, "bool"),
    ];
    for (field, fits, name) in expected {
        let value = &given[field];
        if value.is_null() || fits(value) {
            continue;
        }
        let found = match value {
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
            Value::Bool(_) => "bool",
            Value::Number(_) | Value::Null => "number",
        };
        return Err(Error::BadRequest(format!(
            "json: cannot unmarshal {found} into Go struct field DeleteOptions.{field} of type {name}"
        )));
    }
    for field in ["gracePeriodSeconds", "preconditions", "orphanDependents"] {
        if given[UNSAFE] == true && !given[field].is_null() {
            let why = format!("Invalid value: true: cannot be set together with .{field}");
            return Err(wrong(UNSAFE, &why));
        }
    }
    Ok(())
}

/// Deletes what cannot be read; nothing here cannot.
const UNSAFE: &str = "ignoreStoreReadErrorWithClusterBreakingPotential";

fn wrong(field: &str, message: &str) -> Error {
    let reason = if message.starts_with("Unsupported") {
        "FieldValueNotSupported"
    } else {
        "FieldValueInvalid"
    };
    Error::Invalid(
        About::new("meta.k8s.io", "DeleteOptions", ""),
        vec![Cause {
            reason: reason.into(),
            message: message.into(),
            field: field.into(),
        }],
    )
}
