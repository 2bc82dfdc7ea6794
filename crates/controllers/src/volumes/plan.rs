//! Decides which volume fits a claim. Pure.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use cedge_informer::Selector;
use cedge_kinds::Quantity;
use k8s_openapi::api::core::v1::{
    ObjectReference, PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimSpec,
    PersistentVolumeSpec, Pod,
};
use k8s_openapi::apimachinery::pkg::api::resource;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// On both sides: the binding was our choice, so that we may undo it.
pub(super) const BY_CONTROLLER: &str = "pv.kubernetes.io/bound-by-controller";
/// On a claim: it was bound once.
pub(super) const COMPLETED: &str = "pv.kubernetes.io/bind-completed";
/// On a volume: who made it.
pub(super) const PROVISIONED_BY: &str = "pv.kubernetes.io/provisioned-by";
/// On a claim: who is to make its volume.
pub(super) const PROVISIONER: &str = "volume.kubernetes.io/storage-provisioner";
pub(super) const PROVISIONER_BETA: &str = "volume.beta.kubernetes.io/storage-provisioner";
/// On a claim: where its first consumer will run.
pub(super) const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
const CLASS_BETA: &str = "volume.beta.kubernetes.io/storage-class";

pub(super) fn annotation<'a>(metadata: &'a ObjectMeta, name: &str) -> Option<&'a str> {
    metadata.annotations.as_ref()?.get(name).map(String::as_str)
}

pub(super) fn is_complete(claim: &PersistentVolumeClaim) -> bool {
    annotation(&claim.metadata, COMPLETED).is_some()
}

pub(super) fn volume_name(claim: &PersistentVolumeClaim) -> &str {
    let spec = claim.spec.as_ref();
    spec.and_then(|s| s.volume_name.as_deref()).unwrap_or("")
}

/// The class of a claim; empty for one that wants none.
pub(super) fn class_of(claim: &PersistentVolumeClaim) -> &str {
    let spec = claim.spec.as_ref();
    annotation(&claim.metadata, CLASS_BETA)
        .or(spec.and_then(|s| s.storage_class_name.as_deref()))
        .unwrap_or("")
}

/// Whether a claim says anything about its class.
pub(super) fn has_class(claim: &PersistentVolumeClaim) -> bool {
    let spec = claim.spec.as_ref();
    annotation(&claim.metadata, CLASS_BETA).is_some()
        || spec.is_some_and(|s| s.storage_class_name.is_some())
}

fn class_of_volume(volume: &PersistentVolume) -> &str {
    let spec = volume.spec.as_ref();
    annotation(&volume.metadata, CLASS_BETA)
        .or(spec.and_then(|s| s.storage_class_name.as_deref()))
        .unwrap_or("")
}

pub(super) fn claim_ref(volume: &PersistentVolume) -> Option<&ObjectReference> {
    volume.spec.as_ref()?.claim_ref.as_ref()
}

/// Whether a volume names this claim, by its name and, if it says one, its identity.
pub(super) fn is_bound_to(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> bool {
    claim_ref(volume).is_some_and(|r| {
        r.name == claim.metadata.name
            && r.namespace == claim.metadata.namespace
            && (r.uid.as_deref().is_none_or(str::is_empty) || r.uid == claim.metadata.uid)
    })
}

pub(super) fn same_mode(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> bool {
    let of_volume = volume.spec.as_ref().and_then(|s| s.volume_mode.as_deref());
    let of_claim = claim.spec.as_ref().and_then(|s| s.volume_mode.as_deref());
    of_volume.unwrap_or("Filesystem") == of_claim.unwrap_or("Filesystem")
}

fn same_attributes(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> bool {
    let of_volume = volume.spec.as_ref();
    let of_volume = of_volume.and_then(|s| s.volume_attributes_class_name.as_deref());
    let of_claim = claim.spec.as_ref();
    let of_claim = of_claim.and_then(|s| s.volume_attributes_class_name.as_deref());
    of_volume.unwrap_or("") == of_claim.unwrap_or("")
}

fn modes_of_claim(claim: &PersistentVolumeClaim) -> &[String] {
    let spec: Option<&PersistentVolumeClaimSpec> = claim.spec.as_ref();
    spec.and_then(|s| s.access_modes.as_deref()).unwrap_or(&[])
}

fn modes_of(volume: &PersistentVolume) -> &[String] {
    let spec: Option<&PersistentVolumeSpec> = volume.spec.as_ref();
    spec.and_then(|s| s.access_modes.as_deref()).unwrap_or(&[])
}

fn has_modes(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> bool {
    modes_of_claim(claim)
        .iter()
        .all(|mode| modes_of(volume).contains(mode))
}

fn size_of(volume: &PersistentVolume) -> Quantity {
    quantity(volume.spec.as_ref().and_then(|s| s.capacity.as_ref()))
}

fn request_of(claim: &PersistentVolumeClaim) -> Quantity {
    let resources = claim.spec.as_ref().and_then(|s| s.resources.as_ref());
    quantity(resources.and_then(|r| r.requests.as_ref()))
}

fn quantity(amounts: Option<&BTreeMap<String, resource::Quantity>>) -> Quantity {
    let storage = amounts.and_then(|a| a.get("storage"));
    let read = storage.and_then(|q| q.0.parse().ok());
    read.unwrap_or_else(|| Quantity::from_units(0))
}

/// Whether a volume that a claim asks for by name can be had.
///
/// *Errors*: why not.
pub(super) fn satisfies(
    volume: &PersistentVolume,
    claim: &PersistentVolumeClaim,
) -> Result<(), String> {
    let name = volume.metadata.name.as_deref().unwrap_or("");
    let why = if volume.metadata.deletion_timestamp.is_some() {
        format!("the volume is marked for deletion {name:?}")
    } else if size_of(volume) < request_of(claim) {
        "requested PV is too small".to_owned()
    } else if class_of_volume(volume) != class_of(claim) {
        "storageClassName does not match".to_owned()
    } else if !same_attributes(volume, claim) {
        "volumeAttributesClassName does not match".to_owned()
    } else if !same_mode(volume, claim) {
        "incompatible volumeMode".to_owned()
    } else if !has_modes(volume, claim) {
        "incompatible accessMode".to_owned()
    } else {
        return Ok(());
    };
    Err(why)
}

/// The volume that fits best: one that names the claim, else the smallest that is free, of those with the fewest
/// other access modes. A claim that waits for its consumer gets only one that names it.
pub(super) fn best<'a>(
    claim: &PersistentVolumeClaim,
    volumes: &'a [PersistentVolume],
    waits: bool,
) -> Option<&'a PersistentVolume> {
    let selector = claim.spec.as_ref().and_then(|s| s.selector.as_ref());
    let selector = selector.map(Selector::try_from);
    let mut groups: BTreeMap<(usize, Vec<&str>), Vec<&PersistentVolume>> = BTreeMap::new();
    for volume in volumes.iter().filter(|v| has_modes(v, claim)) {
        let mut modes: Vec<&str> = modes_of(volume).iter().map(String::as_str).collect();
        modes.sort_unstable();
        modes.dedup();
        groups.entry((modes.len(), modes)).or_default().push(volume);
    }
    groups.values().find_map(|group| {
        let fitting = group.iter().filter(|volume| {
            (claim_ref(volume).is_none() || is_bound_to(volume, claim))
                && size_of(volume) >= request_of(claim)
                && same_mode(volume, claim)
                && same_attributes(volume, claim)
                && volume.metadata.deletion_timestamp.is_none()
        });
        let fitting: Vec<&&PersistentVolume> = fitting.collect();
        if let Some(ours) = fitting.iter().find(|v| is_bound_to(v, claim)) {
            return Some(**ours);
        }
        let free = fitting.into_iter().filter(|volume| {
            let phase = volume.status.as_ref().and_then(|s| s.phase.as_deref());
            let selected = match &selector {
                None => true,
                Some(Ok(selector)) => selector.matches_map(volume.metadata.labels.as_ref()),
                Some(Err(_)) => false,
            };
            !waits
                && phase == Some("Available")
                && selected
                && class_of_volume(volume) == class_of(claim)
        });
        free.min_by_key(|v| size_of(v)).copied()
    })
}

/// The claims that a pod uses: those that it names, and those made for its ephemeral volumes.
pub(super) fn claims_used_by(pod: &Pod) -> Vec<String> {
    let name = pod.metadata.name.as_deref().unwrap_or("");
    let volumes = pod.spec.iter().flat_map(|s| s.volumes.iter().flatten());
    let claims = volumes.filter_map(|volume| {
        if let Some(source) = &volume.persistent_volume_claim {
            return Some(source.claim_name.clone());
        }
        let ephemeral = volume.ephemeral.as_ref();
        ephemeral.map(|_| made_for(name, &volume.name))
    });
    claims.collect()
}

/// The name of the claim of a pod's ephemeral volume.
pub(super) fn made_for(pod: &str, volume: &str) -> String {
    format!("{pod}-{volume}")
}
