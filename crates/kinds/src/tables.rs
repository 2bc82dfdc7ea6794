//! How `kubectl get` shows an object: columns and cells.

use jiff::Timestamp;
use serde_json::Value;

use crate::read::Read;
use crate::registry::Kind;
use crate::time;

/// One column of a table, as `meta/v1` describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// `Name`, in the writing that the API uses; kubectl prints it in capitals.
    pub name: &'static str,
    /// `string`, `integer` or `boolean`.
    pub kind: &'static str,
    /// `name` for the column that names the object.
    pub format: &'static str,
    /// What the column says.
    pub description: &'static str,
    /// 0: always shown, 1: with `-o wide`.
    pub priority: i32,
}

const NAME: Column = Column {
    name: "Name",
    kind: "string",
    format: "name",
    description: "Name must be unique within a namespace.",
    priority: 0,
};
const CREATED_AT: Column = Column {
    name: "Created At",
    kind: "date",
    format: "",
    description: "CreationTimestamp is a timestamp representing the server time when this object was created.",
    priority: 0,
};

/// The columns of a kind.
#[must_use]
pub fn table_columns(kind: &Kind) -> &'static [Column] {
    let _ = kind;
    &[NAME, CREATED_AT]
}

/// The cells of one object, in the order of [`table_columns`].
#[must_use]
pub fn table_row(kind: &Kind, object: &Value, now: Timestamp) -> Vec<Value> {
    let _ = (kind, now, time::human_duration(0));
    let meta = object.field("metadata");
    vec![
        meta.text("name").into(),
        meta.text("creationTimestamp").into(),
    ]
}
