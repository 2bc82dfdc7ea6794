//! Bodies into JSON values, bounded in depth, and what a body says it is.

use serde_json::{Map, Value};

use crate::negotiate::BodyForm;
use crate::query::FieldValidation;
use crate::status::{Error, Result};

mod go_json;

/// How deep YAML may nest; JSON stops at the same depth by serde_json's own limit.
const DEPTH_MAX: usize = 128;

/// What Kubernetes reads first of every body, in the words of Go.
const TYPE_META: &str = r#"struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }"#;

/// Reads an object, and what strict field validation finds in its YAML.
pub(crate) fn object(bytes: &[u8], form: BodyForm) -> Result<(Value, Vec<String>)> {
    let (value, twice) = match form {
        BodyForm::Json => (from_json(bytes)?, Vec::new()),
        BodyForm::Yaml => from_yaml(bytes)?,
        BodyForm::Protobuf => (from_protobuf(bytes)?, Vec::new()),
    };
    for field in ["apiVersion", "kind"] {
        let what = match &value[field] {
            Value::Null | Value::String(_) => continue,
            other => json_kind(other),
        };
        return Err(Error::BadRequest(format!(
            "couldn't get version/kind; json parse error: json: cannot unmarshal {what} into Go struct field \
             .{field} of type string"
        )));
    }
    match &value {
        Value::Object(_) => Ok((value, twice)),
        // To Go, null is an object without fields.
        Value::Null => Ok((Value::Object(Map::new()), twice)),
        other => Err(Error::BadRequest(format!(
            "couldn't get version/kind; json parse error: json: cannot unmarshal {} into Go value of type {TYPE_META}",
            json_kind(other)
        ))),
    }
}

fn json_kind(value: &Value) -> &'static str {
    match value {
        Value::Object(_) => "object",
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Number(_) => "number",
        Value::Bool(_) => "bool",
        Value::Null => "null",
    }
}

/// Reads any JSON, as patches may be arrays.
pub(crate) fn from_json(bytes: &[u8]) -> Result<Value> {
    serde_json::from_slice(bytes).map_err(|e| {
        let why = go_json::mistake(bytes).unwrap_or_else(|| e.to_string());
        Error::BadRequest(format!(
            "couldn't get version/kind; json parse error: {why}"
        ))
    })
}

/// Reads the body of an apply patch: YAML, of which JSON is a part. Also what strict field validation finds in it.
pub(crate) fn apply(bytes: &[u8], validation: FieldValidation) -> Result<(Value, Vec<String>)> {
    let wrong = |why: String| Error::BadRequest(why);
    let is_json = bytes.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'{');
    let read = match is_json.then(|| from_json(bytes)) {
        Some(Ok(value)) => Ok((value, Vec::new())),
        _ => from_yaml(bytes),
    };
    let (value, twice) = read.map_err(|e| {
        wrong(format!(
            "error decoding patch: error converting YAML to JSON: {e}"
        ))
    })?;
    if let (Some(twice), FieldValidation::Strict) = (twice.first(), validation) {
        return Err(wrong(format!(
            "error strict decoding patch: error converting YAML to JSON: yaml: unmarshal errors:\n  {twice}"
        )));
    }
    match &value {
        Value::Object(_) => Ok((value, twice)),
        Value::Null => Ok((Value::Object(Map::new()), twice)),
        other => Err(wrong(format!(
            "error decoding patch: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {} into Go \
             value of type map[string]interface {{}}",
            json_kind(other)
        ))),
    }
}

/// Reads YAML. A key that is given twice is a mistake of which strict readers are told; its last value counts.
fn from_yaml(bytes: &[u8]) -> Result<(Value, Vec<String>)> {
    let wrong = |e: String| Error::BadRequest(format!("yaml: {e}"));
    let text = std::str::from_utf8(bytes).map_err(|e| wrong(e.to_string()))?;
    let (value, twice) = match serde_saphyr::from_str::<Value>(text) {
        Ok(value) => (value, Vec::new()),
        Err(error) => {
            let said = error.to_string();
            let Some(key) = key_given_twice(&said) else {
                return Err(wrong(said));
            };
            let options = serde_saphyr::options! {
                duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins,
            };
            let value = serde_saphyr::from_str_with_options(text, options);
            (value.map_err(|e| wrong(e.to_string()))?, vec![key])
        }
    };
    if is_deeper_than(&value, DEPTH_MAX) {
        return Err(wrong("exceeded max depth".into()));
    }
    Ok((value, twice))
}

/// What Go says of the first key that is given twice.
fn key_given_twice(said: &str) -> Option<String> {
    let (place, rest) = said.split_once("duplicate mapping key: ")?;
    let line = place.split("line ").nth(1)?.split(' ').next()?;
    let key = rest.split(',').next()?;
    Some(format!("line {line}: key \"{key}\" already set in map"))
}

fn is_deeper_than(value: &Value, depth: usize) -> bool {
    match value {
        Value::Array(_) | Value::Object(_) if depth == 0 => true,
        Value::Array(items) => items.iter().any(|v| is_deeper_than(v, depth - 1)),
        Value::Object(fields) => fields.values().any(|v| is_deeper_than(v, depth - 1)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// What is deeper than JSON may be could be stored, and never be read again.
fn from_protobuf(bytes: &[u8]) -> Result<Value> {
    let value = crate::protobuf::object(bytes)?;
    if is_deeper_than(&value, DEPTH_MAX - 1) {
        return Err(Error::BadRequest(
            "the object provided is unrecognized: protobuf: exceeded max depth".into(),
        ));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_bodies_are_refused() {
        let deep = format!("{}1{}", "{\"a\":".repeat(5000), "}".repeat(5000));
        assert_eq!(
            object(deep.as_bytes(), BodyForm::Json).unwrap_err().code(),
            400
        );
    }

    #[test]
    fn protobuf_is_refused_if_its_json_could_not_be_read_again() {
        let field = |number: u8, bytes: &[u8]| {
            let length = bytes.len();
            let low = u8::try_from(length % 128).unwrap() | 0x80;
            let high = u8::try_from(length / 128).unwrap();
            [&[number << 3 | 2, low, high], bytes].concat()
        };
        let body = |depth: usize| {
            let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            let kind = [field(1, b"apps/v1"), field(2, b"ControllerRevision")].concat();
            let data = field(2, &field(1, deep.as_bytes()));
            [b"k8s\0".to_vec(), field(1, &kind), field(2, &data)].concat()
        };
        for depth in [100, 126, 127] {
            let read = object(&body(depth), BodyForm::Protobuf);
            let stored = read.map(|(value, _)| value.to_string());
            assert!(stored.is_err() || from_json(stored.unwrap().as_bytes()).is_ok());
        }
        assert!(object(&body(100), BodyForm::Protobuf).is_ok());
        let error = object(&body(127), BodyForm::Protobuf).unwrap_err();
        assert_eq!(error.code(), 400);
    }

    #[test]
    fn yaml_is_read() {
        let (value, _) = object(b"kind: Pod\nmetadata: {name: a}\n", BodyForm::Yaml).unwrap();
        assert_eq!(value["metadata"]["name"], "a");
        assert!(object(b"- a", BodyForm::Yaml).is_err());
        assert!(apply(b"{\"a\": 1}", FieldValidation::Strict).is_ok());
        let twice = b"a: 1\na: 2";
        assert!(apply(twice, FieldValidation::Strict).is_err());
        assert_eq!(apply(twice, FieldValidation::Warn).unwrap().0["a"], 2);
    }
}
