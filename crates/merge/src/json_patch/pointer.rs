//! Where an operation points: the object or list around it, and the key or index in there.

use serde_json::{Map, Value};

/// What holds the thing that a path points at.
pub(super) enum Container<'d> {
    Object(&'d mut Map<String, Value>),
    List(&'d mut Vec<Value>),
}

/// Finds the container of a path and the last step; nothing if the way there is missing.
pub(super) fn find<'d>(doc: &'d mut Value, path: &str) -> Option<(Container<'d>, String)> {
    let mut steps: Vec<&str> = path.split('/').collect();
    if steps.len() < 2 {
        return None;
    }
    let last = steps.pop()?;
    let mut at = doc;
    for step in steps.into_iter().skip(1) {
        let step = decode(step);
        at = match at {
            Value::Object(object) => object.get_mut(&step)?,
            Value::Array(items) => {
                let index = index(&step, items.len()).ok()?;
                items.get_mut(index)?
            }
            _ => return None,
        };
    }
    let container = match at {
        Value::Object(object) => Container::Object(object),
        Value::Array(items) => Container::List(items),
        _ => return None,
    };
    Some((container, decode(last)))
}

/// `~1` and `~0` back to the signs that they stand for.
pub(super) fn decode(step: &str) -> String {
    step.replace("~1", "/").replace("~0", "~")
}

/// An index within `len` items; negative ones count from the end. Not checked against the upper bound.
fn index(step: &str, len: usize) -> Result<usize, String> {
    let number: i64 = step
        .parse()
        .map_err(|_| format!("strconv.Atoi: parsing {step:?}: invalid syntax"))?;
    let invalid = || format!("Unable to access invalid index: {number}: invalid index referenced");
    let len = i64::try_from(len).map_err(|_| invalid())?;
    let from_start = if number < 0 { number + len } else { number };
    usize::try_from(from_start).map_err(|_| invalid())
}

fn within(step: &str, len: usize) -> Result<usize, String> {
    let at = index(step, len)?;
    if at < len {
        Ok(at)
    } else {
        Err(format!(
            "Unable to access invalid index: {at}: invalid index referenced"
        ))
    }
}

// === impl Container ===

impl Container<'_> {
    /// A missing key of an object is no error, a missing index is.
    pub(super) fn get(&self, key: &str) -> Result<Option<&Value>, String> {
        match self {
            Self::Object(object) => Ok(object.get(key)),
            Self::List(items) => Ok(items.get(within(key, items.len())?)),
        }
    }

    pub(super) fn set(&mut self, key: &str, value: Value) -> Result<(), String> {
        match self {
            Self::Object(object) => {
                object.insert(key.to_owned(), value);
            }
            Self::List(items) => {
                let at = within(key, items.len())?;
                items[at] = value;
            }
        }
        Ok(())
    }

    pub(super) fn add(&mut self, key: &str, value: Value) -> Result<(), String> {
        match self {
            Self::Object(object) => {
                object.insert(key.to_owned(), value);
            }
            Self::List(items) if key == "-" => items.push(value),
            Self::List(items) => {
                if key.parse::<i64>().is_err() {
                    return Err(format!(
                        "value was not a proper array index: '{key}': strconv.Atoi: parsing {key:?}: invalid syntax"
                    ));
                }
                let at = within(key, items.len() + 1)?;
                items.insert(at, value);
            }
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, key: &str) -> Result<Value, String> {
        match self {
            Self::Object(object) => object
                .remove(key)
                .ok_or_else(|| format!("Unable to remove nonexistent key: {key}: missing value")),
            Self::List(items) => {
                let at = within(key, items.len())?;
                Ok(items.remove(at))
            }
        }
    }
}
