//! The variables that expressions of admission see, and the budget that they spend together.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use cedge_crd::cel::authorizer::{Authorizer, Question, authorizer, resource_check};
use cedge_crd::cel::{Expression, Failure, REQUEST_RESOURCE, Weight, children};
use kube_cel::cel::common::ast::{Expr, IdedExpr};
use kube_cel::cel::objects::{Key, Map, Value as CelValue};
use serde_json::Value;

/// What one expression may spend.
pub const PER_CALL: u64 = 1_000_000;
/// What the expressions of a policy may spend together.
pub const PER_POLICY: u64 = 10_000_000;
/// What the match conditions of a policy or webhook may spend together.
pub const PER_CONDITIONS: u64 = 2_500_000;

/// What is said when nothing is left.
const OUT_OF_BUDGET: &str =
    "validation failed due to running out of cost budget, no further validation rules will be run";

/// What there is to see.
#[derive(Clone, Default)]
pub struct Sight<'a> {
    /// The object as it would be; absent in deletions.
    pub object: Option<&'a Value>,
    /// The object as it is; absent in creations.
    pub old: Option<&'a Value>,
    /// The `AdmissionRequest`.
    pub request: Option<&'a Value>,
    /// The object of the namespace.
    pub namespace: Option<&'a Value>,
    /// The parameters of the binding.
    pub params: Option<&'a Value>,
    /// Who answers questions of rights, and the one about the request's own resource.
    pub authorizer: Option<(Arc<dyn Authorizer>, Question)>,
}

/// A compiled expression, and which of a policy's variables it names.
#[derive(Debug, Clone)]
pub struct Code {
    /// As it was written.
    pub text: String,
    expression: Result<Expression, String>,
    needs: BTreeSet<String>,
}

/// A variable of a policy.
#[derive(Debug, Clone)]
pub struct Variable {
    /// Its name below `variables`.
    pub name: String,
    /// What it is.
    pub code: Code,
}

/// Why expressions cannot go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// This expression gave no value; the text says why.
    Failed(String),
    /// The budget is spent: no further expression is run.
    Budget(String),
}

/// The variables of one policy for one request.
pub struct Scope<'p> {
    fixed: Vec<(&'static str, CelValue)>,
    weight: Weight,
    declared: &'p [Variable],
    known: BTreeMap<String, CelValue>,
    failed: BTreeMap<String, String>,
    left: u64,
}

// === impl Sight ===

impl<'a> Sight<'a> {
    /// The same around another object.
    #[must_use]
    pub fn with<'b>(&'b self, object: &'b Value) -> Sight<'b>
    where
        'a: 'b,
    {
        Sight {
            object: Some(object),
            ..self.clone()
        }
    }
}

// === impl Code ===

impl Code {
    /// Compiles an expression; what cannot be compiled says so when it is run.
    #[must_use]
    pub fn compile(text: &str) -> Self {
        Self::of(text, Expression::compile(text))
    }

    /// Compiles an expression that makes objects or patches.
    #[must_use]
    pub fn compile_maker(text: &str) -> Self {
        Self::of(text, Expression::compile_maker(text))
    }

    fn of(text: &str, expression: Result<Expression, String>) -> Self {
        let mut needs = BTreeSet::new();
        if let Ok(expression) = &expression {
            find_needs(expression.plain(), &mut needs);
        }
        Self {
            text: text.to_owned(),
            expression,
            needs,
        }
    }
}

/// The fields of `variables` that an expression names.
fn find_needs(expr: &IdedExpr, needs: &mut BTreeSet<String>) {
    if let Expr::Select(select) = &expr.expr
        && matches!(&select.operand.expr, Expr::Ident(name) if name == "variables")
    {
        needs.insert(select.field.clone());
    }
    for child in children(expr) {
        find_needs(child, needs);
    }
}

// === impl Scope ===

impl<'p> Scope<'p> {
    /// The variables of a policy, of which none is computed before it is needed.
    #[must_use]
    pub fn new(sight: &Sight<'_>, declared: &'p [Variable], budget: u64) -> Self {
        let mut size = Size::default();
        let mut fixed = Vec::with_capacity(7);
        for (name, value) in [
            ("object", sight.object),
            ("oldObject", sight.old),
            ("request", sight.request),
            ("namespaceObject", sight.namespace),
            ("params", sight.params),
        ] {
            let value = value.map_or(CelValue::Null, |v| convert(v, &mut size));
            fixed.push((name, value));
        }
        if let Some((by, question)) = &sight.authorizer {
            fixed.push(("authorizer", authorizer(by.clone())));
            let asked = resource_check(question.clone(), by.clone());
            fixed.push((REQUEST_RESOURCE, asked));
        }
        Self {
            fixed,
            weight: Weight::of(size.largest_item, size.longest_text),
            declared,
            known: BTreeMap::new(),
            failed: BTreeMap::new(),
            left: budget,
        }
    }

    /// The value of an expression.
    ///
    /// # Errors
    /// See [`Stop`].
    pub fn run(&mut self, code: &Code) -> Result<CelValue, Stop> {
        let expression = match &code.expression {
            Ok(expression) => expression,
            Err(error) => return Err(Stop::Failed(format!("compilation error: {error}"))),
        };
        self.prepare(&code.needs)?;
        let result = self.spend(expression)?;
        result.map_err(|why| {
            let why = self.blame(&code.needs, why);
            Stop::Failed(format!(
                "expression '{}' resulted in error: {why}",
                code.text
            ))
        })
    }

    /// Computes the variables that are needed, and those that they need, in the order of their declaration.
    fn prepare(&mut self, needs: &BTreeSet<String>) -> Result<(), Stop> {
        if needs.is_empty() {
            return Ok(());
        }
        let mut wanted = needs.clone();
        for variable in self.declared.iter().rev() {
            if wanted.contains(&variable.name) {
                wanted.extend(variable.code.needs.iter().cloned());
            }
        }
        let declared = self.declared;
        for variable in declared.iter().filter(|v| wanted.contains(&v.name)) {
            if self.known.contains_key(&variable.name) || self.failed.contains_key(&variable.name) {
                continue;
            }
            let result = match &variable.code.expression {
                Ok(expression) => self.spend(expression)?,
                Err(error) => Err(error.clone()),
            };
            match result {
                Ok(value) => {
                    self.known.insert(variable.name.clone(), value);
                }
                Err(why) => {
                    let why = self.blame(&variable.code.needs, why);
                    self.failed.insert(variable.name.clone(), why);
                }
            }
        }
        Ok(())
    }

    /// A variable that has no value is missing where it is named; the reason is why it has none.
    fn blame(&self, needs: &BTreeSet<String>, why: String) -> String {
        let missing = why.strip_prefix("no such key: ");
        let failed = missing.filter(|name| needs.contains(*name));
        match failed.and_then(|name| Some((name, self.failed.get(name)?))) {
            Some((name, cause)) => {
                format!("composited variable {name:?} fails to evaluate: {cause}")
            }
            None => why,
        }
    }

    fn spend(&mut self, expression: &Expression) -> Result<Result<CelValue, String>, Stop> {
        let budget = PER_CALL.min(self.left);
        let variables: HashMap<Key, CelValue> = self
            .known
            .iter()
            .map(|(name, value)| (Key::String(Arc::new(name.clone())), value.clone()))
            .collect();
        let (result, spent) = expression.evaluate(self.weight, budget, |context| {
            for (name, value) in &self.fixed {
                if expression.uses(name) || *name == REQUEST_RESOURCE {
                    context.add_variable_from_value(*name, value.clone());
                }
            }
            let map = Map {
                map: Arc::new(variables),
            };
            context.add_variable_from_value("variables", CelValue::Map(map));
        });
        self.left = self.left.saturating_sub(spent);
        match result {
            Ok(value) => Ok(Ok(value)),
            Err(Failure::Budget) if self.left == 0 => Err(Stop::Budget(OUT_OF_BUDGET.into())),
            Err(Failure::Budget) => {
                Ok(Err("operation cancelled: actual cost limit exceeded".into()))
            }
            Err(Failure::Overload) => Ok(Err("no such overload".into())),
            Err(Failure::Error(error)) => Ok(Err(error)),
        }
    }
}

impl std::fmt::Debug for Scope<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scope")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Sight<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sight").finish_non_exhaustive()
    }
}

// === impl Stop ===

impl Stop {
    /// In words.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Failed(text) | Self::Budget(text) => text,
        }
    }
}

/// How large what was converted is, for the budget.
#[derive(Debug, Default)]
struct Size {
    largest_item: u64,
    longest_text: u64,
    total: u64,
}

/// JSON as it is: no type says more.
fn convert(value: &Value, size: &mut Size) -> CelValue {
    size.total += 1;
    match value {
        Value::Null => CelValue::Null,
        Value::Bool(flag) => CelValue::Bool(*flag),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => CelValue::Int(whole),
            None => CelValue::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => {
            size.longest_text = size.longest_text.max(text.len() as u64);
            CelValue::String(Arc::new(text.clone()))
        }
        Value::Array(items) => {
            let mut list = Vec::with_capacity(items.len());
            for item in items {
                let before = size.total;
                list.push(convert(item, size));
                size.largest_item = size.largest_item.max(size.total - before);
            }
            CelValue::List(Arc::new(list))
        }
        Value::Object(fields) => {
            let entries = fields.iter().map(|(name, value)| {
                let before = size.total;
                let value = convert(value, size);
                size.largest_item = size.largest_item.max(size.total - before);
                (Key::String(Arc::new(name.clone())), value)
            });
            let map = entries.collect();
            CelValue::Map(Map { map: Arc::new(map) })
        }
    }
}

/// A value as JSON.
///
/// # Errors
/// It is none, such as a number without bounds or a question of rights.
pub fn to_json(value: &CelValue) -> Result<Value, String> {
    Ok(match value {
        CelValue::Null => Value::Null,
        CelValue::Bool(flag) => Value::Bool(*flag),
        CelValue::Int(number) => (*number).into(),
        CelValue::UInt(number) => (*number).into(),
        CelValue::Float(number) => Value::from(*number),
        CelValue::String(text) => Value::String(text.as_ref().clone()),
        CelValue::List(items) => Value::Array(items.iter().map(to_json).collect::<Result<_, _>>()?),
        CelValue::Map(map) => {
            let fields = map.map.iter().map(|(key, value)| match key {
                Key::String(name) => Ok((name.as_ref().clone(), to_json(value)?)),
                other => Err(format!("unsupported key type of {other:?}")),
            });
            Value::Object(fields.collect::<Result<_, String>>()?)
        }
        other => return Err(format!("unsupported type {}", other.type_of())),
    })
}
