//! Makes the rows of a [`Table`] from OpenAPI schemas: those of Kubernetes itself (named definitions that refer to
//! each other), and the structural schema of a custom resource (one tree).

mod custom;
mod error;
mod words;

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::table::{
    ANY, FieldRow, KindRow, Node, NodeId, Presence, RawShape, RawTopology, Span, Table, Text,
};
use crate::types::{MapTopology, Scalar};

/// Deeper schemas than this make no sense and would only exhaust the stack.
const DEPTH_MAX: usize = 256;

/// What the schema cannot tell of fields, by (OpenAPI name, JSON field).
pub(crate) type GoTypes = HashMap<(String, String), GoField>;

/// What the Go sources say of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoField {
    /// `Embedded:type`, or `type`; empty where the schema tells.
    pub ty: String,
    /// When it is written out.
    pub presence: Presence,
    /// Whether it is a pointer.
    pub pointer: bool,
}

pub(crate) use custom::from_custom_resource;
pub use error::SchemaError;
use words::{blank, count, flag, reference, short, strings, text_of, well_known, words};

/// A table in the making.
pub(crate) struct Builder<'g> {
    table: Table,
    interned: HashMap<String, Text>,
    named: HashMap<String, NodeId>,
    go: &'g GoTypes,
    /// Custom resources know no formats and no well-known names.
    custom: bool,
    /// Aligned with `table.fields`.
    field_texts: Vec<String>,
}

/// A finished table with the descriptions beside it.
pub(crate) struct Built {
    pub table: Table,
    /// One for each row of `table.names`.
    pub type_texts: Vec<String>,
    /// One for each row of `table.fields`.
    pub field_texts: Vec<String>,
}

/// Where the builder stands.
#[derive(Clone)]
struct Place {
    at: String,
    depth: usize,
    /// Unknown fields are kept, because something around says so.
    open: bool,
}

impl Place {
    fn below(&self, step: &str) -> Result<Self, SchemaError> {
        if self.depth >= DEPTH_MAX {
            return Err(SchemaError::TooDeep);
        }
        Ok(Self {
            at: format!("{}.{step}", self.at),
            depth: self.depth + 1,
            open: self.open,
        })
    }
}

/// The table of named definitions.
pub(crate) fn from_definitions(
    definitions: &Map<String, Value>,
    go: &GoTypes,
) -> Result<Built, SchemaError> {
    let mut builder = Builder::new(go, false);
    for name in definitions.keys() {
        let text = builder.intern(name)?;
        let node = builder.reserve(text)?;
        builder.named.insert(name.clone(), node);
    }
    let mut type_texts = Vec::with_capacity(definitions.len());
    for (name, schema) in definitions {
        let place = Place {
            at: name.clone(),
            depth: 0,
            open: false,
        };
        let id = builder.named[name.as_str()];
        let mut node = builder.node(schema, Some(name), &place)?;
        node.name = builder.intern(name)?;
        builder.table.nodes[id as usize] = node;
        type_texts.push((name.clone(), id, text_of(schema, "description").to_owned()));
        builder.kinds_of(schema, id)?;
    }
    builder.resolve_aliases();
    type_texts.sort();
    builder.table.names = type_texts.iter().map(|row| row.1).collect();
    builder.sort_kinds();
    Ok(Built {
        table: builder.table,
        type_texts: type_texts.into_iter().map(|row| row.2).collect(),
        field_texts: builder.field_texts,
    })
}

// === impl Builder ===

impl<'g> Builder<'g> {
    fn new(go: &'g GoTypes, custom: bool) -> Self {
        let mut table = Table::default();
        table.ends.push(0);
        table.nodes.push(blank(RawShape::Scalar(Scalar::Any)));
        Self {
            table,
            interned: HashMap::from([(String::new(), 0)]),
            named: HashMap::new(),
            go,
            custom,
            field_texts: Vec::new(),
        }
    }

    fn intern(&mut self, text: &str) -> Result<Text, SchemaError> {
        if let Some(&known) = self.interned.get(text) {
            return Ok(known);
        }
        self.table.text.push_str(text);
        let number = count(self.table.ends.len())?;
        self.table.ends.push(count(self.table.text.len())?);
        self.interned.insert(text.to_owned(), number);
        Ok(number)
    }

    fn push(&mut self, node: Node) -> Result<NodeId, SchemaError> {
        let id = count(self.table.nodes.len())?;
        self.table.nodes.push(node);
        Ok(id)
    }

    fn reserve(&mut self, name: Text) -> Result<NodeId, SchemaError> {
        let mut node = blank(RawShape::Alias(ANY));
        node.name = name;
        self.push(node)
    }

    fn list(&mut self, words: &[&str]) -> Result<Span, SchemaError> {
        let start = count(self.table.lists.len())?;
        for word in words {
            let text = self.intern(word)?;
            self.table.lists.push(text);
        }
        Ok(Span {
            start,
            len: short(words.len())?,
        })
    }

    /// The node for a schema that stands in place: a reference, or a type written out.
    fn used(&mut self, schema: &Value, place: &Place) -> Result<NodeId, SchemaError> {
        let Some(name) = reference(schema) else {
            let node = self.node(schema, None, place)?;
            return self.push(node);
        };
        let Some(&target) = self.named.get(name) else {
            return Err(SchemaError::UnknownReference {
                at: place.at.clone(),
                to: name.to_owned(),
            });
        };
        let mut node = blank(RawShape::Alias(target));
        self.attributes(&mut node, schema)?;
        let plain = node.map.is_none()
            && node.strategy == 0
            && node.merge_key == 0
            && node.enums.len == 0
            && !node.nullable;
        if plain { Ok(target) } else { self.push(node) }
    }

    fn node(
        &mut self,
        schema: &Value,
        name: Option<&str>,
        place: &Place,
    ) -> Result<Node, SchemaError> {
        let Some(object) = schema.as_object() else {
            return Err(SchemaError::NotAnObject {
                at: place.at.clone(),
            });
        };
        let mut place = place.clone();
        place.open |= flag(schema, "x-kubernetes-preserve-unknown-fields");
        let mut node = blank(RawShape::Scalar(Scalar::Any));
        self.attributes(&mut node, schema)?;
        node.open = place.open;
        let well_known = if self.custom {
            None
        } else {
            name.and_then(well_known)
        };
        node.shape = if let Some(scalar) = well_known {
            RawShape::Scalar(scalar)
        } else if flag(schema, "x-kubernetes-int-or-string") {
            RawShape::Scalar(Scalar::IntOrString)
        } else {
            match text_of(schema, "type") {
                "array" => self.array(schema, &node, &place)?,
                "object" => self.object(object, name, &place)?,
                "" if object.contains_key("properties") => self.object(object, name, &place)?,
                other => RawShape::Scalar(self.scalar(other, text_of(schema, "format"))),
            }
        };
        node.listed = matches!(node.shape, RawShape::Scalar(_))
            && text_of(schema, "x-kubernetes-list-type") == "atomic";
        if node.embedded {
            self.add_object_fields(&mut node)?;
        }
        Ok(node)
    }

    fn scalar(&self, kind: &str, format: &str) -> Scalar {
        match (kind, format) {
            ("string", "byte") if !self.custom => Scalar::Bytes,
            ("string", "int-or-string") => Scalar::IntOrString,
            ("string", _) => Scalar::String,
            ("integer", _) => Scalar::Integer,
            ("number", _) => Scalar::Number,
            ("boolean", _) => Scalar::Boolean,
            _ => Scalar::Any,
        }
    }

    fn attributes(&mut self, node: &mut Node, schema: &Value) -> Result<(), SchemaError> {
        node.map = match text_of(schema, "x-kubernetes-map-type") {
            "atomic" => Some(MapTopology::Atomic),
            "granular" => Some(MapTopology::Granular),
            _ => None,
        };
        node.own_map = node.map.is_some();
        node.strategy = self.intern(text_of(schema, "x-kubernetes-patch-strategy"))?;
        node.merge_key = self.intern(text_of(schema, "x-kubernetes-patch-merge-key"))?;
        node.format = self.intern(text_of(schema, "format"))?;
        node.preserve_unknown = flag(schema, "x-kubernetes-preserve-unknown-fields");
        node.embedded = flag(schema, "x-kubernetes-embedded-resource");
        node.nullable = flag(schema, "nullable");
        if let Some(unions) = schema.get("x-kubernetes-unions") {
            node.unions = self.intern(&unions.to_string())?;
        }
        let enums = words(schema, "enum");
        node.enums = self.list(&enums)?;
        node.required = self.list(&words(schema, "required"))?;
        Ok(())
    }

    fn array(
        &mut self,
        schema: &Value,
        node: &Node,
        place: &Place,
    ) -> Result<RawShape, SchemaError> {
        let item = match schema.get("items") {
            Some(items) => self.used(items, &place.below("items")?)?,
            None => ANY,
        };
        let keys = words(schema, "x-kubernetes-list-map-keys");
        let merge_key = text_of(schema, "x-kubernetes-patch-merge-key");
        let merges = text_of(schema, "x-kubernetes-patch-strategy")
            .split(',')
            .any(|word| word == "merge");
        let (topology, keys) = match text_of(schema, "x-kubernetes-list-type") {
            "atomic" => (RawTopology::Atomic, Vec::new()),
            "set" => (RawTopology::Set, Vec::new()),
            "map" => (RawTopology::Map, keys),
            _ if merges && node.merge_key != 0 => (RawTopology::ImpliedMap, vec![merge_key]),
            _ if merges => (RawTopology::ImpliedSet, Vec::new()),
            _ => (RawTopology::Unsaid, Vec::new()),
        };
        Ok(RawShape::List {
            item,
            topology,
            keys: self.list(&keys)?,
        })
    }

    fn object(
        &mut self,
        schema: &Map<String, Value>,
        name: Option<&str>,
        place: &Place,
    ) -> Result<RawShape, SchemaError> {
        let required: Vec<&str> = schema.get("required").map(strings).unwrap_or_default();
        let mut rows = Vec::new();
        let nothing = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object);
        for (field, property) in properties.unwrap_or(&nothing) {
            let default = property.get("default").map(Value::to_string);
            let key = (name.unwrap_or_default().to_owned(), field.clone());
            let row = FieldRow {
                name: self.intern(field)?,
                node: self.used(property, &place.below(field)?)?,
                required: required.contains(&field.as_str()),
                default: self.intern(default.as_deref().unwrap_or(""))?,
                go: match self.go.get(&key) {
                    Some(go) => self.intern(&go.ty)?,
                    None => 0,
                },
                presence: self
                    .go
                    .get(&key)
                    .map_or(Presence::Unknown, |go| go.presence),
                pointer: self.go.get(&key).is_some_and(|go| go.pointer),
            };
            rows.push((field.as_str(), row, text_of(property, "description")));
        }
        rows.sort_by_key(|row| row.0);
        let fields = self.add_fields(rows.into_iter().map(|row| (row.1, row.2)))?;
        let additional = match schema.get("additionalProperties") {
            Some(Value::Bool(true)) => Some(ANY),
            None | Some(Value::Bool(false)) => None,
            Some(schema) => Some(self.used(schema, &place.below("additionalProperties")?)?),
        };
        Ok(RawShape::Object { fields, additional })
    }

    fn add_fields<'t>(
        &mut self,
        rows: impl Iterator<Item = (FieldRow, &'t str)>,
    ) -> Result<Span, SchemaError> {
        let start = self.table.fields.len();
        for (row, text) in rows {
            self.table.fields.push(row);
            if !self.custom {
                self.field_texts.push(text.to_owned());
            }
        }
        Ok(Span {
            start: count(start)?,
            len: short(self.table.fields.len() - start)?,
        })
    }

    fn kinds_of(&mut self, schema: &Value, node: NodeId) -> Result<(), SchemaError> {
        let kinds = schema.get("x-kubernetes-group-version-kind");
        for kind in kinds.and_then(Value::as_array).into_iter().flatten() {
            let row = KindRow {
                group: self.intern(text_of(kind, "group"))?,
                version: self.intern(text_of(kind, "version"))?,
                kind: self.intern(text_of(kind, "kind"))?,
                node,
            };
            self.table.kinds.push(row);
        }
        Ok(())
    }

    fn sort_kinds(&mut self) {
        let mut kinds = std::mem::take(&mut self.table.kinds);
        let string = |text| self.table.string(text);
        kinds.sort_by_key(|row| (string(row.kind), string(row.group), string(row.version)));
        self.table.kinds = kinds;
    }

    /// Turns uses of a type with attributes of their own into whole nodes.
    fn resolve_aliases(&mut self) {
        for at in 0..self.table.nodes.len() {
            let node = self.table.nodes[at];
            let RawShape::Alias(target) = node.shape else {
                continue;
            };
            let target = self.table.nodes[target as usize];
            let whole = &mut self.table.nodes[at];
            whole.shape = target.shape;
            whole.name = target.name;
            whole.map = node.map.or(target.map);
            whole.format = target.format;
            whole.required = target.required;
            whole.unions = target.unions;
            if node.enums.len == 0 {
                whole.enums = target.enums;
            }
        }
    }
}
