//! The functions of expressions that take patterns: as [`crate::pattern`] bounds them, and paid for. An expression may
//! make up its patterns as it runs, a new one for every item of a list.

use std::sync::Arc;

use kube_cel::cel::extractors::{Arguments, This};
use kube_cel::cel::objects::Value as CelValue;
use kube_cel::cel::{Context, ExecutionError};
use regex_automata::meta::Regex;

use super::expression::pay;
use crate::pattern;

/// What one unit pays for of a compiled pattern, in bytes.
const BYTES_FOR_ONE: usize = 8;
/// The price of a pattern that turns out to be too large.
const IN_VAIN: u64 = 256 << 10;

type Made = Result<CelValue, ExecutionError>;

/// Takes the place of what the interpreter brings.
pub(super) fn register(context: &mut Context<'_>) {
    context.add_function("matches", matches);
    context.add_function("find", find);
    context.add_function("findAll", find_all);
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the interpreter gives it away"
)]
fn matches(This(text): This<Arc<String>>, pattern: Arc<String>) -> Made {
    let regex = paid("matches", &text, &pattern)?;
    Ok(CelValue::Bool(regex.is_match(text.as_str())))
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the interpreter gives it away"
)]
fn find(This(text): This<Arc<String>>, pattern: Arc<String>) -> Made {
    let regex = paid("find", &text, &pattern)?;
    let found = regex.find(text.as_str());
    let found = found.map_or("", |found| &text[found.range()]);
    Ok(CelValue::String(Arc::new(found.to_owned())))
}

fn find_all(This(text): This<Arc<String>>, Arguments(args): Arguments) -> Made {
    let Some(CelValue::String(pattern)) = args.first() else {
        return Err(ExecutionError::NoSuchOverload);
    };
    let most = match args.get(1) {
        Some(CelValue::Int(most)) => usize::try_from(*most).unwrap_or(usize::MAX),
        _ => usize::MAX,
    };
    let regex = paid("findAll", &text, pattern)?;
    let found = regex.find_iter(text.as_str()).take(most);
    let found = found.map(|found| CelValue::String(Arc::new(text[found.range()].to_owned())));
    Ok(CelValue::List(Arc::new(found.collect())))
}

/// The pattern, compiled, after it is paid for: by what Kubernetes estimates, and by its size if it is new.
fn paid(function: &str, text: &str, pattern: &str) -> Result<Arc<Regex>, ExecutionError> {
    let search = (text.len() / 10 + 1) * (pattern.len() / 4 + 1);
    pay(search as u64)?;
    match pattern::compiled(pattern) {
        Ok(found) => {
            if found.is_new {
                pay((found.regex.memory_usage() / BYTES_FOR_ONE) as u64)?;
            }
            Ok(found.regex)
        }
        Err(error) => {
            pay(IN_VAIN)?;
            let why = format!("error parsing regexp: {error}");
            Err(ExecutionError::function_error(function, why))
        }
    }
}
