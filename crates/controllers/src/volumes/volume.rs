//! One volume: whose is it, and what becomes of it when its claim is gone.

use cedge_informer::{Key, Next, Object};
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use kube::Api;

use super::Binder;
use super::plan::{self, PROVISIONED_BY};
use crate::error::{Error, optional};

impl Binder {
    pub(super) async fn reconcile_volume(&self, key: &Key) -> Result<Next, Error> {
        let Some(object) = self.volumes.get_key(key) else {
            return Ok(Next::OnChange);
        };
        let volume: PersistentVolume = object.decode()?;
        let reference = plan::claim_ref(&volume).cloned();
        let Some(reference) = reference.filter(|r| r.uid.as_ref().is_some_and(|u| !u.is_empty()))
        else {
            // Free, or kept for a claim that has not come yet.
            Box::pin(self.set_phase(volume, "Available", "")).await?;
            return Ok(Next::OnChange);
        };
        let namespace = reference.namespace.unwrap_or_default();
        let name = reference.name.unwrap_or_default();
        let mut claim: Option<PersistentVolumeClaim> = self.claims.decode(&namespace, &name)?;
        if claim
            .as_ref()
            .is_none_or(|c| c.metadata.uid != reference.uid)
            && !is_released(&volume)
        {
            // The cache may be behind: what is taken back is taken back for good.
            let api: Api<PersistentVolumeClaim> =
                Api::namespaced(self.ctx.client.clone(), &namespace);
            claim = optional(api.get(&name).await)?;
        }
        match claim.filter(|c| c.metadata.uid == reference.uid) {
            None => Box::pin(self.release(&object, volume)).await?,
            Some(claim) => match plan::volume_name(&claim) {
                "" => self.await_claim(&object, &volume, &claim, &Key::new(&namespace, &name)),
                bound if bound == object.name() => {
                    Box::pin(self.set_phase(volume, "Bound", "")).await?;
                }
                _ => Box::pin(self.give_up(&object, volume)).await?,
            },
        }
        Ok(Next::OnChange)
    }

    /// Its claim does not name it yet: the claim's turn.
    fn await_claim(
        &self,
        object: &Object,
        volume: &PersistentVolume,
        claim: &PersistentVolumeClaim,
        key: &Key,
    ) {
        if plan::same_mode(volume, claim) {
            self.claim_queue.add(key.clone());
            return;
        }
        let name = claim.metadata.name.as_deref().unwrap_or("");
        let text = format!(
            "Cannot bind PersistentVolume to requested PersistentVolumeClaim {name:?} due to incompatible volumeMode."
        );
        self.recorder
            .warning(object.reference(), "VolumeMismatch", text);
    }

    /// Its claim has another volume.
    async fn give_up(&self, object: &Object, volume: PersistentVolume) -> Result<(), Error> {
        let made = plan::annotation(&volume.metadata, PROVISIONED_BY).is_some();
        if made && policy_of(&volume) == "Delete" {
            return Box::pin(self.release(object, volume)).await;
        }
        Box::pin(self.unbind(volume)).await
    }

    /// Its claim is gone.
    async fn release(&self, object: &Object, mut volume: PersistentVolume) -> Result<(), Error> {
        if !is_released(&volume) {
            volume = Box::pin(self.set_phase(volume, "Released", "")).await?;
        }
        let (reason, text) = match policy_of(&volume) {
            "Retain" => return Ok(()),
            // Who made it takes it away.
            "Delete" if plan::annotation(&volume.metadata, PROVISIONED_BY).is_some() => {
                return Ok(());
            }
            "Delete" => (
                "VolumeFailedDelete",
                format!(
                    "error getting deleter volume plugin for volume {:?}: no deletable volume plugin matched",
                    object.name()
                ),
            ),
            "Recycle" => (
                "VolumeFailedRecycle",
                "No recycler plugin found for the volume!".to_owned(),
            ),
            _ => (
                "VolumeUnknownReclaimPolicy",
                "Volume has unrecognized PersistentVolumeReclaimPolicy".to_owned(),
            ),
        };
        let status = volume.status.as_ref();
        if status.and_then(|s| s.phase.as_deref()) != Some("Failed") {
            Box::pin(self.set_phase(volume, "Failed", &text)).await?;
            self.recorder.warning(object.reference(), reason, text);
        }
        Ok(())
    }
}

fn is_released(volume: &PersistentVolume) -> bool {
    let phase = volume.status.as_ref().and_then(|s| s.phase.as_deref());
    matches!(phase, Some("Released" | "Failed"))
}

fn policy_of(volume: &PersistentVolume) -> &str {
    let spec = volume.spec.as_ref();
    let policy = spec.and_then(|s| s.persistent_volume_reclaim_policy.as_deref());
    policy.unwrap_or("Retain")
}
