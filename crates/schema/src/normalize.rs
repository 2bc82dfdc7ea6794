//! Values as Kubernetes writes them: what remains of a client's object after it went through the server's own types.
//!
//! Unknown fields fall away, fields without a value are left out or written as zero (`resources: {}`), quantities
//! and times get their canonical form (`0.5` is `500m`). Decoding into typed structs and encoding again does the
//! same in Kubernetes; here the type table says how each field behaves.

pub(crate) mod amount;
mod scalars;

use serde_json::{Map, Value};

use crate::table::Presence;
use crate::types::{Field, Scalar, Shape, TypeRef};

/// Types nested deeper than any real one end here.
const DEPTH_MAX: usize = 512;

/// Brings a value of a built-in type into the form in which Kubernetes stores and answers it.
///
/// The value must have passed [`crate::check_types`]. Types of custom resources are left alone (crate `crd` prunes
/// and defaults them), but for their metadata.
pub fn normalize(ty: TypeRef<'_>, value: &mut Value) {
    walk(ty, value, 0);
}

/// An object of a built-in type with nothing set.
#[must_use]
pub fn zero(ty: TypeRef<'_>) -> Value {
    let mut value = Value::Object(Map::new());
    normalize(ty, &mut value);
    value
}

fn walk(ty: TypeRef<'_>, value: &mut Value, depth: usize) {
    if depth > DEPTH_MAX {
        return;
    }
    match (ty.shape(), value) {
        (Shape::Object, Value::Object(object)) => {
            if is_struct(ty) {
                fields(ty, object, depth);
            } else {
                members(ty, object, depth);
            }
        }
        (Shape::List { item, .. }, Value::Array(items)) => {
            for value in items {
                if value.is_null() && ty.name().is_none() {
                    *value = unset(item);
                }
                walk(item, value, depth + 1);
            }
        }
        (Shape::Scalar(scalar), value) => scalars::canonical(scalar, value),
        (Shape::Object | Shape::List { .. }, _) => {}
    }
}

/// Whether the server has a struct of its own for a type.
fn is_struct(ty: TypeRef<'_>) -> bool {
    let known = |field: Field<'_>| field.presence() != Presence::Unknown;
    matches!(ty.shape(), Shape::Object) && ty.name().is_some() && ty.fields().any(known)
}

fn members(ty: TypeRef<'_>, object: &mut Map<String, Value>, depth: usize) {
    for (key, value) in object {
        let Some(member) = ty.member(key) else {
            continue;
        };
        let built_in = ty.types_are_built_in();
        if value.is_null() && built_in && ty.field(key).is_none() {
            *value = unset(member);
        }
        walk(member, value, depth + 1);
    }
}

fn fields(ty: TypeRef<'_>, object: &mut Map<String, Value>, depth: usize) {
    if ty.additional().is_none() {
        object.retain(|key, _| ty.field(key).is_some());
    }
    for field in ty.fields() {
        let name = field.name();
        if let Some(value) = object.get_mut(name) {
            if field.presence() == Presence::Unknown {
                walk(field.ty(), value, depth + 1);
                continue;
            }
            if !value.is_null() {
                walk(field.ty(), value, depth + 1);
                if is_left_out(field, value) {
                    object.remove(name);
                }
                continue;
            }
            object.remove(name);
        }
        if let Some(value) = written_when_unset(field, depth) {
            object.insert(name.to_owned(), value);
        }
    }
}

/// Whether a value that is set is not written.
fn is_left_out(field: Field<'_>, value: &Value) -> bool {
    match field.presence() {
        Presence::Unknown | Presence::Always => false,
        Presence::UnlessEmpty | Presence::UnlessZero if field.is_pointer() => false,
        Presence::UnlessEmpty => is_empty(field.ty(), value),
        Presence::UnlessZero => {
            is_empty(field.ty(), value) || (is_struct(field.ty()) && *value == zero(field.ty()))
        }
    }
}

fn is_empty(ty: TypeRef<'_>, value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(set) => !set,
        Value::Number(number) => {
            number.as_f64() == Some(0.0)
                && !matches!(
                    ty.shape(),
                    Shape::Scalar(Scalar::IntOrString | Scalar::Quantity)
                )
        }
        Value::String(text) => {
            let text_type = Shape::Scalar(Scalar::String);
            text.is_empty()
                && (matches!((ty.shape(), text_type), (Shape::Scalar(a), Shape::Scalar(b)) if a == b)
                    || matches!(ty.shape(), Shape::Scalar(Scalar::Bytes)))
        }
        Value::Array(items) => items.is_empty(),
        Value::Object(object) => object.is_empty() && !is_struct(ty),
    }
}

/// What is written for a field that is not set, if anything.
fn written_when_unset(field: Field<'_>, depth: usize) -> Option<Value> {
    let is_value_object = !field.is_pointer() && is_plain_object(field.ty());
    match field.presence() {
        Presence::Unknown | Presence::UnlessZero => None,
        Presence::Always if field.is_pointer() => Some(Value::Null),
        Presence::Always => Some(unset_at(field.ty(), depth)),
        Presence::UnlessEmpty if is_value_object => Some(unset_at(field.ty(), depth)),
        Presence::UnlessEmpty => None,
    }
}

/// Types that are structs in the server: never empty, so always written.
fn is_plain_object(ty: TypeRef<'_>) -> bool {
    match ty.shape() {
        Shape::Object => ty.name().is_some(),
        Shape::Scalar(scalar) => matches!(
            scalar,
            // Unset ports are none of them: what is zero in the server is a default of the kind.
            Scalar::Time | Scalar::MicroTime | Scalar::Quantity | Scalar::Raw
        ),
        Shape::List { .. } => false,
    }
}

fn unset(ty: TypeRef<'_>) -> Value {
    unset_at(ty, 0)
}

fn unset_at(ty: TypeRef<'_>, depth: usize) -> Value {
    match ty.shape() {
        Shape::Object if ty.name().is_some() => {
            let mut object = Map::new();
            if depth < DEPTH_MAX {
                fields(ty, &mut object, depth + 1);
            }
            Value::Object(object)
        }
        Shape::Object | Shape::List { .. } => Value::Null,
        Shape::Scalar(scalar) => scalars::unset(scalar),
    }
}

#[cfg(test)]
mod tests;
