//! Writes bindings, phases and statuses, each on top of what was read.

use k8s_openapi::api::core::v1::{
    ObjectReference, PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimStatus,
};
use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Binder;
use super::plan::{self, BY_CONTROLLER, COMPLETED};
use crate::error::Error;
use crate::{patch, update};

const STATUS: Option<&str> = Some("status");

impl Binder {
    /// Binds both sides, as far as they are not bound yet.
    pub(super) async fn bind(
        &self,
        volume: PersistentVolume,
        claim: PersistentVolumeClaim,
    ) -> Result<(), Error> {
        let volume = Box::pin(self.bind_volume(volume, &claim)).await?;
        let volume = Box::pin(self.set_phase(volume, "Bound", "")).await?;
        let claim = self.bind_claim(claim, &volume).await?;
        self.set_claim_status(claim, "Bound", Some(&volume)).await?;
        Ok(())
    }

    async fn bind_volume(
        &self,
        volume: PersistentVolume,
        claim: &PersistentVolumeClaim,
    ) -> Result<PersistentVolume, Error> {
        let ours = plan::is_bound_to(&volume, claim);
        let complete = plan::claim_ref(&volume).is_some_and(|r| r.uid == claim.metadata.uid);
        if ours && complete {
            return Ok(volume);
        }
        let mut change = json!({ "spec": { "claimRef": reference(claim) } });
        if !ours && plan::annotation(&volume.metadata, BY_CONTROLLER).is_none() {
            change["metadata"]["annotations"][BY_CONTROLLER] = "yes".into();
        }
        write(&self.volumes_api(), &volume, &change, None).await
    }

    async fn bind_claim(
        &self,
        claim: PersistentVolumeClaim,
        volume: &PersistentVolume,
    ) -> Result<PersistentVolumeClaim, Error> {
        let name = volume.metadata.name.as_deref().unwrap_or("");
        let mut change = json!({});
        if plan::volume_name(&claim) != name {
            change["spec"]["volumeName"] = name.into();
            change["metadata"]["annotations"][BY_CONTROLLER] = "yes".into();
        }
        if !plan::is_complete(&claim) {
            change["metadata"]["annotations"][COMPLETED] = "yes".into();
        }
        if change == json!({}) {
            return Ok(claim);
        }
        write(&self.claims_api(&claim), &claim, &change, None).await
    }

    /// Takes a binding back: one that was our choice altogether, one of a user to the name alone.
    pub(super) async fn unbind(&self, volume: PersistentVolume) -> Result<(), Error> {
        let change = if plan::annotation(&volume.metadata, BY_CONTROLLER).is_some() {
            json!({"metadata": {"annotations": {BY_CONTROLLER: null}}, "spec": {"claimRef": null}})
        } else {
            json!({"spec": {"claimRef": {"uid": null}}})
        };
        let volume = write(&self.volumes_api(), &volume, &change, None).await?;
        Box::pin(self.set_phase(volume, "Available", "")).await?;
        Ok(())
    }

    /// Writes the phase of a volume if it is another.
    pub(super) async fn set_phase(
        &self,
        volume: PersistentVolume,
        phase: &str,
        message: &str,
    ) -> Result<PersistentVolume, Error> {
        let status = volume.status.as_ref();
        if status.and_then(|s| s.phase.as_deref()) == Some(phase) {
            return Ok(volume);
        }
        let message = Some(message).filter(|m| !m.is_empty());
        let change = json!({"status": {"phase": phase, "message": message}});
        write(&self.volumes_api(), &volume, &change, STATUS).await
    }

    /// Writes the phase of a claim, and what it has got. Returns whether anything was written.
    pub(super) async fn set_claim_status(
        &self,
        claim: PersistentVolumeClaim,
        phase: &str,
        volume: Option<&PersistentVolume>,
    ) -> Result<bool, Error> {
        let old = claim.status.clone().unwrap_or_default();
        let new = claim_status(&old, phase, volume);
        let (old, new) = (serde_json::to_value(&old)?, serde_json::to_value(&new)?);
        let Some(difference) = patch::difference(&old, &new) else {
            return Ok(false);
        };
        let change = json!({ "status": difference });
        let api = self.claims_api(&claim);
        write(&api, &claim, &change, STATUS).await?;
        Ok(true)
    }

    pub(super) fn volumes_api(&self) -> Api<PersistentVolume> {
        Api::all(self.ctx.client.clone())
    }

    pub(super) fn claims_api(&self, claim: &PersistentVolumeClaim) -> Api<PersistentVolumeClaim> {
        let namespace = claim.metadata.namespace.as_deref().unwrap_or("default");
        Api::namespaced(self.ctx.client.clone(), namespace)
    }
}

fn claim_status(
    old: &PersistentVolumeClaimStatus,
    phase: &str,
    volume: Option<&PersistentVolume>,
) -> PersistentVolumeClaimStatus {
    let mut new = old.clone();
    let moves = old.phase.as_deref() != Some(phase);
    new.phase = Some(phase.to_owned());
    match volume.and_then(|v| v.spec.as_ref()) {
        None => {
            new.access_modes = None;
            new.capacity = None;
            new.current_volume_attributes_class_name = None;
        }
        Some(spec) => {
            new.access_modes.clone_from(&spec.access_modes);
            // Later the size is that of whoever resizes.
            if moves {
                new.capacity.clone_from(&spec.capacity);
                new.current_volume_attributes_class_name
                    .clone_from(&spec.volume_attributes_class_name);
            }
        }
    }
    new
}

/// Writes an object as it was read with a merge patch applied; refused by the API if it has changed since.
pub(super) async fn write<K>(
    api: &Api<K>,
    object: &K,
    change: &Value,
    part: Option<&'static str>,
) -> Result<K, Error>
where
    K: Resource + Clone + Serialize + DeserializeOwned + std::fmt::Debug,
{
    let mut whole = serde_json::to_value(object)?;
    patch::apply(&mut whole, change);
    update::put(api, part, whole).await
}

/// A claim as a volume names it.
pub(super) fn reference(claim: &PersistentVolumeClaim) -> ObjectReference {
    ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("PersistentVolumeClaim".to_owned()),
        namespace: claim.metadata.namespace.clone(),
        name: claim.metadata.name.clone(),
        uid: claim.metadata.uid.clone(),
        resource_version: claim.metadata.resource_version.clone(),
        field_path: None,
    }
}
