//! Are the JSON types of a value those of its type? Answers in the words with which Kubernetes refuses to decode.

mod quantity;
mod times;

use serde_json::Value;

use crate::types::{Field, Scalar, Shape, TypeRef};

/// Values nested deeper are refused; no type is that deep.
const DEPTH_MAX: usize = 512;

/// Why a value cannot be of a type, as Kubernetes says it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TypeMismatch {
    /// Dotted path without indices, as Go's decoder has it (`spec.template.spec.containers.ports`).
    pub path: String,
    /// The whole sentence.
    pub message: String,
}

/// Checks the JSON types of a value against its type.
///
/// For built-in types, and for the metadata of custom resources: what else those hold is judged by their schema
/// (crate `crd`), in other words.
///
/// # Errors
/// The first mismatch that the API server would report. `null` fits everywhere, unknown fields are ignored.
pub fn check_types(ty: TypeRef<'_>, value: &Value) -> Result<(), TypeMismatch> {
    let mut walk = Walk {
        strukt: None,
        path: Vec::new(),
        first: None,
    };
    // What a type's own decoder refuses ends the decoding at once, plain mismatches are told afterwards.
    walk.value(ty, None, value, 0)?;
    walk.first.map_or(Ok(()), Err)
}

struct Walk<'a> {
    /// Go's name of the innermost struct.
    strukt: Option<&'a str>,
    path: Vec<&'a str>,
    first: Option<TypeMismatch>,
}

impl<'a> Walk<'a> {
    fn value(
        &mut self,
        ty: TypeRef<'a>,
        go: Option<&'a str>,
        value: &'a Value,
        depth: usize,
    ) -> Result<(), TypeMismatch> {
        if depth > DEPTH_MAX {
            return Err(self.sentence("exceeded max depth".to_owned()));
        }
        if value.is_null() {
            return Ok(());
        }
        match (ty.shape(), value) {
            (Shape::Object, Value::Object(object)) => {
                for (key, value) in object {
                    match ty.field(key) {
                        Some(field) => self.field(ty, field, value, depth)?,
                        None => {
                            if let Some(additional) = ty.additional() {
                                self.value(additional, None, value, depth + 1)?;
                            }
                        }
                    }
                }
                Ok(())
            }
            (Shape::List { item, .. }, Value::Array(items)) => {
                let item_go = go.and_then(|go| go.strip_prefix("[]"));
                for value in items {
                    self.value(item, item_go, value, depth + 1)?;
                }
                Ok(())
            }
            (Shape::Scalar(scalar), value) => self.scalar(ty, scalar, go, value),
            (Shape::Object | Shape::List { .. }, value) => {
                self.mismatch(kind_of(value), &go_type(ty, go));
                Ok(())
            }
        }
    }

    fn field(
        &mut self,
        owner: TypeRef<'a>,
        field: Field<'a>,
        value: &'a Value,
        depth: usize,
    ) -> Result<(), TypeMismatch> {
        let before = (self.strukt, self.path.len());
        self.strukt = Some(short_name(owner.name().unwrap_or("")));
        // Fields that Go has from an embedded struct are written `Embedded:type` in the table.
        let mut written = field.go_type();
        if let Some((embedded, go)) = written.and_then(|go| go.split_once(':')) {
            self.path.push(embedded);
            written = Some(go);
        }
        self.path.push(field.name());
        self.value(field.ty(), written, value, depth + 1)?;
        self.strukt = before.0;
        self.path.truncate(before.1);
        Ok(())
    }

    fn scalar(
        &mut self,
        ty: TypeRef<'a>,
        scalar: Scalar,
        go: Option<&str>,
        value: &Value,
    ) -> Result<(), TypeMismatch> {
        match (scalar, value) {
            (Scalar::Any | Scalar::Raw, _)
            | (Scalar::String, Value::String(_))
            | (Scalar::Boolean, Value::Bool(_))
            | (Scalar::Number, Value::Number(_))
            | (Scalar::IntOrString, Value::String(_)) => {}
            (Scalar::Integer, Value::Number(number)) => {
                if !fits(number, ty.format()) {
                    self.mismatch(&format!("number {number}"), &go_type(ty, go));
                }
            }
            (Scalar::IntOrString, Value::Number(number)) if fits(number, Some("int32")) => {}
            (Scalar::IntOrString, Value::Number(number)) => {
                return Err(self.decoder(&format!("number {number}"), "int32"));
            }
            (Scalar::IntOrString, value) => return Err(self.decoder(kind_of(value), "int32")),
            (Scalar::Bytes, Value::String(text)) => {
                if let Some(at) = base64_error(text) {
                    let message = format!("illegal base64 data at input byte {at}");
                    let error = self.sentence(message);
                    self.first.get_or_insert(error);
                }
            }
            (Scalar::Quantity, Value::String(text)) => {
                quantity::check(text.trim()).map_err(|text| self.sentence(text.to_owned()))?;
            }
            (Scalar::Quantity, value) => {
                quantity::check(&value.to_string())
                    .map_err(|text| self.sentence(text.to_owned()))?;
            }
            (Scalar::Time, Value::String(text)) => {
                times::check(text, times::SECONDS).map_err(|text| self.sentence(text))?;
            }
            (Scalar::MicroTime, Value::String(text)) => {
                times::check(text, times::MICROS).map_err(|text| self.sentence(text))?;
            }
            (Scalar::Duration, Value::String(text)) => {
                times::check_duration(text).map_err(|text| self.sentence(text))?;
            }
            (Scalar::Time | Scalar::MicroTime | Scalar::Duration, value) => {
                return Err(self.decoder(kind_of(value), "string"));
            }
            (
                Scalar::String | Scalar::Bytes | Scalar::Integer | Scalar::Number | Scalar::Boolean,
                value,
            ) => {
                self.mismatch(kind_of(value), &go_type(ty, go));
            }
        }
        Ok(())
    }

    /// Remembers the first plain mismatch.
    fn mismatch(&mut self, value: &str, go: &str) {
        let error = self.decoder(value, go);
        self.first.get_or_insert(error);
    }

    fn decoder(&self, value: &str, go: &str) -> TypeMismatch {
        let message = match self.strukt {
            Some(strukt) => format!(
                "json: cannot unmarshal {value} into Go struct field {strukt}.{} of type {go}",
                self.path.join(".")
            ),
            None => format!("json: cannot unmarshal {value} into Go value of type {go}"),
        };
        self.sentence(message)
    }

    fn sentence(&self, message: String) -> TypeMismatch {
        TypeMismatch {
            path: self.path.join("."),
            message,
        }
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn fits(number: &serde_json::Number, format: Option<&str>) -> bool {
    match (number.as_i64(), format) {
        (Some(number), Some("int32")) => i32::try_from(number).is_ok(),
        (Some(_), _) => true,
        (None, _) => false,
    }
}

/// Go's name of the type of a value.
fn go_type(ty: TypeRef<'_>, written: Option<&str>) -> String {
    if let Some(written) = written.filter(|written| !written.is_empty()) {
        return written.to_owned();
    }
    match ty.shape() {
        Shape::List { item, .. } => format!("[]{}", go_type(item, None)),
        Shape::Object => match (ty.name(), ty.additional()) {
            (Some(name), _) => package_name(name).to_owned(),
            (None, Some(additional)) => format!("map[string]{}", go_type(additional, None)),
            (None, None) => "map[string]interface {}".to_owned(),
        },
        Shape::Scalar(scalar) => match scalar {
            Scalar::Bytes => "[]uint8".to_owned(),
            Scalar::Integer => ty.format().unwrap_or("int64").to_owned(),
            Scalar::Number => "float64".to_owned(),
            Scalar::Boolean => "bool".to_owned(),
            Scalar::Quantity => "resource.Quantity".to_owned(),
            Scalar::IntOrString => "intstr.IntOrString".to_owned(),
            Scalar::String => ty
                .name()
                .map_or_else(|| "string".to_owned(), |name| package_name(name).to_owned()),
            Scalar::Time => "v1.Time".to_owned(),
            Scalar::MicroTime => "v1.MicroTime".to_owned(),
            Scalar::Duration => "v1.Duration".to_owned(),
            Scalar::Any | Scalar::Raw => "interface {}".to_owned(),
        },
    }
}

/// `PodSpec` of `io.k8s.api.core.v1.PodSpec`.
fn short_name(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// `v1.PodSpec` of `io.k8s.api.core.v1.PodSpec`.
fn package_name(name: &str) -> &str {
    let mut dots = name.rmatch_indices('.');
    dots.next();
    dots.next().map_or(name, |(at, _)| &name[at + 1..])
}

/// Where standard base64 (line breaks allowed) breaks off.
fn base64_error(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut quantum = 0_usize;
    let mut at = 0;
    let skip = |mut at: usize| {
        while matches!(bytes.get(at), Some(b'\n' | b'\r')) {
            at += 1;
        }
        at
    };
    loop {
        at = skip(at);
        match bytes.get(at) {
            None if quantum == 0 => return None,
            // Go names the start of what is missing: the last byte it took.
            None => return Some(at - quantum),
            Some(b'=') if quantum >= 2 => {
                let mut next = skip(at + 1);
                if quantum == 2 {
                    if bytes.get(next) != Some(&b'=') {
                        return Some(next.min(bytes.len()));
                    }
                    next = skip(next + 1);
                }
                return (next < bytes.len()).then_some(next);
            }
            Some(byte) if byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/') => {
                quantum = (quantum + 1) % 4;
                at += 1;
            }
            Some(_) => return Some(at),
        }
    }
}

#[cfg(test)]
mod tests;
