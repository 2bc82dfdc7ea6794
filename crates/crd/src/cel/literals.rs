//! Literals that a function will never take: told when a rule is written, not when it runs.
//!
//! Source: cel-go, `cel/validator.go` and the optimizations of `interpreter/planner.go`.

use kube_cel::cel::common::ast::{Expr, IdedExpr, LiteralValue};

use super::expression::children;
use super::values;
use crate::pattern;

/// What is wrong with times, spans and patterns, each with the part of the expression that it is about.
pub(super) fn mistakes(expr: &IdedExpr) -> Vec<(u64, String)> {
    let mut found = Vec::new();
    visit(expr, &mut |function, arg, text| {
        let wrong = match function {
            "timestamp" => values::built("timestamp(x)", text).is_none(),
            "duration" => values::built("duration(x)", text).is_none(),
            "matches" => pattern::compiled(text).is_err(),
            _ => false,
        };
        if wrong {
            found.push((arg.id, format!("invalid {function} argument")));
        }
    });
    found
}

/// What a conversion of a literal says that fails already when the program is made.
pub(super) fn conversion(expr: &IdedExpr) -> Option<String> {
    let mut first = None;
    visit(expr, &mut |function, _, text| {
        let fails = match function {
            "int" => text.parse::<i64>().is_err(),
            "uint" => text.parse::<u64>().is_err(),
            "double" => text.parse::<f64>().is_err(),
            "bool" => !FLAGS.contains(&text),
            _ => false,
        };
        if fails && first.is_none() {
            first = Some(format!(
                "program instantiation failed: type conversion error from 'string' to '{function}'"
            ));
        }
    });
    first
}

/// What Go reads as a flag.
const FLAGS: &[&str] = &[
    "1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False",
];

/// Shows every call whose last argument is a text: its function, the argument and the text.
fn visit(expr: &IdedExpr, see: &mut impl FnMut(&str, &IdedExpr, &str)) {
    if let Expr::Call(call) = &expr.expr
        && let Some(arg) = call.args.last()
        && let Expr::Literal(LiteralValue::String(text)) = &arg.expr
    {
        see(&call.func_name, arg, text.inner());
    }
    for child in children(expr) {
        visit(child, see);
    }
}
