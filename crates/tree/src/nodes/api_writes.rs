//! What a node says, written to the API in its name: itself, its pods' statuses, its events.

use cedge_api::exchange::tables::NODE_KEY;
use k8s_openapi::api::core::v1::{Event, Node, Pod};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

use super::{MANAGER, NodeState, Nodes};

/// Annotation of a Node: where it keeps its volumes. The provisioner reads it.
const LOCAL_VOLUMES: &str = "edge.centaurus.io/local-volumes";

/// Why it could not be written. Always: retry.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("the API did not take {what}: {cause}")]
    Api { what: String, cause: kube::Error },
    #[error(transparent)]
    Table(#[from] cedge_link::TableError),
}

pub(super) fn refused(what: &str) -> impl FnOnce(kube::Error) -> Error {
    let what = what.to_owned();
    move |cause| Error::Api { what, cause }
}

/// What a pod's line in the table `podstatus` says.
#[derive(serde::Deserialize)]
struct PodLine {
    status: Value,
    #[serde(default)]
    terminated: bool,
}

/// Writes the Node: labels and annotations, then its status, while it is heard of: what it said before it was lost is
/// no news.
pub(super) async fn node(nodes: &Nodes, node: &NodeState) -> Result<(), Error> {
    let Some(mut said) = read(node.tables.node.get(NODE_KEY)?.as_deref(), "a Node") else {
        return Ok(());
    };
    // Null takes away what stood there when the hub was apart.
    said["status"]["daemonEndpoints"] = Value::Null;
    let api: Api<Node> = Api::all(nodes.client.clone());
    let what = format!("Node {}", node.name);
    let mut metadata =
        json!({ "name": node.name, "annotations": { super::IDENTITY: node.id.as_str() } });
    metadata["labels"] = said
        .pointer("/metadata/labels")
        .cloned()
        .unwrap_or(json!({}));
    if let Some(place) = said["metadata"]["annotations"][LOCAL_VOLUMES].as_str() {
        metadata["annotations"][LOCAL_VOLUMES] = place.into();
    }
    if let Some(port) = &node.port {
        port.show(&mut metadata["annotations"], &mut said["status"]);
    }
    if let Some(addresses) = said["status"]["addresses"].as_array_mut() {
        addresses.insert(0, json!({ "$patch": "replace" }));
    }
    let object = json!({ "apiVersion": "v1", "kind": "Node", "metadata": metadata });
    let apply = PatchParams::apply(MANAGER).force();
    api.patch(&node.name, &apply, &Patch::Apply(object))
        .await
        .map_err(refused(&what))?;
    if !node.is_connected() {
        return Ok(());
    }
    let status = json!({
        "apiVersion": "v1", "kind": "Node", "metadata": { "name": node.name }, "status": said["status"],
    });
    // A strategic merge keeps the conditions that others write (the cluster's own controllers).
    let params = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    api.patch_status(&node.name, &params, &Patch::Strategic(status))
        .await
        .map_err(refused(&what))?;
    Ok(())
}

/// Writes one pod's status; a pod that has ended its deletion is deleted.
pub(super) async fn pod_status(nodes: &Nodes, node: &NodeState, key: &str) -> Result<(), Error> {
    let value = node.tables.pod_status.get(key)?;
    let Some(said) = read(value.as_deref(), "a pod's status") else {
        return Ok(());
    };
    let Ok(mut line) = serde_json::from_value::<PodLine>(said) else {
        tracing::warn!(node = node.name, key, "a pod's status cannot be read");
        return Ok(());
    };
    let mut parts = key.splitn(3, '/');
    let (Some(namespace), Some(name), Some(uid)) = (parts.next(), parts.next(), parts.next())
    else {
        return Ok(());
    };
    // A node may speak only of pods that it was given (I6).
    let cached = nodes.caches.pods.get(namespace, name);
    let is_its = cached.as_ref().is_some_and(|o| {
        o.uid() == uid
            && o.decode::<super::NodeOf>()
                .is_ok_and(|p| p.spec.node_name.as_deref() == Some(&node.name))
    });
    if !is_its {
        return Ok(());
    }
    let api: Api<Pod> = Api::namespaced(nodes.client.clone(), namespace);
    let what = format!("the status of Pod {namespace}/{name}");
    let before = cached.and_then(|o| o.value().ok());
    if !node.is_connected()
        && let Some(before) = &before
    {
        super::lost::keep_readiness(&before["status"], &mut line.status);
    }
    if before.as_ref().is_none_or(|b| b["status"] != line.status) {
        let before = before.map(|b| b["status"].clone()).unwrap_or_default();
        let patch =
            json!({ "metadata": { "uid": uid }, "status": replacing(&before, line.status) });
        let params = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        match api.patch_status(name, &params, &Patch::Merge(patch)).await {
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => return Ok(()),
            other => drop(other.map_err(refused(&what))?),
        }
    }
    if line.terminated {
        let only = Preconditions {
            uid: Some(uid.to_owned()),
            resource_version: None,
        };
        let now = DeleteParams {
            grace_period_seconds: Some(0),
            preconditions: Some(only),
            ..DeleteParams::default()
        };
        match api.delete(name, &now).await {
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
            other => drop(other.map_err(refused(&what))?),
        }
    }
    Ok(())
}

/// A merge patch that makes a status exactly what the node says: what it no longer says is set to null.
fn replacing(before: &Value, mut after: Value) -> Value {
    clear_missing(before, &mut after);
    after
}

fn clear_missing(before: &Value, after: &mut Value) {
    let (Some(before), Some(after)) = (before.as_object(), after.as_object_mut()) else {
        return;
    };
    for (name, old) in before {
        match after.get_mut(name) {
            Some(new) => clear_missing(old, new),
            None => {
                after.insert(name.clone(), Value::Null);
            }
        }
    }
}

/// Writes one event; the same name again is an update of its count.
pub(super) async fn event(nodes: &Nodes, node: &NodeState, key: &str) -> Result<(), Error> {
    let value = node.tables.events.get(key)?;
    let Some(mut said) = read(value.as_deref(), "an event") else {
        return Ok(());
    };
    said["source"] = json!({ "component": "kubelet", "host": node.name });
    said["reportingInstance"] = json!(node.name);
    let Ok(event) = serde_json::from_value::<Event>(said.clone()) else {
        tracing::warn!(node = node.name, key, "an event cannot be read");
        return Ok(());
    };
    let namespace = event.namespace().unwrap_or_else(|| "default".to_owned());
    let api: Api<Event> = Api::namespaced(nodes.client.clone(), &namespace);
    let what = format!("Event {namespace}/{key}");
    match api.create(&PostParams::default(), &event).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 409 => {
            let patch = json!({
                "count": said["count"], "lastTimestamp": said["lastTimestamp"], "message": said["message"],
                "series": said["series"],
            });
            let patched = api
                .patch(
                    &event.name_any(),
                    &PatchParams::default(),
                    &Patch::Merge(patch),
                )
                .await;
            patched.map(drop).map_err(refused(&what))
        }
        // The namespace is going: nobody will read it.
        Err(kube::Error::Api(status)) if matches!(status.code, 403 | 404 | 422) => Ok(()),
        Err(error) => Err(refused(&what)(error)),
    }
}

fn read(value: Option<&[u8]>, what: &str) -> Option<Value> {
    match serde_json::from_slice(value?) {
        Ok(value) => Some(value),
        Err(error) => {
            tracing::warn!(%error, "{what} that a node sent cannot be read");
            None
        }
    }
}
