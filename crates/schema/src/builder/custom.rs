//! Custom resources: one structural schema makes one graph, with the metadata that every object has.

use serde_json::Value;

use super::{Builder, DEPTH_MAX, GoTypes, Place, SchemaError, blank};
use crate::table::{FieldRow, Node, NodeId, Presence, RawShape, Span};
use crate::types::{Scalar, TypeRef, Types};

/// The graph of one custom resource.
pub(crate) fn from_custom_resource(schema: &Value) -> Result<Types, SchemaError> {
    let go = GoTypes::new();
    let mut builder = Builder::new(&go, true);
    let place = Place {
        at: String::new(),
        depth: 0,
        open: false,
    };
    let mut node = builder.node(schema, None, &place)?;
    if matches!(node.shape, RawShape::Scalar(Scalar::Any)) {
        node.shape = RawShape::Object {
            fields: Span::default(),
            additional: None,
        };
        node.open = true;
    }
    builder.add_object_fields(&mut node)?;
    let root = builder.push(node)?;
    Ok(Types::new(builder.table, root))
}

impl Builder<'_> {
    /// Gives an object `apiVersion`, `kind` and `metadata`, as every whole object has them.
    pub(super) fn add_object_fields(&mut self, node: &mut Node) -> Result<(), SchemaError> {
        let RawShape::Object { fields, additional } = node.shape else {
            return Ok(());
        };
        let text = self.push(blank(RawShape::Scalar(Scalar::String)))?;
        let meta = crate::builtin()
            .named("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta")
            .expect("the built-in table holds ObjectMeta");
        let meta = self.import(meta, 0)?;
        let mut rows: Vec<FieldRow> = fields.of(&self.table.fields).to_vec();
        for (name, ty) in [("apiVersion", text), ("kind", text), ("metadata", meta)] {
            let name = self.intern(name)?;
            rows.retain(|row| row.name != name);
            rows.push(FieldRow {
                name,
                node: ty,
                required: false,
                default: 0,
                go: 0,
                presence: Presence::Unknown,
                pointer: false,
            });
        }
        rows.sort_by(|a, b| self.table.string(a.name).cmp(self.table.string(b.name)));
        let fields = self.add_fields(rows.into_iter().map(|row| (row, "")))?;
        node.shape = RawShape::Object { fields, additional };
        Ok(())
    }

    /// Copies a type of another graph, which must not be recursive, into this one.
    fn import(&mut self, ty: TypeRef<'_>, depth: usize) -> Result<NodeId, SchemaError> {
        let name = ty.name().unwrap_or_default();
        if let Some(&known) = self.named.get(name) {
            return Ok(known);
        }
        if depth > DEPTH_MAX {
            return Err(SchemaError::TooDeep);
        }
        let source = &ty.types.table;
        let mut node = *ty.raw();
        for text in [
            &mut node.name,
            &mut node.strategy,
            &mut node.merge_key,
            &mut node.format,
            &mut node.unions,
        ] {
            *text = self.intern(source.string(*text))?;
        }
        let enums: Vec<&str> = ty.enum_values().collect();
        node.enums = self.list(&enums)?;
        let required: Vec<&str> = ty.required().collect();
        node.required = self.list(&required)?;
        node.shape = match ty.raw().shape {
            RawShape::Object { .. } => {
                let mut rows = Vec::new();
                for field in ty.fields() {
                    let default = field.default().map(|value| value.to_string());
                    rows.push(FieldRow {
                        name: self.intern(field.name())?,
                        node: self.import(field.ty(), depth + 1)?,
                        required: field.is_required(),
                        default: self.intern(default.as_deref().unwrap_or(""))?,
                        go: self.intern(field.go_type().unwrap_or(""))?,
                        presence: field.presence(),
                        pointer: field.is_pointer(),
                    });
                }
                let additional = match ty.additional() {
                    Some(additional) => Some(self.import(additional, depth + 1)?),
                    None => None,
                };
                RawShape::Object {
                    fields: self.add_fields(rows.into_iter().map(|row| (row, "")))?,
                    additional,
                }
            }
            RawShape::List { item, topology, .. } => {
                let keys: Vec<&str> = ty.map_keys().collect();
                RawShape::List {
                    item: self.import(TypeRef { node: item, ..ty }, depth + 1)?,
                    topology,
                    keys: self.list(&keys)?,
                }
            }
            shape @ (RawShape::Scalar(_) | RawShape::Alias(_)) => shape,
        };
        let id = self.push(node)?;
        if !name.is_empty() {
            self.named.insert(name.to_owned(), id);
        }
        Ok(id)
    }
}
