//! From the text of an expression to its tree.

use std::collections::BTreeSet;

use kube_cel::cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue, MapEntryExpr, MapExpr};
use kube_cel::cel::parser::Parser;

use super::tree::{children, children_mut, depth};
use super::{DEPTH_MAX, REQUEST_RESOURCE};

/// Stack for parsing: the parser recurses per operator, and its frames are large. Only what is used is ever touched.
const PARSER_STACK: usize = 256 << 20;

/// Parses on a stack of its own, so that no expression, however written, can exhaust the caller's. What comes back is
/// shallow.
pub(super) fn parse_aside(
    text: &str,
    makes_messages: bool,
) -> Result<(IdedExpr, BTreeSet<String>), String> {
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name("cel-parser".to_owned())
            .stack_size(PARSER_STACK)
            .spawn_scoped(scope, || parse(text, makes_messages))
            .map_err(|error| format!("compilation failed: {error}"))?
            .join()
            .unwrap_or_else(|_| Err("compilation failed: the parser gave up".to_owned()))
    })
}

fn parse(text: &str, makes_messages: bool) -> Result<(IdedExpr, BTreeSet<String>), String> {
    let plain = Parser::new()
        .enable_optional_syntax(true)
        .parse(text)
        // As Kubernetes shows the place.
        .map_err(|e| {
            format!(
                "compilation failed: {}",
                e.to_string().replace("\n| ", "\n | ")
            )
        })?;
    let references = plain.references();
    let variables = references
        .variables()
        .into_iter()
        .map(str::to_owned)
        .collect();
    let mut made = plain.clone();
    name_request_resource(&mut made);
    if makes_messages {
        maps_for_messages(&mut made)?;
    }
    let plain = &made;
    if depth(plain) > DEPTH_MAX {
        return Err("compilation failed: expression is nested too deeply".to_owned());
    }
    if has_struct(plain) {
        return Err("compilation failed: messages cannot be constructed here".to_owned());
    }
    Ok((plain.clone(), variables))
}

/// Deepest level of brackets and of prefix operators, before anything is parsed.
pub(super) fn nesting(text: &str) -> usize {
    let (mut depth, mut deepest, mut prefixes) = (0_usize, 0, 0_usize);
    for byte in text.bytes() {
        prefixes = match byte {
            b'!' | b'-' => prefixes + 1,
            b' ' => prefixes,
            _ => 0,
        };
        deepest = deepest.max(depth + prefixes);
        match byte {
            b'(' | b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

fn has_struct(expr: &IdedExpr) -> bool {
    matches!(expr.expr, Expr::Struct(_) | Expr::Unspecified)
        || children(expr).into_iter().any(has_struct)
}

/// The variable `authorizer.requestResource` has a dot in its name.
fn name_request_resource(expr: &mut IdedExpr) {
    if let Expr::Select(select) = &expr.expr
        && select.field == "requestResource"
        && matches!(&select.operand.expr, Expr::Ident(name) if name == "authorizer")
    {
        expr.expr = Expr::Ident(REQUEST_RESOURCE.to_owned());
    }
    for child in children_mut(expr) {
        name_request_resource(child);
    }
}

/// `Object.spec{a: 1}` as `{"a": 1}`.
fn maps_for_messages(expr: &mut IdedExpr) -> Result<(), String> {
    if let Expr::Struct(message) = &mut expr.expr {
        let known = message.type_name == "Object"
            || message.type_name.starts_with("Object.")
            || message.type_name == "JSONPatch";
        if !known {
            return Err(format!(
                "compilation failed: undeclared reference to '{}' (in container '')",
                message.type_name
            ));
        }
        let mut entries = std::mem::take(&mut message.entries);
        for entry in &mut entries {
            if let EntryExpr::StructField(field) = &mut entry.expr {
                let name = LiteralValue::String(field.field.clone().into());
                entry.expr = EntryExpr::MapEntry(MapEntryExpr {
                    key: IdedExpr {
                        id: 0,
                        expr: Expr::Literal(name),
                    },
                    value: std::mem::take(&mut field.value),
                    optional: field.optional,
                });
            }
        }
        expr.expr = Expr::Map(MapExpr { entries });
    }
    children_mut(expr)
        .into_iter()
        .try_for_each(maps_for_messages)
}
