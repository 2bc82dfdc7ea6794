//! Printer columns of a custom kind.

use jiff::Timestamp;
use serde_json::Value;

use cedge_kinds::read::Read;
use cedge_kinds::time;

use crate::jsonpath::JsonPath;

/// A column of `kubectl get`.
#[derive(Debug, Clone, PartialEq)]
pub struct PrinterColumn {
    /// Heading.
    pub name: String,
    /// `string`, `integer`, `number`, `boolean` or `date`.
    pub kind: String,
    /// OpenAPI format; `name` for the first column.
    pub format: String,
    /// What the column says.
    pub description: String,
    /// 0: always shown.
    pub priority: i64,
    path: Option<JsonPath>,
}

impl PrinterColumn {
    /// The columns of a version: the object's name, then its own; without any, its age.
    #[must_use]
    pub fn compile_all(version: &Value) -> Vec<Self> {
        let own = version.items("additionalPrinterColumns");
        let mut columns = vec![Self {
            name: "Name".to_owned(),
            kind: "string".to_owned(),
            format: "name".to_owned(),
            description: name_description(),
            priority: 0,
            path: JsonPath::parse(".metadata.name").ok(),
        }];
        if own.is_empty() {
            columns.push(age());
        }
        columns.extend(own.iter().map(Self::compile));
        columns
    }

    fn compile(column: &Value) -> Self {
        let path = column.text("jsonPath");
        let description = match column.text("description") {
            "" => format!("Custom resource definition column (in JSONPath format): {path}"),
            text => text.to_owned(),
        };
        Self {
            name: column.text("name").to_owned(),
            kind: column.text("type").to_owned(),
            format: column.text("format").to_owned(),
            description,
            priority: column.int("priority").unwrap_or(0),
            path: JsonPath::parse(path).ok(),
        }
    }

    /// The cell of one object; null where there is nothing.
    #[must_use]
    pub fn cell(&self, object: &Value, now: Timestamp) -> Value {
        let Some(path) = &self.path else {
            return Value::Null;
        };
        let found = path.find(object);
        let Some(value) = found.first() else {
            return Value::Null;
        };
        match (self.kind.as_str(), *value) {
            (_, Value::Null) => Value::Null,
            ("string", Value::String(text)) => text.as_str().into(),
            ("string", other) => other.to_string().into(),
            ("integer", Value::Number(n)) => whole(n),
            ("number", Value::Number(n)) => n.as_f64().map_or(Value::Null, Value::from),
            ("boolean", Value::Bool(flag)) => (*flag).into(),
            ("date", Value::String(_)) => match time::timestamp(value) {
                Some(_) => time::since(value, now).into(),
                None => "<invalid>".into(),
            },
            _ => Value::Null,
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a float is cut to a whole number, as in Go"
)]
fn whole(number: &serde_json::Number) -> Value {
    match number.as_i64() {
        Some(n) => n.into(),
        None => number.as_f64().map_or(Value::Null, |f| (f as i64).into()),
    }
}

fn age() -> PrinterColumn {
    PrinterColumn {
        name: "Age".to_owned(),
        kind: "date".to_owned(),
        format: String::new(),
        description: created_description(),
        priority: 0,
        path: JsonPath::parse(".metadata.creationTimestamp").ok(),
    }
}

/// The descriptions that built-in kinds have for the same columns.
fn built_in_description(column: &str) -> String {
    cedge_kinds::of("", "v1", "ConfigMap")
        .map(cedge_kinds::table_columns)
        .into_iter()
        .flatten()
        .find(|c| c.name == column)
        .map_or_else(String::new, |c| c.description.clone())
}

fn name_description() -> String {
    built_in_description("Name")
}

fn created_description() -> String {
    built_in_description("Age")
}
