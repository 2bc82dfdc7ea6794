//! What happens to claims when a set shrinks or goes: owner references say it to the garbage collector. Pure.
//!
//! | when scaled | when deleted | owner of a claim |
//! |---|---|---|
//! | Retain | Retain | nobody |
//! | Retain | Delete | the set |
//! | Delete | Retain | the pod, once it is beyond the set's size |
//! | Delete | Delete | the set; the pod, once it is beyond the set's size |

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::{API_VERSION, KIND};
use crate::pods;

/// A claim, seen from the pod that uses it.
pub(super) struct Retention<'a> {
    pub(super) set: &'a StatefulSet,
    pub(super) pod: &'a Pod,
    /// Whether the pod is beyond the set's size.
    pub(super) condemned: bool,
}

/// Who may own a claim.
#[derive(Clone, Copy)]
enum Owner {
    Set,
    Pod,
}

impl Retention<'_> {
    /// The owners that the claim is to have; `None` if they are right, or not ours to change.
    pub(super) fn correct(&self, claim: &PersistentVolumeClaim) -> Option<Vec<OwnerReference>> {
        let there = references(claim);
        // Left by an earlier set or pod of the same name, which the garbage collector clears away.
        if self.is_stale(claim, Owner::Set) || self.is_stale(claim, Owner::Pod) {
            return None;
        }
        let others = there
            .iter()
            .filter(|r| !self.names(r, Owner::Set) && !self.names(r, Owner::Pod));
        let mut wanted: Vec<OwnerReference> = others.cloned().collect();
        if !self.is_managed_by_others(claim) {
            wanted.extend(self.owners());
        }
        let same = wanted.len() == there.len()
            && wanted.iter().all(|w| {
                let is = |r: &&OwnerReference| {
                    r.uid == w.uid && (r.controller == Some(true)) == (w.controller == Some(true))
                };
                there.iter().any(|r| is(&r))
            });
        (!same).then_some(wanted)
    }

    /// Whether somebody else controls a claim that is meant to go one day.
    pub(super) fn is_managed_by_others(&self, claim: &PersistentVolumeClaim) -> bool {
        let (scaled, deleted) = self.policy();
        (scaled || deleted)
            && references(claim).iter().any(|r| {
                for owner in [Owner::Set, Owner::Pod] {
                    if self.names(r, owner) {
                        return r.uid != self.metadata(owner).uid.as_deref().unwrap_or("");
                    }
                }
                r.controller == Some(true)
            })
    }

    /// Whether a claim still belongs to an earlier pod of this name, and goes with it: a new pod must not get it.
    pub(super) fn is_of_earlier_pod(&self, claim: &PersistentVolumeClaim) -> bool {
        let (scaled, _) = self.policy();
        scaled && self.is_stale(claim, Owner::Pod)
    }

    fn owners(&self) -> Vec<OwnerReference> {
        let (scaled, deleted) = self.policy();
        let by_pod = scaled && self.condemned;
        let by_set = deleted && !by_pod;
        let mut owners = Vec::new();
        if by_pod {
            owners.push(self.reference(Owner::Pod));
        }
        if by_set {
            owners.push(self.reference(Owner::Set));
        }
        owners
    }

    /// Whether claims go when the set shrinks, and when it is deleted.
    fn policy(&self) -> (bool, bool) {
        let policy = self
            .set
            .spec
            .persistent_volume_claim_retention_policy
            .as_ref();
        let is = |word: Option<&String>| word.is_some_and(|w| w == "Delete");
        (
            is(policy.and_then(|p| p.when_scaled.as_ref())),
            is(policy.and_then(|p| p.when_deleted.as_ref())),
        )
    }

    fn reference(&self, owner: Owner) -> OwnerReference {
        let (api_version, kind) = kind_of(owner);
        let metadata = self.metadata(owner);
        OwnerReference {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            name: metadata.name.clone().unwrap_or_default(),
            uid: metadata.uid.clone().unwrap_or_default(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }
    }

    fn metadata(&self, owner: Owner) -> &ObjectMeta {
        match owner {
            Owner::Set => &self.set.metadata,
            Owner::Pod => &self.pod.metadata,
        }
    }

    /// Whether a reference goes by the name of our set or pod, whatever its identity.
    fn names(&self, reference: &OwnerReference, owner: Owner) -> bool {
        let (api_version, kind) = kind_of(owner);
        let name = match owner {
            Owner::Set => super::identity::set_name(self.set),
            Owner::Pod => pods::name(self.pod),
        };
        reference.api_version == api_version && reference.kind == kind && reference.name == name
    }

    fn is_stale(&self, claim: &PersistentVolumeClaim, owner: Owner) -> bool {
        let uid = self.metadata(owner).uid.as_deref().unwrap_or("");
        let mut ours = references(claim).iter().filter(|r| self.names(r, owner));
        ours.next().is_some_and(|r| r.uid != uid)
    }
}

fn kind_of(owner: Owner) -> (&'static str, &'static str) {
    match owner {
        Owner::Set => (API_VERSION, KIND),
        Owner::Pod => ("v1", "Pod"),
    }
}

fn references(claim: &PersistentVolumeClaim) -> &[OwnerReference] {
    claim.metadata.owner_references.as_deref().unwrap_or(&[])
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn owners(scaled: &str, deleted: &str, condemned: bool, there: &Value) -> Option<Vec<String>> {
        let set: StatefulSet = serde_json::from_value(json!({"metadata": {"name": "web", "uid": "set"},
            "spec": {"selector": {}, "template": {},
                "persistentVolumeClaimRetentionPolicy": {"whenScaled": scaled, "whenDeleted": deleted}}}))
        .unwrap();
        let pod: Pod =
            serde_json::from_value(json!({"metadata": {"name": "web-0", "uid": "pod"}})).unwrap();
        let claim: PersistentVolumeClaim =
            serde_json::from_value(json!({"metadata": {"ownerReferences": there}})).unwrap();
        let retention = Retention {
            set: &set,
            pod: &pod,
            condemned,
        };
        let owners = retention.correct(&claim)?;
        Some(owners.into_iter().map(|o| o.uid).collect())
    }

    fn owner(kind: &str, name: &str, uid: &str, controller: bool) -> Value {
        let version = if kind == "Pod" { "v1" } else { "apps/v1" };
        json!({"apiVersion": version, "kind": kind, "name": name, "uid": uid, "controller": controller})
    }

    #[test]
    fn each_policy_has_its_owners() {
        let (none, set) = (json!([]), json!([owner("StatefulSet", "web", "set", true)]));
        let some = |owners: &[&str]| Some(owners.iter().map(|o| (*o).to_owned()).collect());
        for (scaled, deleted, condemned, there, expected) in [
            ("Retain", "Retain", true, &none, None),
            ("Retain", "Retain", false, &set, some(&[])),
            ("Retain", "Delete", false, &none, some(&["set"])),
            ("Retain", "Delete", true, &set, None),
            ("Delete", "Retain", false, &none, None),
            ("Delete", "Retain", true, &none, some(&["pod"])),
            ("Delete", "Delete", false, &none, some(&["set"])),
            ("Delete", "Delete", true, &set, some(&["pod"])),
        ] {
            let found = owners(scaled, deleted, condemned, there);
            assert_eq!(found, expected, "{scaled} {deleted} {condemned} {there}");
        }
    }

    #[test]
    fn claims_of_others_and_of_earlier_sets_are_left_alone() {
        let earlier = json!([owner("StatefulSet", "web", "earlier", true)]);
        assert_eq!(owners("Retain", "Delete", false, &earlier), None);
        let theirs = json!([owner("ReplicaSet", "other", "x", true)]);
        assert_eq!(owners("Retain", "Delete", false, &theirs), None);
        let both = json!([
            owner("ReplicaSet", "other", "x", true),
            owner("StatefulSet", "web", "set", false)
        ]);
        assert_eq!(
            owners("Retain", "Delete", false, &both),
            Some(vec!["x".to_owned()])
        );
        let no_controller = json!([owner("StatefulSet", "web", "set", false)]);
        assert_eq!(
            owners("Retain", "Delete", false, &no_controller),
            Some(vec!["set".to_owned()])
        );
    }
}
