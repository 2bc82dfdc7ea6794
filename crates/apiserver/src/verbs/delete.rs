//! Deletion: at once, gracefully, or when the last finalizer has fallen.

mod options;

use bytes::Bytes;
use http::{Response, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::admission;
use crate::api::{Api, WriteFailure};
use crate::cache::Object;
use crate::call::{Call, stamp};
use crate::meta;
use crate::resource::Resource;
use crate::respond::{self, Body};
use crate::status::{self, Error, Result};

pub(crate) use options::DeleteOptions;

/// How long a pod has to end that does not say, as in Kubernetes.
const GRACE_SECONDS: i64 = 30;
/// How often a deletion is tried again when others write as well.
const ATTEMPTS: usize = 20;

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
    // Whoever watches pods sees that one goes before it is gone.
    let shown_first =
        step == Step::Remove && resource.is("", "pods") && at_once(&mut new, call.now);
    let revision = match step {
        Step::Nothing => current.revision(),
        _ if options.dry_run => current.revision(),
        Step::Remove if !shown_first => api.remove(resource, &new, current.revision()).await?,
        Step::Mark | Step::Remove => {
            meta::remove(&mut new, "resourceVersion");
            let marked = api.replace(resource, &new, current.revision()).await?;
            if shown_first {
                remove_marked(api, resource, &mut new, marked).await?
            } else {
                marked
            }
        }
    };
    let gone = step == Step::Remove;
    if gone && !options.dry_run {
        admission::deleted(api, resource, &new);
    }
    api.read_one(resource, &mut new).await?;
    meta::set_revision(&mut new, revision);
    Ok(Deleted { object: new, gone })
}

/// Removes what was marked in `revision`, whatever others write to it in between. One that another has removed by then
/// went as well: both asked for the same.
async fn remove_marked(
    api: &Api,
    resource: &Resource,
    marked: &mut Value,
    mut revision: u64,
) -> Result<u64, WriteFailure> {
    let path = resource.path(meta::namespace(marked), meta::name(marked));
    for _ in 0..ATTEMPTS {
        match api.remove(resource, marked, revision).await {
            Err(WriteFailure::Conflict) => {}
            done => return done,
        }
        let Some(object) = api.get(&resource.cache, &path).await? else {
            return Ok(revision);
        };
        let present = object.value()?;
        if meta::uid(&present) != meta::uid(marked) {
            return Ok(revision);
        }
        (*marked, revision) = (present, object.revision());
    }
    Err(WriteFailure::Conflict)
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
