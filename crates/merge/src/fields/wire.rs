//! `FieldsV1`: sets of paths as they stand in `metadata.managedFields`.
//!
//! An object whose keys are steps (`f:NAME`, `k:{"name":"a"}`, `v:"x"`, `i:0`); `.` says that the step around it
//! is a member, and so is a step with nothing in it.

use serde_json::{Map, Value};

use super::{Scalar, Set, Step};
use crate::depth::DEPTH_MAX;

/// Why fields could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WireError {
    #[error("key must be 2 characters long:")]
    TooShort,
    #[error("missing colon: {0}")]
    NoColon(String),
    #[error("key `{0}` holds no valid value")]
    BadValue(String),
    #[error("fields are no object")]
    NotAnObject,
    #[error("fields are nested too deep")]
    TooDeep,
}

/// Reads a set.
pub(crate) fn read(fields: &Value) -> Result<Set, WireError> {
    match fields {
        Value::Null => Ok(Set::default()),
        Value::Object(object) => Ok(read_level(object, 0)?.0),
        _ => Err(WireError::NotAnObject),
    }
}

/// The set below a step, and whether the step itself is a member.
fn read_level(object: &Map<String, Value>, depth: usize) -> Result<(Set, bool), WireError> {
    if depth > DEPTH_MAX {
        return Err(WireError::TooDeep);
    }
    let mut set = Set::default();
    let mut member = false;
    for (key, inner) in object {
        if key == "." {
            member = true;
            continue;
        }
        // A later version may know more kinds of steps; they are dropped, not kept half understood.
        let Some(step) = step(key)? else { continue };
        let nothing = Map::new();
        let inner = inner.as_object().unwrap_or(&nothing);
        let (children, is_member) = read_level(inner, depth + 1)?;
        set.put(step, is_member, children);
    }
    let member = member || set.is_empty();
    Ok((set, member))
}

fn step(key: &str) -> Result<Option<Step>, WireError> {
    if key.len() < 2 {
        return Err(WireError::TooShort);
    }
    let Some((kind, rest)) = key.split_once(':').filter(|(kind, _)| kind.len() == 1) else {
        return Err(WireError::NoColon(key.to_owned()));
    };
    let bad = || WireError::BadValue(key.to_owned());
    Ok(Some(match kind {
        "f" => Step::Field(rest.to_owned()),
        "v" => Step::Value(Scalar(serde_json::from_str(rest).map_err(|_| bad())?)),
        "k" => {
            let fields: Map<String, Value> = serde_json::from_str(rest).map_err(|_| bad())?;
            let fields = fields.into_iter();
            Step::Key(fields.map(|(name, value)| (name, Scalar(value))).collect())
        }
        "i" => Step::Index(rest.parse().map_err(|_| bad())?),
        _ => return Ok(None),
    }))
}

/// Writes a set.
pub(crate) fn write(set: &Set) -> Value {
    let mut out = Map::new();
    for (step, member, children) in set.steps() {
        let mut inner = write(children);
        if let (true, false, Value::Object(inner)) = (member, children.is_empty(), &mut inner) {
            inner.insert(".".to_owned(), Value::Object(Map::new()));
        }
        out.insert(key(step), inner);
    }
    Value::Object(out)
}

fn key(step: &Step) -> String {
    match step {
        Step::Field(name) => format!("f:{name}"),
        Step::Key(fields) => {
            let fields = fields
                .iter()
                .map(|(name, value)| (name.clone(), value.0.clone()));
            format!("k:{}", Value::Object(fields.collect()))
        }
        Step::Value(value) => format!("v:{}", value.0),
        Step::Index(index) => format!("i:{index}"),
    }
}
