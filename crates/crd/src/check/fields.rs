//! Parts of a version beside its schema: subresources, printer columns, selectable fields, deprecation.

use std::collections::BTreeSet;

use serde_json::Value;

use cedge_kinds::error::Errors;
use cedge_kinds::path::Path;
use cedge_kinds::read::Read;

const COLUMN_TYPES: &str = "boolean,date,integer,number,string";
const COLUMN_FORMATS: &str = "byte,date,date-time,double,float,int32,int64,password";
const SELECTABLE_MAX: usize = 8;

pub(super) fn deprecation(version: &Value, path: &Path<'_>, errors: &mut Errors) {
    let Some(warning) = version.field("deprecationWarning").as_str() else {
        return;
    };
    let path = path.child("deprecationWarning");
    if !version.flag("deprecated") {
        errors.invalid(&path, warning, "can only be set for deprecated versions");
        return;
    }
    if warning.len() > 256 {
        errors.invalid(&path, warning, "must be <= 256 characters long");
    }
    if warning.is_empty() {
        errors.invalid(&path, warning, "must not be an empty string");
    }
    if let Some((i, _)) = warning.char_indices().find(|(_, c)| c.is_control()) {
        let detail = format!(
            "must only contain printable UTF-8 characters; non-printable character found at index {i}"
        );
        errors.invalid(&path, warning, detail);
    }
}

pub(super) fn subresources(subresources: &Value, path: &Path<'_>, errors: &mut Errors) {
    let scale = subresources.field("scale");
    if !scale.is_object() {
        return;
    }
    for (name, below) in [
        ("specReplicasPath", ".spec."),
        ("statusReplicasPath", ".status."),
    ] {
        let place = format!("scale.{name}");
        let place = path.child(&place);
        match scale.text(name) {
            "" => errors.required(&place, ""),
            text if !simple_path(text, &place, errors) => {}
            text if !text.starts_with(below) => {
                let detail = format!(
                    "should be a json path under {}",
                    below.trim_end_matches('.')
                );
                errors.invalid(&place, text, detail);
            }
            _ => {}
        }
    }
    let text = scale.text("labelSelectorPath");
    let place = path.child("scale.labelSelectorPath");
    if !text.is_empty()
        && simple_path(text, &place, errors)
        && !text.starts_with(".spec.")
        && !text.starts_with(".status.")
    {
        errors.invalid(
            &place,
            text,
            "should be a json path under either .spec or .status",
        );
    }
}

fn simple_path(text: &str, path: &Path<'_>, errors: &mut Errors) -> bool {
    let fine = text.starts_with('.');
    if !fine {
        errors.invalid(path, text, "must be a simple json path starting with .");
    }
    fine
}

pub(super) fn columns(columns: &[Value], path: &Path<'_>, errors: &mut Errors) {
    for (i, column) in columns.iter().enumerate() {
        let path = path.index(i);
        if column.text("name").is_empty() {
            errors.required(&path.child("name"), "");
        }
        let kind = column.text("type");
        if kind.is_empty() {
            errors.required(
                &path.child("type"),
                &format!("must be one of {COLUMN_TYPES}"),
            );
        } else if !COLUMN_TYPES.split(',').any(|t| t == kind) {
            errors.invalid(
                &path.child("type"),
                kind,
                format!("must be one of {COLUMN_TYPES}"),
            );
        }
        let format = column.text("format");
        if !format.is_empty() && !COLUMN_FORMATS.split(',').any(|f| f == format) {
            errors.invalid(
                &path.child("format"),
                format,
                format!("must be one of {COLUMN_FORMATS}"),
            );
        }
        match column.text("jsonPath") {
            "" => errors.required(&path.child("JSONPath"), ""),
            text => {
                simple_path(text, &path.child("JSONPath"), errors);
            }
        }
    }
}

pub(super) fn selectable(fields: &[Value], schema: &Value, path: &Path<'_>, errors: &mut Errors) {
    let mut seen = BTreeSet::new();
    for (i, field) in fields.iter().enumerate() {
        let place = path.index(i);
        let place = place.child("jsonPath");
        let text = field.text("jsonPath");
        if text.is_empty() {
            errors.required(&place, "");
            continue;
        }
        let found = match resolve(text, schema) {
            Ok(found) => found,
            Err(why) => {
                errors.invalid(&place, text, format!("is an invalid path: {why}"));
                continue;
            }
        };
        if text.starts_with(".metadata.") || text == ".metadata" {
            errors.invalid(&place, text, "must not point to fields in metadata");
        }
        if !matches!(found.text("type"), "string" | "boolean" | "integer") {
            let detail = "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.";
            errors.invalid(&place, text, detail);
        }
        if !seen.insert(text.to_owned()) {
            errors.duplicate(&place, text);
        }
    }
    if seen.len() > SELECTABLE_MAX {
        errors.too_many(path, seen.len(), SELECTABLE_MAX);
    }
}

/// Follows dots through a schema.
pub(super) fn resolve<'a>(path: &str, schema: &'a Value) -> Result<&'a Value, String> {
    let Some(rest) = path.strip_prefix('.') else {
        return Err(format!(
            "expected [ or . but got: {}",
            path.split(['.', '[']).next().unwrap_or("")
        ));
    };
    if rest.contains('[') {
        return Err("array notation is not allowed".to_owned());
    }
    let mut node = schema;
    for name in rest.split('.') {
        node = if node["properties"].is_object() {
            node["properties"]
                .get(name)
                .ok_or("does not refer to a valid field")?
        } else if node.field("additionalProperties").is_object() {
            node.field("additionalProperties")
        } else {
            return Err("does not refer to a valid field".to_owned());
        };
    }
    Ok(node)
}
