//! CustomResourceDefinitions: what they define is served a moment after they are written.

mod compiled;
mod controller;
mod conversion;
mod version;

pub(crate) use compiled::Compiled;
pub(crate) use controller::run;
pub(crate) use conversion::Conversion;
pub(crate) use version::CustomVersion;

use serde_json::{Value, json};

use crate::cache::Cache;
use crate::meta;
use crate::registry::Registry;
use crate::resource::Definition;

pub(crate) const GROUP: &str = "apiextensions.k8s.io";
pub(crate) const PLURAL: &str = "customresourcedefinitions";
/// Holds a definition until its objects are gone.
pub(crate) const FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";

/// A definition whose deletion begins is held until its objects are gone, and says that they will go.
pub(crate) fn on_deletion(definition: &mut Value) {
    let mut finalizers = meta::finalizers(definition);
    if !finalizers.iter().any(|f| f == FINALIZER) {
        finalizers.push(FINALIZER.into());
    }
    meta::set_finalizers(definition, finalizers);
    let message =
        "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon";
    set_condition(
        definition,
        "Terminating",
        true,
        "InstanceDeletionPending",
        message,
    );
}

/// Serves what a definition defines, or no longer.
pub(crate) fn serve(registry: &Registry, cache: &Cache, definition: &Value, deleted: bool) {
    let group = definition["spec"]["group"].as_str().unwrap_or_default();
    let plural = definition["spec"]["names"]["plural"]
        .as_str()
        .unwrap_or_default();
    let mut versions = Vec::new();
    if !deleted && is_true(definition, "Established") {
        match registry.compiled.kind(definition) {
            Ok(kind) => versions = version::resources(&kind, cache),
            Err(errors) => {
                tracing::error!(
                    name = meta::name(definition),
                    ?errors,
                    "definition cannot be served"
                );
            }
        }
    }
    if let Some(resource) = versions.first()
        && let Definition::Custom(custom) = &resource.definition
    {
        resource.cache.set_indexer(custom.indexer());
    }
    registry.set_custom(group, plural, versions);
}

/// Whether a condition holds.
pub(crate) fn is_true(definition: &Value, condition: &str) -> bool {
    let conditions = definition["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|c| c["type"] == condition && c["status"] == "True")
}

/// Sets a condition; whether that changed anything.
pub(crate) fn set_condition(
    definition: &mut Value,
    condition: &str,
    holds: bool,
    reason: &str,
    message: &str,
) -> bool {
    let status = meta::fields(definition, "status");
    let list = status.entry("conditions").or_insert_with(|| json!([]));
    if !list.is_array() {
        *list = json!([]);
    }
    let word = if holds { "True" } else { "False" };
    let mut new = json!({
        "type": condition, "status": word, "reason": reason, "message": message,
        "lastTransitionTime": cedge_tasks::clock::now_rfc3339(),
    });
    let Some(list) = list.as_array_mut() else {
        return false;
    };
    match list.iter_mut().find(|c| c["type"] == condition) {
        None => {
            list.push(new);
            true
        }
        Some(old) => {
            if old["status"] == word {
                new["lastTransitionTime"] = old["lastTransitionTime"].clone();
            }
            let changed = *old != new;
            *old = new;
            changed
        }
    }
}
