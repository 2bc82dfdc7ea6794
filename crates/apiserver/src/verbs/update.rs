//! Changes of objects: the loop that every change goes through, and PUT.

use std::sync::Arc;

use bytes::Bytes;
use cedge_policy::Operation;
use http::{Response, StatusCode};
use serde_json::Value;

use crate::admission::{self, Deed};
use crate::api::{Api, WriteFailure};
use crate::cache::Object;
use crate::call::Call;
use crate::meta;
use crate::query::WriteOptions;
use crate::request::Verb;
use crate::respond::{self, Body};
use crate::status::{Error, Result};
use crate::subresource::scale;

/// What is said to whoever changes an old version.
pub(crate) const MODIFIED: &str =
    "the object has been modified; please apply your changes to the latest version and try again";
/// How often a change that does not insist on a version is tried again when others write as well.
const ATTEMPTS: usize = 20;

/// What a change makes of an object.
#[derive(Debug)]
pub(crate) struct Changed {
    pub(crate) object: Value,
    /// Whether the managers of fields are noted already, as apply does.
    pub(crate) managed: bool,
    /// Whether the object was made from the present one: its uid is then no precondition, but a field like others.
    pub(crate) patched: bool,
}

/// What became of a change.
#[derive(Debug)]
pub(crate) struct Written {
    /// In the version of the request.
    pub(crate) object: Value,
}

// === impl Changed ===

impl Changed {
    pub(crate) fn to(object: Value) -> Self {
        Self {
            object,
            managed: false,
            patched: false,
        }
    }
}

pub(crate) async fn update(api: &Api, call: &Call, body: &Bytes) -> Result<Response<Body>> {
    let options = call.write_options("UpdateOptions")?;
    let mut object = call.object(body, &options)?;
    settle_name(call, &mut object)?;
    let existing = api.get(&call.resource.cache, &call.path()).await?;
    if existing.is_none() && call.request.subresource.is_empty() && call.resource.create_on_update()
    {
        let created =
            super::create::create_object(api, call, &options, Changed::to(object)).await?;
        return respond::object(call, StatusCode::CREATED, created);
    }
    // Another uid is refused below, as what it is.
    let present = existing.as_ref().map(|old| old.value()).transpose()?;
    let same = present.is_some_and(
        |old| matches!(meta::uid(&object), uid if uid.is_empty() || uid == meta::uid(&old)),
    );
    if same && meta::text(&object, "resourceVersion").is_empty() && call.resource.needs_revision() {
        return Err(Error::invalid_field(
            call.resource.about(&call.request.name),
            "FieldValueInvalid",
            "metadata.resourceVersion",
            "Invalid value: 0: must be specified for an update".into(),
        ));
    }
    let written = change(api, call, &options, |_| Ok(Changed::to(object.clone()))).await?;
    respond::object(call, StatusCode::OK, written.object)
}

/// The name and namespace of the path and of the object must be one.
pub(crate) fn settle_name(call: &Call, object: &mut Value) -> Result<()> {
    let (name, namespace) = (&call.request.name, &call.request.namespace);
    match meta::name(object) {
        given if given == name => {}
        "" => {
            return Err(Error::BadRequest(format!(
                "the name of the object ({name} based on URL) was undeterminable: name must be provided"
            )));
        }
        given => {
            return Err(Error::BadRequest(format!(
                "the name of the object ({given}) does not match the name on the URL ({name})"
            )));
        }
    }
    if !call.resource.namespaced {
        meta::remove(object, "namespace");
        return Ok(());
    }
    match meta::namespace(object) {
        "" => meta::set(object, "namespace", namespace.clone()),
        given if given == namespace => {}
        _ => {
            return Err(Error::BadRequest(
                "the namespace of the provided object does not match the namespace sent on the request".into(),
            ));
        }
    }
    Ok(())
}

/// Reads, changes and writes an object until nobody else has written in between. `edit` gets the present object and may
/// be called several times; what it gives is completed, checked and stored.
pub(crate) async fn change(
    api: &Api,
    call: &Call,
    options: &WriteOptions,
    mut edit: impl FnMut(&Value) -> Result<Changed>,
) -> Result<Written> {
    let resource = &*call.resource;
    for _ in 0..ATTEMPTS {
        let current = api.get(&resource.cache, &call.path()).await?;
        let current = current.ok_or_else(|| Error::NotFound(resource.about(&call.request.name)))?;
        let old = decoded(api, call, &current).await?;
        let changed = edit(&old)?;
        match attempt(api, call, options, &current, &old, changed).await {
            Err(WriteFailure::Conflict) => {}
            Err(WriteFailure::Other(error)) => return Err(error),
            Ok(object) => return Ok(Written { object }),
        }
    }
    Err(Error::Conflict(
        resource.about(&call.request.name),
        MODIFIED.into(),
    ))
}

/// The object in the version of the request.
pub(crate) async fn decoded(api: &Api, call: &Call, object: &Arc<Object>) -> Result<Value> {
    let mut value = object.value()?;
    api.read_one(&call.resource, &mut value).await?;
    Ok(value)
}

async fn attempt(
    api: &Api,
    call: &Call,
    options: &WriteOptions,
    current: &Object,
    old: &Value,
    changed: Changed,
) -> Result<Value, WriteFailure> {
    let resource = &*call.resource;
    let subresource = match call.request.subresource.as_str() {
        // A scale changes the object itself.
        "scale" => "",
        other => other,
    };
    let mut new = changed.object;
    check_preconditions(call, &new, old, changed.patched)?;
    keep_what_is_ours(&mut new, old, changed.managed);
    // Empty managers are a wish, which the decoder's view of empty fields would hide.
    let managers = new["metadata"].get("managedFields").cloned();
    super::create::drop_duplicate_owners(call, &mut new);
    resource.set_defaults(&mut new);
    if let Some(managers) = managers {
        meta::set(&mut new, "managedFields", managers);
    }
    admission::complete(resource, &mut new);
    admission::on_update(api, call, &mut new, old)?;
    if !changed.managed {
        // Before the kind's strategy: what it decides belongs to nobody.
        crate::managed::track(call, options, Some(old), &mut new);
    }
    let deed = Deed::new(
        api,
        call,
        Operation::Update,
        &call.request.name,
        call.options_object(options_kind(call)),
        options.dry_run,
    );
    Box::pin(mutate(&deed, &mut new, old)).await?;
    resource.prepare_update(subresource, &mut new, old);
    let causes = resource.judge(api, subresource, &new, Some(old)).await;
    if !causes.is_empty() {
        let about = resource.about_kind(&call.request.name);
        return Err(Error::Invalid(about, causes).into());
    }
    admission::check(api, call, &new, Some(old)).await?;
    Box::pin(judge(&deed, &new, old)).await?;
    let reserved = admission::reserve(api, call, &mut new, Some(old), options.dry_run).await?;
    if meta::same_but_for_times(&new, old) {
        return Ok(old.clone());
    }
    if options.dry_run {
        return Ok(new);
    }
    let mut stored = new;
    let gone = meta::may_go(&stored) && admission::may_go(resource, &stored);
    let written = match api.store_as(resource, &mut stored).await {
        Ok(()) if gone => api.remove(resource, &stored, current.revision()).await,
        Ok(()) => api.replace(resource, &stored, current.revision()).await,
        Err(error) => Err(error.into()),
    };
    let revision = reserved.settle(api, written).await?;
    api.read_one(resource, &mut stored).await?;
    if gone {
        admission::deleted(api, resource, &stored);
    }
    meta::set_revision(&mut stored, revision);
    Ok(stored)
}

fn options_kind(call: &Call) -> &'static str {
    match call.request.verb {
        Verb::Patch => "PatchOptions",
        _ => "UpdateOptions",
    }
}

/// Lets policies and webhooks change the object, or the number in it where that is all they see.
async fn mutate(deed: &Deed<'_>, new: &mut Value, old: &Value) -> Result<()> {
    let call = deed.call;
    if call.request.subresource != "scale" {
        return deed.mutate(new, Some(old)).await;
    }
    let mut scale = scale::view(call, new)?;
    deed.mutate(&mut scale, Some(&scale::view(call, old)?))
        .await?;
    scale::take(call, new, &scale)
}

/// Lets policies and webhooks refuse.
async fn judge(deed: &Deed<'_>, new: &Value, old: &Value) -> Result<()> {
    let call = deed.call;
    if call.request.subresource != "scale" {
        return deed.judge(Some(new), Some(old)).await;
    }
    let (new, old) = (scale::view(call, new)?, scale::view(call, old)?);
    deed.judge(Some(&new), Some(&old)).await
}

/// A version or uid that the caller names must be the present one.
fn check_preconditions(call: &Call, new: &Value, old: &Value, patched: bool) -> Result<()> {
    let about = || call.resource.about(&call.request.name);
    let version = meta::text(new, "resourceVersion");
    if !version.is_empty() && version.parse::<u64>().is_err() {
        return Err(Error::Plain {
            code: 500,
            reason: "",
            message: crate::query::not_a_number("ParseUint", version),
        });
    }
    if !matches!(version, "" | "0") && version != meta::text(old, "resourceVersion") {
        return Err(Error::Conflict(about(), MODIFIED.into()));
    }
    let (uid, present) = (meta::uid(new), meta::uid(old));
    if !uid.is_empty() && uid != present && !patched {
        let key = format!("/registry/{}/{}", call.resource.etcd_name(), call.path());
        return Err(Error::Conflict(
            about(),
            format!(
                "StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: \
                 Precondition failed: UID in precondition: {uid}, UID in object meta: {present}"
            ),
        ));
    }
    Ok(())
}

/// What no caller decides. Of an object whose managers are noted already, none may be left.
fn keep_what_is_ours(new: &mut Value, old: &Value, managed: bool) {
    for field in [
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ] {
        // What is not there yet cannot be set: that is told, instead of done or forgotten.
        let given = match field {
            "uid" => !meta::text(new, field).is_empty(),
            "deletionTimestamp" | "deletionGracePeriodSeconds" => {
                old["metadata"].get(field).is_none() && !new["metadata"][field].is_null()
            }
            _ => false,
        };
        if !given {
            meta::copy(old, new, field);
        }
    }
    meta::remove(new, "selfLink");
    if !managed && !new["metadata"]["managedFields"].is_array() {
        meta::copy(old, new, "managedFields");
    }
}
