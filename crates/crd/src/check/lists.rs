//! What `x-kubernetes-list-type` asks of a list and its items.

use serde_json::Value;

use cedge_kinds::error::Errors;
use cedge_kinds::path::Path;
use cedge_kinds::read::Read;

/// What is wrong with the type of a list.
pub(super) fn validate(schema: &Value, path: &Path<'_>, errors: &mut Errors) {
    let list_type = schema.text("x-kubernetes-list-type");
    let keys = schema.items("x-kubernetes-list-map-keys");
    let items = schema.field("items");
    if !keys.is_empty() && list_type != "map" {
        let place = path.child("x-kubernetes-list-type");
        let detail = "must be map if x-kubernetes-list-map-keys is non-empty";
        if list_type.is_empty() {
            errors.required(&place, detail);
        } else {
            errors.invalid(&place, list_type, detail);
        }
    }
    match list_type {
        "set" => set_items(items, path, errors),
        "map" => map_items(schema, items, keys, path, errors),
        _ => return,
    }
    if items.flag("nullable") {
        let place = path.child("items");
        let detail = format!("cannot be nullable when x-kubernetes-list-type is {list_type}");
        errors.forbidden(&place.child("nullable"), detail);
    }
}

fn set_items(items: &Value, path: &Path<'_>, errors: &mut Errors) {
    let path = path.child("items");
    let detail = "must be atomic as item of a list with x-kubernetes-list-type=set";
    let inner = items.text("x-kubernetes-list-type");
    match items.text("type") {
        "array" if !matches!(inner, "" | "atomic") => {
            errors.invalid(&path.child("x-kubernetes-list-type"), inner, detail);
        }
        "object" if items.text("x-kubernetes-map-type") != "atomic" => {
            let shown = items.field("x-kubernetes-list-type").clone();
            errors.invalid(&path.child("x-kubernetes-map-type"), shown, detail);
        }
        _ => {}
    }
}

fn map_items(schema: &Value, items: &Value, keys: &[Value], path: &Path<'_>, errors: &mut Errors) {
    let keys_path = path.child("x-kubernetes-list-map-keys");
    let items_path = path.child("items");
    if keys.is_empty() {
        errors.required(
            &keys_path,
            "must not be empty if x-kubernetes-list-type is map",
        );
    }
    if !items.is_object() {
        errors.required(
            &items_path,
            "must have a schema if x-kubernetes-list-type is map",
        );
        return;
    }
    let kind = items.text("type");
    if kind != "object" {
        let detail = "must be object if parent array's x-kubernetes-list-type is map";
        errors.invalid(&items_path.child("type"), kind, detail);
        return;
    }
    let shown = schema.field("x-kubernetes-list-map-keys");
    let properties = items_path.child("properties");
    let mut seen = Vec::new();
    for key in keys.iter().filter_map(Value::as_str) {
        let property = &items["properties"][key];
        if property.is_null() {
            errors.invalid(
                &keys_path,
                shown.clone(),
                "entries must all be names of item properties",
            );
        } else if matches!(property.text("type"), "array" | "object") {
            let detail = "must be a scalar type if parent array's x-kubernetes-list-type is map";
            errors.invalid(&properties.key(key).child("type"), kind, detail);
        }
        if seen.contains(&key) {
            errors.invalid(
                &keys_path,
                shown.clone(),
                "must not contain duplicate entries",
            );
        }
        seen.push(key);
    }
    for key in keys.iter().filter_map(Value::as_str) {
        let property = &items["properties"][key];
        let required = items.items("required").iter().any(|r| r == key);
        if property.is_object() && !required && !property.has("default") {
            let detail = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
            errors.required(&properties.key(key).child("default"), detail);
        }
        if property.flag("nullable") {
            let detail = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable";
            errors.forbidden(&properties.key(key).child("nullable"), detail);
        }
    }
}
