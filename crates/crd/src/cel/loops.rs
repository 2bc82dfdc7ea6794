//! What loops over two variables and `sortBy` are written out to, for the interpreter, which knows only loops over one:
//! entries, insertion into a map, and sorting by keys that were computed before.
//!
//! Source: cel-go, `ext/comprehensions.go` and `ext/lists.go`. No expression can name these functions.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use kube_cel::cel::extractors::{Arguments, This};
use kube_cel::cel::objects::{Key, Map, Value as CelValue};
use kube_cel::cel::{Context, ExecutionError};

use super::expression::pay;

/// The list of `[key, value]` of a map, or of `[index, value]` of a list.
pub(crate) const ENTRIES: &str = "@entries";
/// Puts a key and its value, or all of a second map, into a map.
pub(crate) const INSERT: &str = "cel.@mapInsert";
/// Sorts a list by a list of keys, one for each element.
pub(crate) const SORT: &str = "@sortByAssociatedKeys";

/// So many entries are copied for one unit.
const COPIED_FOR_ONE: usize = 8;

type Made = Result<CelValue, ExecutionError>;

pub(super) fn register(context: &mut Context<'_>) {
    context.add_function(ENTRIES, entries);
    context.add_function(INSERT, insert);
    context.add_function(SORT, sort);
}

fn pay_for(copied: usize) -> Result<(), ExecutionError> {
    pay((copied / COPIED_FOR_ONE) as u64)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the interpreter gives it away"
)]
fn entries(of: CelValue) -> Made {
    let pair = |key: CelValue, value: &CelValue| CelValue::List(Arc::new(vec![key, value.clone()]));
    let pairs: Vec<CelValue> = match &of {
        CelValue::List(list) => {
            pay_for(list.len())?;
            let indexed = list.iter().zip(0..);
            indexed.map(|(v, i)| pair(CelValue::Int(i), v)).collect()
        }
        CelValue::Map(map) => {
            pay_for(map.map.len())?;
            let mut sorted: Vec<(&Key, &CelValue)> = map.map.iter().collect();
            sorted.sort_by_key(|(key, _)| *key);
            let sorted = sorted.into_iter();
            sorted.map(|(k, v)| pair(value_of(k), v)).collect()
        }
        _ => return Err(ExecutionError::NoSuchOverload),
    };
    Ok(CelValue::List(Arc::new(pairs)))
}

fn value_of(key: &Key) -> CelValue {
    match key {
        Key::Int(number) => CelValue::Int(*number),
        Key::Uint(number) => CelValue::UInt(*number),
        Key::Bool(flag) => CelValue::Bool(*flag),
        Key::String(text) => CelValue::String(text.clone()),
    }
}

fn insert(Arguments(args): Arguments) -> Made {
    let (into, added): (&CelValue, HashMap<Key, CelValue>) = match args.as_slice() {
        [into, CelValue::Map(added)] => (into, (*added.map).clone()),
        [into, key, value] => {
            let key: Result<Key, CelValue> = key.clone().try_into();
            let key = key.map_err(|_| ExecutionError::NoSuchOverload)?;
            (into, HashMap::from([(key, value.clone())]))
        }
        _ => return Err(ExecutionError::NoSuchOverload),
    };
    let CelValue::Map(into) = into else {
        return Err(ExecutionError::NoSuchOverload);
    };
    pay_for(into.map.len() + added.len())?;
    let mut all = (*into.map).clone();
    for (key, value) in added {
        if all.contains_key(&key) {
            let why = format!("insert failed: key {key} already exists");
            return Err(ExecutionError::function_error(INSERT, why));
        }
        all.insert(key, value);
    }
    Ok(CelValue::Map(Map { map: Arc::new(all) }))
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the interpreter gives it away"
)]
fn sort(This(list): This<Arc<Vec<CelValue>>>, keys: Arc<Vec<CelValue>>) -> Made {
    if list.len() != keys.len() {
        return Err(ExecutionError::NoSuchOverload);
    }
    pay_for(list.len())?;
    let mut pairs: Vec<(&CelValue, &CelValue)> = keys.iter().zip(list.iter()).collect();
    let mut comparable = true;
    pairs.sort_by(|(a, _), (b, _)| {
        a.partial_cmp(b).unwrap_or_else(|| {
            comparable = false;
            Ordering::Equal
        })
    });
    if !comparable {
        return Err(ExecutionError::NoSuchOverload);
    }
    let sorted = pairs.into_iter().map(|(_, value)| value.clone());
    Ok(CelValue::List(Arc::new(sorted.collect())))
}
