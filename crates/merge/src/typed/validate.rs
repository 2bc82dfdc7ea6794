//! Does a value fit its type?

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Atom, ListAtom, MapAtom, Place, Problem, ScalarAtom};
use crate::fields::Step;
use crate::go;

/// All that is wrong with a value that a client applies: it may hold no item of a set or map-like list twice.
pub(crate) fn validate(place: Place<'_>, value: &Value) -> Vec<Problem> {
    match place.atom(Some(value)) {
        Atom::Scalar(scalar) => check_scalar(scalar, Some(value), "").into_iter().collect(),
        Atom::Map(atom) => match value {
            Value::Null => Vec::new(),
            Value::Object(object) => check_map(atom, object),
            other => vec![Problem::here(format!(
                "expected map, got &{{{}}}",
                go::plain(other)
            ))],
        },
        Atom::List(atom) => match value {
            Value::Null => Vec::new(),
            Value::Array(items) => check_list(atom, items),
            other => vec![Problem::here(format!(
                "expected list, got &{{{}}}",
                go::plain(other)
            ))],
        },
    }
}

fn check_map(atom: MapAtom<'_>, object: &Map<String, Value>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (key, value) in object {
        let step = Step::Field(key.clone());
        let Some(member) = atom.member(key) else {
            problems.push(Problem::here("field not declared in schema").below(&step));
            // One is enough: Kubernetes stops looking at this object here.
            return problems;
        };
        let inner = validate(member, value);
        problems.extend(inner.into_iter().map(|problem| problem.below(&step)));
    }
    problems
}

fn check_list(atom: ListAtom<'_>, items: &[Value]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut seen = BTreeSet::new();
    for (at, item) in items.iter().enumerate() {
        let step = if atom.is_atomic() {
            Step::Index(i64::try_from(at).unwrap_or(i64::MAX))
        } else {
            match atom.step(item) {
                Ok(step) => step,
                Err(text) => {
                    problems.push(Problem::here(format!("element {at}: {text}")));
                    return problems;
                }
            }
        };
        if !atom.is_atomic() && !seen.insert(step.clone()) {
            problems.push(Problem::here(format!("duplicate entries for key {step}")));
        }
        let inner = validate(atom.item(), item);
        problems.extend(inner.into_iter().map(|problem| problem.below(&step)));
    }
    problems
}

/// What is wrong with a scalar; nothing is wrong with null.
pub(crate) fn check_scalar(
    scalar: ScalarAtom,
    value: Option<&Value>,
    prefix: &str,
) -> Option<Problem> {
    let value = value.filter(|value| !value.is_null())?;
    let text = match scalar {
        ScalarAtom::Numeric if !value.is_number() => {
            format!(
                "expected numeric (int or float), got {}",
                go::type_of(value)
            )
        }
        ScalarAtom::String if !value.is_string() => format!(
            "expected string, got &value.valueUnstructured{{Value:{}}}",
            go::syntax(value)
        ),
        ScalarAtom::Boolean if !value.is_boolean() => {
            format!("expected boolean, got &{{{}}}", go::plain(value))
        }
        ScalarAtom::Untyped if value.is_object() || value.is_array() => {
            format!("expected any scalar, got &{{{}}}", go::plain(value))
        }
        ScalarAtom::Numeric | ScalarAtom::String | ScalarAtom::Boolean | ScalarAtom::Untyped => {
            return None;
        }
    };
    Some(Problem::here(format!("{prefix}{text}")))
}
