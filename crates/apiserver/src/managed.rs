//! Who wrote which field.

use cedge_merge::{ApplyArgs, ApplyError, UpdateArgs, Versions, apply, track_update};
use cedge_schema::TypeRef;
use serde_json::Value;

use crate::call::Call;
use crate::query::WriteOptions;
use crate::resource::{Resource, Speaks};
use crate::status::{Cause, Error, Result};

/// The versions of a kind, as far as ownership in one of them can be read in another: a change of name alone.
#[derive(Debug)]
struct KindVersions<'a> {
    resource: &'a Resource,
    speaks: Speaks,
}

// === impl KindVersions ===

impl Versions for KindVersions<'_> {
    fn of(&self, api_version: &str) -> Option<TypeRef<'_>> {
        (api_version == self.speaks.api_version())
            .then(|| self.resource.types(&self.speaks))
            .flatten()
    }

    fn convert(&self, object: &Value, api_version: &str) -> Option<Value> {
        (api_version == self.speaks.api_version()).then(|| object.clone())
    }
}

/// Notes the writer of what differs between `live` and `new`.
pub(crate) fn track(call: &Call, options: &WriteOptions, live: Option<&Value>, new: &mut Value) {
    let resource = &*call.resource;
    let api_version = resource.api_version();
    let args = UpdateArgs {
        versions: &KindVersions {
            resource,
            speaks: resource.speaks(""),
        },
        api_version: &api_version,
        live,
        manager: &options.field_manager,
        subresource: &call.request.subresource,
        now: &call.stamp(),
        reset_fields: resource.reset_fields(&call.request.subresource),
    };
    track_update(&args, new);
}

/// Merges what a manager applies into what is live.
pub(crate) fn merge(
    call: &Call,
    options: &WriteOptions,
    live: Option<&Value>,
    applied: &Value,
) -> Result<Value> {
    let resource = &*call.resource;
    let api_version = resource.api_version();
    let outcome = apply(&ApplyArgs {
        versions: &KindVersions {
            resource,
            speaks: resource.speaks(""),
        },
        api_version: &api_version,
        live,
        applied,
        manager: &options.field_manager,
        force: options.force == Some(true),
        subresource: &call.request.subresource,
        now: &call.stamp(),
        reset_fields: resource.reset_fields(&call.request.subresource),
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
