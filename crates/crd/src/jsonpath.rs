//! `JSONPath`, as kubectl and printer columns use it.
//!
//! Understood: `.a.b`, `['a']`, escaped dots (`.a\.b`), `[0]`, `[-1]`, `[1:3]`, `[*]`, `.*`, `..a`, unions
//! (`[0,2]`, `['a','b']`) and filters (`[?(@.type=="Ready")]`).

use serde_json::Value;

mod parse;

/// A compiled path.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonPath {
    steps: Vec<Step>,
}

/// Why a text is no path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A bracket, a quote or a parenthesis is not closed.
    #[error("unterminated {0}")]
    Unterminated(&'static str),
    /// Something that does not belong there.
    #[error("unrecognized character in action: {0:?}")]
    Unexpected(char),
    /// A filter that is no comparison.
    #[error("unrecognized filter: {0}")]
    Filter(String),
}

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Field(String),
    Wildcard,
    Recursive,
    Slice {
        from: Option<i64>,
        to: Option<i64>,
        step: i64,
    },
    Index(i64),
    Union(Vec<Step>),
    Filter {
        left: Operand,
        compare: Compare,
        right: Option<Operand>,
    },
}

#[derive(Debug, Clone, PartialEq)]
enum Operand {
    /// `@.a.b`, relative to the item.
    Path(Vec<Step>),
    /// `"Ready"`, `3`, `true`.
    Literal(Value),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compare {
    Exists,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl JsonPath {
    /// Compiles `.spec.x`, with or without braces around it.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let inner = text.strip_prefix('{').and_then(|t| t.strip_suffix('}'));
        Ok(Self {
            steps: parse::steps(inner.unwrap_or(text))?,
        })
    }

    /// Every value that the path leads to, in document order.
    #[must_use]
    pub fn find<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        walk(&self.steps, vec![value])
    }
}

fn walk<'a>(steps: &[Step], mut found: Vec<&'a Value>) -> Vec<&'a Value> {
    for step in steps {
        let mut next = Vec::new();
        for value in found {
            take(step, value, &mut next);
        }
        found = next;
    }
    found
}

fn take<'a>(step: &Step, value: &'a Value, out: &mut Vec<&'a Value>) {
    match step {
        Step::Field(name) => out.extend(value.get(name)),
        Step::Wildcard => out.extend(children(value)),
        Step::Recursive => descend(value, out),
        Step::Index(index) => {
            let items = value.as_array().map_or(&[][..], Vec::as_slice);
            out.extend(position(*index, items.len()).and_then(|i| items.get(i)));
        }
        Step::Slice { from, to, step } => slice(value, *from, *to, *step, out),
        Step::Union(steps) => steps.iter().for_each(|step| take(step, value, out)),
        Step::Filter {
            left,
            compare,
            right,
        } => {
            let keep = |item: &&Value| holds(item, left, *compare, right.as_ref());
            out.extend(value.as_array().into_iter().flatten().filter(keep));
        }
    }
}

fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(map) => map.values().collect(),
        _ => Vec::new(),
    }
}

fn descend<'a>(value: &'a Value, out: &mut Vec<&'a Value>) {
    out.push(value);
    for child in children(value) {
        descend(child, out);
    }
}

fn position(index: i64, len: usize) -> Option<usize> {
    let len = i64::try_from(len).ok()?;
    let index = if index < 0 { index + len } else { index };
    usize::try_from(index).ok()
}

fn slice<'a>(
    value: &'a Value,
    from: Option<i64>,
    to: Option<i64>,
    step: i64,
    out: &mut Vec<&'a Value>,
) {
    let Some(items) = value.as_array() else {
        return;
    };
    let start = position(from.unwrap_or(0), items.len()).unwrap_or(0);
    let end = to.map_or(items.len(), |to| position(to, items.len()).unwrap_or(0));
    let step = usize::try_from(step).unwrap_or(1).max(1);
    out.extend(items.iter().take(end).skip(start).step_by(step));
}

fn holds(item: &Value, left: &Operand, compare: Compare, right: Option<&Operand>) -> bool {
    let Some(left) = operand(left, item) else {
        return false;
    };
    let Some(right) = right else { return true };
    let Some(right) = operand(right, item) else {
        return false;
    };
    let order = match (&left, &right) {
        (Value::Number(a), Value::Number(b)) => a.as_f64().partial_cmp(&b.as_f64()),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (a, b) if a == b => Some(std::cmp::Ordering::Equal),
        _ => None,
    };
    match compare {
        Compare::Exists => true,
        Compare::Equal => order.is_some_and(std::cmp::Ordering::is_eq),
        Compare::NotEqual => !order.is_some_and(std::cmp::Ordering::is_eq),
        Compare::Less => order.is_some_and(std::cmp::Ordering::is_lt),
        Compare::LessOrEqual => order.is_some_and(std::cmp::Ordering::is_le),
        Compare::Greater => order.is_some_and(std::cmp::Ordering::is_gt),
        Compare::GreaterOrEqual => order.is_some_and(std::cmp::Ordering::is_ge),
    }
}

fn operand(operand: &Operand, item: &Value) -> Option<Value> {
    match operand {
        Operand::Literal(value) => Some(value.clone()),
        Operand::Path(steps) => walk(steps, vec![item]).first().map(|v| (*v).clone()),
    }
}

#[cfg(test)]
mod tests;
