//! How objects are shown in tables, and by which fields they are found.

use serde_json::Value;

use super::{Definition, Resource};

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) ty: String,
    pub(crate) format: String,
    pub(crate) description: String,
    pub(crate) priority: i64,
}

// === impl Resource ===

impl Resource {
    pub(crate) fn columns(&self) -> Vec<Column> {
        match &self.definition {
            Definition::BuiltIn(kind) => {
                let columns = cedge_kinds::table_columns(kind).iter();
                columns
                    .map(|c| Column {
                        name: c.name.to_owned(),
                        ty: c.kind.to_owned(),
                        format: c.format.to_owned(),
                        description: c.description.clone(),
                        priority: c.priority.into(),
                    })
                    .collect()
            }
            Definition::Custom(custom) => custom.columns(),
        }
    }

    /// The name by which a field of a selector is selectable, or why it is not.
    pub(crate) fn selectable_field(&self, name: &str) -> Result<String, String> {
        let Definition::BuiltIn(kind) = &self.definition else {
            return Ok(name.to_owned());
        };
        let known = cedge_kinds::check_field(kind, name).map_err(|e| e.to_string())?;
        // Both kinds of events are one: they are found by the fields of the older.
        Ok(match (kind.group, known) {
            ("events.k8s.io", "reportingController") => "reportingComponent".to_owned(),
            ("events.k8s.io", known) => known.replace("regarding.", "involvedObject."),
            (_, known) => known.to_owned(),
        })
    }

    /// Puts objects into the order in which a table shows them.
    pub(crate) fn sort_rows(&self, objects: &mut [Value]) {
        if let Definition::BuiltIn(kind) = &self.definition {
            cedge_kinds::tables::sort_rows(kind, objects);
        }
    }

    /// What is said of a row as a whole, such as that a pod has ended.
    pub(crate) fn row_conditions(&self, object: &Value) -> Vec<Value> {
        match &self.definition {
            Definition::BuiltIn(kind) => cedge_kinds::tables::row_conditions(kind, object),
            Definition::Custom(_) => Vec::new(),
        }
    }

    pub(crate) fn row(&self, object: &Value, now: jiff::Timestamp) -> Vec<Value> {
        match &self.definition {
            Definition::BuiltIn(kind) => cedge_kinds::table_row(kind, object, now),
            Definition::Custom(custom) => custom.row(object, now),
        }
    }
}
