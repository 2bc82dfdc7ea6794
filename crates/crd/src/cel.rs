//! `x-kubernetes-validations`: rules in CEL that stand beside the types.
//!
//! A rule is compiled once with its schema. It is run with a budget: every turn of a loop is paid for by the size of
//! what it does and of what it copies, one rule may spend [`PER_RULE`], one object [`PER_OBJECT`]. So a hostile rule
//! ends in an error, not in a busy server.

use std::collections::HashMap;

use serde_json::Value;

use cedge_kinds::error::{ErrorKind, Errors};
use cedge_kinds::path::Path;
use cedge_kinds::read::Read;

use crate::node::Node;
use crate::object;

pub mod authorizer;
pub(crate) mod check;
mod cost;
mod expression;
mod literals;
pub(crate) mod loops;
mod patterns;
pub(crate) mod standard;
pub(crate) mod types;
mod values;

pub use check::{NAMES, located};
pub use expression::{Expression, Failure, REQUEST_RESOURCE, Scope, Weight, children};
pub use values::RESERVED;

/// What one rule may spend.
pub const PER_RULE: u64 = 2_000_000;
/// What all rules of an object may spend together.
pub const PER_OBJECT: u64 = 20_000_000;
/// Longest message that an expression may make.
const MESSAGE_MAX: usize = 5 * 1024;

/// One entry of `x-kubernetes-validations`.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The expression as it was written.
    pub rule: String,
    /// What to say if it does not hold; may be empty.
    pub message: String,
    /// The word for the cause, if one was given.
    pub reason: String,
    /// The field that is at fault, below the one where the rule stands; may be empty.
    pub field_path: String,
    /// Whether the rule also runs where there is no old value.
    pub optional_old_self: bool,
    /// Whether it compares with the old value.
    pub uses_old_self: bool,
    /// As it was written, with the space around it: places in it are told by it.
    pub(crate) written: String,
    program: Result<Expression, String>,
    message_program: Option<Expression>,
}

impl Rule {
    /// Compiles one entry; what cannot be compiled is reported when the rule is run.
    #[must_use]
    pub fn compile(entry: &Value) -> Self {
        let written = entry.text("rule").to_owned();
        let rule = written.trim().to_owned();
        let program = Expression::compile(&written);
        let message_expression = entry.text("messageExpression");
        let field_path = entry.text("fieldPath").trim();
        Self {
            message: entry.text("message").trim().to_owned(),
            reason: entry.text("reason").to_owned(),
            field_path: normalized(field_path),
            optional_old_self: entry.flag("optionalOldSelf"),
            uses_old_self: program.as_ref().is_ok_and(Expression::uses_old_self),
            program,
            written,
            message_program: (!message_expression.is_empty())
                .then(|| Expression::compile(message_expression).ok())
                .flatten(),
            rule,
        }
    }

    fn shown(&self) -> &str {
        if self.message.is_empty() {
            &self.rule
        } else {
            &self.message
        }
    }
}

/// `.spec['a']` as `spec.a`.
fn normalized(path: &str) -> String {
    path.trim_start_matches('.')
        .replace("['", ".")
        .replace("']", "")
        .trim_start_matches('.')
        .to_owned()
}

/// Runs every rule below `value`, the object itself.
pub fn validate_rules(value: &Value, old: Option<&Value>, node: &Node, errors: &mut Errors) {
    if !node.has_rules {
        return;
    }
    let mut run = Run {
        left: PER_OBJECT,
        errors,
    };
    // The path of the object itself is empty; Kubernetes prints it as `<nil>`.
    run.walk(value, old, node, &Path::root(""), true);
}

struct Run<'a> {
    left: u64,
    errors: &'a mut Errors,
}

impl Run<'_> {
    /// Whether to go on.
    fn walk(
        &mut self,
        value: &Value,
        old: Option<&Value>,
        node: &Node,
        path: &Path<'_>,
        root: bool,
    ) -> bool {
        if !node.has_rules || value.is_null() {
            return true;
        }
        if !node.rules.is_empty() && !self.rules(value, old, node, path, root) {
            return false;
        }
        if !node
            .all_of
            .iter()
            .all(|inner| self.walk_rules_only(value, old, inner, path))
        {
            return false;
        }
        match value {
            Value::Object(map) => map.iter().all(|(name, value)| {
                let old = old.and_then(|old| old.get(name));
                match node.properties.get(name) {
                    Some(property) => self.walk(value, old, property, &path.child(name), false),
                    None => match node.member(name) {
                        Some(node) => self.walk(value, old, node, &path.key(name), false),
                        None => true,
                    },
                }
            }),
            Value::Array(items) => self.walk_list(items, old, node, path),
            _ => true,
        }
    }

    fn walk_rules_only(
        &mut self,
        value: &Value,
        old: Option<&Value>,
        node: &Node,
        path: &Path<'_>,
    ) -> bool {
        node.rules.is_empty() || self.rules(value, old, node, path, false)
    }

    /// Items of a `map` list have an old value each, found by their keys.
    fn walk_list(
        &mut self,
        items: &[Value],
        old: Option<&Value>,
        node: &Node,
        path: &Path<'_>,
    ) -> bool {
        let Some(item_node) = node.items.as_deref().filter(|n| n.has_rules) else {
            return true;
        };
        let by_key: HashMap<String, &Value> = old
            .and_then(Value::as_array)
            .filter(|_| node.list_type == "map")
            .into_iter()
            .flatten()
            .map(|item| (object::key_of(item, node).to_string(), item))
            .collect();
        items.iter().enumerate().all(|(i, item)| {
            let old = if by_key.is_empty() {
                None
            } else {
                by_key.get(&object::key_of(item, node).to_string()).copied()
            };
            self.walk(item, old, item_node, &path.index(i), false)
        })
    }

    fn rules(
        &mut self,
        value: &Value,
        old: Option<&Value>,
        node: &Node,
        path: &Path<'_>,
        root: bool,
    ) -> bool {
        let unchanged = old.is_some_and(|old| old == value);
        let due: Vec<&Rule> = node
            .rules
            .iter()
            .filter(|rule| {
                if rule.uses_old_self {
                    old.is_some() || rule.optional_old_self
                } else {
                    !unchanged
                }
            })
            .collect();
        if due.is_empty() {
            return true;
        }
        if self.left == 0 {
            self.out_of_budget(node, path);
            return false;
        }
        let scope = Scope::new(value, old, node, root);
        due.into_iter()
            .all(|rule| self.rule(rule, &scope, value, node, path))
    }

    fn rule(
        &mut self,
        rule: &Rule,
        scope: &Scope,
        value: &Value,
        node: &Node,
        path: &Path<'_>,
    ) -> bool {
        let kind = node.kind.as_str();
        let program = match &rule.program {
            Ok(program) => program,
            Err(error) => {
                self.errors
                    .invalid(path, kind, format!("rule compile error: {error}"));
                return true;
            }
        };
        let (result, spent) = program.run(scope, rule.optional_old_self, PER_RULE.min(self.left));
        self.left = self.left.saturating_sub(spent);
        match result {
            Ok(kube_cel::cel::Value::Bool(true)) => true,
            Ok(kube_cel::cel::Value::Bool(false)) => {
                self.failed(rule, scope, value, node, path);
                true
            }
            Ok(_) => {
                self.errors.invalid(
                    path,
                    kind,
                    "rule compile error: cel expression must evaluate to a bool",
                );
                true
            }
            Err(Failure::Budget) if self.left == 0 => {
                self.out_of_budget(node, path);
                false
            }
            Err(failure) => {
                self.errors.invalid(path, kind, failure.told(rule.shown()));
                !matches!(failure, Failure::Budget)
            }
        }
    }

    fn out_of_budget(&mut self, node: &Node, path: &Path<'_>) {
        let detail = "validation failed due to running out of cost budget, no further validation rules will be run";
        self.errors.invalid(path, node.kind.as_str(), detail);
    }

    /// A rule does not hold: says so in its own words.
    fn failed(&mut self, rule: &Rule, scope: &Scope, value: &Value, node: &Node, path: &Path<'_>) {
        let detail = self.message(rule, scope).unwrap_or_else(|| {
            if rule.message.is_empty() {
                format!("failed rule: {}", rule.rule)
            } else {
                rule.message.clone()
            }
        });
        let shown = (!matches!(node.kind.as_str(), "object" | "array")).then(|| value.clone());
        let place = path.child(&rule.field_path);
        let (kind, shown, detail) = match rule.reason.as_str() {
            "FieldValueForbidden" => (ErrorKind::Forbidden, None, detail),
            "FieldValueRequired" => (ErrorKind::Required, None, detail),
            "FieldValueDuplicate" => (ErrorKind::Duplicate, shown, String::new()),
            _ => (ErrorKind::Invalid, shown, detail),
        };
        self.errors.add(kind, &place, shown, detail);
    }

    fn message(&mut self, rule: &Rule, scope: &Scope) -> Option<String> {
        let program = rule.message_program.as_ref()?;
        let (result, spent) = program.run(scope, rule.optional_old_self, PER_RULE.min(self.left));
        self.left = self.left.saturating_sub(spent);
        let Ok(kube_cel::cel::Value::String(text)) = result else {
            return None;
        };
        let text = text.trim();
        let fine = !text.is_empty() && text.len() <= MESSAGE_MAX && !text.contains('\n');
        fine.then(|| text.to_owned())
    }
}

#[cfg(test)]
mod tests;
