//! Carries out that a pod gets a node: first its volumes, then the pod.

use std::time::Duration;

use cedge_informer::Key;
use k8s_openapi::api::core::v1::{
    Binding, ObjectReference, PersistentVolume, PersistentVolumeClaim,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Resource};
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::{REQUEST_TIME, Worker};
use crate::decide::Chosen;
use crate::pod::Pod;
use crate::volumes::{BOUND_ANNOTATION, Bindings, NODE_ANNOTATION};

/// How long volumes may take to be made and bound, as in Kubernetes.
const VOLUMES_TIME: Duration = Duration::from_secs(600);
/// Says on a volume that whoever bound it chose it.
const CHOSEN_ANNOTATION: &str = "pv.kubernetes.io/bound-by-controller";

/// Why a pod was not bound.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// It is bound already, gone, or another of the same name: what the cluster shows next decides.
    #[error("the pod changed meanwhile")]
    Changed(#[source] kube::Error),
    #[error("the API server did not do it")]
    Api(#[source] kube::Error),
    #[error("the API server did not answer in time")]
    Time,
    /// Its volumes could not be had there.
    #[error("binding volumes: {0}")]
    Volumes(String),
}

// === impl Worker: binding ===

impl Worker {
    /// `slot` is held while requests are under way, not while others make volumes.
    pub(super) async fn place(
        &self,
        pod: &Pod,
        chosen: &Chosen,
        slot: Option<OwnedSemaphorePermit>,
    ) {
        let key = pod.key();
        let node = &*chosen.node;
        match self.bind_all(pod, chosen, slot).await {
            Ok(()) => {
                self.cluster().bound(&key);
                tracing::info!(station = "bind", pod = %key, node, "pod bound");
                let message = format!("Successfully assigned {key} to {node}");
                self.recorder.normal(pod.reference(), "Scheduled", message);
            }
            Err(e) => {
                let cause = std::error::Error::source(&e).map(ToString::to_string);
                tracing::warn!(pod = %key, node, error = %e, cause, "pod not bound");
                if let Some(message) = e.message() {
                    self.fail(pod, &message).await;
                }
                self.cluster().not_bound(&key, Instant::now());
                self.changed.notify_one();
            }
        }
    }

    async fn bind_all(
        &self,
        pod: &Pod,
        chosen: &Chosen,
        slot: Option<OwnedSemaphorePermit>,
    ) -> Result<(), Error> {
        if chosen.bindings.is_empty() {
            return self.bind(pod, &chosen.node).await;
        }
        self.bind_volumes(&chosen.bindings, &chosen.node).await?;
        drop(slot);
        self.await_volumes(pod, chosen).await?;
        let _slot = self.requests.acquire().await;
        self.bind(pod, &chosen.node).await
    }

    async fn bind(&self, pod: &Pod, node: &str) -> Result<(), Error> {
        let meta = &pod.metadata;
        let binding = Binding {
            metadata: ObjectMeta {
                name: Some(meta.name.clone()),
                namespace: Some(meta.namespace.clone()),
                // Not another pod of the same name.
                uid: Some(meta.uid.clone()),
                ..ObjectMeta::default()
            },
            target: ObjectReference {
                kind: Some("Node".to_owned()),
                name: Some(node.to_owned()),
                ..ObjectReference::default()
            },
        };
        let api = self.api(pod);
        let params = PostParams::default();
        let request = api.create_subresource::<_, Value>("binding", &meta.name, &params, &binding);
        match tokio::time::timeout(REQUEST_TIME, request).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(kube::Error::Api(status))) if matches!(status.code, 404 | 409) => {
                Err(Error::Changed(kube::Error::Api(status)))
            }
            Ok(Err(e)) => Err(Error::Api(e)),
            Err(_) => Err(Error::Time),
        }
    }
}

// === impl Worker: volumes ===

impl Worker {
    /// Says who gets which volume, and for which node others are to be made. Whoever binds claims does the rest.
    async fn bind_volumes(&self, bindings: &Bindings, node: &str) -> Result<(), Error> {
        for (name, claim) in &bindings.given {
            let found = self.volumes.get("", name);
            let volume = found.and_then(|object| object.value().ok());
            let volume = volume.ok_or_else(|| gone("persistentvolume", name))?;
            let object = self.claims.get_key(claim);
            let object = object.ok_or_else(|| gone("persistentvolumeclaim", &claim.name))?;
            let api: Api<PersistentVolume> = Api::all(self.client.clone());
            patch(&api, name, reserve(&volume, claim, object.uid())).await?;
        }
        for claim in &bindings.made {
            let object = self.claims.get_key(claim);
            let object = object.ok_or_else(|| gone("persistentvolumeclaim", &claim.name))?;
            let change = json!({ "metadata": {
                "uid": object.uid(),
                "annotations": { NODE_ANNOTATION: node },
            } });
            let api: Api<PersistentVolumeClaim> =
                Api::namespaced(self.client.clone(), &claim.namespace);
            patch(&api, &claim.name, change).await?;
        }
        Ok(())
    }

    async fn await_volumes(&self, pod: &Pod, chosen: &Chosen) -> Result<(), Error> {
        let mut moved = self.moved.subscribe();
        let waiting = async {
            while !self.volumes_are_bound(pod, chosen)? {
                // The sender lives as long as we do.
                let _ = moved.changed().await;
            }
            Ok(())
        };
        let waited = tokio::time::timeout(VOLUMES_TIME, waiting).await;
        waited.unwrap_or_else(|_| Err(Error::Volumes("context deadline exceeded".to_owned())))
    }

    fn volumes_are_bound(&self, pod: &Pod, chosen: &Chosen) -> Result<bool, Error> {
        let key = pod.key();
        let is_there = self.pods.get_key(&key);
        if is_there.is_none_or(|object| object.uid() != pod.metadata.uid) {
            return Err(gone("pod", &key.name));
        }
        let mut all = true;
        let bindings = &chosen.bindings;
        let given = bindings.given.iter().map(|(_, claim)| (claim, false));
        let made = bindings.made.iter().map(|claim| (claim, true));
        for (key, is_made) in given.chain(made) {
            let claim: Option<PersistentVolumeClaim> =
                self.claims.decode(&key.namespace, &key.name).ok().flatten();
            let claim = claim.ok_or_else(|| gone("persistentvolumeclaim", &key.name))?;
            let annotations = claim.meta().annotations.clone().unwrap_or_default();
            let spec = claim.spec.unwrap_or_default();
            let has_volume = spec.volume_name.is_some_and(|name| !name.is_empty());
            let is_bound = has_volume && annotations.contains_key(BOUND_ANNOTATION);
            // Whoever makes volumes takes the node back if it cannot make one there.
            let named = annotations.get(NODE_ANNOTATION).map(String::as_str);
            if is_made && !is_bound && named != Some(&*chosen.node) {
                let message = format!("provisioning failed for PVC \"{}\"", key.name);
                return Err(Error::Volumes(message));
            }
            all &= is_bound;
        }
        Ok(all)
    }
}

fn gone(kind: &str, name: &str) -> Error {
    Error::Volumes(format!("{kind} \"{name}\" does not exist any more"))
}

/// Gives a volume to a claim; not if it changed meanwhile.
fn reserve(volume: &Value, claim: &Key, uid: &str) -> Value {
    let mut change = json!({
        "metadata": { "resourceVersion": volume["metadata"]["resourceVersion"] },
        "spec": { "claimRef": {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "namespace": &*claim.namespace,
            "name": &*claim.name,
            "uid": uid,
        } },
    });
    // Somebody who reserved it by hand keeps that choice when the claim goes.
    if volume["spec"]["claimRef"].is_null() {
        change["metadata"]["annotations"] = json!({ CHOSEN_ANNOTATION: "yes" });
    }
    change
}

async fn patch<K>(api: &Api<K>, name: &str, change: Value) -> Result<(), Error>
where
    K: Resource + Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    let params = PatchParams::default();
    let change = Patch::Merge(change);
    let request = api.patch_metadata(name, &params, &change);
    match tokio::time::timeout(REQUEST_TIME, request).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(e)) => Err(Error::Volumes(e.to_string())),
        Err(_) => Err(Error::Time),
    }
}

// === impl Error ===

impl Error {
    /// What the pod's owner should know; nothing if the pod itself changed.
    fn message(&self) -> Option<String> {
        match self {
            Self::Changed(_) => None,
            Self::Volumes(_) => Some(format!("running PreBind plugin \"VolumeBinding\": {self}")),
            Self::Api(cause) => Some(format!("binding rejected: {cause}")),
            Self::Time => Some(format!("binding rejected: {self}")),
        }
    }
}
