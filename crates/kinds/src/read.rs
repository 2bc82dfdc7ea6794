//! Reading JSON the way Go reads a struct: what is absent is empty.

use serde_json::{Map, Value};

/// Reads of fields that may be absent.
pub trait Read {
    /// The field, or null.
    fn field(&self, name: &str) -> &Value;
    /// The text of a field, or the empty one.
    fn text(&self, name: &str) -> &str;
    /// The items of a list field, or none.
    fn items(&self, name: &str) -> &[Value];
    /// The entries of a map field, or none.
    fn entries(&self, name: &str) -> impl Iterator<Item = (&str, &Value)>;
    /// A whole number.
    fn int(&self, name: &str) -> Option<i64>;
    /// Whether a boolean field is set.
    fn flag(&self, name: &str) -> bool;
    /// Whether a field is there and not null.
    fn has(&self, name: &str) -> bool;
    /// The field at a dotted path, or null.
    fn at(&self, path: &str) -> &Value;
}

static NULL: Value = Value::Null;

impl Read for Value {
    fn field(&self, name: &str) -> &Value {
        self.get(name).unwrap_or(&NULL)
    }

    fn text(&self, name: &str) -> &str {
        self.field(name).as_str().unwrap_or("")
    }

    fn items(&self, name: &str) -> &[Value] {
        self.field(name).as_array().map_or(&[], Vec::as_slice)
    }

    fn entries(&self, name: &str) -> impl Iterator<Item = (&str, &Value)> {
        self.field(name)
            .as_object()
            .into_iter()
            .flat_map(|m| m.iter().map(|(k, v)| (k.as_str(), v)))
    }

    fn int(&self, name: &str) -> Option<i64> {
        self.field(name).as_i64()
    }

    fn flag(&self, name: &str) -> bool {
        self.field(name).as_bool().unwrap_or(false)
    }

    fn has(&self, name: &str) -> bool {
        !self.field(name).is_null()
    }

    fn at(&self, path: &str) -> &Value {
        path.split('.').fold(self, |value, name| value.field(name))
    }
}

/// The object behind `value`, made if there is none.
pub(crate) fn object_mut(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut().expect("just made an object")
}

/// The object at a field, made if there is none.
pub(crate) fn child_mut<'a>(value: &'a mut Value, name: &str) -> &'a mut Value {
    object_mut(value).entry(name).or_insert(Value::Null)
}

/// Sets a field to a value, or removes it if there is none.
pub(crate) fn put(value: &mut Value, name: &str, new: Option<Value>) {
    match new {
        Some(new) => {
            object_mut(value).insert(name.to_owned(), new);
        }
        None => {
            if let Some(map) = value.as_object_mut() {
                map.remove(name);
            }
        }
    }
}
