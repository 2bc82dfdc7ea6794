//! Rules of `metadata` that hold for every kind.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::error::{Errors, quote};
use crate::formats;
use crate::path::Path;
use crate::read::Read;
use crate::strategy::same;

/// What is wrong with a name; with `prefix`, with a name that gets something appended.
pub type NameRule = fn(&str, bool) -> Vec<String>;

/// All annotations together may have this many bytes.
const ANNOTATIONS_MAX: usize = 256 * 1024;

/// Names that are DNS subdomains.
#[must_use]
pub fn subdomain_name(name: &str, prefix: bool) -> Vec<String> {
    formats::dns_subdomain(&masked(name, prefix))
}

/// Names that are DNS labels.
#[must_use]
pub fn label_name(name: &str, prefix: bool) -> Vec<String> {
    formats::dns_label(&masked(name, prefix))
}

/// Names that are DNS labels in the older, stricter sense.
#[must_use]
pub fn dns1035_name(name: &str, prefix: bool) -> Vec<String> {
    formats::dns1035_label(&masked(name, prefix))
}

/// Names that only have to fit into a path.
#[must_use]
pub fn path_segment_name(name: &str, prefix: bool) -> Vec<String> {
    if prefix {
        formats::path_segment_prefix(name)
    } else {
        formats::path_segment(name)
    }
}

/// A dash at the end is fine where something follows it.
fn masked(name: &str, prefix: bool) -> String {
    match name.strip_suffix('-') {
        Some(rest) if prefix && !rest.is_empty() => {
            let mut shorter: String = rest.to_owned();
            shorter.pop();
            shorter.push('a');
            shorter
        }
        _ => name.to_owned(),
    }
}

/// Rules of a whole `metadata`.
pub fn validate(
    meta: &Value,
    namespaced: bool,
    name_rule: NameRule,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    let generate = meta.text("generateName");
    if !generate.is_empty() {
        errors.invalid_all(
            &path.child("generateName"),
            generate,
            name_rule(generate, true),
        );
    }
    let name = meta.text("name");
    if name.is_empty() {
        errors.required(&path.child("name"), "name or generateName is required");
    } else {
        errors.invalid_all(&path.child("name"), name, name_rule(name, false));
    }
    let namespace = meta.text("namespace");
    if !namespaced {
        if !namespace.is_empty() {
            errors.forbidden(&path.child("namespace"), "not allowed on this type");
        }
    } else if namespace.is_empty() {
        errors.required(&path.child("namespace"), "");
    } else {
        let wrong = label_name(namespace, false);
        errors.invalid_all(&path.child("namespace"), namespace, wrong);
    }
    non_negative_generation(meta, path, errors);
    labels(meta.field("labels"), &path.child("labels"), errors);
    annotations(
        meta.field("annotations"),
        &path.child("annotations"),
        errors,
    );
    owner_references(meta, &path.child("ownerReferences"), errors);
    finalizers(meta.items("finalizers"), &path.child("finalizers"), errors);
    managed_fields(
        meta.items("managedFields"),
        &path.child("managedFields"),
        errors,
    );
}

/// Rules of the change from `old` to `meta`.
pub fn validate_update(meta: &Value, old: &Value, path: &Path<'_>, errors: &mut Errors) {
    if old.has("deletionTimestamp") {
        no_new_finalizers(meta, old, &path.child("finalizers"), errors);
    }
    if meta.text("resourceVersion").is_empty() {
        errors.invalid(
            &path.child("resourceVersion"),
            "",
            "must be specified for an update",
        );
    }
    non_negative_generation(meta, path, errors);
    let generation = meta.int("generation").unwrap_or(0);
    if generation < old.int("generation").unwrap_or(0) {
        errors.invalid(
            &path.child("generation"),
            generation,
            "must not be decremented",
        );
    }
    for name in [
        "name",
        "namespace",
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ] {
        immutable(meta.field(name), old.field(name), &path.child(name), errors);
    }
    labels(meta.field("labels"), &path.child("labels"), errors);
    annotations(
        meta.field("annotations"),
        &path.child("annotations"),
        errors,
    );
    owner_references(meta, &path.child("ownerReferences"), errors);
    managed_fields(
        meta.items("managedFields"),
        &path.child("managedFields"),
        errors,
    );
}

/// `field is immutable`, if two values differ.
pub fn immutable(new: &Value, old: &Value, path: &Path<'_>, errors: &mut Errors) {
    let empty = |v: &Value| v.is_null() || v == "";
    let unset = empty(new) && empty(old);
    if !unset && !same(new, old) {
        errors.invalid(path, new.clone(), "field is immutable");
    }
}

/// The same of the fields whose error does not show the value.
pub fn immutable_unshown(new: &Value, old: &Value, path: &Path<'_>, errors: &mut Errors) {
    let mut found = Errors::new();
    immutable(new, old, path, &mut found);
    for error in found.0 {
        errors.add(error.kind, path, Some(Value::Null), &error.detail);
    }
}

/// Keys and values of labels.
pub fn labels(labels: &Value, path: &Path<'_>, errors: &mut Errors) {
    for (key, value) in labels.as_object().into_iter().flatten() {
        errors.invalid_all(path, key, formats::label_key(key));
        let value = value.as_str().unwrap_or("");
        errors.invalid_all(path, value, formats::label_value(value));
    }
}

/// Keys of annotations, and their size.
pub fn annotations(annotations: &Value, path: &Path<'_>, errors: &mut Errors) {
    let mut size = 0;
    for (key, value) in annotations.as_object().into_iter().flatten() {
        errors.invalid_all(path, key, formats::label_key(&key.to_lowercase()));
        size += key.len() + value.as_str().map_or(0, str::len);
    }
    if size > ANNOTATIONS_MAX {
        errors.too_long(path, ANNOTATIONS_MAX);
    }
}

fn non_negative_generation(meta: &Value, path: &Path<'_>, errors: &mut Errors) {
    if let Some(generation) = meta.int("generation").filter(|g| *g < 0) {
        errors.invalid(&path.child("generation"), generation, super::NOT_NEGATIVE);
    }
}

fn owner_references(meta: &Value, path: &Path<'_>, errors: &mut Errors) {
    let references = meta.items("ownerReferences");
    let mut controller: Option<String> = None;
    for (i, reference) in references.iter().enumerate() {
        owner_reference(reference, &path.index(i), errors);
        if !reference.flag("controller") {
            continue;
        }
        let name = format!("{}/{}", reference.text("kind"), reference.text("name"));
        match &controller {
            None => controller = Some(name),
            Some(first) => errors.invalid(
                path,
                references.to_vec(),
                format!(
                    "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {name}"
                ),
            ),
        }
    }
}

fn owner_reference(reference: &Value, path: &Path<'_>, errors: &mut Errors) {
    let version = reference.text("apiVersion");
    if version.is_empty() {
        errors.required(&path.child("apiVersion"), "must not be empty");
    } else if version.matches('/').count() > 1 || version.ends_with('/') {
        let detail = "must be <group>/<version> or <version>";
        errors.invalid(&path.child("apiVersion"), version, detail);
    }
    for name in ["kind", "name", "uid"] {
        if reference.text(name).is_empty() {
            errors.required(&path.child(name), "must not be empty");
        }
    }
    if version == "v1" && reference.text("kind") == "Event" {
        let detail = "/v1, Kind=Event is disallowed from being an owner";
        errors.invalid(path, reference.clone(), detail);
    }
}

fn finalizers(finalizers: &[Value], path: &Path<'_>, errors: &mut Errors) {
    for finalizer in finalizers.iter().filter_map(Value::as_str) {
        errors.invalid_all(path, finalizer, formats::label_key(finalizer));
    }
    let has = |name: &str| finalizers.iter().any(|f| f == name);
    if has("orphan") && has("foregroundDeletion") {
        errors.invalid(
            path,
            finalizers.to_vec(),
            "finalizer orphan and foregroundDeletion cannot be both set",
        );
    }
}

/// Finalizers of built-in kinds carry the domain of who sets them, but for Kubernetes' own.
pub(crate) fn qualified_finalizers(meta: &Value, path: &Path<'_>, errors: &mut Errors) {
    const STANDARD: [&str; 3] = ["kubernetes", "orphan", "foregroundDeletion"];
    let names = meta.items("finalizers").iter().filter_map(Value::as_str);
    for (i, name) in names.enumerate() {
        if !name.contains('/') && !STANDARD.contains(&name) {
            let detail = "name is neither a standard finalizer name nor is it fully qualified";
            errors.invalid(&path.index(i), name, detail);
        }
    }
}

fn no_new_finalizers(meta: &Value, old: &Value, path: &Path<'_>, errors: &mut Errors) {
    let set = |v: &Value| -> BTreeSet<String> {
        v.items("finalizers")
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    };
    let (new, old) = (set(meta), set(old));
    let added: Vec<String> = new.difference(&old).map(|name| quote(name)).collect();
    if !added.is_empty() {
        errors.forbidden(
            path,
            format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                added.join(", ")
            ),
        );
    }
}

fn managed_fields(entries: &[Value], path: &Path<'_>, errors: &mut Errors) {
    for (i, entry) in entries.iter().enumerate() {
        let path = path.index(i);
        let operation = entry.text("operation");
        if !matches!(operation, "Apply" | "Update") {
            errors.invalid(
                &path.child("operation"),
                operation,
                "must be `Apply` or `Update`",
            );
        }
        let fields_type = entry.text("fieldsType");
        if !fields_type.is_empty() && fields_type != "FieldsV1" {
            errors.invalid(&path.child("fieldsType"), fields_type, "must be `FieldsV1`");
        }
        let manager = entry.text("manager");
        if manager.len() > 128 {
            errors.too_long(&path.child("manager"), 128);
        }
    }
}
