//! A definition, compiled: everything the API server asks about objects of a custom kind.

use jiff::Timestamp;
use serde_json::{Map, Value};

use cedge_kinds::error::FieldError;
use cedge_kinds::read::Read;
use cedge_kinds::strategy::same;
use cedge_schema::Types;

use crate::columns::PrinterColumn;
use crate::jsonpath::JsonPath;
use crate::node::Node;
use crate::object;
use crate::{check, node};

mod scale;
mod validate;

pub use scale::Scale;

/// A custom kind with all its versions.
#[derive(Debug)]
pub struct CustomKind {
    /// API group.
    pub group: String,
    /// `Mission`.
    pub kind: String,
    /// `MissionList`.
    pub list_kind: String,
    /// `missions`.
    pub plural: String,
    /// `mission`.
    pub singular: String,
    /// `mi`.
    pub short_names: Vec<String>,
    /// `all`.
    pub categories: Vec<String>,
    /// Whether objects live in a namespace.
    pub namespaced: bool,
    /// The webhook that converts between versions (`spec.conversion.webhook`); none: only `apiVersion` changes.
    pub conversion_webhook: Option<Value>,
    /// In the order in which they were written.
    pub versions: Vec<Version>,
}

/// One version of a custom kind.
#[derive(Debug)]
pub struct Version {
    /// `v1alpha1`.
    pub name: String,
    /// Whether the API server answers to it.
    pub served: bool,
    /// Whether objects are stored in it.
    pub storage: bool,
    /// The warning to give with every answer, if it is deprecated.
    pub deprecation: Option<String>,
    /// Its compiled schema.
    pub schema: Node,
    /// Whether `/status` is a path of its own.
    pub has_status: bool,
    /// Where the replicas stand, if it can be scaled.
    pub scale: Option<Scale>,
    /// Columns of `kubectl get`.
    pub columns: Vec<PrinterColumn>,
    group: String,
    kind: String,
    namespaced: bool,
    selectable: Vec<(String, Option<JsonPath>)>,
    types: Types,
}

// === impl CustomKind ===

impl CustomKind {
    /// Judges and compiles a `CustomResourceDefinition` as Kubernetes would at its creation.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn compile(crd: &Value) -> Result<Self, Vec<FieldError>> {
        let errors = check::validate_create(crd);
        if !errors.is_empty() {
            return Err(errors);
        }
        Self::compile_stored(crd)
    }

    /// Compiles a definition that was judged before.
    ///
    /// # Errors
    /// If a schema cannot be made into types at all.
    pub fn compile_stored(crd: &Value) -> Result<Self, Vec<FieldError>> {
        let spec = crd.field("spec");
        let names = spec.field("names");
        let versions = spec.items("versions").iter().enumerate();
        let versions: Result<Vec<Version>, FieldError> = versions
            .map(|(i, version)| Version::compile(spec, version, i))
            .collect();
        let hook = spec.field("conversion");
        Ok(Self {
            group: spec.text("group").to_owned(),
            kind: names.text("kind").to_owned(),
            list_kind: names.text("listKind").to_owned(),
            plural: names.text("plural").to_owned(),
            singular: names.text("singular").to_owned(),
            short_names: node::texts(names, "shortNames"),
            categories: node::texts(names, "categories"),
            namespaced: spec.text("scope") == "Namespaced",
            conversion_webhook: (hook.text("strategy") == "Webhook")
                .then(|| hook["webhook"].clone()),
            versions: versions.map_err(|error| vec![error])?,
        })
    }

    /// The version of that name.
    #[must_use]
    pub fn version(&self, name: &str) -> Option<&Version> {
        self.versions.iter().find(|v| v.name == name)
    }

    /// The version in which objects are stored.
    #[must_use]
    pub fn storage_version(&self) -> Option<&Version> {
        self.versions.iter().find(|v| v.storage)
    }

    /// The same object in another version, where no webhook converts: only `apiVersion` changes.
    pub fn convert(&self, object: &mut Value, version: &str) {
        if let Some(map) = object.as_object_mut() {
            map.insert(
                "apiVersion".to_owned(),
                format!("{}/{version}", self.group).into(),
            );
        }
    }
}

// === impl Version ===

impl Version {
    fn compile(spec: &Value, version: &Value, index: usize) -> Result<Self, FieldError> {
        let schema = version.at("schema.openAPIV3Schema");
        let types = Types::from_openapi(schema).map_err(|error| FieldError {
            kind: cedge_kinds::ErrorKind::Invalid,
            field: format!("spec.versions[{index}].schema.openAPIV3Schema"),
            value: Some("".into()),
            detail: error.to_string(),
        })?;
        let mut compiled = Node::compile(schema);
        if spec.flag("preserveUnknownFields") {
            compiled.preserve = true;
        }
        let deprecated = version.flag("deprecated");
        let kind = spec.at("names.kind").as_str().unwrap_or("");
        let (group, name) = (spec.text("group"), version.text("name"));
        let warning = match version.text("deprecationWarning") {
            "" => format!("{group}/{name} {kind} is deprecated"),
            text => text.to_owned(),
        };
        Ok(Self {
            name: name.to_owned(),
            served: version.flag("served"),
            storage: version.flag("storage"),
            deprecation: deprecated.then_some(warning),
            schema: compiled,
            has_status: version.at("subresources.status").is_object(),
            scale: Scale::compile(version.at("subresources.scale")),
            columns: PrinterColumn::compile_all(version),
            group: group.to_owned(),
            kind: kind.to_owned(),
            namespaced: spec.text("scope") == "Namespaced",
            selectable: version
                .items("selectableFields")
                .iter()
                .map(compile_selectable)
                .collect(),
            types,
        })
    }

    /// How objects of this version merge.
    #[must_use]
    pub fn types(&self) -> &Types {
        &self.types
    }

    /// Makes what a client sent into what is stored: unknown fields go, defaults come. Returns the paths of the
    /// unknown fields, for strict field validation.
    pub fn decode(&self, object: &mut Value) -> Vec<String> {
        let mut unknown = object::coerce_metadata(object, &self.schema);
        unknown.extend(object::prune(object, &self.schema));
        self.default(object);
        unknown.sort_unstable();
        unknown
    }

    /// Fills in defaults, as every reading of a stored object does.
    pub fn default(&self, object: &mut Value) {
        object::drop_nulls(object, Some(&self.schema));
        object::default(object, &self.schema);
    }

    /// Makes an object ready to be stored for the first time.
    pub fn prepare_create(&self, new: &mut Value) {
        let Some(map) = new.as_object_mut() else {
            return;
        };
        if self.has_status {
            map.remove("status");
        }
        new["metadata"]["generation"] = 1.into();
    }

    /// Makes an object ready to replace `old`, written to the resource itself or to `status`.
    pub fn prepare_update(&self, subresource: Option<&str>, new: &mut Value, old: &Value) {
        if subresource == Some("status") {
            self.prepare_status(new, old);
            return;
        }
        if self.has_status
            && let Some(map) = new.as_object_mut()
        {
            match old.get("status") {
                Some(status) => map.insert("status".to_owned(), status.clone()),
                None => map.remove("status"),
            };
        }
        let generation = old["metadata"].int("generation").unwrap_or(0);
        let raised = generation + i64::from(changed_beside_metadata(new, old));
        if let Some(meta) = new.get_mut("metadata").and_then(Value::as_object_mut) {
            meta.insert("generation".to_owned(), raised.into());
        }
    }

    /// A status write changes the status and nothing else.
    fn prepare_status(&self, new: &mut Value, old: &Value) {
        let status = new.get("status").cloned();
        let managed = new["metadata"].get("managedFields").cloned();
        let mut merged = old.clone();
        if let Some(meta) = merged.get_mut("metadata").and_then(Value::as_object_mut) {
            match managed {
                Some(managed) => meta.insert("managedFields".to_owned(), managed),
                None => meta.remove("managedFields"),
            };
        }
        if let Some(map) = merged.as_object_mut() {
            match status {
                Some(status) => map.insert("status".to_owned(), status),
                None => map.remove("status"),
            };
        }
        *new = merged;
    }

    /// The cells of one object, in the order of [`columns`](Self::columns).
    #[must_use]
    pub fn row(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        self.columns
            .iter()
            .map(|column| column.cell(object, now))
            .collect()
    }

    /// Labels that objects can be selected on beside `metadata.name` and `metadata.namespace`.
    pub fn selectable_fields(&self) -> impl Iterator<Item = &str> {
        self.selectable.iter().map(|(name, _)| name.as_str())
    }

    /// The value of a selectable field; `None` if objects cannot be selected on it.
    #[must_use]
    pub fn field(&self, object: &Value, label: &str) -> Option<String> {
        match label {
            "metadata.name" => return Some(object["metadata"].text("name").to_owned()),
            "metadata.namespace" if self.namespaced => {
                return Some(object["metadata"].text("namespace").to_owned());
            }
            _ => {}
        }
        let (_, path) = self.selectable.iter().find(|(name, _)| name == label)?;
        let found = path
            .as_ref()
            .map(|path| path.find(object))
            .unwrap_or_default();
        Some(match found.first() {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        })
    }
}

fn compile_selectable(field: &Value) -> (String, Option<JsonPath>) {
    let path = field.text("jsonPath");
    (
        path.trim_start_matches('.').to_owned(),
        JsonPath::parse(path).ok(),
    )
}

fn changed_beside_metadata(new: &Value, old: &Value) -> bool {
    let names = new
        .as_object()
        .into_iter()
        .chain(old.as_object())
        .flat_map(Map::keys);
    names
        .filter(|name| *name != "metadata")
        .any(|name| !same(new.field(name), old.field(name)))
}

#[cfg(test)]
mod tests;
