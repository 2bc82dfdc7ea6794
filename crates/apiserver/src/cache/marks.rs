//! A few bits of each object, by which most of what a selector does not want is passed over unread.

use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::ops::BitOr;

/// A set of labels and field values in 128 bits, as a Bloom filter keeps it (Bloom, *Space/Time Trade-offs in Hash Coding
/// with Allowable Errors*, 1970): whoever lacks a mark lacks the label; whoever has it may still lack the label.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Marks(u128);

// === impl Marks ===

impl Marks {
    /// Of an object that bears a label of this key.
    pub(crate) fn key(key: &str) -> Self {
        Self::of((0_u8, key))
    }

    /// Of an object that bears this label.
    pub(crate) fn label(key: &str, value: &str) -> Self {
        Self::of((1_u8, key, value))
    }

    /// Of an object whose selectable field of that index has this value, which is not empty.
    pub(crate) fn field(index: usize, value: &str) -> Self {
        Self::of((2_u8, index, value))
    }

    /// Whether all marks of `other` are among these.
    pub(crate) fn include(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Two bits for each, as about a dozen are set for an object.
    fn of(what: impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        what.hash(&mut hasher);
        let hash = hasher.finish();
        Self(1 << (hash & 127) | 1 << (hash >> 7 & 127))
    }
}

impl BitOr for Marks {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl FromIterator<Self> for Marks {
    fn from_iter<T: IntoIterator<Item = Self>>(marks: T) -> Self {
        marks.into_iter().fold(Self::default(), BitOr::bitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_what_is_there_are_found() {
        let all: Marks = (0..12)
            .map(|i| Marks::label("part", &i.to_string()))
            .collect();
        for i in 0..12 {
            assert!(all.include(Marks::label("part", &i.to_string())));
        }
        assert!(all.include(Marks::default()));
        let wrong = (12..1012).filter(|i| all.include(Marks::label("part", &i.to_string())));
        let wrong = wrong.count();
        assert!(wrong < 150, "{wrong} of 1,000 cannot be told apart");
    }

    #[test]
    fn keys_values_and_fields_are_told_apart() {
        let bears = Marks::label("a", "b");
        assert!(!bears.include(Marks::key("a")));
        assert!(!bears.include(Marks::label("a", "c")));
        assert!(!bears.include(Marks::field(0, "b")));
    }
}
