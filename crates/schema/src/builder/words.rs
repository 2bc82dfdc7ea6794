//! What a schema says in single words.

use serde_json::Value;

use super::SchemaError;
use crate::table::{Node, RawShape, Span};
use crate::types::Scalar;

pub(super) fn blank(shape: RawShape) -> Node {
    Node {
        name: 0,
        shape,
        map: None,
        own_map: false,
        strategy: 0,
        merge_key: 0,
        enums: Span::default(),
        required: Span::default(),
        format: 0,
        unions: 0,
        preserve_unknown: false,
        open: false,
        embedded: false,
        listed: false,
        nullable: false,
    }
}

/// Types that JSON shows as something else than what they are.
pub(super) fn well_known(name: &str) -> Option<Scalar> {
    Some(match name {
        "io.k8s.apimachinery.pkg.api.resource.Quantity" => Scalar::Quantity,
        "io.k8s.apimachinery.pkg.util.intstr.IntOrString" => Scalar::IntOrString,
        "io.k8s.apimachinery.pkg.apis.meta.v1.Time" => Scalar::Time,
        "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime" => Scalar::MicroTime,
        "io.k8s.apimachinery.pkg.apis.meta.v1.Duration" => Scalar::Duration,
        "io.k8s.apimachinery.pkg.runtime.RawExtension"
        | "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1" => Scalar::Raw,
        _ => return None,
    })
}

/// The name that a schema refers to: `$ref`, alone or as the only member of `allOf`.
pub(super) fn reference(schema: &Value) -> Option<&str> {
    let of = |schema: &'_ Value| schema.get("$ref").map(|_| ());
    let found = if of(schema).is_some() {
        schema
    } else {
        match schema.get("allOf").and_then(Value::as_array) {
            Some(all) if all.len() == 1 => &all[0],
            _ => return None,
        }
    };
    found.get("$ref")?.as_str()?.rsplit('/').next()
}

pub(super) fn text_of<'v>(schema: &'v Value, key: &str) -> &'v str {
    schema.get(key).and_then(Value::as_str).unwrap_or("")
}

pub(super) fn flag(schema: &Value, key: &str) -> bool {
    schema.get(key).and_then(Value::as_bool).unwrap_or(false)
}

pub(super) fn words<'v>(schema: &'v Value, key: &str) -> Vec<&'v str> {
    schema.get(key).map(strings).unwrap_or_default()
}

pub(super) fn strings(list: &Value) -> Vec<&str> {
    let items = list.as_array().into_iter().flatten();
    items.filter_map(Value::as_str).collect()
}

pub(super) fn count(number: usize) -> Result<u32, SchemaError> {
    u32::try_from(number).map_err(|_| SchemaError::TooLarge)
}

pub(super) fn short(number: usize) -> Result<u16, SchemaError> {
    u16::try_from(number).map_err(|_| SchemaError::TooLarge)
}
