//! Values seen through their types: what server-side apply does with two of them.
//!
//! A type says of each place whether it is a *leaf* (a scalar, or a list or map that is one value) or has parts
//! that are owned one by one. Where the type knows nothing, it is deduced from the value: objects have parts,
//! lists are leaves.

mod compare;
mod merge;
mod reconcile;
mod remove;
mod to_set;
mod validate;

use cedge_schema::{ListTopology, MapTopology, Shape, TypeRef};
use serde_json::{Map, Value};

use crate::fields::{Scalar, Step};

pub(crate) use compare::{Comparison, compare};
pub(crate) use merge::merge;
pub(crate) use reconcile::reconcile;
pub(crate) use remove::remove;
pub(crate) use to_set::to_set;
pub(crate) use validate::validate;

/// A place in a value, as its type describes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Place<'t> {
    /// Described by the type.
    Typed(TypeRef<'t>),
    /// Anything; objects have parts.
    Deduced,
    /// Anything, as one value.
    Opaque,
}

/// What is at a place, given the value there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Atom<'t> {
    Map(MapAtom<'t>),
    List(ListAtom<'t>),
    Scalar(ScalarAtom),
}

/// A map or an object.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct MapAtom<'t> {
    pub(crate) ty: Option<TypeRef<'t>>,
    pub(crate) atomic: bool,
}

/// A list.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ListAtom<'t> {
    pub(crate) ty: Option<TypeRef<'t>>,
    pub(crate) topology: ListTopology,
}

/// Which scalars are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScalarAtom {
    String,
    Numeric,
    Boolean,
    Untyped,
}

/// Something is wrong with a value, as Kubernetes says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) path: String,
    pub(crate) text: String,
}

// === impl Place ===

impl<'t> Place<'t> {
    pub(crate) fn of(ty: TypeRef<'t>) -> Self {
        match ty.shape() {
            Shape::Scalar(cedge_schema::Scalar::Raw) => Self::Opaque,
            Shape::Scalar(cedge_schema::Scalar::Any | cedge_schema::Scalar::IntOrString) => {
                Self::Deduced
            }
            Shape::Object | Shape::List { .. } | Shape::Scalar(_) => Self::Typed(ty),
        }
    }

    pub(crate) fn ty(self) -> Option<TypeRef<'t>> {
        match self {
            Self::Typed(ty) => Some(ty),
            Self::Deduced | Self::Opaque => None,
        }
    }

    /// What is here, told from the type and, where it leaves a choice, the value.
    pub(crate) fn atom(self, value: Option<&Value>) -> Atom<'t> {
        match self {
            Self::Typed(ty) => typed_atom(ty),
            Self::Deduced | Self::Opaque => match value {
                Some(Value::Array(_)) => Atom::List(ListAtom {
                    ty: None,
                    topology: ListTopology::Atomic,
                }),
                Some(Value::String(_) | Value::Number(_) | Value::Bool(_)) => {
                    Atom::Scalar(ScalarAtom::Untyped)
                }
                Some(Value::Object(_) | Value::Null) | None => Atom::Map(MapAtom {
                    ty: None,
                    atomic: self == Self::Opaque,
                }),
            },
        }
    }
}

fn typed_atom(ty: TypeRef<'_>) -> Atom<'_> {
    use cedge_schema::Scalar as S;
    match ty.shape() {
        Shape::Object => Atom::Map(MapAtom {
            ty: Some(ty),
            atomic: ty.map_topology() == MapTopology::Atomic,
        }),
        Shape::List { topology, .. } => Atom::List(ListAtom {
            ty: Some(ty),
            topology,
        }),
        Shape::Scalar(scalar) => Atom::Scalar(match scalar {
            S::String | S::Bytes | S::Duration => match ty.format() {
                None | Some("byte") => ScalarAtom::String,
                Some(_) => ScalarAtom::Untyped,
            },
            S::Integer | S::Number => ScalarAtom::Numeric,
            S::Boolean => ScalarAtom::Boolean,
            S::IntOrString | S::Quantity | S::Time | S::MicroTime | S::Any | S::Raw => {
                ScalarAtom::Untyped
            }
        }),
    }
}

// === impl MapAtom ===

impl<'t> MapAtom<'t> {
    /// What is behind a key; nothing if the type does not allow it.
    pub(crate) fn member(self, key: &str) -> Option<Place<'t>> {
        match self.ty {
            None if self.atomic => Some(Place::Opaque),
            None => Some(Place::Deduced),
            Some(ty) => match ty.field(key) {
                Some(field) => Some(Place::of(field.ty())),
                None => ty.merge_additional().map(Place::of),
            },
        }
    }

    /// Whether a key is a field that the type names.
    pub(crate) fn is_named(self, key: &str) -> bool {
        self.ty.is_some_and(|ty| ty.field(key).is_some())
    }
}

// === impl ListAtom ===

impl<'t> ListAtom<'t> {
    pub(crate) fn is_atomic(self) -> bool {
        self.topology == ListTopology::Atomic
    }

    pub(crate) fn item(self) -> Place<'t> {
        let item = self.ty.and_then(TypeRef::item);
        item.map_or(Place::Opaque, Place::of)
    }

    /// The step that leads to an item.
    pub(crate) fn step(self, item: &Value) -> Result<Step, String> {
        match self.topology {
            ListTopology::Atomic => Err("invalid indexing of non-associative list".to_owned()),
            ListTopology::Map => self.key_step(item),
            ListTopology::Set => match item {
                Value::Object(_) => {
                    Err("associative list without keys has an element that's a map type".to_owned())
                }
                Value::Array(_) => {
                    Err("not supported: associative list with lists as elements".to_owned())
                }
                Value::Null => Err(
                    "associative list without keys has an element that's an explicit null"
                        .to_owned(),
                ),
                scalar => Ok(Step::Value(Scalar(scalar.clone()))),
            },
        }
    }

    fn key_step(self, item: &Value) -> Result<Step, String> {
        let object = match item {
            Value::Object(object) => object,
            Value::Null => {
                return Err("associative list with keys may not have a null element".to_owned());
            }
            _ => {
                return Err("associative list with keys may not have non-map elements".to_owned());
            }
        };
        let Some(ty) = self.ty else {
            return Err("invalid elementType for list".to_owned());
        };
        let mut keys = Vec::new();
        for name in ty.map_keys() {
            let given = object.get(name).cloned();
            let field = || ty.item().and_then(|item| item.field(name));
            if let Some(value) = given.or_else(|| field().and_then(cedge_schema::Field::default)) {
                keys.push((name.to_owned(), Scalar(value)));
            }
        }
        if keys.is_empty() {
            let names: Vec<String> = ty.map_keys().map(|name| format!("{name:?}")).collect();
            return Err(format!(
                "associative list with keys has an element that omits all key fields [{}] (and doesn't have default values for any key fields)",
                names.join(" ")
            ));
        }
        keys.sort();
        Ok(Step::Key(keys))
    }
}

// === impl Problem ===

impl Problem {
    pub(crate) fn here(text: impl Into<String>) -> Self {
        Self {
            path: String::new(),
            text: text.into(),
        }
    }

    pub(crate) fn below(mut self, step: &Step) -> Self {
        self.path.insert_str(0, &step.to_string());
        self
    }
}

/// All problems as one text, as Kubernetes lists them.
pub(crate) fn tell(problems: &[Problem]) -> String {
    let line = |problem: &Problem| {
        if problem.path.is_empty() {
            problem.text.clone()
        } else {
            format!("{}: {}", problem.path, problem.text)
        }
    };
    match problems {
        [only] => line(only),
        many => {
            let lines: Vec<String> = many
                .iter()
                .map(|problem| format!("  {}", line(problem)))
                .collect();
            format!("errors:\n{}", lines.join("\n"))
        }
    }
}

/// The object in a value; nothing for null or anything else.
fn as_map(value: Option<&Value>) -> Option<&Map<String, Value>> {
    value.and_then(Value::as_object)
}

/// The list in a value; nothing for null or anything else.
fn as_list(value: Option<&Value>) -> Option<&Vec<Value>> {
    value.and_then(Value::as_array)
}

/// Whether a map or list has nothing in it on either side: then it is a leaf, so that `{}` and `null` stay what they are.
fn both_empty(lhs: Option<usize>, rhs: Option<usize>) -> bool {
    lhs.unwrap_or(0) == 0 && rhs.unwrap_or(0) == 0
}

#[cfg(test)]
mod tests;
