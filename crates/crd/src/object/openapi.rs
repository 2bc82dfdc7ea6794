//! A value against its schema, with the words of Kubernetes' OpenAPI validator.
//!
//! What did not change is not judged again on an update, so that an object that was valid under an older schema can
//! still be edited ("ratcheting").

use std::collections::HashMap;

use serde_json::{Map, Number, Value};

use cedge_kinds::error::{ErrorKind, FieldError, quote};

use super::{formats, lists};
use crate::node::{Additional, Node};
use crate::pattern;

/// What is wrong with `value`. `prefix` is the path of the value in the object (`status`), empty for the object.
#[must_use]
pub fn validate_schema(
    value: &Value,
    old: Option<&Value>,
    node: &Node,
    prefix: &str,
) -> Vec<FieldError> {
    let mut found = Found::default();
    if old.is_some_and(|old| old == value) {
        return Vec::new();
    }
    judge(value, old, node, "", &mut found);
    let mut seen = std::collections::HashSet::new();
    found
        .issues
        .into_iter()
        .filter(|issue| seen.insert(issue.message.clone()))
        .map(|issue| issue.into_error(prefix))
        .collect()
}

#[derive(Default)]
struct Found {
    issues: Vec<Issue>,
    /// How much was right: picks the alternative whose mistakes are shown.
    matches: usize,
}

/// One mistake, with the validator's own message (by which repeated ones are told).
#[derive(Clone)]
struct Issue {
    path: Option<String>,
    kind: ErrorKind,
    value: Option<Value>,
    detail: String,
    message: String,
}

impl Issue {
    fn into_error(self, prefix: &str) -> FieldError {
        let root = if prefix.is_empty() { "<nil>" } else { prefix };
        let field = match self.path.as_deref() {
            None | Some("" | ".") => root.to_owned(),
            Some(path) => {
                let path = path.strip_prefix('.').unwrap_or(path);
                if prefix.is_empty() {
                    path.to_owned()
                } else {
                    format!("{prefix}.{path}")
                }
            }
        };
        FieldError {
            kind: self.kind,
            field,
            value: self.value,
            detail: self.detail,
        }
    }
}

impl Found {
    fn add(
        &mut self,
        path: &str,
        kind: ErrorKind,
        value: Option<Value>,
        detail: String,
        message: String,
    ) {
        let path = Some(path.to_owned());
        self.issues.push(Issue {
            path,
            kind,
            value,
            detail,
            message,
        });
    }

    /// `Invalid value: VALUE: PATH in body WORDS`.
    fn invalid(&mut self, path: &str, value: Value, words: &str) {
        let message = format!("{path} in body {words}");
        self.add(
            path,
            ErrorKind::Invalid,
            Some(value),
            message.clone(),
            message,
        );
    }

    /// `Invalid value: GOT: PATH in body must be of type WANTED: GOT`.
    fn wrong_type(&mut self, path: &str, wanted: &str, got: &str) {
        let message = format!("{path} in body must be of type {wanted}: {}", quote(got));
        self.add(
            path,
            ErrorKind::TypeInvalid,
            Some(got.into()),
            message.clone(),
            message,
        );
    }

    /// A mistake of the whole, without a path.
    fn composite(&mut self, message: String) {
        self.issues.push(Issue {
            path: None,
            kind: ErrorKind::Invalid,
            value: Some("".into()),
            detail: message.clone(),
            message,
        });
    }

    fn merge(&mut self, other: Found) {
        self.issues.extend(other.issues);
        self.matches += other.matches;
    }
}

fn judge(value: &Value, old: Option<&Value>, node: &Node, path: &str, found: &mut Found) {
    found.matches += 1;
    let right_type = judge_type(value, node, path, found);
    if value.is_null() {
        judge_choices(value, node, path, found);
        return;
    }
    found.matches += usize::from(right_type);
    judge_alternatives(value, node, path, found);
    match value {
        Value::String(text) => judge_text(text, node, path, found),
        Value::Number(number) => judge_number(number, node, path, found),
        Value::Array(items) => judge_list(items, old, node, path, found),
        _ => {}
    }
    judge_choices(value, node, path, found);
    if let Value::Object(map) = value {
        judge_object(map, old, node, path, found);
    }
}

fn judge_type(value: &Value, node: &Node, path: &str, found: &mut Found) -> bool {
    let wanted = if node.int_or_string {
        "integer,string"
    } else {
        node.kind.as_str()
    };
    let got = type_of(value);
    let right = match value {
        Value::Null => node.nullable || wanted.is_empty(),
        _ if wanted.is_empty() => true,
        Value::String(_)
            if !node.format.is_empty() && !wanted.contains("integer") && wanted != "number" =>
        {
            true
        }
        Value::Number(n) if wanted.contains("integer") => is_whole(n),
        Value::Number(_) => wanted == "number",
        _ => wanted.split(',').any(|w| w == got),
    };
    if !right {
        found.wrong_type(path, wanted, got);
    }
    right
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn is_whole(number: &Number) -> bool {
    !number.is_f64()
        || number
            .as_f64()
            .is_some_and(|f| f.fract() == 0.0 && f.is_finite())
}

fn judge_alternatives(value: &Value, node: &Node, path: &str, found: &mut Found) {
    found.matches += 1;
    if !node.any_of.is_empty() {
        match try_all(value, &node.any_of, path) {
            (1.., _, Some(first)) => found.merge(first),
            (_, best, _) => {
                found.composite(format!(
                    "{} must validate at least one schema (anyOf)",
                    quote(path)
                ));
                found.merge(best.unwrap_or_default());
            }
        }
    }
    if !node.one_of.is_empty() {
        match try_all(value, &node.one_of, path) {
            (1, _, Some(first)) => found.merge(first),
            (valid, best, _) => {
                let (more, best) = match valid {
                    0 => ("Found none valid".to_owned(), best),
                    n => (format!("Found {n} valid alternatives"), None),
                };
                found.composite(format!(
                    "{} must validate one and only one schema (oneOf). {more}",
                    quote(path)
                ));
                found.merge(best.unwrap_or_default());
            }
        }
    }
    if !node.all_of.is_empty() {
        judge_all_of(value, node, path, found);
    }
    if let Some(not) = &node.not {
        let mut inner = Found::default();
        judge(value, None, not, path, &mut inner);
        if inner.issues.is_empty() {
            found.composite(format!(
                "{} must not validate the schema (not)",
                quote(path)
            ));
        }
    }
}

fn judge_all_of(value: &Value, node: &Node, path: &str, found: &mut Found) {
    let mut valid = 0;
    for schema in &node.all_of {
        let mut inner = Found::default();
        judge(value, None, schema, path, &mut inner);
        valid += usize::from(inner.issues.is_empty());
        found.merge(inner);
    }
    if valid != node.all_of.len() {
        let none = if valid == 0 { ". None validated" } else { "" };
        found.composite(format!(
            "{} must validate all the schemas (allOf){none}",
            quote(path)
        ));
    }
}

/// How many alternatives hold, the best of those that do not, and the first that does.
fn try_all(
    value: &Value,
    alternatives: &[Node],
    path: &str,
) -> (usize, Option<Found>, Option<Found>) {
    let (mut valid, mut best, mut first) = (0, None::<Found>, None);
    for schema in alternatives {
        let mut inner = Found::default();
        judge(value, None, schema, path, &mut inner);
        if inner.issues.is_empty() {
            valid += 1;
            first.get_or_insert(inner);
        } else if best.as_ref().is_none_or(|b| inner.matches > b.matches) {
            best = Some(inner);
        }
    }
    (valid, best, first)
}

fn judge_text(text: &str, node: &Node, path: &str, found: &mut Found) {
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

fn judge_number(number: &Number, node: &Node, path: &str, found: &mut Found) {
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

fn judge_list(items: &[Value], old: Option<&Value>, node: &Node, path: &str, found: &mut Found) {
    found.matches += 1;
    if let Some(item_node) = node.items.as_deref() {
        let correlated = Correlated::new(old, node);
        for (i, item) in items.iter().enumerate() {
            let before = correlated.get(item);
            if before != Some(item) {
                judge(item, before, item_node, &format!("{path}[{i}]"), found);
            }
        }
    }
    let size = items.len() as u64;
    if let Some(min) = node.bounds.min_items.filter(|min| size < *min) {
        found.invalid(
            path,
            size.into(),
            &format!("should have at least {min} items"),
        );
    }
    if let Some(max) = node.bounds.max_items.filter(|max| size > *max) {
        too_many(path, size, max, "items", found);
    }
}

/// Old items of a `map` list by their keys; other lists have no lasting items.
struct Correlated<'a> {
    node: &'a Node,
    items: HashMap<String, &'a Value>,
}

impl<'a> Correlated<'a> {
    fn new(old: Option<&'a Value>, node: &'a Node) -> Self {
        let old = old
            .and_then(Value::as_array)
            .filter(|_| node.list_type == "map");
        let items = old
            .into_iter()
            .flatten()
            .map(|item| (lists::key_of(item, node).to_string(), item))
            .collect();
        Self { node, items }
    }

    fn get(&self, item: &Value) -> Option<&'a Value> {
        if self.items.is_empty() {
            return None;
        }
        self.items
            .get(&lists::key_of(item, self.node).to_string())
            .copied()
    }
}

fn too_many(path: &str, actual: u64, max: u64, unit: &str, found: &mut Found) {
    let items = if max == 1 { "item" } else { "items" };
    let detail = format!("must have at most {max} {items}");
    let message = format!("{path} in body should have at most {max} {unit}");
    found.add(
        path,
        ErrorKind::TooMany,
        Some(actual.into()),
        detail,
        message,
    );
}

fn judge_choices(value: &Value, node: &Node, path: &str, found: &mut Found) {
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

fn judge_object(
    map: &Map<String, Value>,
    old: Option<&Value>,
    node: &Node,
    path: &str,
    found: &mut Found,
) {
    let size = map.len() as u64;
    if let Some(min) = node.bounds.min_properties.filter(|min| size < *min) {
        found.invalid(
            path,
            size.into(),
            &format!("should have at least {min} properties"),
        );
    }
    if let Some(max) = node.bounds.max_properties.filter(|max| size > *max) {
        too_many(path, size, max, "properties", found);
    }
    for (name, value) in map {
        if node.properties.contains_key(name) {
            continue;
        }
        match &node.additional {
            Additional::Any(false) => {
                let message = format!("{path}.{name} in body is a forbidden property");
                found.add(
                    &format!("{path}.{name}"),
                    ErrorKind::Invalid,
                    Some("".into()),
                    message.clone(),
                    message,
                );
            }
            Additional::Schema(schema) => {
                judge_member(value, old, name, schema, &format!("{path}.{name}"), found);
            }
            Additional::Any(true) | Additional::Unset => {}
        }
    }
    for (name, property) in &node.properties {
        if let Some(value) = map.get(name) {
            let below = if path.is_empty() {
                name.clone()
            } else {
                format!("{path}.{name}")
            };
            judge_member(value, old, name, property, &below, found);
        }
    }
    for name in node.required.iter().filter(|name| !map.contains_key(*name)) {
        let below = format!("{path}.{name}");
        let message = format!("{below} in body is required");
        found.add(&below, ErrorKind::Required, None, String::new(), message);
    }
}

fn judge_member(
    value: &Value,
    old: Option<&Value>,
    name: &str,
    node: &Node,
    path: &str,
    found: &mut Found,
) {
    let before = old.and_then(|old| old.get(name));
    if before != Some(value) {
        judge(value, before, node, path, found);
    }
}
