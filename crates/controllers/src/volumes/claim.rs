//! One claim: finds its volume, waits, or has one made.

use cedge_informer::{Key, Next, Object};
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, Pod};
use k8s_openapi::api::storage::v1::StorageClass;
use serde_json::json;

use super::plan::{self, PROVISIONER, PROVISIONER_BETA, SELECTED_NODE};
use super::{BY_USED_CLAIM, Binder, Shared, bind};
use crate::error::Error;
use crate::pods;

/// A class is the default if this says `true`; the name before that still counts.
const DEFAULT_CLASS: [&str; 2] = [
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
];

impl Binder {
    pub(super) async fn reconcile_claim(&self, key: &Key) -> Result<Next, Error> {
        let Some(object) = self.claims.get_key(key) else {
            return Ok(Next::OnChange);
        };
        let claim: PersistentVolumeClaim = object.decode()?;
        let volume = plan::volume_name(&claim).to_owned();
        if plan::is_complete(&claim) {
            Box::pin(self.keep(&object, claim, &volume)).await?;
        } else if volume.is_empty() {
            Box::pin(self.find(&object, claim)).await?;
        } else {
            Box::pin(self.take(&object, claim, &volume)).await?;
        }
        Ok(Next::OnChange)
    }

    /// A claim that was bound once: its volume is that one or none.
    async fn keep(
        &self,
        object: &Shared,
        claim: PersistentVolumeClaim,
        name: &str,
    ) -> Result<(), Error> {
        let lost = if name.is_empty() {
            (
                "ClaimLost",
                "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!",
            )
        } else {
            match self.volumes.decode::<PersistentVolume>("", name)? {
                None => (
                    "ClaimLost",
                    "Bound claim has lost its PersistentVolume. Data on the volume is lost!",
                ),
                Some(volume) => match plan::claim_ref(&volume) {
                    Some(r) if r.uid != claim.metadata.uid => (
                        "ClaimMisbound",
                        "Two claims are bound to the same volume, this one is bound incorrectly",
                    ),
                    _ => return Box::pin(self.bind(volume, claim)).await,
                },
            }
        };
        let (reason, text) = lost;
        if self.set_claim_status(claim, "Lost", None).await? {
            self.recorder.warning(object.reference(), reason, text);
        }
        Ok(())
    }

    /// A claim that asks for a volume by name.
    async fn take(
        &self,
        object: &Shared,
        claim: PersistentVolumeClaim,
        name: &str,
    ) -> Result<(), Error> {
        let Some(volume) = self.volumes.decode::<PersistentVolume>("", name)? else {
            self.set_claim_status(claim, "Pending", None).await?;
            return Ok(());
        };
        let (reason, text) = if plan::claim_ref(&volume).is_none() {
            match plan::satisfies(&volume, &claim) {
                Ok(()) => return Box::pin(self.bind(volume, claim)).await,
                Err(why) => (
                    "VolumeMismatch",
                    format!("Cannot bind to requested volume {name:?}: {why}"),
                ),
            }
        } else if plan::is_bound_to(&volume, &claim) {
            return Box::pin(self.bind(volume, claim)).await;
        } else {
            (
                "FailedBinding",
                format!("volume {name:?} already bound to a different claim."),
            )
        };
        self.recorder.warning(object.reference(), reason, text);
        self.set_claim_status(claim, "Pending", None).await?;
        Ok(())
    }

    /// A claim that takes what fits.
    async fn find(&self, object: &Shared, claim: PersistentVolumeClaim) -> Result<(), Error> {
        let class = match plan::class_of(&claim) {
            "" => None,
            name => self.classes.decode::<StorageClass>("", name)?,
        };
        let waits = class
            .as_ref()
            .is_some_and(|c| c.volume_binding_mode.as_deref() == Some("WaitForFirstConsumer"));
        let volumes: Result<Vec<PersistentVolume>, _> =
            self.volumes.list().iter().map(|v| v.decode()).collect();
        if let Some(volume) = plan::best(&claim, &volumes?, waits) {
            return Box::pin(self.bind(volume.clone(), claim)).await;
        }
        if !plan::has_class(&claim)
            && let Some(class) = self.default_class()?
        {
            let change = json!({"spec": {"storageClassName": class}});
            let api = self.claims_api(&claim);
            bind::write(&api, &claim, &change, None).await?;
            return Ok(());
        }
        let selected = plan::annotation(&claim.metadata, SELECTED_NODE).is_some();
        if waits && !selected {
            self.tell_waiting(object)?;
        } else if !plan::class_of(&claim).is_empty() {
            return self.provision(object, claim, class).await;
        } else {
            let text = "no persistent volumes available for this claim and no storage class is set";
            self.recorder
                .normal(object.reference(), "FailedBinding", text);
        }
        self.set_claim_status(claim, "Pending", None).await?;
        Ok(())
    }

    /// Says who is to make the volume; that one acts on its own.
    async fn provision(
        &self,
        object: &Object,
        claim: PersistentVolumeClaim,
        class: Option<StorageClass>,
    ) -> Result<(), Error> {
        let Some(class) = class else {
            let name = plan::class_of(&claim);
            let text = format!("storageclass.storage.k8s.io {name:?} not found");
            self.recorder
                .warning(object.reference(), "ProvisioningFailed", text);
            return Ok(());
        };
        let by = &class.provisioner;
        if plan::annotation(&claim.metadata, PROVISIONER) != Some(by) {
            let change =
                json!({"metadata": {"annotations": {PROVISIONER: by, PROVISIONER_BETA: by}}});
            let api = self.claims_api(&claim);
            bind::write(&api, &claim, &change, None).await?;
        }
        let text = format!(
            "Waiting for a volume to be created either by the external provisioner '{by}' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered."
        );
        self.recorder
            .normal(object.reference(), "ExternalProvisioning", text);
        Ok(())
    }

    fn tell_waiting(&self, object: &Object) -> Result<(), Error> {
        let key = object.key().to_string();
        let mut names = Vec::new();
        for pod in self.pods.by_index(BY_USED_CLAIM, &key) {
            if pods::node_name(&pod.decode::<Pod>()?).is_empty() {
                names.push(pod.name().to_owned());
            }
        }
        let (reason, text) = match names.as_slice() {
            [] => (
                "WaitForFirstConsumer",
                "waiting for first consumer to be created before binding".to_owned(),
            ),
            [one] => (
                "WaitForPodScheduled",
                format!("waiting for pod {one} to be scheduled"),
            ),
            more => (
                "WaitForPodScheduled",
                format!("waiting for pods {} to be scheduled", more.join(",")),
            ),
        };
        self.recorder.normal(object.reference(), reason, text);
        Ok(())
    }

    /// The class for claims that say nothing of theirs: of several, the youngest.
    fn default_class(&self) -> Result<Option<String>, Error> {
        let mut found: Vec<Shared> = Vec::new();
        for object in self.classes.list() {
            let class: StorageClass = object.decode()?;
            let is = |name: &&str| plan::annotation(&class.metadata, name) == Some("true");
            if DEFAULT_CLASS.iter().any(is) {
                found.push(object);
            }
        }
        found.sort_by(|a, b| b.created().cmp(&a.created()).then(a.name().cmp(b.name())));
        Ok(found.first().map(|c| c.name().to_owned()))
    }
}
