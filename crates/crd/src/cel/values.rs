//! JSON as CEL sees it, typed by the schema.

use std::collections::HashMap;
use std::sync::Arc;

use kube_cel::cel::objects::{Key, Map, Value as CelValue};
use kube_cel::cel::{Context, Program};
use serde_json::{Map as JsonMap, Number, Value};

use crate::node::{Additional, Node};

/// How large what was converted is, for the budget.
#[derive(Debug, Default)]
pub(super) struct Size {
    /// Values in the largest item of a list or map.
    pub(super) largest_item: u64,
    /// Bytes of the longest text.
    pub(super) longest_text: u64,
    /// Values so far.
    total: u64,
}

/// Words that cannot be names in an expression.
pub const RESERVED: &[&str] = &[
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// How a field is called in an expression: `__namespace__`, `a__dash__b`; `None` if it cannot be called at all.
pub(crate) fn escape(name: &str) -> Option<String> {
    if RESERVED.contains(&name) {
        return Some(format!("__{name}__"));
    }
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let mut escaped = String::with_capacity(name.len());
    let mut chars = name.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '_' if chars.peek() == Some(&'_') => {
                chars.next();
                escaped.push_str("__underscores__");
            }
            '.' => escaped.push_str("__dot__"),
            '-' => escaped.push_str("__dash__"),
            '/' => escaped.push_str("__slash__"),
            c if c.is_ascii_alphanumeric() || c == '_' => escaped.push(c),
            _ => return None,
        }
    }
    Some(escaped)
}

pub(super) fn convert(value: &Value, node: &Node, root: bool, size: &mut Size) -> CelValue {
    size.total += 1;
    match value {
        Value::Null => CelValue::Null,
        Value::Bool(flag) => CelValue::Bool(*flag),
        Value::Number(number) => convert_number(number, node),
        Value::String(text) => {
            size.longest_text = size.longest_text.max(text.len() as u64);
            convert_text(text, node)
        }
        Value::Array(items) => {
            let anything = Node::default();
            let inner = node.items.as_deref().unwrap_or(&anything);
            let list = items
                .iter()
                .map(|item| measured(item, inner, size))
                .collect();
            CelValue::List(Arc::new(list))
        }
        Value::Object(map) => convert_object(map, node, root, size),
    }
}

fn measured(item: &Value, node: &Node, size: &mut Size) -> CelValue {
    let before = size.total;
    let converted = convert(item, node, false, size);
    size.largest_item = size.largest_item.max(size.total - before);
    converted
}

fn convert_object(
    map: &JsonMap<String, Value>,
    node: &Node,
    root: bool,
    size: &mut Size,
) -> CelValue {
    let mut fields: HashMap<Key, CelValue> = HashMap::with_capacity(map.len());
    let is_map = node.properties.is_empty() && !matches!(node.additional, Additional::Unset);
    let anything = Node::default();
    for (name, value) in map {
        if root && name == "metadata" {
            fields.insert(key("metadata"), object_meta(value));
            continue;
        }
        if is_map {
            let inner = node.member(name).unwrap_or(&anything);
            fields.insert(key(name), measured(value, inner, size));
            continue;
        }
        let type_meta =
            (root || node.embedded) && matches!(name.as_str(), "apiVersion" | "kind" | "metadata");
        let Some(inner) = node.properties.get(name).or(type_meta.then_some(&anything)) else {
            continue;
        };
        if let Some(name) = escape(name) {
            fields.insert(key(&name), convert(value, inner, false, size));
        }
    }
    CelValue::Map(Map {
        map: Arc::new(fields),
    })
}

/// Of the object's own metadata a rule sees its name only.
fn object_meta(meta: &Value) -> CelValue {
    let known = ["name", "generateName"].into_iter().filter_map(|name| {
        let text = meta.get(name)?.as_str()?;
        Some((key(name), CelValue::String(Arc::new(text.to_owned()))))
    });
    CelValue::Map(Map {
        map: Arc::new(known.collect()),
    })
}

fn key(name: &str) -> Key {
    Key::String(Arc::new(name.to_owned()))
}

fn convert_number(number: &Number, node: &Node) -> CelValue {
    let float = || CelValue::Float(number.as_f64().unwrap_or(f64::NAN));
    if node.kind == "number" {
        return float();
    }
    number.as_i64().map_or_else(float, CelValue::Int)
}

fn convert_text(text: &str, node: &Node) -> CelValue {
    let plain = || CelValue::String(Arc::new(text.to_owned()));
    let typed = match node.format.as_str() {
        "date-time" => built("timestamp(x)", text),
        "date" => built("timestamp(x + 'T00:00:00Z')", text),
        "duration" => built("duration(x)", text),
        "byte" => built("base64.decode(x)", text),
        _ => None,
    };
    typed.unwrap_or_else(plain)
}

/// Makes a typed value with CEL's own functions.
pub(super) fn built(expression: &str, text: &str) -> Option<CelValue> {
    use kube_cel::KubeCelExt;
    let program = Program::compile(expression).ok()?;
    let mut context = Context::default().with_all();
    context.add_variable_from_value("x", text.to_owned());
    program.execute(&context).ok()
}
