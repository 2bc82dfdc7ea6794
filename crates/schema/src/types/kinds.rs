//! What there is: scalars, and the ways in which lists and maps merge.

use serde::{Deserialize, Serialize};

use crate::table::RawTopology;

/// Types without fields or items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Scalar {
    /// Text.
    String,
    /// Base64 text of bytes.
    Bytes,
    /// A whole number; [`super::TypeRef::format`] says how many bits.
    Integer,
    /// A floating-point number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A whole number or a text (`maxSurge`, `targetPort`).
    IntOrString,
    /// An amount: `250m`, `1Gi`, or a number.
    Quantity,
    /// RFC 3339 to the second.
    Time,
    /// RFC 3339 to the microsecond.
    MicroTime,
    /// A Go duration (`1h30m`).
    Duration,
    /// Any JSON; structure is deduced from the value.
    Any,
    /// Any JSON object, embedded as it is (`RawExtension`); merged as one value.
    Raw,
}

/// How two lists of a type merge under server-side apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ListTopology {
    /// As one value.
    Atomic,
    /// As a set of scalars.
    Set,
    /// As a map by the fields that [`super::TypeRef::map_keys`] names.
    Map,
}

/// How two objects of a type merge under server-side apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MapTopology {
    /// Field by field.
    Granular,
    /// As one value.
    Atomic,
}

/// What a strategic merge patch does with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PatchStrategy {
    /// Lists are merged (by [`super::TypeRef::patch_merge_key`], or as sets of scalars), not replaced.
    pub merge: bool,
    /// Only the keys that the patch's `$retainKeys` lists are kept.
    pub retain_keys: bool,
    /// Objects are replaced, not merged.
    pub replace: bool,
}

impl From<RawTopology> for ListTopology {
    fn from(raw: RawTopology) -> Self {
        match raw {
            RawTopology::Unsaid | RawTopology::Atomic => Self::Atomic,
            RawTopology::Set | RawTopology::ImpliedSet => Self::Set,
            RawTopology::Map | RawTopology::ImpliedMap => Self::Map,
        }
    }
}
