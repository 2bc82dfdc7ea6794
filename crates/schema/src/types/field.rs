//! Fields of object types.

use serde_json::Value;

use super::{TypeRef, Types};
use crate::table::{FieldRow, Presence};

/// One field of an object type.
#[derive(Clone, Copy)]
pub struct Field<'a> {
    pub(super) types: &'a Types,
    pub(super) row: &'a FieldRow,
    pub(super) index: usize,
}

impl<'a> Field<'a> {
    /// As in JSON.
    #[must_use]
    pub fn name(self) -> &'a str {
        self.types.table.string(self.row.name)
    }

    /// Type of the value.
    #[must_use]
    pub fn ty(self) -> TypeRef<'a> {
        self.types.at(self.row.node)
    }

    /// Whether the schema requires it.
    #[must_use]
    pub fn is_required(self) -> bool {
        self.row.required
    }

    /// The default that the schema states.
    #[must_use]
    pub fn default(self) -> Option<Value> {
        if self.row.default == 0 {
            return None;
        }
        serde_json::from_str(self.types.table.string(self.row.default)).ok()
    }

    /// Whether the schema states a default; cheaper than asking for it.
    #[must_use]
    pub fn has_default(self) -> bool {
        self.row.default != 0
    }

    /// The Go type, where the schema cannot tell it.
    pub(crate) fn go_type(self) -> Option<&'a str> {
        (self.row.go != 0).then(|| self.types.table.string(self.row.go))
    }

    /// When Kubernetes writes it out.
    #[must_use]
    pub fn presence(self) -> Presence {
        self.row.presence
    }

    /// Whether "not set" is told from "zero".
    #[must_use]
    pub fn is_pointer(self) -> bool {
        self.row.pointer
    }

    /// Row in the table: the number of its description.
    pub(crate) fn index(self) -> usize {
        self.index
    }
}

impl std::fmt::Debug for Field<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Field({}: {:?})", self.name(), self.ty())
    }
}
