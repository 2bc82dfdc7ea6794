//! What can be said of a rule before it ever runs: whether its types fit, and what it costs at worst.

use std::sync::Arc;

use super::cost;
use super::literals;
use super::types::Type;
use super::types::checker::Checked;
use super::types::declared::Declared;
use super::types::places;
use super::{Expression, Rule};

/// Names that are types or namespaces of functions, not variables.
pub const NAMES: &[&str] = &[
    "int",
    "uint",
    "double",
    "string",
    "bytes",
    "bool",
    "list",
    "map",
    "null_type",
    "type",
    "timestamp",
    "duration",
    "math",
    "optional",
    "strings",
    "sets",
    "base64",
    "format",
    "ip",
    "cidr",
    "quantity",
    "url",
    "semver",
    "jsonpatch",
    "google",
];

/// What a rule that stands at `declared` costs at most.
///
/// # Errors
/// What is wrong with it, as Kubernetes words it.
pub(crate) fn rule(rule: &Rule, declared: &Arc<Declared>) -> Result<u64, String> {
    let program = rule.program.as_ref().map_err(Clone::clone)?;
    let checked = typed(program, &rule.written, rule.optional_old_self, declared)
        .map_err(|mistakes| format!("compilation failed: {mistakes}"))?;
    if !checked.result().is("bool") {
        return Err("cel expression must evaluate to a bool".to_owned());
    }
    if let Some(why) = literals::conversion(program.plain()) {
        return Err(why);
    }
    Ok(cost::most(&checked, declared))
}

/// What the message expression of a rule costs at most.
///
/// # Errors
/// What is wrong with it, as Kubernetes words it.
pub(crate) fn message(
    text: &str,
    optional_old_self: bool,
    declared: &Arc<Declared>,
) -> Result<u64, String> {
    let program =
        Expression::compile(text).map_err(|error| format!("messageExpression {error}"))?;
    let checked = typed(&program, text, optional_old_self, declared)
        .map_err(|mistakes| format!("messageExpression compilation failed: {mistakes}"))?;
    if !checked.result().is("string") {
        return Err("messageExpression must evaluate to a string".to_owned());
    }
    Ok(cost::most(&checked, declared))
}

fn typed(
    program: &Expression,
    text: &str,
    optional_old_self: bool,
    declared: &Arc<Declared>,
) -> Result<Checked, String> {
    let own = Declared::kind(declared);
    let old = if optional_old_self {
        Type::Optional(Box::new(own.clone()))
    } else {
        own.clone()
    };
    let checked = Checked::new(program.plain(), &[("self", own), ("oldSelf", old)]);
    let of_literals = if checked.mistakes.is_empty() {
        literals::mistakes(program.plain())
    } else {
        Vec::new()
    };
    let mistakes = [checked.mistakes.as_slice(), &of_literals].concat();
    if mistakes.is_empty() {
        Ok(checked)
    } else {
        Err(places::shown(text, program.plain(), &mistakes))
    }
}

/// A message with the place that it is about, as the compiler of Kubernetes shows it.
#[must_use]
pub fn located(text: &str, at: &str, message: &str) -> String {
    located_at(text, text.find(at).unwrap_or(0), message)
}

/// As [`located`], for a place in bytes.
pub(crate) fn located_at(text: &str, offset: usize, message: &str) -> String {
    let before = &text[..offset];
    let line = before.matches('\n').count();
    let line_before = before.rsplit('\n').next().unwrap_or("");
    // A sign of more than one byte is taken for a wide one.
    let dot = |c: char| if c.is_ascii() { '.' } else { '．' };
    let dots: String = line_before.chars().map(dot).collect();
    let shown = text.lines().nth(line).unwrap_or("");
    format!(
        "ERROR: <input>:{}:{}: {message}\n | {shown}\n | {}^",
        line + 1,
        line_before.chars().count() + 1,
        dots
    )
}
