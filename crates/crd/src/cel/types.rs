//! The types of CEL, and when one fits where another is wanted.
//!
//! Types unify as the checker of Kubernetes unifies them: a parameter of an overload, or the items of an empty list,
//! take the first type that they meet, and `dyn` fits everywhere.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

pub(crate) mod checker;
pub(crate) mod declared;
pub(crate) mod functions;
pub(crate) mod macros;
pub(crate) mod places;

use declared::Declared;

/// The type of an expression.
#[derive(Debug, Clone)]
pub(crate) enum Type {
    /// `bool`, `int`, `string`, `kubernetes.Quantity` and all others without parts.
    Plain(&'static str),
    /// Anything.
    Dyn,
    /// The type of what is wrong; it fits everywhere, so that one mistake is told once.
    Error,
    /// The type of `null`.
    Null,
    /// A list and what it holds.
    List(Box<Type>),
    /// A map, its keys and its values.
    Map(Box<Type>, Box<Type>),
    /// A value that may be absent.
    Optional(Box<Type>),
    /// A type as a value.
    Kind(Box<Type>),
    /// An object with fields that are known.
    Object(Arc<Declared>),
    /// A type that is to be found out.
    Parameter(u32),
}

/// Types whose values have one size.
const SCALARS: &[&str] = &["bool", "int", "uint", "double", "duration", "timestamp"];
/// Types beside the objects that may be compared with `null`.
const NULLABLE: &[&str] = &["duration", "timestamp", "net.IP", "net.CIDR"];

// === impl Type ===

impl Type {
    /// A list of something.
    pub(crate) fn list(item: Type) -> Self {
        Type::List(Box::new(item))
    }

    /// A map from texts to something.
    pub(crate) fn map(value: Type) -> Self {
        Type::Map(Box::new(Type::Plain("string")), Box::new(value))
    }

    /// Whether it is the plain type of this name.
    pub(crate) fn is(&self, name: &str) -> bool {
        matches!(self, Type::Plain(own) if *own == name)
    }

    /// Whether all its values have the same size.
    pub(crate) fn is_scalar(&self) -> bool {
        match self {
            Type::Plain(name) => SCALARS.contains(name),
            Type::Optional(inner) => inner.is_scalar(),
            _ => false,
        }
    }

    fn is_any(&self) -> bool {
        matches!(self, Type::Dyn | Type::Error)
    }

    fn parts(&self) -> Vec<&Type> {
        match self {
            Type::List(one) | Type::Optional(one) | Type::Kind(one) => vec![one],
            Type::Map(key, value) => vec![key, value],
            _ => Vec::new(),
        }
    }

    /// Whether it is the very same type.
    pub(crate) fn same(&self, other: &Type) -> bool {
        match (self, other) {
            (Type::Plain(a), Type::Plain(b)) => a == b,
            (Type::Object(a), Type::Object(b)) => Arc::ptr_eq(a, b),
            (Type::Parameter(a), Type::Parameter(b)) => a == b,
            (a, b) => {
                let (own, others) = (a.parts(), b.parts());
                std::mem::discriminant(a) == std::mem::discriminant(b)
                    && own.len() == others.len()
                    && own.iter().zip(others).all(|(a, b)| a.same(b))
            }
        }
    }

    /// Whether it says no more than `other`.
    fn says_less(&self, other: &Type) -> bool {
        match (self, other) {
            (Type::Dyn | Type::Parameter(_), _) => true,
            (_, Type::Dyn | Type::Parameter(_)) => false,
            (Type::Kind(_), Type::Kind(_)) => true,
            (Type::List(_), Type::List(_))
            | (Type::Map(..), Type::Map(..))
            | (Type::Optional(_), Type::Optional(_)) => {
                let (own, others) = (self.parts(), other.parts());
                own.iter().zip(others).all(|(a, b)| a.says_less(b))
            }
            (a, b) => a.same(b),
        }
    }

    fn is_nullable(&self) -> bool {
        match self {
            Type::Plain(name) => NULLABLE.contains(name) || name.starts_with("kubernetes."),
            Type::Null | Type::Optional(_) | Type::Object(_) => true,
            _ => false,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Plain(name) => f.write_str(name),
            Type::Dyn => f.write_str("dyn"),
            Type::Error => f.write_str("!error!"),
            Type::Null => f.write_str("null"),
            Type::List(item) => write!(f, "list({item})"),
            Type::Map(key, value) => write!(f, "map({key}, {value})"),
            Type::Optional(inner) => write!(f, "optional_type({inner})"),
            Type::Kind(inner) => write!(f, "type({inner})"),
            Type::Object(_) => f.write_str("object"),
            Type::Parameter(number) => write!(f, "_var{number}"),
        }
    }
}

/// Parts of a type beyond which the rest of it is `dyn`: a type can double with every step of an expression.
const PARTS_MAX: u32 = 10_000;

/// What the parameters that were met so far stand for.
#[derive(Debug, Default)]
pub(crate) struct Known {
    types: HashMap<u32, Type>,
    /// What was there before, for what may have to be taken back.
    before: Vec<(u32, Option<Type>)>,
}

// === impl Known ===

impl Known {
    /// Makes `given` fit where `wanted` is, if it can be made to; else nothing is learnt.
    pub(crate) fn fit(&mut self, given: &Type, wanted: &Type) -> bool {
        self.fit_all(&[given], &[wanted])
    }

    /// As [`Known::fit`], for all or none.
    pub(crate) fn fit_all(&mut self, given: &[&Type], wanted: &[&Type]) -> bool {
        let fits = self.unify_all(given, wanted);
        for (number, before) in std::mem::take(&mut self.before).into_iter().rev() {
            match before {
                _ if fits => {}
                Some(before) => _ = self.types.insert(number, before),
                None => _ = self.types.remove(&number),
            }
        }
        fits
    }

    fn learn(&mut self, number: u32, found: Type) {
        let before = self.types.insert(number, found);
        self.before.push((number, before));
    }

    /// Something with all that is known of its parameters; with `rest_dyn`, what is not known is `dyn`.
    pub(crate) fn resolve(&self, found: &Type, rest_dyn: bool) -> Type {
        let mut left = PARTS_MAX;
        self.resolve_parts(found, rest_dyn, &mut left)
    }

    fn resolve_parts(&self, found: &Type, rest_dyn: bool, left: &mut u32) -> Type {
        *left = left.saturating_sub(1);
        if *left == 0 {
            return Type::Dyn;
        }
        let mut inner = |part: &Type| Box::new(self.resolve_parts(part, rest_dyn, left));
        match found {
            Type::Parameter(number) => match self.types.get(number) {
                Some(known) => *inner(known),
                None if rest_dyn => Type::Dyn,
                None => found.clone(),
            },
            Type::List(item) => Type::List(inner(item)),
            Type::Map(key, value) => {
                let key = inner(key);
                Type::Map(key, inner(value))
            }
            Type::Optional(value) => Type::Optional(inner(value)),
            Type::Kind(value) => Type::Kind(inner(value)),
            plain => plain.clone(),
        }
    }

    fn unify_all(&mut self, given: &[&Type], wanted: &[&Type]) -> bool {
        given.len() == wanted.len() && given.iter().zip(wanted).all(|(a, b)| self.unify(a, b))
    }

    fn unify(&mut self, given: &Type, wanted: &Type) -> bool {
        if let Type::Parameter(number) = wanted {
            match self.take(*number, given) {
                (true, _) => return true,
                (false, true) => return false,
                (false, false) => {}
            }
        }
        if let Type::Parameter(number) = given {
            return self.take(*number, wanted).0;
        }
        match (given, wanted) {
            (a, b) if a.is_any() || b.is_any() => true,
            (Type::Null, other) | (other, Type::Null) => other.is_nullable(),
            (Type::Kind(_), Type::Kind(_)) => true,
            (Type::List(_), Type::List(_))
            | (Type::Map(..), Type::Map(..))
            | (Type::Optional(_), Type::Optional(_)) => {
                self.unify_all(&given.parts(), &wanted.parts())
            }
            (a, b) => a.same(b),
        }
    }

    /// Whether a parameter can stand for `found`, and whether it stood for something before.
    fn take(&mut self, number: u32, found: &Type) -> (bool, bool) {
        let parameter = Type::Parameter(number);
        if found.same(&parameter) {
            return (true, true);
        }
        if let Some(before) = self.types.get(&number).cloned() {
            if found.same(&before) {
                return (true, true);
            }
            if !self.unify(found, &before) {
                return (false, true);
            }
            let general = if found.says_less(&before) {
                found.clone()
            } else {
                before
            };
            if !self.mentions(&general, number) {
                self.learn(number, general);
            }
            return (true, true);
        }
        let fits = !self.mentions(found, number);
        if fits {
            self.learn(number, found.clone());
        }
        (fits, false)
    }

    fn mentions(&self, within: &Type, number: u32) -> bool {
        match within {
            Type::Parameter(other) => {
                *other == number
                    || self
                        .types
                        .get(other)
                        .is_some_and(|known| self.mentions(known, number))
            }
            other => other.parts().iter().any(|part| self.mentions(part, number)),
        }
    }
}

#[cfg(test)]
mod tests;
