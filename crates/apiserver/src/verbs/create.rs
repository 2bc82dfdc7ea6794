//! New objects.

use std::collections::BTreeSet;

use bytes::Bytes;
use cedge_policy::Operation;
use http::{Response, StatusCode};
use rand::Rng as _;
use serde_json::Value;

use super::update::Changed;
use crate::admission::{self, Deed};
use crate::api::{Api, WriteFailure};
use crate::call::Call;
use crate::meta;
use crate::query::WriteOptions;
use crate::resource::Resource;
use crate::respond::{self, Body};
use crate::status::{Cause, Error, Result};

/// Signs of generated names: no vowels, so that no words come out.
const SIGNS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
/// How often another name is generated when one is taken.
const GENERATE_ATTEMPTS: usize = 8;
/// Generated names are cut so that they fit with their five signs.
const GENERATED_MAX: usize = 63;

pub(crate) async fn create(api: &Api, call: &Call, body: &Bytes) -> Result<Response<Body>> {
    let options = call.write_options("CreateOptions")?;
    let object = call.object(body, &options)?;
    let created = create_object(api, call, &options, Changed::to(object)).await?;
    respond::object(call, StatusCode::CREATED, created)
}

/// Creates an object that is given in the version of the request; what was stored, in the same version.
pub(crate) async fn create_object(
    api: &Api,
    call: &Call,
    options: &WriteOptions,
    new: Changed,
) -> Result<Value> {
    let resource = &*call.resource;
    let Changed {
        mut object,
        managed,
        ..
    } = new;
    settle_namespace(call, &mut object)?;
    let generated =
        meta::name(&object).is_empty() && !meta::text(&object, "generateName").is_empty();
    meta::of(&mut object);
    for attempt in 1.. {
        let mut object = object.clone();
        if generated {
            generate_name(&mut object);
        }
        let name = meta::name(&object).to_owned();
        let path = resource.path(meta::namespace(&object), &name);
        let new = Changed {
            object,
            managed,
            patched: false,
        };
        match attempt_create(api, call, options, new, generated).await {
            Err(WriteFailure::Conflict) if generated && attempt < GENERATE_ATTEMPTS => {}
            Err(WriteFailure::Conflict) => {
                return Err(exists(api, resource, &path, &name).await?);
            }
            Err(WriteFailure::Other(error)) => return Err(error),
            Ok(created) => return Ok(created),
        }
    }
    Err(Error::internal("no name could be generated"))
}

/// Says that a name is taken, and if so, that it will be free.
async fn exists(api: &Api, resource: &Resource, path: &str, name: &str) -> Result<Error> {
    let about = resource.about(name);
    let present = api.get(&resource.cache, path).await?;
    let going = match present {
        Some(present) => meta::is_deleting(&present.value()?),
        None => false,
    };
    Ok(if going {
        Error::AlreadyExistsDeleting(about)
    } else {
        Error::AlreadyExists(about)
    })
}

async fn attempt_create(
    api: &Api,
    call: &Call,
    options: &WriteOptions,
    new: Changed,
    new_name: bool,
) -> Result<Value, WriteFailure> {
    let resource = &*call.resource;
    let Changed {
        mut object,
        managed,
        ..
    } = new;
    if !options.dry_run && !matches!(meta::text(&object, "resourceVersion"), "" | "0") {
        return Err(WriteFailure::Other(Error::Plain {
            code: 500,
            reason: "",
            message: "resourceVersion should not be set on objects to be created".into(),
        }));
    }
    stamp(call, &mut object);
    let unnamed = new_name && resource.is("", "namespaces");
    if !unnamed {
        resource.set_defaults(&mut object);
        admission::complete(resource, &mut object);
    }
    if !managed {
        crate::managed::track(call, options, None, &mut object);
    }
    if unnamed {
        // The label that follows from a name which the caller does not know belongs to nobody.
        resource.set_defaults(&mut object);
        admission::complete(resource, &mut object);
    }
    // After the managers are noted: what admission and the kind's strategy decide belongs to nobody.
    admission::on_create(api, call, &mut object).await?;
    let deed = Deed::new(
        api,
        call,
        Operation::Create,
        if new_name { "" } else { meta::name(&object) },
        call.options_object("CreateOptions"),
        options.dry_run,
    );
    Box::pin(mutate(&deed, &mut object, new_name)).await?;
    resource.prepare_create(&mut object, &call.stamp());
    let mut causes = resource.judge(api, "", &object, None).await;
    // Two kinds look at their metadata only when nothing else is wrong.
    let told = causes.iter().any(|c| c.field == "metadata.name")
        || matches!(resource.plural.as_str(), "events" | "poddisruptionbudgets");
    if meta::name(&object).is_empty() && !told {
        causes.insert(0, nameless());
    }
    if !causes.is_empty() {
        let about = resource.about_kind(meta::name(&object));
        return Err(Error::Invalid(about, causes).into());
    }
    admission::check(api, call, &object, None).await?;
    let deed = deed.named(meta::name(&object));
    Box::pin(deed.judge(Some(&object), None)).await?;
    let reserved = admission::reserve(api, call, &mut object, None, options.dry_run).await?;
    let path = resource.path(meta::namespace(&object), meta::name(&object));
    if options.dry_run {
        if api.get(&resource.cache, &path).await?.is_some() {
            return Err(WriteFailure::Conflict);
        }
        return Ok(object);
    }
    let mut stored = object;
    let inserted = match api.store_as(resource, &mut stored).await {
        Ok(()) => api.insert(resource, &stored).await,
        Err(error) => Err(error.into()),
    };
    let revision = reserved.settle(api, inserted).await?;
    api.read_one(resource, &mut stored).await?;
    meta::set_revision(&mut stored, revision);
    admission::created(api, call, &stored);
    Ok(stored)
}

/// Lets policies and webhooks change a new object. They do not see a name that is generated.
async fn mutate(deed: &Deed<'_>, object: &mut Value, new_name: bool) -> Result<()> {
    if !new_name {
        return deed.mutate(object, None).await;
    }
    let name = meta::name(object).to_owned();
    meta::remove(object, "name");
    deed.mutate(object, None).await?;
    if meta::name(object).is_empty() {
        meta::set(object, "name", name);
    }
    Ok(())
}

fn nameless() -> Cause {
    Cause {
        reason: "FieldValueRequired".into(),
        message: "Required value: name or generateName is required".into(),
        field: "metadata.name".into(),
    }
}

/// The namespace of the path and of the object must be one.
fn settle_namespace(call: &Call, object: &mut Value) -> Result<()> {
    let of_path = &call.request.namespace;
    if !call.resource.namespaced {
        meta::remove(object, "namespace");
        return Ok(());
    }
    match meta::namespace(object) {
        "" => meta::set(object, "namespace", of_path.clone()),
        given if given == of_path => {}
        _ => {
            return Err(Error::BadRequest(
                "the namespace of the provided object does not match the namespace sent on the request".into(),
            ));
        }
    }
    Ok(())
}

/// What the server alone decides.
fn stamp(call: &Call, object: &mut Value) {
    for field in [
        "selfLink",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ] {
        meta::remove(object, field);
    }
    meta::set(object, "uid", new_uid());
    meta::set(object, "creationTimestamp", call.stamp());
    drop_duplicate_owners(call, object);
}

/// Owners that are named twice count once.
pub(crate) fn drop_duplicate_owners(call: &Call, object: &mut Value) {
    let Some(owners) = meta::of(object)
        .get_mut("ownerReferences")
        .and_then(Value::as_array_mut)
    else {
        return;
    };
    let mut seen = BTreeSet::new();
    let mut twice: Vec<String> = Vec::new();
    owners.retain(|owner| {
        let uid = owner["uid"].as_str().unwrap_or_default().to_owned();
        let first = seen.insert(uid.clone());
        if !first && !twice.contains(&uid) {
            twice.push(uid);
        }
        first
    });
    if !twice.is_empty() {
        call.warn(format!(
            ".metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and \
             may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {}",
            twice.join(", ")
        ));
    }
}

fn generate_name(object: &mut Value) {
    let base: String = meta::text(object, "generateName")
        .chars()
        .take(GENERATED_MAX - 5)
        .collect();
    let name = format!("{base}{}", random_signs());
    meta::set(object, "name", name);
}

/// The five signs at the end of generated names.
pub(crate) fn random_signs() -> String {
    let mut rng = rand::rng();
    (0..5)
        .map(|_| char::from(SIGNS[rng.random_range(0..SIGNS.len())]))
        .collect()
}

/// A random UUID.
pub(crate) fn new_uid() -> String {
    let mut bytes: [u8; 16] = rand::rng().random();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    let parts = [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ];
    parts.join("-")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn generated_names_have_five_signs_more() {
        let mut object = json!({"metadata": {"generateName": "web-"}});
        generate_name(&mut object);
        let name = meta::name(&object);
        assert!(name.starts_with("web-") && name.len() == 9, "{name}");
    }

    #[test]
    fn uids_are_random_uuids() {
        let uid = new_uid();
        assert_eq!(uid.len(), 36);
        assert_eq!(uid.as_bytes()[14], b'4');
        assert_ne!(uid, new_uid());
    }
}
