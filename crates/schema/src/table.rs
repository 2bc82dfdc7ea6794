//! The rows behind [`crate::Types`]: plain numbers and one string, so that the whole table of Kubernetes costs
//! well under a megabyte and can be read back in one pass.

use serde::{Deserialize, Serialize};

use crate::types::{MapTopology, Scalar};

/// Number of an interned string; 0 is the empty string and means "none".
pub(crate) type Text = u32;
/// Number of a node.
pub(crate) type NodeId = u32;

/// The first node of every table: any JSON.
pub(crate) const ANY: NodeId = 0;

/// A half-open range of rows in one of the vectors of [`Table`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Span {
    pub start: u32,
    pub len: u16,
}

impl Span {
    pub(crate) fn of<T>(self, rows: &[T]) -> &[T] {
        let start = self.start as usize;
        &rows[start..start + usize::from(self.len)]
    }
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum RawShape {
    /// An object: known fields (sorted by name), and what any other key holds.
    Object {
        fields: Span,
        additional: Option<NodeId>,
    },
    /// A list; `keys` (in `lists`) is empty unless the topology is a map.
    List {
        item: NodeId,
        topology: RawTopology,
        keys: Span,
    },
    Scalar(Scalar),
    /// Only while building: a reference with attributes of its own.
    Alias(NodeId),
}

/// How a list is merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum RawTopology {
    /// The schema says nothing: atomic.
    Unsaid,
    Atomic,
    Set,
    Map,
    /// The schema says nothing, its patch strategy merges without a key.
    ImpliedSet,
    /// The schema says nothing, its patch strategy merges by a key.
    ImpliedMap,
}

/// One type, or one use of a type with attributes of its own.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Node {
    /// OpenAPI name (`io.k8s.api.core.v1.Pod`), if it is a named one.
    pub name: Text,
    pub shape: RawShape,
    pub map: Option<MapTopology>,
    /// Whether the map topology (or another attribute) was said where the type is used, not where it is defined.
    pub own_map: bool,
    /// `x-kubernetes-patch-strategy` as written.
    pub strategy: Text,
    pub merge_key: Text,
    /// Strings of `lists`.
    pub enums: Span,
    /// Names of required fields in the order of the source, in `lists`.
    pub required: Span,
    pub format: Text,
    /// `x-kubernetes-unions` as JSON text.
    pub unions: Text,
    pub preserve_unknown: bool,
    /// Keeps unknown fields when merged: it or something around it says so.
    pub open: bool,
    pub embedded: bool,
    /// A scalar that is marked as an atomic list all the same (bytes of an `APIService`).
    pub listed: bool,
    pub nullable: bool,
}

/// One field of an object.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct FieldRow {
    pub name: Text,
    pub node: NodeId,
    pub required: bool,
    /// JSON text of the default.
    pub default: Text,
    /// The Go type of the field, where it cannot be told from the schema (`v1.Protocol`).
    pub go: Text,
    pub presence: Presence,
    /// Whether Go tells "not set" from "zero".
    pub pointer: bool,
}

/// When Kubernetes writes a field of a built-in type out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Presence {
    /// As it is; nothing is known of the field.
    Unknown,
    /// Always: as zero or null if it is not set.
    Always,
    /// Unless it is empty; objects that are no pointers never are.
    UnlessEmpty,
    /// Unless it has its zero value, objects included.
    UnlessZero,
}

/// A kind that objects can have.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct KindRow {
    pub group: Text,
    pub version: Text,
    pub kind: Text,
    pub node: NodeId,
}

/// The whole graph.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Table {
    /// All interned strings, one after the other.
    pub text: String,
    /// Where each of them ends.
    pub ends: Vec<u32>,
    pub nodes: Vec<Node>,
    pub fields: Vec<FieldRow>,
    /// Map keys and enum values.
    pub lists: Vec<Text>,
    /// Named nodes, sorted by name.
    pub names: Vec<NodeId>,
    /// Sorted by (kind, group, version) as strings.
    pub kinds: Vec<KindRow>,
}

impl Table {
    pub(crate) fn string(&self, text: Text) -> &str {
        let at = text as usize;
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.text[start as usize..self.ends[at] as usize]
    }

    /// Gives back what growing vectors over-allocated.
    pub(crate) fn shrink(&mut self) {
        self.text.shrink_to_fit();
        self.ends.shrink_to_fit();
        self.nodes.shrink_to_fit();
        self.fields.shrink_to_fit();
        self.lists.shrink_to_fit();
        self.names.shrink_to_fit();
        self.kinds.shrink_to_fit();
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.text.capacity()
            + self.ends.capacity() * size_of::<u32>()
            + self.nodes.capacity() * size_of::<Node>()
            + self.fields.capacity() * size_of::<FieldRow>()
            + self.lists.capacity() * size_of::<Text>()
            + self.names.capacity() * size_of::<NodeId>()
            + self.kinds.capacity() * size_of::<KindRow>()
    }
}
