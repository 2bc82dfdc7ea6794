//! The subresource `scale`: where an object keeps its replicas.

use serde_json::{Map, Value, json};

use cedge_kinds::read::Read;

use super::Version;

/// Where the numbers of the scale subresource stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scale {
    /// `.spec.replicas`.
    pub spec_replicas: String,
    /// `.status.replicas`.
    pub status_replicas: String,
    /// `.status.selector`.
    pub label_selector: Option<String>,
}

// === impl Scale ===

impl Scale {
    pub(super) fn compile(scale: &Value) -> Option<Self> {
        let selector = scale.text("labelSelectorPath");
        scale.is_object().then(|| Self {
            spec_replicas: scale.text("specReplicasPath").to_owned(),
            status_replicas: scale.text("statusReplicasPath").to_owned(),
            label_selector: (!selector.is_empty()).then(|| selector.to_owned()),
        })
    }
}

// === impl Version ===

impl Version {
    /// The `Scale` of an object; `None` if the version cannot be scaled.
    #[must_use]
    pub fn scale_of(&self, object: &Value) -> Option<Value> {
        let scale = self.scale.as_ref()?;
        let number = |path: &str| object.at(path.trim_start_matches('.')).as_i64();
        let meta = object.field("metadata");
        let mut about = Map::new();
        for name in [
            "name",
            "namespace",
            "uid",
            "resourceVersion",
            "creationTimestamp",
        ] {
            if let Some(value) = meta.get(name) {
                about.insert(name.to_owned(), value.clone());
            }
        }
        let mut status = json!({"replicas": number(&scale.status_replicas).unwrap_or(0)});
        let selector = scale.label_selector.as_deref();
        let selector = selector.and_then(|path| object.at(path.trim_start_matches('.')).as_str());
        if let Some(selector) = selector.filter(|s| !s.is_empty()) {
            status["selector"] = selector.into();
        }
        let mut spec = json!({});
        if let Some(replicas) = number(&scale.spec_replicas).filter(|n| *n != 0) {
            spec["replicas"] = replicas.into();
        }
        Some(json!({
            "kind": "Scale",
            "apiVersion": "autoscaling/v1",
            "metadata": about,
            "spec": spec,
            "status": status,
        }))
    }

    /// Writes the number of replicas that a `Scale` asks for into an object.
    pub fn set_replicas(&self, object: &mut Value, replicas: i64) {
        let Some(scale) = &self.scale else { return };
        let mut place = object;
        for name in scale.spec_replicas.trim_start_matches('.').split('.') {
            if !place.is_object() {
                *place = Value::Object(Map::new());
            }
            place = &mut place[name];
        }
        *place = replicas.into();
    }
}
