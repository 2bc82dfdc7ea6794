//! Bodies into JSON values, bounded in depth, and what a body says it is.

use serde_json::Value;

use crate::negotiate::BodyForm;
use crate::status::{Error, Result};

/// How deep YAML may nest; JSON stops at the same depth by serde_json's own limit.
const DEPTH_MAX: usize = 128;

/// What Kubernetes reads first of every body, in the words of Go.
const TYPE_META: &str = r#"struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }"#;

/// Reads an object.
pub(crate) fn object(bytes: &[u8], form: BodyForm) -> Result<Value> {
    let value = match form {
        BodyForm::Json => from_json(bytes),
        BodyForm::Yaml => from_yaml(bytes),
        BodyForm::Protobuf => from_protobuf(bytes),
    }?;
    let what = match value {
        Value::Object(_) => return Ok(value),
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Number(_) => "number",
        Value::Bool(_) => "bool",
        Value::Null => "null",
    };
    Err(Error::BadRequest(format!(
        "couldn't get version/kind; json parse error: json: cannot unmarshal {what} into Go value of type {TYPE_META}"
    )))
}

/// Reads any JSON, as patches may be arrays.
pub(crate) fn from_json(bytes: &[u8]) -> Result<Value> {
    serde_json::from_slice(bytes)
        .map_err(|e| Error::BadRequest(format!("couldn't get version/kind; json parse error: {e}")))
}

/// Reads the body of an apply patch: YAML, of which JSON is a part.
pub(crate) fn apply(bytes: &[u8]) -> Result<Value> {
    let is_json = bytes.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'{');
    let value = match is_json.then(|| from_json(bytes)) {
        Some(Ok(value)) => Ok(value),
        _ => from_yaml(bytes),
    };
    match value {
        Ok(value) if value.is_object() => Ok(value),
        Ok(_) => Err(Error::BadRequest(
            "error decoding YAML: not an object".into(),
        )),
        Err(e) => Err(Error::BadRequest(format!("error encoding patch: {e}"))),
    }
}

fn from_yaml(bytes: &[u8]) -> Result<Value> {
    let wrong = |e: String| Error::BadRequest(format!("yaml: {e}"));
    let text = std::str::from_utf8(bytes).map_err(|e| wrong(e.to_string()))?;
    let value: Value = serde_saphyr::from_str(text).map_err(|e| wrong(e.to_string()))?;
    if is_deeper_than(&value, DEPTH_MAX) {
        return Err(wrong("exceeded max depth".into()));
    }
    Ok(value)
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
            let stored = read.map(|value| value.to_string());
            assert!(stored.is_err() || from_json(stored.unwrap().as_bytes()).is_ok());
        }
        assert!(object(&body(100), BodyForm::Protobuf).is_ok());
        let error = object(&body(127), BodyForm::Protobuf).unwrap_err();
        assert_eq!(error.code(), 400);
    }

    #[test]
    fn yaml_is_read() {
        let value = object(b"kind: Pod\nmetadata: {name: a}\n", BodyForm::Yaml).unwrap();
        assert_eq!(value["metadata"]["name"], "a");
        assert!(object(b"- a", BodyForm::Yaml).is_err());
        assert!(apply(b"{\"a\": 1}").is_ok());
    }
}
