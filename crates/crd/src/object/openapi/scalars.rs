//! Texts, numbers, and values that are chosen from a list.

use serde_json::{Number, Value};

use cedge_kinds::error::{ErrorKind, quote};

use super::found::Found;
use crate::node::Node;
use crate::object::formats;
use crate::pattern;

pub(super) fn judge_text(text: &str, node: &Node, path: &str, found: &mut Found) {
    let bounds = &node.bounds;
    let limited = bounds.max_length.is_some() || bounds.min_length.is_some();
    let length = if limited {
        text.chars().count() as u64
    } else {
        0
    };
    if let Some(max) = bounds.max_length.filter(|max| length > *max) {
        let unit = if max == 1 { "byte" } else { "bytes" };
        let detail = format!("may not be more than {max} {unit}");
        let message = format!("{path} in body should be at most {max} chars long");
        found.add(path, ErrorKind::TooLong, None, detail, message);
    } else if let Some(min) = bounds.min_length.filter(|min| length < *min) {
        found.invalid(
            path,
            text.into(),
            &format!("should be at least {min} chars long"),
        );
    } else if !node.pattern.is_empty() && !pattern::holds(&node.pattern, text) {
        let words = format!("should match '{}'", node.pattern);
        found.invalid(path, text.into(), &words);
    }
    let for_text = matches!(node.kind.as_str(), "" | "string");
    if for_text && !node.format.is_empty() && !formats::holds(&node.format, text) {
        found.wrong_type(path, &node.format, text);
    }
}

pub(super) fn judge_number(number: &Number, node: &Node, path: &str, found: &mut Found) {
    let shown = || Value::Number(number.clone());
    let value = number.as_f64().unwrap_or(0.0);
    found.matches += 1;
    if node.format == "int32" && number.as_i64().is_none_or(|n| i32::try_from(n).is_err()) {
        found.composite(format!(
            "Checked value must be of type integer with format int32 in {path}"
        ));
    }
    let plain = |bound: f64| {
        if number.is_f64() {
            go_float(bound)
        } else {
            format!("{}", bound.trunc())
        }
    };
    if let Some(of) = node.bounds.multiple_of {
        let times = value / of;
        if of <= 0.0 || (times - times.round()).abs() > 1e-9 * times.abs().max(1.0) {
            found.invalid(
                path,
                shown(),
                &format!("should be a multiple of {}", plain(of)),
            );
        }
    }
    if let Some((min, exclusive)) = node.bounds.minimum
        && (value < min || (exclusive && value <= min))
    {
        let or_equal = if exclusive { "" } else { " or equal to" };
        let words = format!("should be greater than{or_equal} {}", plain(min));
        found.invalid(path, shown(), &words);
    }
    if let Some((max, exclusive)) = node.bounds.maximum
        && (value > max || (exclusive && value >= max))
    {
        let or_equal = if exclusive { "" } else { " or equal to" };
        found.invalid(
            path,
            shown(),
            &format!("should be less than{or_equal} {}", plain(max)),
        );
    }
}

/// A number as Go's `%v` prints a float.
fn go_float(number: f64) -> String {
    if number != 0.0 && !(1e-4..1e21).contains(&number.abs()) {
        let text = format!("{number:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, digits) = match exponent.strip_prefix('-') {
            Some(digits) => ('-', digits),
            None => ('+', exponent),
        };
        return format!("{mantissa}e{sign}{digits:0>2}");
    }
    format!("{number}")
}

pub(super) fn judge_choices(value: &Value, node: &Node, path: &str, found: &mut Found) {
    if node.choices.is_empty() || node.choices.iter().any(|c| same_value(c, value)) {
        return;
    }
    if value.is_null() && node.nullable {
        return;
    }
    let quoted: Vec<String> = node
        .choices
        .iter()
        .map(|c| quote(&c.as_str().map_or_else(|| c.to_string(), str::to_owned)))
        .collect();
    let detail = format!("supported values: {}", quoted.join(", "));
    let message = format!("{path} in body should be one of {quoted:?}");
    found.add(
        path,
        ErrorKind::NotSupported,
        Some(value.clone()),
        detail,
        message,
    );
}

fn same_value(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => x == y || x.as_f64() == y.as_f64(),
        _ => a == b,
    }
}
