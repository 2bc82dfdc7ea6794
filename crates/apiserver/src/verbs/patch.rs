//! PATCH: JSON patch, merge patch, strategic merge patch, and server-side apply.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::Value;

use super::update::{Changed, change};
use crate::api::Api;
use crate::call::Call;
use crate::decode;
use crate::meta;
use crate::negotiate::{self, PatchType};
use crate::query::{FieldValidation, WriteOptions};
use crate::resource::Speaks;
use crate::respond::{self, Body};
use crate::status::{Error, Result};

pub(crate) async fn patch(api: &Api, call: &Call, body: &Bytes) -> Result<Response<Body>> {
    let options = call.write_options("PatchOptions")?;
    let patch = Patch::read(call, body, &options)?;
    if patch.kind == PatchType::Apply {
        return patch.apply(api, call, &options).await;
    }
    let speaks = call.resource.speaks(&call.request.subresource);
    let written = change(api, call, &options, |old| {
        Ok(Changed {
            patched: true,
            ..Changed::to(patch.to(call, &speaks, &options, old)?)
        })
    })
    .await?;
    respond::object(call, StatusCode::OK, written.object)
}

/// A patch, read and checked as far as it can be without the object.
#[derive(Debug)]
pub(crate) struct Patch {
    pub(crate) kind: PatchType,
    patch: Value,
    /// Mistakes in the patch itself that strict field validation refuses.
    mistakes: Vec<String>,
}

// === impl Patch ===

impl Patch {
    pub(crate) fn read(call: &Call, body: &Bytes, options: &WriteOptions) -> Result<Self> {
        let kind = negotiate::patch_type(&call.headers, !call.resource.is_custom())?;
        let forced = options.force.is_some();
        let manager = call.query.get("fieldManager").unwrap_or_default();
        match kind {
            PatchType::Apply if manager.is_empty() => {
                return Err(wrong_option(
                    "FieldValueRequired",
                    "fieldManager",
                    "Required value: is required for apply patch",
                ));
            }
            PatchType::Json | PatchType::Merge | PatchType::Strategic if forced => {
                return Err(wrong_option(
                    "FieldValueForbidden",
                    "force",
                    "Forbidden: may not be specified for non-apply patch",
                ));
            }
            _ => {}
        }
        let (patch, mistakes) = match kind {
            PatchType::Apply => decode::apply(body, options.field_validation)?,
            _ => {
                let patch = decode::from_json(body)
                    .map_err(|_| Error::BadRequest("invalid JSON patch".into()))?;
                let mistakes = mistakes(kind, body, &patch);
                (patch, mistakes)
            }
        };
        if kind == PatchType::Apply && options.field_validation == FieldValidation::Warn {
            mistakes
                .iter()
                .for_each(|mistake| call.warn(mistake.as_str()));
        }
        Ok(Self {
            kind,
            patch,
            mistakes,
        })
    }

    /// The object after the patch. Unknown fields that the patch brings are refused, warned of, or dropped.
    pub(crate) fn to(
        &self,
        call: &Call,
        speaks: &Speaks,
        options: &WriteOptions,
        old: &Value,
    ) -> Result<Value> {
        let patched = match self.kind {
            PatchType::Json => cedge_merge::json_patch(old, &self.patch),
            PatchType::Merge => cedge_merge::merge_patch(old, &self.patch),
            PatchType::Strategic => {
                let ty = call.resource.types(speaks);
                let ty = ty.ok_or_else(|| Error::internal("a kind without a schema"))?;
                cedge_merge::strategic(ty, old, &self.patch)
            }
            PatchType::Apply => return Err(Error::internal("apply is no plain patch")),
        };
        let mut new = patched.map_err(|e| Error::Plain {
            code: e.code(),
            reason: e.reason(),
            message: e.message(),
        })?;
        if !new.is_object() {
            return Err(Error::BadRequest(
                "the patch does not leave an object".into(),
            ));
        }
        let mut named = new.clone();
        super::update::settle_name(call, &mut named)?;
        let checked = crate::call::check_kind(&mut new, speaks)
            .and_then(|()| call.check_fields(&mut new, speaks, options, &self.mistakes));
        checked.map_err(|error| match self.kind {
            PatchType::Strategic => not_of_type(&self.patch, &error)
                .unwrap_or_else(|| does_not_fit(&named, speaks, &error)),
            _ => does_not_fit(&named, speaks, &error),
        })?;
        Ok(new)
    }

    async fn apply(
        &self,
        api: &Api,
        call: &Call,
        options: &WriteOptions,
    ) -> Result<Response<Body>> {
        let applied = self.applied(call)?;
        let existing = api.get(&call.resource.cache, &call.path()).await?;
        if existing.is_none() {
            if !call.request.subresource.is_empty() {
                return Err(Error::NotFound(call.resource.about(&call.request.name)));
            }
            match self.create(api, call, options, &applied).await {
                Err(Error::AlreadyExists(_)) => {}
                answer => return answer,
            }
        }
        let written = change(api, call, options, |old| {
            let object = merged(call, options, Some(old), &applied)?;
            Ok(Changed {
                object,
                managed: true,
                patched: false,
            })
        })
        .await?;
        respond::object(call, StatusCode::OK, written.object)
    }

    async fn create(
        &self,
        api: &Api,
        call: &Call,
        options: &WriteOptions,
        applied: &Value,
    ) -> Result<Response<Body>> {
        let uid = meta::uid(applied);
        if !uid.is_empty() {
            return Err(Error::Conflict(
                call.resource.about(&call.request.name),
                format!(
                    "uid mismatch: the provided object specified uid {uid}, and no existing object was found"
                ),
            ));
        }
        let mut object = merged(call, options, None, applied)?;
        meta::remove(&mut object, "resourceVersion");
        let created = super::create::create_object(
            api,
            call,
            options,
            Changed {
                object,
                managed: true,
                patched: false,
            },
        )
        .await?;
        respond::object(call, StatusCode::CREATED, created)
    }

    /// The applied configuration, complete and checked.
    pub(crate) fn applied(&self, call: &Call) -> Result<Value> {
        let applied = self.patch.clone();
        let speaks = call.resource.speaks(&call.request.subresource);
        if applied["metadata"]["managedFields"]
            .as_array()
            .is_some_and(|m| !m.is_empty())
        {
            return Err(Error::BadRequest(
                "metadata.managedFields must be nil".into(),
            ));
        }
        let text = |field: &str| applied[field].as_str().unwrap_or_default().to_owned();
        let (version, kind) = (text("apiVersion"), text("kind"));
        if version != speaks.api_version() || kind != speaks.kind {
            let version = if version.contains('/') {
                version
            } else {
                format!("/{version}")
            };
            return Err(Error::BadRequest(format!(
                "invalid object type: {version}, Kind={kind}"
            )));
        }
        Ok(applied)
    }
}

/// What strict field validation finds in a patch itself.
fn mistakes(kind: PatchType, body: &[u8], patch: &Value) -> Vec<String> {
    if kind != PatchType::Json {
        let twice = cedge_schema::duplicate_fields(body);
        return twice
            .iter()
            .map(|path| format!("duplicate field \"{path}\""))
            .collect();
    }
    let operations = patch.as_array().into_iter().flatten().enumerate();
    let unknown = operations.flat_map(|(i, operation)| {
        let fields = operation.as_object().into_iter().flat_map(|o| o.keys());
        fields
            .filter(|name| !matches!(name.as_str(), "op" | "path" | "from" | "value"))
            .map(move |name| format!("json patch unknown field \"[{i}].{name}\""))
    });
    unknown.collect()
}

/// What is live with what is applied; nulls that were sent are gone, as a typed decoder would drop them.
fn merged(
    call: &Call,
    options: &WriteOptions,
    live: Option<&Value>,
    applied: &Value,
) -> Result<Value> {
    let mut object = crate::managed::merge(call, options, live, applied)?;
    super::update::settle_name(call, &mut object)?;
    call.resource.prune(&call.resource.speaks(""), &mut object);
    Ok(object)
}

/// What a patch makes and no decoder takes is shown with the reason.
fn does_not_fit(patched: &Value, speaks: &Speaks, error: &Error) -> Error {
    let mut shown = patched.clone();
    meta::remove(&mut shown, "managedFields");
    let text = error.to_string();
    let head = "cannot be handled as a ";
    let why = match text.split_once(&format!("{head}{}: ", speaks.kind)) {
        Some((_, why)) => why,
        None => &text,
    };
    Error::invalid_field(
        crate::status::About::default(),
        "FieldValueInvalid",
        "patch",
        format!("Invalid value: {:?}: {why}", shown.to_string()),
    )
}

/// What a strategic patch puts where another type belongs: the patch is shown, and what was expected.
fn not_of_type(patch: &Value, error: &Error) -> Option<Error> {
    let text = error.to_string();
    let (_, cause) = text.split_once("json: cannot unmarshal ")?;
    let (given, _) = cause.split_once(' ')?;
    let (_, wanted) = cause.rsplit_once(" of type ")?;
    let given = match given {
        "object" => "map",
        "array" => "slice",
        "number" => "int64",
        other => other,
    };
    let why = if wanted.starts_with("[]") {
        format!("cannot restore slice from {given}")
    } else if wanted.starts_with("map[") {
        format!("cannot restore map from {given}")
    } else if wanted.contains('.') {
        format!("cannot restore struct from: {given}")
    } else {
        format!("unrecognized type: {wanted}")
    };
    let shown = cedge_merge::in_go(patch);
    Some(Error::invalid_field(
        crate::status::About::default(),
        "FieldValueInvalid",
        "patch",
        format!("Invalid value: {shown:?}: {why}"),
    ))
}

fn wrong_option(reason: &str, field: &str, message: &str) -> Error {
    Error::invalid_field(
        crate::status::About::new("meta.k8s.io", "PatchOptions", ""),
        reason,
        field,
        message.into(),
    )
}
