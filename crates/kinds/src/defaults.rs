//! What a user may leave out, from one table.
//!
//! A table is a list of [`Rule`]s for one type; `In` and `Each` lead to the tables of the types below it. Where a
//! default depends on more than the field itself, the rule names a small function.

use serde_json::{Map, Value};

use crate::quantity::{self, Quantity};
use crate::read::{Read, child_mut};
use crate::registry::Kind;

mod core;
mod groups;
mod pods;
mod workloads;

/// One line of a default table. Paths are relative to the value that the table is applied to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rule {
    /// A field that is absent or null becomes this.
    Set(&'static str, Lit),
    /// A field that is absent, null, empty or zero becomes this.
    Fill(&'static str, Lit),
    /// The table of a field that is there.
    In(&'static str, Table),
    /// The table of a field that is made an empty object if it is absent.
    Make(&'static str, Table),
    /// The table of each item of a list.
    Each(&'static str, Table),
    /// A map of quantities, each brought to its canonical form, no finer than thousandths.
    Amounts(&'static str),
    /// A quantity, brought to its canonical form.
    Amount(&'static str),
    /// A default with a condition.
    Call(fn(&mut Value)),
}

/// The defaults of one type.
pub(crate) type Table = &'static [Rule];

/// A value that stands in a table.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lit {
    /// A text.
    S(&'static str),
    /// A number.
    I(i64),
    /// A boolean.
    B(bool),
    /// An empty object.
    Obj,
    /// A list of texts.
    L(&'static [&'static str]),
}

impl Lit {
    fn value(self) -> Value {
        match self {
            Lit::S(text) => text.into(),
            Lit::I(number) => number.into(),
            Lit::B(flag) => flag.into(),
            Lit::Obj => Value::Object(Map::new()),
            Lit::L(items) => items.to_vec().into(),
        }
    }
}

/// Fills in what a user may leave out, as reading the object in this version does.
pub fn default_object(kind: &Kind, object: &mut Value) {
    if let Some(table) = table_of(kind) {
        apply(table, object);
    }
}

/// Fills in the defaults of a pod template, wherever it stands.
pub fn default_pod_template(template: &mut Value) {
    apply(pods::TEMPLATE, template);
}

fn table_of(kind: &Kind) -> Option<Table> {
    core::TABLES
        .iter()
        .chain(workloads::TABLES)
        .chain(groups::TABLES)
        .find(|(group, version, name, _)| {
            *name == kind.kind && *group == kind.group && *version == kind.version
        })
        .map(|(_, _, _, table)| *table)
}

pub(crate) fn apply(table: Table, value: &mut Value) {
    for rule in table {
        match *rule {
            Rule::Set(path, lit) => set(value, path, lit, Value::is_null),
            Rule::Fill(path, lit) => set(value, path, lit, is_zero),
            Rule::In(path, table) => {
                if let Some(field) = find_mut(value, path).filter(|f| f.is_object()) {
                    apply(table, field);
                }
            }
            Rule::Make(path, table) => {
                set(value, path, Lit::Obj, Value::is_null);
                if let Some(field) = find_mut(value, path).filter(|f| f.is_object()) {
                    apply(table, field);
                }
            }
            Rule::Each(path, table) => {
                let items = find_mut(value, path).and_then(Value::as_array_mut);
                for item in items.into_iter().flatten().filter(|i| i.is_object()) {
                    apply(table, item);
                }
            }
            Rule::Amounts(path) => {
                let amounts = find_mut(value, path).and_then(Value::as_object_mut);
                for amount in amounts.into_iter().flat_map(Map::values_mut) {
                    canonical_amount(amount, true);
                }
            }
            Rule::Amount(path) => {
                if let Some(amount) = find_mut(value, path) {
                    canonical_amount(amount, false);
                }
            }
            Rule::Call(f) => f(value),
        }
    }
}

/// Writes a literal where `wanted` says so of what is there now; parents are made on the way.
fn set(value: &mut Value, path: &str, lit: Lit, wanted: fn(&Value) -> bool) {
    if !wanted(value.at(path)) {
        return;
    }
    let mut place = value;
    for name in path.split('.') {
        if !place.is_object() && !place.is_null() {
            return;
        }
        place = child_mut(place, name);
    }
    *place = lit.value();
}

pub(crate) fn find_mut<'a>(value: &'a mut Value, path: &str) -> Option<&'a mut Value> {
    path.split('.')
        .try_fold(value, |value, name| value.get_mut(name))
}

/// What Go calls the zero value.
pub(crate) fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

fn canonical_amount(amount: &mut Value, no_finer_than_thousandths: bool) {
    let text = match &*amount {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return,
    };
    let Ok(parsed) = text.trim().parse::<Quantity>() else {
        return;
    };
    if no_finer_than_thousandths && parsed.nanos() % 1_000_000 != 0 {
        *amount = parsed.rounded_up_to_millis().to_string().into();
    } else if let Some(canonical) = quantity::canonical(&text) {
        *amount = canonical.into();
    }
}

#[cfg(test)]
mod tests;
