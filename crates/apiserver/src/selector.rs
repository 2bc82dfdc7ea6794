//! Which objects a list or watch is about.

mod fields;
mod labels;

pub(crate) use fields::FieldSelector;
pub(crate) use labels::LabelSelector;

use crate::cache::{Marks, Object};
use crate::status::Result;

/// Label and field selector and scope of one list or watch.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    /// Empty for all namespaces.
    pub(crate) namespace: String,
    pub(crate) labels: LabelSelector,
    pub(crate) fields: FieldSelector,
}

// === impl Filter ===

impl Filter {
    /// Reads both selectors; `selectable` are the fields beyond name and namespace that the kind offers.
    pub(crate) fn parse(
        namespace: &str,
        labels: &str,
        fields: &str,
        selectable: &[String],
        known: &dyn Fn(&str) -> Result<String, String>,
    ) -> Result<Self> {
        Ok(Self {
            namespace: namespace.to_owned(),
            labels: LabelSelector::parse(labels)?,
            fields: FieldSelector::parse(fields, selectable, known)?,
        })
    }

    /// Whether every object of the scope matches.
    pub(crate) fn is_everything(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// What every object that matches bears.
    pub(crate) fn marks(&self) -> Marks {
        self.labels.marks() | self.fields.marks()
    }

    pub(crate) fn matches(&self, object: &Object) -> bool {
        object.marks().include(self.marks())
            && (self.namespace.is_empty() || self.namespace == object.namespace())
            && self.fields.matches(object)
            && self.labels.matches(|key| object.label(key))
    }
}
