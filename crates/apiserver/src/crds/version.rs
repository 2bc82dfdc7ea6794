//! One version of a custom resource: the rules that its definition states.

use std::sync::Arc;

use cedge_kinds::FieldError;
use cedge_schema::{Types, unknown_fields};
use serde_json::{Value, json};

use crate::cache::{Cache, Indexer};
use crate::meta;
use crate::prune::prune;
use crate::resource::{Column, Definition, Resource, api_version};
use crate::subresource::ScalePaths;

/// The rules of one version.
#[derive(Debug)]
pub(crate) struct CustomVersion {
    types: Arc<Types>,
    storage_api_version: String,
    version: Value,
}

/// The resources that a definition defines: its served versions.
pub(super) fn resources(definition: &Value, cache: &Cache) -> Vec<Resource> {
    let spec = &definition["spec"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let group = text(&spec["group"]);
    let names = &definition["status"]["acceptedNames"];
    let versions = spec["versions"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let storage = versions.iter().find(|v| v["storage"] == true);
    let storage = storage.map(|v| text(&v["name"])).unwrap_or_default();
    let served = versions.iter().filter(|v| v["served"] == true);
    served
        .filter_map(|version| {
            let types = Types::from_openapi(&version["schema"]["openAPIV3Schema"]).ok()?;
            Some(Resource {
                version: text(&version["name"]),
                plural: text(&names["plural"]),
                kind: text(&names["kind"]),
                list_kind: text(&names["listKind"]),
                namespaced: spec["scope"] == "Namespaced",
                cache: cache.kind(&group, &text(&names["plural"])),
                definition: Definition::Custom(CustomVersion {
                    types: Arc::new(types),
                    storage_api_version: api_version(&group, &storage),
                    version: version.clone(),
                }),
                group: group.clone(),
            })
        })
        .collect()
}

// === impl CustomVersion ===

impl CustomVersion {
    pub(crate) fn types(&self) -> &Types {
        &self.types
    }

    pub(crate) fn storage_api_version(&self) -> &str {
        &self.storage_api_version
    }

    pub(crate) fn has_status(&self) -> bool {
        self.version["subresources"]["status"].is_object()
    }

    pub(crate) fn scale(&self) -> Option<ScalePaths> {
        let scale = self.version["subresources"]["scale"].as_object()?;
        let path = |field: &str| -> Option<Vec<String>> {
            let path = scale.get(field)?.as_str()?.trim_start_matches('.');
            Some(path.split('.').map(ToOwned::to_owned).collect())
        };
        Some(ScalePaths {
            wanted: path("specReplicasPath")?,
            present: path("statusReplicasPath")?,
            selector: Some(path("labelSelectorPath").unwrap_or_default()),
        })
    }

    pub(crate) fn indexer(&self) -> Option<Indexer> {
        None
    }

    pub(crate) fn prune(&self, object: &mut Value) -> Vec<String> {
        let unknown = unknown_fields(self.types.root(), object);
        prune(self.types.root(), object);
        unknown
    }

    pub(crate) fn set_defaults(&self, _object: &mut Value) {}

    pub(crate) fn prepare_create(&self, object: &mut Value) {
        if self.has_status()
            && let Some(fields) = object.as_object_mut()
        {
            fields.remove("status");
        }
        meta::set(object, "generation", 1);
    }

    pub(crate) fn prepare_update(&self, subresource: &str, new: &mut Value, old: &Value) {
        meta::copy(old, new, "generation");
        if subresource == "status" {
            let status = new.get("status").cloned();
            let managed = new["metadata"].get("managedFields").cloned();
            let given = std::mem::replace(new, old.clone());
            set(new, "status", status);
            if let Some(managed) = managed {
                meta::set(new, "managedFields", managed);
            }
            meta::copy(&given, new, "resourceVersion");
            return;
        }
        if self.has_status() {
            set(new, "status", old.get("status").cloned());
        }
        if changed(new, old, self.has_status()) {
            let generation = old["metadata"]["generation"].as_i64().unwrap_or(0);
            meta::set(new, "generation", generation + 1);
        }
    }

    pub(crate) fn validate(
        &self,
        _subresource: &str,
        _new: &Value,
        _old: Option<&Value>,
    ) -> Vec<FieldError> {
        Vec::new()
    }

    pub(crate) fn columns(&self) -> Vec<Column> {
        let column = |name: &str, ty: &str, format: &str| Column {
            name: name.into(),
            ty: ty.into(),
            format: format.into(),
            description: String::new(),
            priority: 0,
        };
        vec![column("Name", "string", "name"), column("Age", "date", "")]
    }

    pub(crate) fn row(&self, object: &Value, _now: jiff::Timestamp) -> Vec<Value> {
        vec![
            json!(meta::name(object)),
            object["metadata"]["creationTimestamp"].clone(),
        ]
    }
}

fn set(object: &mut Value, field: &str, value: Option<Value>) {
    let Some(fields) = object.as_object_mut() else {
        return;
    };
    match value {
        Some(value) => {
            fields.insert(field.to_owned(), value);
        }
        None => {
            fields.remove(field);
        }
    }
}

/// Whether anything but metadata (and a status of its own) differs.
fn changed(new: &Value, old: &Value, but_for_status: bool) -> bool {
    let skip = |key: &str| {
        matches!(key, "metadata" | "apiVersion" | "kind") || but_for_status && key == "status"
    };
    let (Some(new), Some(old)) = (new.as_object(), old.as_object()) else {
        return true;
    };
    let keys = new.keys().chain(old.keys()).filter(|key| !skip(key));
    let mut keys = keys.map(String::as_str);
    keys.any(|key| new.get(key) != old.get(key))
}
