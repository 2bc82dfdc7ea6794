//! Rules of numbers and of "a number or a percentage".

use serde_json::Value;

use super::NOT_NEGATIVE;
use crate::error::Errors;
use crate::formats;
use crate::path::Path;
use crate::read::Read;

/// Fields that must not be below zero.
pub(super) fn non_negative(value: &Value, names: &[&str], path: &Path<'_>, errors: &mut Errors) {
    for name in names {
        if let Some(number) = value.int(name).filter(|n| *n < 0) {
            errors.invalid(&path.child(name), number, NOT_NEGATIVE);
        }
    }
}

/// A number of at least zero, or a percentage.
pub(super) fn int_or_percent(value: &Value, path: &Path<'_>, errors: &mut Errors) {
    match value {
        Value::String(text) => {
            for wrong in formats::percent(text) {
                errors.invalid(path, text.as_str(), wrong);
            }
        }
        Value::Number(number) => {
            if let Some(number) = number.as_i64().filter(|n| *n < 0) {
                errors.invalid(path, number, NOT_NEGATIVE);
            }
        }
        _ => {}
    }
}

/// At most all of them.
pub(super) fn at_most_all(value: &Value, path: &Path<'_>, errors: &mut Errors) {
    if percent_of(value).is_some_and(|p| p > 100) {
        errors.invalid(path, value.clone(), "must not be greater than 100%");
    }
}

/// The number, or the number before the percent sign.
pub(super) fn amount_of(value: &Value) -> i64 {
    percent_of(value).or_else(|| value.as_i64()).unwrap_or(0)
}

fn percent_of(value: &Value) -> Option<i64> {
    let digits = value.as_str()?.strip_suffix('%')?;
    digits.parse().ok()
}

/// A port's number, or a port's name.
pub(super) fn port(value: &Value, path: &Path<'_>, errors: &mut Errors) {
    match value {
        Value::String(name) => errors.invalid_all(path, name, formats::port_name(name)),
        other => {
            let number = other.as_i64().unwrap_or(0);
            for wrong in formats::port_number(number) {
                errors.invalid(path, number, wrong);
            }
        }
    }
}

/// One of the known words; an empty one is missing.
pub(super) fn one_of(text: &str, known: &[&str], path: &Path<'_>, errors: &mut Errors) {
    if text.is_empty() {
        errors.required(path, "");
    } else if !known.contains(&text) {
        errors.not_supported(path, text, known);
    }
}

/// One of the known words, if given at all.
pub(super) fn one_of_if_given(
    value: &Value,
    name: &str,
    known: &[&str],
    path: &Path<'_>,
    errors: &mut Errors,
) {
    if let Some(text) = value
        .field(name)
        .as_str()
        .filter(|text| !known.contains(text))
    {
        errors.not_supported(&path.child(name), text, known);
    }
}
