//! Who wrote which field.

use cedge_kinds::Kind;
use cedge_merge::{ApplyArgs, ApplyError, UpdateArgs, Versions, apply, track_update};
use cedge_schema::TypeRef;
use serde_json::Value;

use crate::call::Call;
use crate::query::WriteOptions;
use crate::resource::{Definition, Resource, Speaks};
use crate::status::{Cause, Error, Result};

/// The versions of a kind, as far as ownership in one of them can be read in another: a change of name alone.
#[derive(Debug)]
struct KindVersions<'a> {
    resource: &'a Resource,
    speaks: Speaks,
}

// === impl KindVersions ===

impl KindVersions<'_> {
    /// The built-in kind in one of its versions, beside the one that is spoken.
    fn other(&self, api_version: &str) -> Option<&'static Kind> {
        let Definition::BuiltIn(kind) = &self.resource.definition else {
            return None;
        };
        if self.speaks.kind != kind.kind {
            return None;
        }
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let other = cedge_kinds::of(group, version, kind.kind)?;
        std::ptr::eq(other.storage(), kind.storage()).then_some(other)
    }
}

impl Versions for KindVersions<'_> {
    fn of(&self, api_version: &str) -> Option<TypeRef<'_>> {
        if api_version == self.speaks.api_version() {
            return self.resource.types(&self.speaks);
        }
        let other = self.other(api_version)?;
        cedge_schema::builtin().of(other.group, other.version, other.kind)
    }

    fn convert(&self, object: &Value, api_version: &str) -> Option<Value> {
        if api_version == self.speaks.api_version() && object["apiVersion"] == api_version {
            return Some(object.clone());
        }
        let from = object["apiVersion"].as_str().unwrap_or(api_version);
        let (from, to) = (self.other(from)?, self.other(api_version)?);
        let mut converted = object.clone();
        cedge_kinds::convert(from, to, &mut converted);
        Some(converted)
    }
}

/// Notes the writer of what differs between `live` and `new`.
pub(crate) fn track(call: &Call, options: &WriteOptions, live: Option<&Value>, new: &mut Value) {
    let resource = &*call.resource;
    let reset = resource.reset_fields(&call.request.subresource);
    track_as(call, options, resource.speaks(""), reset, live, new);
}

/// Notes who changed a scale.
pub(crate) fn track_scale(call: &Call, options: &WriteOptions, live: &Value, new: &mut Value) {
    track_as(
        call,
        options,
        call.resource.speaks("scale"),
        &[],
        Some(live),
        new,
    );
}

/// Notes who sent what is answered and not kept.
pub(crate) fn track_answered(call: &Call, options: &WriteOptions, new: &mut Value) {
    let speaks = call.resource.speaks(&call.request.subresource);
    track_as(call, options, speaks, &["status"], None, new);
}

fn track_as(
    call: &Call,
    options: &WriteOptions,
    speaks: Speaks,
    reset_fields: &[&str],
    live: Option<&Value>,
    new: &mut Value,
) {
    let api_version = speaks.api_version();
    let args = UpdateArgs {
        versions: &KindVersions {
            resource: &call.resource,
            speaks,
        },
        api_version: &api_version,
        live,
        manager: &options.field_manager,
        subresource: &call.request.subresource,
        now: &call.stamp(),
        reset_fields,
    };
    track_update(&args, new);
}

/// Notes what the server itself writes, under the name of one of its parts.
pub(crate) fn note(
    resource: &Resource,
    manager: &str,
    subresource: &str,
    live: Option<&Value>,
    new: &mut Value,
) {
    let speaks = resource.speaks("");
    let api_version = speaks.api_version();
    let args = UpdateArgs {
        versions: &KindVersions { resource, speaks },
        api_version: &api_version,
        live,
        manager,
        subresource,
        now: &cedge_tasks::clock::now_rfc3339(),
        reset_fields: resource.reset_fields(subresource),
    };
    track_update(&args, new);
}

/// The same for a part that applies a status; nothing if that cannot be.
pub(crate) fn note_applied(
    resource: &Resource,
    manager: &str,
    live: &Value,
    status: &Value,
) -> Option<Value> {
    let speaks = resource.speaks("");
    let api_version = speaks.api_version();
    let applied = serde_json::json!({
        "apiVersion": api_version, "kind": live["kind"], "metadata": {"name": live["metadata"]["name"]},
        "status": status,
    });
    let args = ApplyArgs {
        versions: &KindVersions { resource, speaks },
        api_version: &api_version,
        live: Some(live),
        applied: &applied,
        manager,
        force: true,
        subresource: "status",
        now: &cedge_tasks::clock::now_rfc3339(),
        reset_fields: resource.reset_fields("status"),
    };
    apply(&args)
        .inspect_err(|error| tracing::warn!(%error, manager, "a status could not be applied"))
        .ok()
}

/// Merges what a manager applies into what is live.
pub(crate) fn merge(
    call: &Call,
    options: &WriteOptions,
    live: Option<&Value>,
    applied: &Value,
) -> Result<Value> {
    let resource = &*call.resource;
    let reset = resource.reset_fields(&call.request.subresource);
    merge_as(call, options, resource.speaks(""), reset, live, applied)
}

/// Merges what a manager applies to a scale.
pub(crate) fn apply_scale(
    call: &Call,
    options: &WriteOptions,
    live: &Value,
    applied: &Value,
) -> Result<Value> {
    merge_as(
        call,
        options,
        call.resource.speaks("scale"),
        &[],
        Some(live),
        applied,
    )
}

fn merge_as(
    call: &Call,
    options: &WriteOptions,
    speaks: Speaks,
    reset_fields: &[&str],
    live: Option<&Value>,
    applied: &Value,
) -> Result<Value> {
    let api_version = speaks.api_version();
    let outcome = apply(&ApplyArgs {
        versions: &KindVersions {
            resource: &call.resource,
            speaks,
        },
        api_version: &api_version,
        live,
        applied,
        manager: &options.field_manager,
        force: options.force == Some(true),
        subresource: &call.request.subresource,
        now: &call.stamp(),
        reset_fields,
    });
    outcome.map_err(|error| match &error {
        ApplyError::Conflicts(conflicts) => {
            let causes = conflicts.iter().map(|c| Cause {
                reason: "FieldManagerConflict".into(),
                message: c.message(),
                field: c.field(),
            });
            Error::ApplyConflict(error.to_string(), causes.collect())
        }
        ApplyError::BadRequest(_) | ApplyError::Other(_) => Error::Plain {
            code: error.code(),
            reason: error.reason(),
            message: error.to_string(),
        },
    })
}
