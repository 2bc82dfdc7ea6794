//! Structural schemas: the shape of a value is known without judging the value.
//!
//! The shape stands outside of `allOf`, `anyOf`, `oneOf` and `not`; inside of them stand restrictions only, of
//! fields that are known outside.

use serde_json::{Value, json};

use cedge_kinds::error::Errors;
use cedge_kinds::path::Path;
use cedge_kinds::read::Read;

use crate::pattern as patterns;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Item,
    Field,
}

/// What keeps a schema from being structural, sorted by text.
pub(super) fn validate(schema: &Value, path: &Path<'_>, errors: &mut Errors) {
    let mut found = Errors::new();
    invariants(schema, Level::Root, path, &mut found);
    complete(schema, schema, path, path, &mut found);
    found.0.sort_by_cached_key(ToString::to_string);
    errors.0.append(&mut found.0);
}

fn invariants(schema: &Value, level: Level, path: &Path<'_>, errors: &mut Errors) {
    let kind = schema.text("type");
    if kind == "array" && !schema.field("items").is_object() {
        errors.required(&path.child("items"), "must be specified");
    }
    if schema.field("items").is_object() {
        invariants(
            schema.field("items"),
            Level::Item,
            &path.child("items"),
            errors,
        );
    }
    let properties = path.child("properties");
    for (name, property) in schema.entries("properties") {
        invariants(property, Level::Field, &properties.key(name), errors);
    }
    let additional = schema.field("additionalProperties");
    if !additional.is_null() && level == Level::Root {
        errors.forbidden(
            &path.child("additionalProperties"),
            "must not be used at the root",
        );
    }
    if additional.is_object() {
        invariants(
            additional,
            Level::Field,
            &path.child("additionalProperties"),
            errors,
        );
    }
    extensions(schema, path, errors);
    let (any_of, first_all_of) = int_or_string_patterns(schema);
    restrictions(schema, any_of, first_all_of, path, errors);
    types(schema, level, path, errors);
    type_meta(schema, level, path, errors);
}

fn extensions(schema: &Value, path: &Path<'_>, errors: &mut Errors) {
    if !schema.flag("x-kubernetes-int-or-string") {
        return;
    }
    for name in [
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-embedded-resource",
    ] {
        if schema.flag(name) {
            let detail = "must be false if x-kubernetes-int-or-string is true";
            errors.invalid(&path.child(name), true, detail);
        }
    }
}

fn types(schema: &Value, level: Level, path: &Path<'_>, errors: &mut Errors) {
    let kind = schema.text("type");
    let place = path.child("type");
    let embedded = schema.flag("x-kubernetes-embedded-resource");
    let any = schema.flag("x-kubernetes-int-or-string")
        || schema.flag("x-kubernetes-preserve-unknown-fields");
    if embedded && kind != "object" {
        let detail = "must be object if x-kubernetes-embedded-resource is true";
        if kind.is_empty() {
            errors.required(&place, detail);
        } else {
            errors.invalid(&place, kind, detail);
        }
    } else if kind.is_empty() && !any && !schema.has("$ref") {
        let detail = match level {
            Level::Root => "must not be empty at the root",
            Level::Item => "must not be empty for specified array items",
            Level::Field => "must not be empty for specified object fields",
        };
        errors.required(&place, detail);
    }
    if embedded && schema.has("additionalProperties") {
        let detail = "must not be used if x-kubernetes-embedded-resource is set";
        errors.forbidden(&path.child("additionalProperties"), detail);
    }
    if level == Level::Root && !kind.is_empty() && kind != "object" {
        errors.invalid(&place, kind, "must be object at the root");
    }
    let open = schema.flag("x-kubernetes-preserve-unknown-fields");
    if embedded && !open && schema.entries("properties").next().is_none() {
        let detail = "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
        errors.required(&path.child("properties"), detail);
    }
}

fn type_meta(schema: &Value, level: Level, path: &Path<'_>, errors: &mut Errors) {
    let resource = level == Level::Root || schema.flag("x-kubernetes-embedded-resource");
    let properties = path.child("properties");
    for name in ["kind", "apiVersion"] {
        let kind = schema["properties"][name].text("type");
        if resource && schema["properties"][name].is_object() && kind != "string" {
            errors.invalid(&properties.key(name).child("type"), kind, "must be string");
        }
    }
    let meta = &schema["properties"]["metadata"];
    if !meta.is_object() {
        return;
    }
    let place = properties.key("metadata");
    if resource && meta.text("type") != "object" {
        errors.invalid(&place.child("type"), meta.text("type"), "must be object");
    }
    let only_names = meta
        .entries("properties")
        .all(|(name, _)| matches!(name, "name" | "generateName"));
    let more = meta.as_object().into_iter().flatten().any(|(name, value)| {
        !matches!(
            name.as_str(),
            "type" | "properties" | "description" | "title" | "default"
        ) && !value.is_null()
    });
    let describes = meta.has("description") || meta.has("title");
    if level == Level::Root && (!only_names || more || describes) {
        let detail = "must not specify anything other than name and generateName, but metadata is implicitly specified";
        errors.forbidden(&place, detail);
    }
}

/// Whether `anyOf`, or the first of `allOf`, is the known way to say "integer or string".
fn int_or_string_patterns(schema: &Value) -> (bool, bool) {
    let pattern = json!([{"type": "integer"}, {"type": "string"}]);
    let first = schema.items("allOf").first();
    (
        *schema.field("anyOf") == pattern,
        first.is_some_and(|clause| *clause.field("anyOf") == pattern),
    )
}

fn restrictions(
    schema: &Value,
    skip_any_of: bool,
    skip_first: bool,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    if !skip_any_of {
        for (i, clause) in schema.items("anyOf").iter().enumerate() {
            nested(clause, false, false, &path.child("anyOf").index(i), errors);
        }
    }
    for (i, clause) in schema.items("allOf").iter().enumerate() {
        nested(
            clause,
            skip_first && i == 0,
            false,
            &path.child("allOf").index(i),
            errors,
        );
    }
    for (i, clause) in schema.items("oneOf").iter().enumerate() {
        nested(clause, false, false, &path.child("oneOf").index(i), errors);
    }
    if schema.field("not").is_object() {
        nested(
            schema.field("not"),
            false,
            false,
            &path.child("not"),
            errors,
        );
    }
    let pattern = schema.text("pattern");
    if !pattern.is_empty()
        && let Err(error) = patterns::check(pattern)
    {
        let detail = format!("must be a valid regular expression, but isn't: {error}");
        errors.invalid(&path.child("pattern"), pattern, detail);
    }
}

/// What may not stand inside of a junctor, and how Kubernetes says so.
const FORBIDDEN: &[(&str, &str)] = &[
    ("type", "must be empty to be structural"),
    ("additionalProperties", "must be undefined to be structural"),
    ("default", "must be undefined to be structural"),
    ("title", "must be empty to be structural"),
    ("description", "must be empty to be structural"),
    ("nullable", "must be false to be structural"),
    (
        "x-kubernetes-preserve-unknown-fields",
        "must be false to be structural",
    ),
    (
        "x-kubernetes-embedded-resource",
        "must be false to be structural",
    ),
    (
        "x-kubernetes-int-or-string",
        "must be false to be structural",
    ),
    (
        "x-kubernetes-list-map-keys",
        "must be empty to be structural",
    ),
    (
        "x-kubernetes-list-type",
        "must be undefined to be structural",
    ),
    (
        "x-kubernetes-map-type",
        "must be undefined to be structural",
    ),
    ("x-kubernetes-validations", "must be empty to be structural"),
];

fn nested(
    clause: &Value,
    skip_any_of: bool,
    skip_first: bool,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    restrictions(clause, skip_any_of, skip_first, path, errors);
    if clause.field("items").is_object() {
        nested(
            clause.field("items"),
            false,
            false,
            &path.child("items"),
            errors,
        );
    }
    let properties = path.child("properties");
    for (name, property) in clause.entries("properties") {
        nested(property, false, false, &properties.key(name), errors);
    }
    for (name, detail) in FORBIDDEN {
        let value = clause.field(name);
        let zero = value.is_null() || *value == false || *value == "" || *value == json!([]);
        if !zero {
            errors.forbidden(&path.child(name), *detail);
        }
    }
    if clause["properties"].get("metadata").is_some() {
        let detail = "must not be specified in a nested context";
        errors.forbidden(&properties.key("metadata"), detail);
    }
}

/// Every field that a junctor restricts must be known outside of it.
fn complete(
    clause: &Value,
    schema: &Value,
    place: &Path<'_>,
    said: &Path<'_>,
    errors: &mut Errors,
) {
    if clause.field("not").is_object() {
        complete_nested(
            clause.field("not"),
            schema,
            place,
            &said.child("not"),
            errors,
        );
    }
    for name in ["allOf", "anyOf", "oneOf"] {
        for (i, inner) in clause.items(name).iter().enumerate() {
            complete_nested(inner, schema, place, &said.child(name).index(i), errors);
        }
    }
}

fn complete_nested(
    clause: &Value,
    schema: &Value,
    place: &Path<'_>,
    said: &Path<'_>,
    errors: &mut Errors,
) {
    if !schema.is_object() {
        errors.required(place, &format!("because it is defined in {said}"));
        return;
    }
    complete(clause, schema, place, said, errors);
    if clause.field("items").is_object() {
        let (below, said) = (place.child("items"), said.child("items"));
        complete_nested(
            clause.field("items"),
            schema.field("items"),
            &below,
            &said,
            errors,
        );
    }
    let (below, said) = (place.child("properties"), said.child("properties"));
    for (name, property) in clause.entries("properties") {
        let known = &schema["properties"][name];
        if known.is_object() {
            complete_nested(property, known, &below.key(name), &said.key(name), errors);
        } else {
            let detail = format!("because it is defined in {}", said.key(name));
            errors.required(&below.key(name), &detail);
        }
    }
}
