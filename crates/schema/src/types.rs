//! The graph of types, as everybody else reads it.
//!
//! [`Types`] owns a graph; [`TypeRef`] is a cheap, copyable place in it. Recursive types
//! (`JSONSchemaProps`) are cycles in the graph, so walk it along a value, never on its own.

mod field;
mod kinds;

use serde_json::Value;

use crate::builder::{self, SchemaError};
use crate::table::{self, FieldRow, Node, NodeId, RawShape, Table, Text};
pub use field::Field;
pub use kinds::{ListTopology, MapTopology, PatchStrategy, Scalar};

/// A graph of types: the built-in one, or that of one version of a custom resource.
#[derive(Debug)]
pub struct Types {
    pub(crate) table: Table,
    root: NodeId,
}

/// One type in a graph of types.
#[derive(Clone, Copy)]
pub struct TypeRef<'a> {
    pub(crate) types: &'a Types,
    pub(crate) node: NodeId,
}

/// What values of a type look like.
#[derive(Debug, Clone, Copy)]
pub enum Shape<'a> {
    /// A JSON object; see [`TypeRef::fields`] and [`TypeRef::additional`].
    Object,
    /// A JSON array.
    List {
        /// Type of each item.
        item: TypeRef<'a>,
        /// How two lists merge.
        topology: ListTopology,
    },
    /// Anything without structure of its own.
    Scalar(Scalar),
}

// === impl Types ===

impl Types {
    /// The built-in kinds of Kubernetes 1.37.
    #[must_use]
    pub fn builtin() -> &'static Self {
        crate::builtin()
    }

    /// The graph of one `openAPIV3Schema`; its [`root`](Self::root) is the custom resource itself.
    ///
    /// `apiVersion`, `kind` and the whole of `metadata` get their built-in types, as Kubernetes gives them.
    ///
    /// # Errors
    /// The schema is not one (a property that is no object, nesting beyond any sense). Whether it is
    /// *structural* is judged by crate `crd`.
    pub fn from_openapi(schema: &Value) -> Result<Self, SchemaError> {
        builder::from_custom_resource(schema)
    }

    pub(crate) fn new(mut table: Table, root: NodeId) -> Self {
        table.shrink();
        Self { table, root }
    }

    /// The type that the graph was made for: a custom resource. For the built-in graph: any JSON.
    #[must_use]
    pub fn root(&self) -> TypeRef<'_> {
        self.at(self.root)
    }

    /// The type of a kind.
    #[must_use]
    pub fn of(&self, group: &str, version: &str, kind: &str) -> Option<TypeRef<'_>> {
        let string = |text| self.table.string(text);
        let found = self.table.kinds.binary_search_by(|row| {
            (string(row.kind), string(row.group), string(row.version)).cmp(&(kind, group, version))
        });
        found.ok().map(|at| self.at(self.table.kinds[at].node))
    }

    /// The type of an `apiVersion` and a kind.
    #[must_use]
    pub fn of_api_version(&self, api_version: &str, kind: &str) -> Option<TypeRef<'_>> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        self.of(group, version, kind)
    }

    /// The type of an OpenAPI name (`io.k8s.api.core.v1.Pod`).
    #[must_use]
    pub fn named(&self, name: &str) -> Option<TypeRef<'_>> {
        self.named_index(name)
            .map(|at| self.at(self.table.names[at]))
    }

    pub(crate) fn named_index(&self, name: &str) -> Option<usize> {
        let name_of = |node: &NodeId| self.table.string(self.table.nodes[*node as usize].name);
        self.table
            .names
            .binary_search_by(|node| name_of(node).cmp(name))
            .ok()
    }

    /// Every named type, in the order of names.
    pub fn all(&self) -> impl Iterator<Item = TypeRef<'_>> {
        self.table.names.iter().map(|&node| self.at(node))
    }

    /// Every kind as (group, version, kind, type).
    pub fn kinds(&self) -> impl Iterator<Item = (&str, &str, &str, TypeRef<'_>)> {
        self.table.kinds.iter().map(|row| {
            let string = |text| self.table.string(text);
            let names = (string(row.group), string(row.version), string(row.kind));
            (names.0, names.1, names.2, self.at(row.node))
        })
    }

    /// Bytes that this graph holds on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.table.heap_bytes()
    }

    fn at(&self, node: NodeId) -> TypeRef<'_> {
        TypeRef { types: self, node }
    }
}

// === impl TypeRef ===

impl<'a> TypeRef<'a> {
    pub(crate) fn raw(self) -> &'a Node {
        &self.types.table.nodes[self.node as usize]
    }

    /// Whether this is the graph of Kubernetes' own types.
    pub(crate) fn types_are_built_in(self) -> bool {
        self.types.root == table::ANY
    }

    fn text(self, text: Text) -> Option<&'a str> {
        (text != 0).then(|| self.types.table.string(text))
    }

    fn at(self, node: NodeId) -> Self {
        Self { node, ..self }
    }

    /// OpenAPI name (`io.k8s.api.core.v1.Pod`); none for what is written in place.
    #[must_use]
    pub fn name(self) -> Option<&'a str> {
        self.text(self.raw().name)
    }

    /// What values look like.
    #[must_use]
    pub fn shape(self) -> Shape<'a> {
        match self.raw().shape {
            RawShape::Object { .. } => Shape::Object,
            RawShape::List { item, topology, .. } => Shape::List {
                item: self.at(item),
                topology: topology.into(),
            },
            RawShape::Scalar(scalar) => Shape::Scalar(scalar),
            RawShape::Alias(node) => self.at(node).shape(),
        }
    }

    /// The known fields of an object, sorted by name.
    pub fn fields(self) -> impl Iterator<Item = Field<'a>> {
        let (start, rows): (usize, &'a [FieldRow]) = match self.raw().shape {
            RawShape::Object { fields, .. } => {
                (fields.start as usize, fields.of(&self.types.table.fields))
            }
            RawShape::List { .. } | RawShape::Scalar(_) | RawShape::Alias(_) => (0, &[]),
        };
        rows.iter().enumerate().map(move |(at, row)| Field {
            types: self.types,
            row,
            index: start + at,
        })
    }

    /// One known field of an object.
    #[must_use]
    pub fn field(self, name: &str) -> Option<Field<'a>> {
        let RawShape::Object { fields, .. } = self.raw().shape else {
            return None;
        };
        let table = &self.types.table;
        let rows = fields.of(&table.fields);
        let at = rows.binary_search_by(|row| table.string(row.name).cmp(name));
        at.ok().map(|at| Field {
            types: self.types,
            row: &rows[at],
            index: fields.start as usize + at,
        })
    }

    /// What the keys of an object hold that are not known fields, if there may be any.
    #[must_use]
    pub fn additional(self) -> Option<Self> {
        match self.raw().shape {
            RawShape::Object { additional, .. } => additional.map(|node| self.at(node)),
            RawShape::List { .. } | RawShape::Scalar(_) | RawShape::Alias(_) => None,
        }
    }

    /// What keys that are not known fields hold when objects are merged.
    ///
    /// Wider than [`additional`](Self::additional): an object of which the schema says nothing holds anything, and so
    /// does everything below `x-kubernetes-preserve-unknown-fields`.
    #[must_use]
    pub fn merge_additional(self) -> Option<Self> {
        let RawShape::Object { fields, additional } = self.raw().shape else {
            return None;
        };
        match additional {
            Some(node) => Some(self.at(node)),
            None => (self.raw().open || fields.len == 0).then(|| self.at(table::ANY)),
        }
    }

    /// The type behind a key of an object: its field's, or what other keys hold.
    #[must_use]
    pub fn member(self, key: &str) -> Option<Self> {
        self.field(key).map(Field::ty).or_else(|| self.additional())
    }

    /// Type of the items of a list.
    #[must_use]
    pub fn item(self) -> Option<Self> {
        match self.shape() {
            Shape::List { item, .. } => Some(item),
            Shape::Object | Shape::Scalar(_) => None,
        }
    }

    /// The fields that tell the items of a map-like list apart.
    pub fn map_keys(self) -> impl ExactSizeIterator<Item = &'a str> + Clone {
        let table = &self.types.table;
        let keys: &'a [Text] = match self.raw().shape {
            RawShape::List { keys, .. } => keys.of(&table.lists),
            RawShape::Object { .. } | RawShape::Scalar(_) | RawShape::Alias(_) => &[],
        };
        keys.iter().map(|&key| table.string(key))
    }

    /// How two objects of this type merge under server-side apply; granular unless said otherwise.
    #[must_use]
    pub fn map_topology(self) -> MapTopology {
        self.raw().map.unwrap_or(MapTopology::Granular)
    }

    /// What a strategic merge patch does here.
    #[must_use]
    pub fn patch_strategy(self) -> PatchStrategy {
        let mut strategy = PatchStrategy::default();
        for word in self.text(self.raw().strategy).unwrap_or("").split(',') {
            match word {
                "merge" => strategy.merge = true,
                "retainKeys" => strategy.retain_keys = true,
                "replace" => strategy.replace = true,
                _ => {}
            }
        }
        strategy
    }

    /// The one field by which a strategic merge patch tells the items of a list apart.
    #[must_use]
    pub fn patch_merge_key(self) -> Option<&'a str> {
        self.text(self.raw().merge_key)
    }

    /// The only values that are allowed, if there is such a list.
    pub fn enum_values(self) -> impl ExactSizeIterator<Item = &'a str> + Clone {
        let table = &self.types.table;
        let rows = self.raw().enums.of(&table.lists);
        rows.iter().map(|&text| table.string(text))
    }

    /// The fields that the schema requires, in its own order.
    pub fn required(self) -> impl ExactSizeIterator<Item = &'a str> + Clone {
        let table = &self.types.table;
        let rows = self.raw().required.of(&table.lists);
        rows.iter().map(|&text| table.string(text))
    }

    /// OpenAPI format: `int32`, `int64`, `double`, `byte`, `date-time`, `int-or-string`.
    #[must_use]
    pub fn format(self) -> Option<&'a str> {
        self.text(self.raw().format)
    }

    /// Whether fields that the schema does not know are kept (`x-kubernetes-preserve-unknown-fields`).
    #[must_use]
    pub fn preserves_unknown(self) -> bool {
        self.raw().preserve_unknown
    }

    /// Whether the value is itself a whole object (`x-kubernetes-embedded-resource`).
    #[must_use]
    pub fn is_embedded_resource(self) -> bool {
        self.raw().embedded
    }

    /// Whether `null` is a value.
    #[must_use]
    pub fn is_nullable(self) -> bool {
        self.raw().nullable
    }
}

impl PartialEq for TypeRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.types, other.types) && self.node == other.node
    }
}

impl std::fmt::Debug for TypeRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.name() {
            Some(name) => write!(f, "TypeRef({name})"),
            None => write!(f, "TypeRef(#{})", self.node),
        }
    }
}

#[cfg(test)]
mod tests;
