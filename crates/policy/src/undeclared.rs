//! What can be said of an expression before it runs: names that nothing has, and a result of the wrong type.

use cedge_crd::cel::{Expression, NAMES, children, located};
use kube_cel::cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue};

mod functions;

use functions::FUNCTIONS;

/// The variables that expressions of a place may name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names<'a> {
    /// Whether the policy has parameters.
    pub(crate) params: bool,
    /// Whether rights can be asked for.
    pub(crate) authorizer: bool,
    /// Whether objects and patches can be made.
    pub(crate) makes: bool,
    /// The policy's own variables, as far as they stand before; none if it has none at all.
    pub(crate) variables: Option<Vec<&'a str>>,
}

/// What is wrong with an expression that should give one of `wanted`; none if nothing is known to be.
pub(crate) fn mistake(text: &str, names: &Names<'_>, wanted: &[&str]) -> Option<String> {
    let compiled = if names.makes {
        Expression::compile_maker(text)
    } else {
        Expression::compile(text)
    };
    let expression = match compiled {
        Ok(expression) => expression,
        Err(error) => return Some(error),
    };
    let mut found = Search {
        text,
        names,
        bound: Vec::new(),
        error: None,
    };
    found.visit(expression.plain());
    if let Some(error) = found.error {
        return Some(format!("compilation failed: {error}"));
    }
    let result = type_of(expression.plain())?;
    if wanted.is_empty() || wanted.contains(&result) {
        return None;
    }
    Some(match wanted {
        [one] => format!("must evaluate to {one} but got {result}"),
        several => format!(
            "must evaluate to one of [{}] but got {result}",
            several.join(" ")
        ),
    })
}

struct Search<'a> {
    text: &'a str,
    names: &'a Names<'a>,
    /// The variables of loops around.
    bound: Vec<&'a str>,
    error: Option<String>,
}

// === impl Search ===

impl<'a> Search<'a> {
    fn fail(&mut self, at: &str, message: &str) {
        if self.error.is_none() {
            self.error = Some(located(self.text, at, message));
        }
    }

    fn visit<'e: 'a>(&mut self, expr: &'e IdedExpr) {
        match &expr.expr {
            Expr::Ident(name) => self.ident(name),
            Expr::Select(select) => {
                if let Expr::Ident(name) = &select.operand.expr
                    && name == "variables"
                    && let Some(variables) = &self.names.variables
                {
                    if !variables.contains(&select.field.as_str()) {
                        let message = format!("undefined field '{}'", select.field);
                        self.fail(&format!(".{}", select.field), &message);
                    }
                    return;
                }
                self.visit(&select.operand);
            }
            Expr::Comprehension(turn) => {
                self.visit(&turn.iter_range);
                self.visit(&turn.accu_init);
                let depth = self.bound.len();
                self.bound.push(&turn.accu_var);
                self.bound.push(&turn.iter_var);
                self.bound.extend(turn.iter_var2.as_deref());
                self.visit(&turn.loop_cond);
                self.visit(&turn.loop_step);
                self.visit(&turn.result);
                self.bound.truncate(depth);
            }
            Expr::Call(call) => self.call(call),
            _ => children(expr)
                .into_iter()
                .for_each(|child| self.visit(child)),
        }
    }

    fn call<'e: 'a>(&mut self, call: &'e CallExpr) {
        let operator = !call
            .func_name
            .starts_with(|c: char| c.is_ascii_alphabetic());
        if !operator && !FUNCTIONS.contains(&call.func_name.as_str()) {
            let message = format!(
                "undeclared reference to '{}' (in container '')",
                call.func_name
            );
            self.fail(&format!("{}(", call.func_name), &message);
        }
        if let Some(target) = &call.target {
            self.visit(target);
        }
        for arg in &call.args {
            self.visit(arg);
        }
    }

    fn ident(&mut self, name: &str) {
        let known = match name {
            "object" | "oldObject" | "request" | "namespaceObject" => true,
            "params" => self.names.params,
            "authorizer" | cedge_crd::cel::REQUEST_RESOURCE => self.names.authorizer,
            "variables" => self.names.variables.is_some(),
            _ => {
                self.bound.contains(&name) || NAMES.contains(&name) || name.starts_with(['@', '$'])
            }
        };
        if !known {
            let message = format!("undeclared reference to '{name}' (in container '')");
            self.fail(name, &message);
        }
    }
}

/// The type of a result, where it is plain to see.
fn type_of(expr: &IdedExpr) -> Option<&'static str> {
    match &expr.expr {
        Expr::Literal(literal) => Some(match literal {
            LiteralValue::Boolean(_) => "bool",
            LiteralValue::Bytes(_) => "bytes",
            LiteralValue::Double(_) => "double",
            LiteralValue::Int(_) => "int",
            LiteralValue::Null => "null_type",
            LiteralValue::String(_) => "string",
            LiteralValue::UInt(_) => "uint",
        }),
        Expr::Ident(name) if matches!(name.as_str(), "object" | "oldObject" | "params") => {
            Some("dyn")
        }
        Expr::Select(select) if select.test => Some("bool"),
        Expr::Select(select) => (type_of(&select.operand)? == "dyn").then_some("dyn"),
        Expr::Call(call) => match call.func_name.as_str() {
            "_&&_" | "_||_" | "!_" | "_==_" | "_!=_" | "_<_" | "_<=_" | "_>_" | "_>=_" | "@in"
            | "startsWith" | "endsWith" | "matches" | "allowed" => Some("bool"),
            "size" => Some("int"),
            "string" => Some("string"),
            "_+_" => {
                let (a, b) = (type_of(call.args.first()?)?, type_of(call.args.get(1)?)?);
                match (a, b) {
                    ("dyn", other) | (other, "dyn") => (other != "dyn").then_some(other),
                    (a, b) => (a == b).then_some(a),
                }
            }
            "_?_:_" => {
                let (a, b) = (type_of(call.args.get(1)?)?, type_of(call.args.get(2)?)?);
                (a == b).then_some(a)
            }
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Option<String> {
        let names = Names {
            authorizer: true,
            variables: Some(vec!["known"]),
            ..Names::default()
        };
        mistake(text, &names, &["bool"])
    }

    #[test]
    fn what_nothing_declares_is_named_with_its_place() {
        assert_eq!(
            said("object.a == foo"),
            Some(
                "compilation failed: ERROR: <input>:1:13: undeclared reference to 'foo' (in container '')\n | \
                 object.a == foo\n | ............^"
                    .into()
            )
        );
        assert!(said("params.a == 1").is_some());
        assert!(
            said("variables.other == 1")
                .unwrap()
                .contains("undefined field 'other'")
        );
        assert!(
            said("object.nonsense() == 1")
                .unwrap()
                .contains("'nonsense'")
        );
    }

    #[test]
    fn good_expressions_pass() {
        for text in [
            "object.spec.replicas <= 5",
            "variables.known == 1",
            "object.spec.containers.all(c, c.image.startsWith('a/'))",
            "authorizer.group('').resource('pods').namespace('x').check('list').allowed()",
            "authorizer.requestResource.check('custom').allowed()",
            "has(object.metadata.labels) && 'a' in object.metadata.labels",
            "quantity('1Gi').isGreaterThan(quantity('1Mi'))",
            "request.userInfo.username == object.metadata.namespace",
            "namespaceObject.metadata.labels['env'] == 'prod'",
            "!format.dns1123Label().validate('a').hasValue()",
        ] {
            assert_eq!(said(text), None, "{text}");
        }
    }

    #[test]
    fn a_result_of_the_wrong_type_is_refused() {
        assert_eq!(
            said("'a'"),
            Some("must evaluate to bool but got string".into())
        );
        assert_eq!(
            said("object.spec.on"),
            Some("must evaluate to bool but got dyn".into())
        );
    }
}
