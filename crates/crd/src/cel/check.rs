//! What can be said of a rule before it ever runs: unknown variables, unknown fields, a result that is no boolean.

use kube_cel::cel::common::ast::{
    CallExpr, ComprehensionExpr, Expr, IdedExpr, LiteralValue, SelectExpr,
};

use super::expression::children;
use super::values::escape;
use super::{Expression, Rule};
use crate::node::{Additional, Node};

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

/// What is wrong with a rule that stands at `node`; none if nothing is known to be.
pub(crate) fn rule(rule: &Rule, node: &Node, root: bool) -> Option<String> {
    let program = match &rule.program {
        Ok(program) => program,
        Err(error) => return Some(error.clone()),
    };
    expression(program, &rule.rule, node, root).or_else(|| {
        let wrong = not_boolean(program.plain(), &mut Known::new(node, root, &rule.rule));
        wrong.then(|| "cel expression must evaluate to a bool".to_owned())
    })
}

/// What is wrong with a message expression.
pub(crate) fn message(text: &str, node: &Node, root: bool) -> Option<String> {
    let program = match Expression::compile(text) {
        Ok(program) => program,
        Err(error) => {
            return Some(error.replacen(
                "compilation failed",
                "messageExpression compilation failed",
                1,
            ));
        }
    };
    let wrong = expression(&program, text, node, root).map(|error| {
        error.replacen(
            "compilation failed",
            "messageExpression compilation failed",
            1,
        )
    });
    wrong.or_else(|| {
        let wrong = not_text(program.plain(), &mut Known::new(node, root, text));
        wrong.then(|| "messageExpression must evaluate to a string".to_owned())
    })
}

fn expression(program: &Expression, text: &str, node: &Node, root: bool) -> Option<String> {
    let mut known = Known::new(node, root, text);
    known.visit(program.plain());
    let error = known.error?;
    Some(format!("compilation failed: {error}"))
}

/// A message with the place that it is about, as the compiler of Kubernetes shows it.
#[must_use]
pub fn located(text: &str, at: &str, message: &str) -> String {
    let offset = text.find(at).unwrap_or(0);
    let before = &text[..offset];
    let line = before.matches('\n').count();
    let column = before.rsplit('\n').next().map_or(0, str::len);
    let shown = text.lines().nth(line).unwrap_or("");
    format!(
        "ERROR: <input>:{}:{}: {message}\n | {shown}\n | {}^",
        line + 1,
        column + 1,
        ".".repeat(column)
    )
}

/// What an expression is known to be.
#[derive(Clone, Copy)]
enum Type<'a> {
    Node(&'a Node, bool),
    Unknown,
}

struct Known<'a> {
    node: &'a Node,
    root: bool,
    text: &'a str,
    variables: Vec<(&'a str, Type<'a>)>,
    error: Option<String>,
}

impl<'a> Known<'a> {
    fn new(node: &'a Node, root: bool, text: &'a str) -> Self {
        Self {
            node,
            root,
            text,
            variables: Vec::new(),
            error: None,
        }
    }

    fn fail(&mut self, at: &str, message: &str) {
        if self.error.is_some() {
            return;
        }
        self.error = Some(located(self.text, at, message));
    }

    fn visit<'e>(&mut self, expr: &'e IdedExpr) -> Type<'a>
    where
        'e: 'a,
    {
        match &expr.expr {
            Expr::Ident(name) => self.ident(name),
            Expr::Select(select) => self.select(select),
            Expr::Comprehension(loop_) => self.comprehension(loop_),
            Expr::Call(call) => self.call(call),
            _ => {
                for child in children(expr) {
                    self.visit(child);
                }
                Type::Unknown
            }
        }
    }

    fn ident(&mut self, name: &'a str) -> Type<'a> {
        if let Some((_, known)) = self.variables.iter().rev().find(|(n, _)| *n == name) {
            return *known;
        }
        match name {
            "self" => Type::Node(self.node, self.root),
            // What stands behind it depends on `optionalOldSelf`.
            "oldSelf" => Type::Unknown,
            _ if NAMES.contains(&name) || name.starts_with(['@', '$']) => Type::Unknown,
            _ => {
                self.fail(
                    name,
                    &format!("undeclared reference to '{name}' (in container '')"),
                );
                Type::Unknown
            }
        }
    }

    fn select<'e: 'a>(&mut self, select: &'e SelectExpr) -> Type<'a> {
        // A namespace of functions (`math.greatest`) is parsed like a field of a variable.
        let Type::Node(node, root) = self.visit(&select.operand) else {
            return Type::Unknown;
        };
        if node.int_or_string {
            return Type::Unknown;
        }
        let field = select.field.as_str();
        if let Some((_, member)) = node
            .properties
            .iter()
            .find(|(name, _)| escape(name).as_deref() == Some(field))
        {
            let hidden_meta = root && field == "metadata";
            return if hidden_meta {
                Type::Unknown
            } else {
                Type::Node(member, false)
            };
        }
        if (root || node.embedded) && matches!(field, "apiVersion" | "kind" | "metadata") {
            return Type::Unknown;
        }
        match &node.additional {
            Additional::Schema(member) => return Type::Node(member, false),
            Additional::Any(_) => return Type::Unknown,
            Additional::Unset => {}
        }
        let scalar = matches!(
            node.kind.as_str(),
            "string" | "integer" | "number" | "boolean" | "array"
        );
        if node.kind == "object" && (!node.properties.is_empty() || node.preserve || root) {
            self.fail(&format!(".{field}"), &format!("undefined field '{field}'"));
        } else if scalar {
            let kind = cel_type(node);
            self.fail(
                &format!(".{field}"),
                &format!("type '{kind}' does not support field selection"),
            );
        }
        Type::Unknown
    }

    fn comprehension<'e: 'a>(&mut self, loop_: &'e ComprehensionExpr) -> Type<'a> {
        let range = self.visit(&loop_.iter_range);
        self.visit(&loop_.accu_init);
        let item = match range {
            Type::Node(node, _) if node.kind == "array" => node
                .items
                .as_deref()
                .map_or(Type::Unknown, |n| Type::Node(n, false)),
            _ => Type::Unknown,
        };
        let depth = self.variables.len();
        self.variables.push((&loop_.accu_var, Type::Unknown));
        let single = loop_.iter_var2.is_none();
        self.variables
            .push((&loop_.iter_var, if single { item } else { Type::Unknown }));
        if let Some(second) = &loop_.iter_var2 {
            self.variables.push((second, item));
        }
        self.visit(&loop_.loop_cond);
        self.visit(&loop_.loop_step);
        self.visit(&loop_.result);
        self.variables.truncate(depth);
        Type::Unknown
    }

    fn call<'e: 'a>(&mut self, call: &'e CallExpr) -> Type<'a> {
        if let Some(target) = &call.target {
            self.visit(target);
        }
        let args: Vec<Type<'a>> = call.args.iter().map(|arg| self.visit(arg)).collect();
        match (call.func_name.as_str(), args.first()) {
            ("_[_]", Some(Type::Node(node, _))) => match (&node.items, &node.additional) {
                (Some(item), _) => Type::Node(item, false),
                (None, Additional::Schema(member)) => Type::Node(member, false),
                _ => Type::Unknown,
            },
            _ => Type::Unknown,
        }
    }
}

/// How CEL calls the type of a value.
fn cel_type(node: &Node) -> &'static str {
    match node.kind.as_str() {
        "integer" => "int",
        "number" => "double",
        "boolean" => "bool",
        "array" => "list",
        _ => "string",
    }
}

/// Whether an expression is known to give something else than a boolean.
/// Whether an expression is known to be no text.
fn not_text<'a>(expr: &'a IdedExpr, known: &mut Known<'a>) -> bool {
    match &expr.expr {
        Expr::Literal(literal) => !matches!(literal, LiteralValue::String(_)),
        Expr::List(_) | Expr::Map(_) => true,
        Expr::Call(call) => matches!(
            call.func_name.as_str(),
            "size" | "int" | "_&&_" | "_||_" | "!_"
        ),
        Expr::Ident(_) | Expr::Select(SelectExpr { test: false, .. }) => match known.visit(expr) {
            Type::Node(node, _) => {
                !node.int_or_string && !node.kind.is_empty() && node.kind != "string"
            }
            Type::Unknown => false,
        },
        _ => false,
    }
}

fn not_boolean<'a>(expr: &'a IdedExpr, known: &mut Known<'a>) -> bool {
    match &expr.expr {
        Expr::Literal(literal) => !matches!(literal, LiteralValue::Boolean(_)),
        Expr::List(_) | Expr::Map(_) => true,
        Expr::Call(call) => {
            matches!(
                call.func_name.as_str(),
                "_+_" | "_-_" | "_*_" | "_/_" | "_%_" | "-_" | "size"
            )
        }
        Expr::Ident(_) | Expr::Select(SelectExpr { test: false, .. }) => match known.visit(expr) {
            Type::Node(node, _) => {
                !node.int_or_string && !node.kind.is_empty() && node.kind != "boolean"
            }
            Type::Unknown => false,
        },
        _ => false,
    }
}
