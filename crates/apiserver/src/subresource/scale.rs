//! How many: one form for all kinds that can be scaled.

use bytes::Bytes;
use cedge_merge::ScaleOwners;
use http::{Response, StatusCode};
use serde_json::{Value, json};

use crate::api::Api;
use crate::call::Call;
use crate::managed;
use crate::meta;
use crate::negotiate::PatchType;
use crate::request::Verb;
use crate::resource::Definition;
use crate::respond::{self, Body};
use crate::status::{About, Error, Result};
use crate::verbs::patch::Patch;
use crate::verbs::update::{Changed, change, decoded, settle_name};

/// A scale as a table.
pub(crate) fn table(call: &Call, scale: &Value) -> Result<Value> {
    let column = |name: &str, ty: &str, description: &str| json!({"name": name, "type": ty, "format": "", "description": description, "priority": 0});
    let about = |field: usize| {
        let role = cedge_kinds::of("rbac.authorization.k8s.io", "v1", "Role");
        let columns = role.map(cedge_kinds::table_columns).unwrap_or_default();
        columns
            .get(field)
            .map(|c| c.description.clone())
            .unwrap_or_default()
    };
    let object = match respond::include_object(call)? {
        respond::Include::Nothing => Value::Null,
        respond::Include::Metadata => respond::partial(scale),
        respond::Include::Object => scale.clone(),
    };
    let age = cedge_kinds::time::since(&scale["metadata"]["creationTimestamp"], call.now);
    let number = |part: &str| scale[part]["replicas"].as_i64().unwrap_or(0);
    Ok(json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": scale["metadata"]["resourceVersion"]},
        "columnDefinitions": [
            column("Name", "string", &about(0)),
            column("Desired", "integer", "replicas is the desired number of instances for the scaled object."),
            column("Available", "integer",
                "replicas is the actual number of observed instances of the scaled object."),
            column("Age", "string", &about(1)),
        ],
        "rows": [{
            "cells": [meta::name(scale), number("spec"), number("status"), age], "object": object,
        }],
    }))
}

/// Where a kind keeps its numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ScalePaths {
    /// Path of the wanted number, such as `["spec", "replicas"]`.
    pub(crate) wanted: Vec<String>,
    /// Path of the present number.
    pub(crate) present: Vec<String>,
    /// Path of the selector as a string; none for built-in kinds, which have a `spec.selector`.
    pub(crate) selector: Option<Vec<String>>,
}

pub(super) async fn serve(api: &Api, call: &Call, body: &Bytes) -> Result<Response<Body>> {
    let paths = paths(call)?;
    let scale = match call.request.verb {
        Verb::Get => {
            let object = api.get(&call.resource.cache, &call.path()).await?;
            let object =
                object.ok_or_else(|| Error::NotFound(call.resource.about(&call.request.name)))?;
            scale_of(&paths, &decoded(api, call, &object).await?)
        }
        Verb::Update => {
            let options = call.write_options("UpdateOptions")?;
            let mut scale = call.object(body, &options)?;
            settle_name(call, &mut scale)?;
            let edit = |old: &Value| {
                let mut scale = scale.clone();
                let before = owned_scale(call, &paths, old);
                managed::track_scale(call, &options, &before, &mut scale);
                scaled(call, &paths, old, &scale)
            };
            scale_of(&paths, &change(api, call, &options, edit).await?.object)
        }
        Verb::Patch => {
            let options = call.write_options("PatchOptions")?;
            let patch = Patch::read(call, body, &options)?;
            let speaks = call.resource.speaks("scale");
            let applied = match patch.kind {
                PatchType::Apply => Some(patch.applied(call)?),
                _ => None,
            };
            let edit = |old: &Value| {
                let before = owned_scale(call, &paths, old);
                let scale = if let Some(applied) = &applied {
                    managed::apply_scale(call, &options, &before, applied)?
                } else {
                    let mut scale = patch.to(call, &speaks, &options, &before)?;
                    managed::track_scale(call, &options, &before, &mut scale);
                    scale
                };
                scaled(call, &paths, old, &scale)
            };
            scale_of(&paths, &change(api, call, &options, edit).await?.object)
        }
        Verb::List
        | Verb::Watch
        | Verb::Create
        | Verb::Delete
        | Verb::DeleteCollection
        | Verb::Other => {
            return Err(Error::NoSuchPath);
        }
    };
    respond::subobject(call, StatusCode::OK, scale)
}

/// The numbers of an object, as policies and webhooks see them.
pub(crate) fn view(call: &Call, object: &Value) -> Result<Value> {
    Ok(scale_of(&paths(call)?, object))
}

/// Takes the wanted number from what they made of it.
pub(crate) fn take(call: &Call, object: &mut Value, scale: &Value) -> Result<()> {
    let wanted = scale["spec"]["replicas"].as_i64().unwrap_or(0);
    put(object, &paths(call)?.wanted, json!(wanted));
    Ok(())
}

fn paths(call: &Call) -> Result<ScalePaths> {
    let path = |text: &str| text.split('.').map(ToOwned::to_owned).collect();
    match &call.resource.definition {
        Definition::BuiltIn(_) => Ok(ScalePaths {
            wanted: path("spec.replicas"),
            present: path("status.replicas"),
            selector: None,
        }),
        Definition::Custom(custom) => custom
            .scale()
            .ok_or_else(|| Error::NotFound(call.resource.about(&call.request.name))),
    }
}

/// The numbers of an object in the common form.
fn scale_of(paths: &ScalePaths, object: &Value) -> Value {
    let number = |path: &[String]| at(object, path).and_then(Value::as_i64).unwrap_or(0);
    let mut metadata = json!({});
    for field in [
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "creationTimestamp",
    ] {
        if let Some(value) = object["metadata"].get(field) {
            metadata[field] = value.clone();
        }
    }
    let selector = match &paths.selector {
        Some(path) => at(object, path)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        None => selector_text(&object["spec"]["selector"]),
    };
    let mut status = json!({"replicas": number(&paths.present)});
    if !selector.is_empty() {
        status["selector"] = json!(selector);
    }
    let mut spec = json!({});
    if number(&paths.wanted) != 0 {
        spec["replicas"] = json!(number(&paths.wanted));
    }
    json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status})
}

/// The scale of an object, with those who own its number.
fn owned_scale(call: &Call, paths: &ScalePaths, object: &Value) -> Value {
    let mut scale = scale_of(paths, object);
    let entries = owners(call, paths, |owners| {
        owners.of_scale(object.pointer("/metadata/managedFields"))
    });
    if let Some(entries) = entries {
        meta::set(&mut scale, "managedFields", entries);
    }
    scale
}

fn owners<T>(call: &Call, paths: &ScalePaths, ask: impl FnOnce(ScaleOwners<'_>) -> T) -> T {
    let path: Vec<&str> = paths.wanted.iter().map(String::as_str).collect();
    ask(ScaleOwners {
        api_version: &call.resource.api_version(),
        path: &path,
    })
}

/// The object with the wanted number of a scale, and those who own it.
fn scaled(call: &Call, paths: &ScalePaths, old: &Value, scale: &Value) -> Result<Changed> {
    let wanted = scale["spec"]["replicas"].as_i64().unwrap_or(0);
    if wanted < 0 {
        return Err(Error::invalid_field(
            About::new("autoscaling", "Scale", meta::name(old)),
            "FieldValueInvalid",
            "spec.replicas",
            format!("Invalid value: {wanted}: must be greater than or equal to 0"),
        ));
    }
    let mut new = old.clone();
    for field in ["resourceVersion", "uid"] {
        if !meta::text(scale, field).is_empty() {
            meta::copy(scale, &mut new, field);
        }
    }
    put(&mut new, &paths.wanted, json!(wanted));
    let entries = owners(call, paths, |owners| {
        owners.of_object(
            old.pointer("/metadata/managedFields"),
            scale.pointer("/metadata/managedFields"),
        )
    });
    meta::remove(&mut new, "managedFields");
    if let Some(entries) = entries {
        meta::set(&mut new, "managedFields", entries);
    }
    Ok(Changed {
        managed: true,
        ..Changed::to(new)
    })
}

fn at<'a>(object: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter()
        .try_fold(object, |value, field| value.get(field))
}

fn put(object: &mut Value, path: &[String], value: Value) {
    match path {
        [] => {}
        [field] => {
            if let Some(fields) = object.as_object_mut() {
                fields.insert(field.clone(), value);
            }
        }
        [field, rest @ ..] => {
            if !object[field].is_object() {
                object[field] = json!({});
            }
            put(&mut object[field], rest, value);
        }
    }
}

/// A selector as its string form, with sorted keys.
fn selector_text(selector: &Value) -> String {
    let Some(fields) = selector.as_object() else {
        return String::new();
    };
    let structured = fields.contains_key("matchLabels") || fields.contains_key("matchExpressions");
    let labels = if structured {
        fields.get("matchLabels").and_then(Value::as_object)
    } else {
        Some(fields)
    };
    let mut terms: Vec<(String, String)> = labels
        .into_iter()
        .flatten()
        .map(|(k, v)| (k.clone(), format!("{k}={}", v.as_str().unwrap_or_default())))
        .collect();
    for e in fields
        .get("matchExpressions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let key = e["key"].as_str().unwrap_or_default();
        let values = e["values"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        let mut values: Vec<&str> = values.collect();
        values.sort_unstable();
        let values = values.join(",");
        let term = match e["operator"].as_str().unwrap_or_default() {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "DoesNotExist" => format!("!{key}"),
            _ => key.to_owned(),
        };
        terms.push((key.to_owned(), term));
    }
    terms.sort();
    let terms: Vec<String> = terms.into_iter().map(|(_, term)| term).collect();
    terms.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_becomes_one_string() {
        let selector = json!({
            "matchLabels": {"b": "2", "a": "1"},
            "matchExpressions": [{"key": "c", "operator": "In", "values": ["y", "x"]}, {"key": "d", "operator": "DoesNotExist"}],
        });
        assert_eq!(selector_text(&selector), "a=1,b=2,c in (x,y),!d");
        assert_eq!(selector_text(&json!({"app": "web"})), "app=web");
    }
}
