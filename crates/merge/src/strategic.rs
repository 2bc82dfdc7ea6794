//! Strategic merge patch: like a merge patch, but lists merge by the keys that their types name, and directives
//! (`$patch`, `$retainKeys`, `$deleteFromPrimitiveList/…`, `$setElementOrder/…`) say what merging alone cannot.

mod lists;

use cedge_schema::TypeRef;
use serde_json::{Map, Value};

use crate::depth::{self, DEPTH_MAX};
use crate::error::PatchError;
use crate::go;
use crate::strategic::lists::{ListRule, merge_lists, ordered};

pub(crate) const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList/";
const SET_ORDER: &str = "$setElementOrder/";

const BAD_PRIMITIVE: &str = "invalid patch format of primitive list";
const BAD_RETAIN: &str = "invalid patch format of retainKeys";
const BAD_ORDER: &str = "invalid patch format of setElementOrder list";

type Object = Map<String, Value>;

/// Applies a strategic merge patch to an object of a built-in type.
///
/// # Errors
/// The patch is malformed, or names items of a list without their merge key.
pub fn strategic(ty: TypeRef<'_>, doc: &Value, patch: &Value) -> Result<Value, PatchError> {
    if patch.is_null() {
        return Ok(doc.clone());
    }
    let Value::Object(changes) = patch else {
        return Err(PatchError::BadRequest(format!(
            "json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
            match patch {
                Value::Array(_) => "array",
                Value::String(_) => "string",
                Value::Number(_) => "number",
                Value::Bool(_) | Value::Null | Value::Object(_) => "bool",
            }
        )));
    };
    if !depth::is_within(patch, DEPTH_MAX) {
        return Err(PatchError::BadRequest("exceeded max depth".to_owned()));
    }
    let doc = doc.as_object().cloned().unwrap_or_default();
    merge_objects(Some(ty), doc, changes.clone()).map(Value::Object)
}

fn bad(text: &str) -> PatchError {
    PatchError::BadRequest(text.to_owned())
}

pub(crate) fn no_merge_key(item: &Value, key: &str) -> PatchError {
    PatchError::Other(format!(
        "map: {} does not contain declared merge key: {key}",
        go::plain(item)
    ))
}

fn wrong_type(expected: &str, value: &Value) -> PatchError {
    PatchError::Other(format!(
        "expected a {expected}, but received a {}",
        go::type_of(value)
    ))
}

pub(crate) fn merge_objects(
    ty: Option<TypeRef<'_>>,
    mut doc: Object,
    mut patch: Object,
) -> Result<Object, PatchError> {
    if let Some(directive) = patch.get(DIRECTIVE) {
        return match directive.as_str() {
            Some("replace") => {
                patch.remove(DIRECTIVE);
                Ok(patch)
            }
            Some("delete") => Ok(Object::new()),
            _ => Err(PatchError::Other(format!(
                "unknown patch type: {} in map: {}",
                go::plain(directive),
                go::plain(&Value::Object(patch))
            ))),
        };
    }
    retain_keys(&mut doc, &mut patch)?;
    order_lists(ty, &mut doc, &mut patch)?;
    // What is deleted from a list goes last, so that it is gone even if the same patch adds it.
    let is_deletion = |key: &str| key.starts_with(DELETE_FROM.trim_end_matches('/'));
    let (deletions, changes): (Vec<_>, Vec<_>) =
        patch.into_iter().partition(|(key, _)| is_deletion(key));
    for (key, change) in changes {
        merge_field(ty, &mut doc, key, change, false)?;
    }
    for (key, change) in deletions {
        let Some(list) = key.strip_prefix(DELETE_FROM) else {
            return Err(bad(BAD_PRIMITIVE));
        };
        merge_field(ty, &mut doc, list.to_owned(), change, true)?;
    }
    Ok(doc)
}

/// Merges one field of the patch into the object.
fn merge_field(
    ty: Option<TypeRef<'_>>,
    doc: &mut Object,
    key: String,
    change: Value,
    deletes: bool,
) -> Result<(), PatchError> {
    if change.is_null() {
        doc.remove(&key);
        return Ok(());
    }
    let merged = match (doc.remove(&key), change) {
        (Some(Value::Object(before)), Value::Object(change)) => {
            let field = lookup(ty, &key)?;
            if field.is_some_and(|field| field.patch_strategy().replace) {
                Some(Value::Object(change))
            } else {
                Some(Value::Object(merge_objects(field, before, change)?))
            }
        }
        (Some(Value::Array(before)), Value::Array(change)) => {
            let field = lookup(ty, &key)?;
            let rule = ListRule::of(field);
            if rule.merges || deletes {
                Some(Value::Array(merge_lists(&rule, before, change, deletes)?))
            } else {
                Some(Value::Array(change))
            }
        }
        (before, change) if deletes => {
            let _ = change;
            before
        }
        (_, change) => without_directives(without_nulls(change)),
    };
    if let Some(merged) = merged {
        doc.insert(key, merged);
    }
    Ok(())
}

/// The type of a field; nothing below values of any type.
fn lookup<'t>(ty: Option<TypeRef<'t>>, key: &str) -> Result<Option<TypeRef<'t>>, PatchError> {
    let Some(ty) = ty else { return Ok(None) };
    if let Some(field) = ty.field(key) {
        return Ok(Some(field.ty()));
    }
    if ty.additional().is_some() || ty.fields().next().is_none() {
        return Ok(ty.additional());
    }
    let name = ty
        .name()
        .and_then(|name| name.rsplit('.').next())
        .unwrap_or("");
    Err(PatchError::Other(format!(
        "unable to find api field in struct {name} for the json field {key:?}"
    )))
}

/// `$retainKeys`: clears the keys that are not listed.
fn retain_keys(doc: &mut Object, patch: &mut Object) -> Result<(), PatchError> {
    let Some(retained) = patch.remove(RETAIN_KEYS) else {
        return Ok(());
    };
    let Value::Array(retained) = retained else {
        return Err(bad(BAD_RETAIN));
    };
    let listed = |key: &str| retained.iter().any(|item| item.as_str() == Some(key));
    for (key, value) in patch.iter() {
        let directive = key.starts_with(DELETE_FROM) || key.starts_with(SET_ORDER);
        if !value.is_null() && !directive && !listed(key) {
            return Err(bad(BAD_RETAIN));
        }
    }
    doc.retain(|key, _| listed(key));
    Ok(())
}

/// `$setElementOrder/…`: merges those lists and brings them into the order that the patch asks for.
fn order_lists(
    ty: Option<TypeRef<'_>>,
    doc: &mut Object,
    patch: &mut Object,
) -> Result<(), PatchError> {
    let keys: Vec<String> = patch
        .keys()
        .filter(|key| key.starts_with("$setElementOrder"))
        .cloned()
        .collect();
    for directive in keys {
        let order = patch.remove(&directive).unwrap_or_default();
        let Some(key) = directive.strip_prefix(SET_ORDER) else {
            return Err(bad(BAD_ORDER));
        };
        let Value::Array(order) = order else {
            return Err(wrong_type("[]interface {}", &order));
        };
        let take = |from: &mut Object| match from.remove(key) {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(other) => Err(wrong_type("[]interface {}", &other)),
        };
        let before = take(doc)?;
        let change = take(patch)?;
        let rule = ListRule::of(lookup(ty, key)?);
        lists::check_order(&rule, change.as_deref().unwrap_or(&[]), &order)?;
        if before.is_some() || change.is_some() {
            lists::item_type(
                before.as_deref().unwrap_or(&[]),
                change.as_deref().unwrap_or(&[]),
            )?;
        }
        let stood = lists::standing(&rule, before.as_deref().unwrap_or(&[]), change.as_deref());
        let merged = match (before, change) {
            (None, None) => continue,
            (Some(before), None) => before,
            (None, Some(change)) => match without_directives(Value::Array(change)) {
                Some(Value::Array(items)) => items,
                _ => continue,
            },
            (Some(before), Some(change)) if rule.merges => {
                merge_lists(&rule, before, change, false)?
            }
            (Some(_), Some(change)) => change,
        };
        let in_order = ordered(&rule, merged, &order, &stood)?;
        doc.insert(key.to_owned(), Value::Array(in_order));
    }
    Ok(())
}

/// A value that is new in the object: keys with nulls fall away.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(object) => {
            let pairs = object.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(
                pairs
                    .map(|(key, value)| (key, without_nulls(value)))
                    .collect(),
            )
        }
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        scalar => scalar,
    }
}

/// A value that is new in the object: there is nothing that its directives could apply to. Nothing is left of an
/// object that is itself a directive.
fn without_directives(value: Value) -> Option<Value> {
    match value {
        Value::Object(object) if object.contains_key(DIRECTIVE) => None,
        Value::Object(object) => Some(Value::Object(
            object
                .into_iter()
                .filter_map(|(key, value)| Some((key, without_directives(value)?)))
                .collect(),
        )),
        Value::Array(items) => Some(items.into_iter().filter_map(without_directives).collect()),
        scalar => Some(scalar),
    }
}

#[cfg(test)]
mod tests;
