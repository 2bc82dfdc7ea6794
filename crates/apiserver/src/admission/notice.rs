//! Events that the API server itself writes.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::api::Api;
use crate::meta;
use crate::resource::Resource;
use crate::verbs::create::new_uid;

const SOURCE: &str = "cedge-apiserver";

/// Something that an object's users should know.
#[derive(Debug)]
pub(crate) struct Notice {
    involved: Value,
    reason: &'static str,
    message: String,
}

// === impl Notice ===

impl Notice {
    /// Nothing acts on objects of this kind yet.
    pub(super) fn no_controller(resource: &Resource, object: &Value) -> Self {
        Self {
            involved: json!({
                "kind": resource.kind, "apiVersion": resource.api_version(),
                "namespace": meta::namespace(object), "name": meta::name(object),
                "uid": meta::uid(object), "resourceVersion": meta::text(object, "resourceVersion"),
            }),
            reason: "NoController",
            message: format!(
                "the object is stored and served, but no controller of this cluster acts on objects of kind {} yet",
                resource.kind
            ),
        }
    }

    fn event(self) -> Value {
        let namespace = match self.involved["namespace"].as_str() {
            None | Some("") => "default",
            Some(namespace) => namespace,
        };
        let now = cedge_tasks::clock::now_rfc3339();
        let name = format!(
            "{}.{}",
            self.involved["name"].as_str().unwrap_or_default(),
            &new_uid()[..16]
        );
        json!({
            "kind": "Event", "apiVersion": "v1",
            "metadata": {"name": name, "namespace": namespace, "uid": new_uid(), "creationTimestamp": now},
            "involvedObject": self.involved, "reason": self.reason, "message": self.message,
            "type": "Warning", "count": 1, "firstTimestamp": now, "lastTimestamp": now, "eventTime": null,
            "source": {"component": SOURCE}, "reportingComponent": SOURCE, "reportingInstance": "",
        })
    }
}

/// Writes notices until the server ends. One that cannot be written is dropped: events are hints.
pub(crate) async fn write_notices(api: Arc<Api>, mut notices: mpsc::Receiver<Notice>) {
    let events = api.registry.built_in("", "v1", "events");
    while let Some(Some(notice)) = api.tasks.shutdown().or(notices.recv()).await {
        let event = notice.event();
        if let Err(failure) = api.insert(&events, &event).await {
            tracing::debug!(?failure, "event was not written");
        }
    }
}
