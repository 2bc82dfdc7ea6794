//! Deletion: at once, gracefully, or when the last finalizer has fallen.

use bytes::Bytes;
use http::{Response, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::admission;
use crate::api::{Api, WriteFailure};
use crate::cache::Object;
use crate::call::{Call, stamp};
use crate::meta;
use crate::negotiate;
use crate::resource::Resource;
use crate::respond::{self, Body};
use crate::status::{self, About, Cause, Error, Result};

const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";
/// How long a pod has to end that does not say, as in Kubernetes.
const GRACE_SECONDS: i64 = 30;
/// How often a deletion is tried again when others write as well.
const ATTEMPTS: usize = 20;

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

/// What became of an object.
#[derive(Debug)]
pub(crate) struct Deleted {
    /// In the version of the resource.
    pub(crate) object: Value,
    /// Whether it is gone; else it is marked, and goes later.
    pub(crate) gone: bool,
}

pub(crate) async fn delete(api: &Api, call: &Call, body: &Bytes) -> Result<Response<Body>> {
    let options = DeleteOptions::read(call, body)?;
    warn_of_orphans(call, &options);
    let deleted = delete_object(api, call, &call.path(), &options).await?;
    answer_deleted(call, &options, deleted)
}

/// Jobs leave their pods behind unless they are told otherwise.
pub(super) fn warn_of_orphans(call: &Call, options: &DeleteOptions) {
    if call.resource.is("batch", "jobs") && options.policy.is_none() && options.orphan.is_none() {
        call.warn(
            "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove \
             them or set propagationPolicy=Orphan to suppress this warning",
        );
    }
}

fn answer_deleted(
    call: &Call,
    options: &DeleteOptions,
    deleted: Deleted,
) -> Result<Response<Body>> {
    if !deleted.gone || call.resource.returns_deleted() {
        let accepted = !deleted.gone && options.orphan == Some(false);
        let code = if accepted {
            StatusCode::ACCEPTED
        } else {
            StatusCode::OK
        };
        return respond::object(call, code, deleted.object);
    }
    let about = call.resource.about(&call.request.name);
    let status = status::success(&about, Some(meta::uid(&deleted.object)));
    Ok(respond::value(
        StatusCode::OK,
        call.accepted.encoding,
        &status,
    ))
}

/// Deletes one object, or begins to.
pub(crate) async fn delete_object(
    api: &Api,
    call: &Call,
    path: &str,
    options: &DeleteOptions,
) -> Result<Deleted> {
    let resource = &*call.resource;
    let name = path.rsplit('/').next().unwrap_or(path);
    for _ in 0..ATTEMPTS {
        let current = api.get(&resource.cache, path).await?;
        let current = current.ok_or_else(|| Error::NotFound(resource.about(name)))?;
        match attempt(api, call, options, &current).await {
            Err(WriteFailure::Conflict) => {}
            Err(WriteFailure::Other(error)) => return Err(error),
            Ok(deleted) => return Ok(deleted),
        }
    }
    Err(Error::Conflict(
        resource.about(name),
        super::update::MODIFIED.into(),
    ))
}

async fn attempt(
    api: &Api,
    call: &Call,
    options: &DeleteOptions,
    current: &Object,
) -> Result<Deleted, WriteFailure> {
    let resource = &*call.resource;
    let old = current.value()?;
    options.check_preconditions(resource, &old)?;
    admission::on_delete(call, &old)?;
    let mut shown = old.clone();
    api.read_one(resource, &mut shown).await?;
    admission::on_removal(api, call, &shown, options).await?;
    let mut new = old.clone();
    let step = mark(resource, &mut new, options, call.now);
    let mut present = current.revision();
    if step == Step::Remove && resource.is("", "pods") && at_once(&mut new, call.now) {
        // Whoever watches pods sees that one goes before it is gone.
        if !options.dry_run {
            meta::remove(&mut new, "resourceVersion");
            present = api.replace(resource, &new, present).await?;
        }
    }
    let revision = match step {
        Step::Nothing => current.revision(),
        _ if options.dry_run => current.revision(),
        Step::Mark => {
            meta::remove(&mut new, "resourceVersion");
            api.replace(resource, &new, current.revision()).await?
        }
        Step::Remove => api.remove(resource, &new, present).await?,
    };
    let gone = step == Step::Remove;
    if gone && !options.dry_run {
        admission::deleted(api, resource, &new);
    }
    api.read_one(resource, &mut new).await?;
    meta::set_revision(&mut new, revision);
    Ok(Deleted { object: new, gone })
}

/// What a deletion does to an object now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// It is being deleted already.
    Nothing,
    /// It is marked, and goes when nothing holds it any more.
    Mark,
    Remove,
}

/// Decides, and marks the object.
fn mark(resource: &Resource, object: &mut Value, options: &DeleteOptions, now: Timestamp) -> Step {
    let before = object.clone();
    let finalizers = options.finalizers(resource, object);
    let held = !finalizers.is_empty() || !admission::may_go(resource, object);
    meta::set_finalizers(object, finalizers);
    let was_deleting = meta::is_deleting(object);
    let grace = grace(resource, object, options);
    let left = object["metadata"]["deletionGracePeriodSeconds"].as_i64();
    let definition = resource.is(crate::crds::GROUP, crate::crds::PLURAL);
    if !held && grace == 0 && (!definition || was_deleting) {
        return Step::Remove;
    }
    if was_deleting {
        let shorter = left.is_some_and(|left| grace < left);
        if shorter {
            shorten(object, left.unwrap_or(0), grace, now);
        }
    } else {
        let generation = object["metadata"]["generation"].clone();
        set_deleting(object, now, grace);
        if definition {
            crate::crds::on_deletion(object);
            meta::set(object, "generation", generation);
            meta::remove(object, "deletionGracePeriodSeconds");
        }
        if resource.is("", "namespaces") {
            meta::remove(object, "deletionGracePeriodSeconds");
            meta::fields(object, "status").insert("phase".into(), json!("Terminating"));
        }
    }
    if *object == before {
        Step::Nothing
    } else {
        Step::Mark
    }
}

/// Marks a pod that goes now; whether it was not marked so before.
fn at_once(pod: &mut Value, now: Timestamp) -> bool {
    if !meta::is_deleting(pod) {
        set_deleting(pod, now, 0);
        return true;
    }
    let left = pod["metadata"]["deletionGracePeriodSeconds"].as_i64();
    if left == Some(0) {
        return false;
    }
    meta::set(pod, "deletionTimestamp", stamp(now));
    meta::set(pod, "deletionGracePeriodSeconds", 0);
    true
}

fn set_deleting(object: &mut Value, now: Timestamp, grace: i64) {
    let at = now
        .checked_add(SignedDuration::from_secs(grace))
        .unwrap_or(now);
    meta::set(object, "deletionTimestamp", stamp(at));
    meta::set(object, "deletionGracePeriodSeconds", grace);
    if let Some(generation) = object["metadata"]["generation"].as_i64().filter(|g| *g > 0) {
        meta::set(object, "generation", generation + 1);
    }
}

/// A deletion that is under way can only be made faster.
fn shorten(object: &mut Value, left: i64, grace: i64, now: Timestamp) {
    let at = meta::text(object, "deletionTimestamp")
        .parse::<Timestamp>()
        .unwrap_or(now);
    let earlier = at
        .checked_sub(SignedDuration::from_secs(left - grace))
        .unwrap_or(now);
    let (at, grace) = if earlier < now {
        (now, grace.min(1))
    } else {
        (earlier, grace)
    };
    meta::set(object, "deletionTimestamp", stamp(at));
    meta::set(object, "deletionGracePeriodSeconds", grace);
}

/// The seconds that a pod has to end; nothing else ends gracefully.
fn grace(resource: &Resource, object: &Value, options: &DeleteOptions) -> i64 {
    if !resource.is("", "pods") {
        return 0;
    }
    let ended = matches!(
        object["status"]["phase"].as_str(),
        Some("Succeeded" | "Failed")
    );
    let unscheduled = object["spec"]["nodeName"]
        .as_str()
        .unwrap_or_default()
        .is_empty();
    let own = object["spec"]["terminationGracePeriodSeconds"].as_i64();
    let left = object["metadata"]["deletionGracePeriodSeconds"].as_i64();
    let asked = match options.grace_seconds {
        // A pod that is being deleted keeps the time that it has, unless a shorter one is asked for.
        None if meta::is_deleting(object) => left.unwrap_or(0),
        None => own.unwrap_or(GRACE_SECONDS),
        Some(seconds) if seconds < 0 => 1,
        Some(seconds) => seconds,
    };
    if unscheduled || ended && !meta::is_deleting(object) {
        0
    } else {
        asked.min(left.unwrap_or(i64::MAX))
    }
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
    fn finalizers(&self, resource: &Resource, object: &Value) -> Vec<String> {
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
