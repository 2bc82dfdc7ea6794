//! Prints types back as OpenAPI definitions, word for word as Kubernetes publishes them.
//!
//! Descriptions are several times larger than all structure. They are decompressed by [`Definitions::load`] and
//! live as long as that value: load, write the document, drop.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::table::{RawShape, RawTopology};
use crate::types::{Field, MapTopology, Scalar, TypeRef, Types};

static TEXTS: &[u8] = include_bytes!("../data/texts.bin.zst");

/// Upper bound of the descriptions when decompressed; the generator checks it.
pub(crate) const TEXTS_BYTES_MAX: usize = 4 << 20;

/// Which OpenAPI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Swagger 2.0: `#/definitions/…`.
    V2,
    /// OpenAPI 3.0: `#/components/schemas/…`.
    V3,
}

/// The built-in types with their descriptions.
pub struct Definitions {
    types: &'static Types,
    texts: Texts,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Texts {
    pub types: Vec<String>,
    pub fields: Vec<String>,
}

// === impl Definitions ===

impl Definitions {
    /// Decompresses the descriptions (about two megabytes, given back when this value is dropped).
    #[must_use]
    pub fn load() -> Self {
        let bytes = zstd::bulk::decompress(TEXTS, TEXTS_BYTES_MAX)
            .expect("the generator wrote zstd and checked the size");
        Self {
            types: crate::builtin(),
            texts: postcard::from_bytes(&bytes).expect("the generator wrote these texts"),
        }
    }

    /// One definition by its OpenAPI name.
    #[must_use]
    pub fn definition(&self, name: &str, dialect: Dialect) -> Option<Value> {
        let index = self.types.named_index(name)?;
        let ty = self.types.named(name)?;
        let mut out = self.written_out(ty, dialect);
        describe(&mut out, &self.texts.types[index]);
        let kinds: Vec<Value> = self
            .types
            .kinds()
            .filter(|kind| kind.3 == ty)
            .map(|(group, version, kind, _)| json!({"group": group, "kind": kind, "version": version}))
            .collect();
        if !kinds.is_empty() {
            out.insert("x-kubernetes-group-version-kind".into(), sorted(kinds));
        }
        Some(Value::Object(out))
    }

    /// Every name that the given ones refer to, and themselves: what one document must define.
    #[must_use]
    pub fn closure<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> BTreeSet<&'static str> {
        let mut found = BTreeSet::new();
        let roots = names.into_iter().filter_map(|name| self.types.named(name));
        let mut open: Vec<TypeRef<'static>> = roots.collect();
        while let Some(ty) = open.pop() {
            if ty.name().is_some_and(|name| !found.insert(name)) {
                continue;
            }
            open.extend(ty.fields().map(Field::ty));
            open.extend(ty.additional());
            open.extend(ty.item());
        }
        found
    }

    /// The description of a field of a named type.
    #[must_use]
    pub fn field_description(&self, ty: TypeRef<'static>, field: &str) -> Option<&str> {
        let text = &self.texts.fields[ty.field(field)?.index()];
        (!text.is_empty()).then_some(text.as_str())
    }

    /// A type where it is used: a reference if it has a name.
    fn used(&self, ty: TypeRef<'static>, dialect: Dialect, text: &str) -> Map<String, Value> {
        let Some(name) = ty.name() else {
            return self.written_out(ty, dialect);
        };
        let named = self.types.named(name).is_some_and(|named| named == ty);
        let mut out = Map::new();
        match dialect {
            Dialect::V2 => {
                out.insert("$ref".into(), format!("#/definitions/{name}").into());
            }
            Dialect::V3 => {
                let reference = json!({"$ref": format!("#/components/schemas/{name}")});
                // A reference may have no neighbours in this dialect, so it is wrapped where a text stands beside it.
                if text.is_empty() && named {
                    out.insert("$ref".into(), reference["$ref"].clone());
                } else {
                    out.insert("allOf".into(), json!([reference]));
                }
            }
        }
        if !named {
            merge_attributes(&mut out, ty);
        }
        out
    }

    fn written_out(&self, ty: TypeRef<'static>, dialect: Dialect) -> Map<String, Value> {
        let mut out = Map::new();
        match ty.raw().shape {
            RawShape::Object { .. } => self.object(&mut out, ty, dialect),
            RawShape::List { item, topology, .. } => {
                let item = TypeRef { node: item, ..ty };
                out.insert("type".into(), "array".into());
                out.insert("items".into(), self.used(item, dialect, "").into());
                list_attributes(&mut out, ty, topology);
            }
            RawShape::Scalar(scalar) => {
                scalar_type(&mut out, scalar, dialect);
                if ty.raw().listed {
                    out.insert("x-kubernetes-list-type".into(), "atomic".into());
                }
            }
            RawShape::Alias(node) => return self.written_out(TypeRef { node, ..ty }, dialect),
        }
        if let Some(format) = ty.format() {
            out.insert("format".into(), format.into());
        }
        if ty.enum_values().len() > 0 {
            let values: Vec<Value> = ty.enum_values().map(Value::from).collect();
            out.insert("enum".into(), values.into());
        }
        merge_attributes(&mut out, ty);
        if ty.raw().unions != 0 {
            let text = ty.types.table.string(ty.raw().unions);
            let unions = serde_json::from_str(text).expect("the generator wrote JSON");
            out.insert("x-kubernetes-unions".into(), unions);
        }
        out
    }

    fn object(&self, out: &mut Map<String, Value>, ty: TypeRef<'static>, dialect: Dialect) {
        out.insert("type".into(), "object".into());
        let mut properties = Map::new();
        let required: Vec<Value> = ty.required().map(Value::from).collect();
        for field in ty.fields() {
            let text = &self.texts.fields[field.index()];
            let mut property = self.used(field.ty(), dialect, text);
            describe(&mut property, text);
            if let (Dialect::V3, Some(default)) = (dialect, field.default()) {
                property.insert("default".into(), default);
                if let Some(reference) = property.remove("$ref") {
                    property.insert("allOf".into(), json!([{"$ref": reference}]));
                }
            }
            properties.insert(field.name().into(), property.into());
        }
        if !properties.is_empty() {
            out.insert("properties".into(), properties.into());
        }
        if !required.is_empty() {
            out.insert("required".into(), required.into());
        }
        if let Some(additional) = ty.additional() {
            let additional = self.used(additional, dialect, "");
            out.insert("additionalProperties".into(), additional.into());
        }
    }
}

impl std::fmt::Debug for Definitions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Definitions({} types)", self.texts.types.len())
    }
}

fn describe(out: &mut Map<String, Value>, text: &str) {
    if !text.is_empty() {
        out.insert("description".into(), text.into());
    }
}

fn sorted(mut kinds: Vec<Value>) -> Value {
    let key = |kind: &Value| {
        let text = |name: &str| kind[name].as_str().unwrap_or("").to_owned();
        (text("group"), text("version"), text("kind"))
    };
    kinds.sort_by_key(key);
    kinds.into()
}

fn merge_attributes(out: &mut Map<String, Value>, ty: TypeRef<'static>) {
    let raw = ty.raw();
    if let (true, Some(map)) = (raw.own_map, raw.map) {
        let word = match map {
            MapTopology::Atomic => "atomic",
            MapTopology::Granular => "granular",
        };
        out.insert("x-kubernetes-map-type".into(), word.into());
    }
    if raw.strategy != 0 {
        let strategy = ty.types.table.string(raw.strategy);
        out.insert("x-kubernetes-patch-strategy".into(), strategy.into());
    }
    if let Some(key) = ty.patch_merge_key() {
        out.insert("x-kubernetes-patch-merge-key".into(), key.into());
    }
}

fn list_attributes(out: &mut Map<String, Value>, ty: TypeRef<'static>, topology: RawTopology) {
    let word = match topology {
        RawTopology::Unsaid | RawTopology::ImpliedSet | RawTopology::ImpliedMap => return,
        RawTopology::Atomic => "atomic",
        RawTopology::Set => "set",
        RawTopology::Map => "map",
    };
    out.insert("x-kubernetes-list-type".into(), word.into());
    if topology == RawTopology::Map {
        let keys: Vec<Value> = ty.map_keys().map(Value::from).collect();
        out.insert("x-kubernetes-list-map-keys".into(), keys.into());
    }
}

fn scalar_type(out: &mut Map<String, Value>, scalar: Scalar, dialect: Dialect) {
    let one_of = |first: &str, second: &str| json!([{"type": first}, {"type": second}]);
    let word = match (scalar, dialect) {
        (Scalar::Any, _) => return,
        (Scalar::IntOrString, Dialect::V3) => {
            out.insert("oneOf".into(), one_of("integer", "string"));
            return;
        }
        (Scalar::Quantity, Dialect::V3) => {
            out.insert("oneOf".into(), one_of("string", "number"));
            return;
        }
        (Scalar::Integer, _) => "integer",
        (Scalar::Number, _) => "number",
        (Scalar::Boolean, _) => "boolean",
        (Scalar::Raw, _) => "object",
        (
            Scalar::String
            | Scalar::Bytes
            | Scalar::IntOrString
            | Scalar::Quantity
            | Scalar::Time
            | Scalar::MicroTime
            | Scalar::Duration,
            _,
        ) => "string",
    };
    out.insert("type".into(), word.into());
}

#[cfg(test)]
mod tests;
