//! One compiled expression, and the scope in which it runs.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;

use kube_cel::KubeCelExt;
use kube_cel::cel::common::ast::IdedExpr;
use kube_cel::cel::objects::{OptionalValue, Value as CelValue};
use kube_cel::cel::{Context, ExecutionError};
use serde_json::Value;

use super::types::macros;
use super::values;
use crate::node::Node;

mod parse;
mod tree;

use parse::{nesting, parse_aside};
pub use tree::children;
pub(crate) use tree::children_mut;
use tree::{depth, meter, select_strictly};

/// Longest expression.
const LENGTH_MAX: usize = 8 * 1024;
/// Deepest nesting, which bounds the stack that running it needs.
const DEPTH_MAX: usize = 120;
/// The question about the resource of a request.
pub const REQUEST_RESOURCE: &str = "authorizer.requestResource";
/// The function that pays for a turn of a loop; no expression can name it.
const TICK: &str = "@tick";

/// A compiled expression.
#[derive(Clone)]
pub struct Expression {
    expr: Arc<IdedExpr>,
    /// As it was parsed, without the payments.
    plain: Arc<IdedExpr>,
    /// The variables that it mentions.
    variables: Arc<BTreeSet<String>>,
}

impl std::fmt::Debug for Expression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Expression").finish_non_exhaustive()
    }
}

/// Why an expression gave no value.
#[derive(Debug, Clone, PartialEq)]
pub enum Failure {
    /// It spent more than it may.
    Budget,
    /// No operator or function for such values.
    Overload,
    /// Anything else: a missing key, a division by zero.
    Error(String),
}

impl Failure {
    /// What Kubernetes says of a rule that failed like this.
    #[must_use]
    pub fn told(&self, rule: &str) -> String {
        match self {
            Failure::Budget => format!(
                "'operation cancelled: actual cost limit exceeded': no further validation rules will be run due to call cost exceeds limit for rule: {rule}"
            ),
            Failure::Overload => format!(
                "'no such overload': call arguments did not match a supported operator, function or macro signature for rule: {rule}"
            ),
            Failure::Error(error) => format!("{error} evaluating rule: {rule}"),
        }
    }
}

/// What variables cost to look at, whoever made them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Weight {
    /// Cost of copying the largest item that a loop may meet.
    pub item: u64,
    /// Cost of reading the longest text.
    pub text: u64,
}

/// The variables of a rule.
#[derive(Debug)]
pub struct Scope {
    value: CelValue,
    old: Option<CelValue>,
    weight: Weight,
}

impl Scope {
    /// `self` and `oldSelf`, typed as the schema says.
    #[must_use]
    pub fn new(value: &Value, old: Option<&Value>, node: &Node, root: bool) -> Self {
        let mut size = values::Size::default();
        let converted = values::convert(value, node, root, &mut size);
        let old = old.map(|old| values::convert(old, node, root, &mut size));
        Self {
            value: converted,
            old,
            weight: Weight::of(size.largest_item, size.longest_text),
        }
    }
}

impl Weight {
    /// From the number of values in the largest item and the bytes of the longest text.
    #[must_use]
    pub fn of(largest_item: u64, longest_text: u64) -> Self {
        Self {
            item: largest_item / 8,
            text: longest_text / 64,
        }
    }
}

thread_local! {
    /// All functions, registered once per thread.
    static BASE: Context<'static> = base();
    static METER: Cell<Meter> = const { Cell::new(Meter { left: 0, turns: 0, weight: Weight { item: 0, text: 0 } }) };
}

#[derive(Clone, Copy)]
struct Meter {
    left: u64,
    turns: u64,
    weight: Weight,
}

fn base() -> Context<'static> {
    let mut context = Context::default();
    context.register_all();
    context.add_function(
        "dyn",
        |value: CelValue| -> Result<CelValue, ExecutionError> { Ok(value) },
    );
    super::authorizer::register(&mut context);
    super::patterns::register(&mut context);
    super::loops::register(&mut context);
    super::standard::register(&mut context);
    context.add_function(TICK, tick);
    context
}

/// Pays for one turn: its own size, its copies, and the list that it may be building.
fn tick(nodes: i64, texts: i64) -> Result<CelValue, ExecutionError> {
    let cost = METER.with(|meter| {
        let mut now = meter.get();
        now.turns += 1;
        let (nodes, texts) = (nodes.unsigned_abs(), texts.unsigned_abs());
        let cost = nodes + now.weight.item + texts * now.weight.text + now.turns / 32;
        meter.set(now);
        cost
    });
    pay(cost).map(|()| CelValue::Bool(true))
}

/// Takes something off the budget of the expression that runs on this thread.
///
/// # Errors
/// It is used up.
pub(super) fn pay(cost: u64) -> Result<(), ExecutionError> {
    METER.with(|meter| {
        let mut now = meter.get();
        now.left = now.left.saturating_sub(cost);
        meter.set(now);
        match now.left {
            0 => Err(ExecutionError::function_error(TICK, "budget")),
            _ => Ok(()),
        }
    })
}

// === impl Expression ===

impl Expression {
    /// Parses an expression and prepares it for running with a budget.
    ///
    /// # Errors
    /// What is wrong with it, as the API server words it.
    pub fn compile(text: &str) -> Result<Self, String> {
        Self::read(text, false)
    }

    /// As [`Expression::compile`], for an expression that makes objects: `Object{…}` and `JSONPatch{…}` become maps.
    ///
    /// # Errors
    /// What is wrong with it, as the API server words it.
    pub fn compile_maker(text: &str) -> Result<Self, String> {
        Self::read(text, true)
    }

    fn read(text: &str, makes_messages: bool) -> Result<Self, String> {
        if text.len() > LENGTH_MAX {
            return Err(format!(
                "compilation failed: expression is too long ({} bytes, at most {LENGTH_MAX})",
                text.len()
            ));
        }
        if nesting(text) > DEPTH_MAX {
            return Err("compilation failed: expression is nested too deeply".to_owned());
        }
        let (plain, variables) = parse_aside(text, makes_messages)?;
        let mut expr = macros::runnable(&plain);
        if depth(&expr) > 2 * DEPTH_MAX {
            return Err("compilation failed: expression is nested too deeply".to_owned());
        }
        meter(&mut expr);
        select_strictly(&mut expr);
        Ok(Self {
            expr: Arc::new(expr),
            plain: Arc::new(plain),
            variables: Arc::new(variables),
        })
    }

    /// Whether it compares with the old value.
    #[must_use]
    pub fn uses_old_self(&self) -> bool {
        self.uses("oldSelf")
    }

    /// Whether it mentions a variable.
    #[must_use]
    pub fn uses(&self, variable: &str) -> bool {
        self.variables.contains(variable)
    }

    /// As it was parsed.
    #[must_use]
    pub fn plain(&self) -> &IdedExpr {
        &self.plain
    }

    /// Its value, and what it spent.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn run(
        &self,
        scope: &Scope,
        optional_old: bool,
        budget: u64,
    ) -> (Result<CelValue, Failure>, u64) {
        self.evaluate(scope.weight, budget, |context| {
            context.add_variable_from_value("self", scope.value.clone());
            match (&scope.old, optional_old) {
                (Some(old), false) => context.add_variable_from_value("oldSelf", old.clone()),
                (None, false) => {}
                (old, true) => {
                    let old = old
                        .clone()
                        .map_or_else(OptionalValue::none, OptionalValue::of);
                    context.add_variable_from_value("oldSelf", CelValue::Opaque(Arc::new(old)));
                }
            }
        })
    }

    /// Its value among the variables that `fill` adds, and what it spent.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn evaluate(
        &self,
        weight: Weight,
        budget: u64,
        fill: impl FnOnce(&mut Context<'_>),
    ) -> (Result<CelValue, Failure>, u64) {
        METER.set(Meter {
            left: budget,
            turns: 0,
            weight,
        });
        let result = BASE.with(|base| {
            let mut context = base.new_inner_scope();
            fill(&mut context);
            CelValue::resolve(&self.expr, &context)
        });
        let left = METER.get().left;
        let result = if left == 0 {
            Err(Failure::Budget)
        } else {
            result.map_err(|e| failure(&e))
        };
        (result, (budget - left).max(1))
    }
}

fn failure(error: &ExecutionError) -> Failure {
    match error {
        ExecutionError::NoSuchOverload
        | ExecutionError::ValuesNotComparable(..)
        | ExecutionError::UnsupportedBinaryOperator(..)
        | ExecutionError::UnsupportedUnaryOperator(..)
        | ExecutionError::UnexpectedType { .. }
        | ExecutionError::UnsupportedTargetType { .. } => Failure::Overload,
        ExecutionError::NoSuchKey(key) => Failure::Error(format!("no such key: {key}")),
        ExecutionError::IndexOutOfBounds(CelValue::Int(at)) => {
            Failure::Error(format!("index out of bounds: {at}"))
        }
        ExecutionError::DivisionByZero(_) => Failure::Error("division by zero".to_owned()),
        ExecutionError::RemainderByZero(_) => Failure::Error("modulus by zero".to_owned()),
        ExecutionError::Overflow(..) => Failure::Error("integer overflow".to_owned()),
        ExecutionError::FunctionError { message, .. } => Failure::Error(message.clone()),
        other => Failure::Error(other.to_string()),
    }
}
