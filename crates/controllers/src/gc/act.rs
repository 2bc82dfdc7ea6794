//! Asks the API, and writes what was decided. Every write is guarded by the identity and revision that was judged.

use cedge_informer::{Key, Next, Object, Owner};
use kube::Api;
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, Preconditions, PropagationPolicy,
};
use kube::core::{ObjectMeta, PartialObjectMeta};
use serde_json::{Value, json};

use super::kinds::{Place, synced};
use super::plan::{OwnerState, Verdict, judge};
use super::{Collector, FOREGROUND, Item, ORPHAN, waits_for_dependents};
use crate::error::{Answer as _, Error, optional};
use crate::patch;

/// An object as the API has it now.
pub(super) struct Live {
    resource: ApiResource,
    key: Key,
    metadata: ObjectMeta,
}

impl Collector {
    /// The object as it is now; `None` if it is gone, or another one has its name.
    pub(super) async fn live(&self, object: &Object) -> Result<Option<Live>, Error> {
        let (resource, key) = (object.resource().clone(), object.key().clone());
        let metadata = self.metadata(&resource, &key).await?;
        let metadata = metadata.filter(|m| m.uid.as_deref() == Some(object.uid()));
        Ok(metadata.map(|metadata| Live {
            resource,
            key,
            metadata,
        }))
    }

    async fn metadata(
        &self,
        resource: &ApiResource,
        key: &Key,
    ) -> Result<Option<ObjectMeta>, Error> {
        let found = self.api(resource, key).get_metadata(&key.name).await;
        Ok(optional(found)?.map(|o: PartialObjectMeta<DynamicObject>| o.metadata))
    }

    fn api(&self, resource: &ApiResource, key: &Key) -> Api<DynamicObject> {
        let client = self.ctx.client.clone();
        if key.namespace.is_empty() {
            Api::all_with(client, resource)
        } else {
            Api::namespaced_with(client, &key.namespace, resource)
        }
    }

    pub(super) async fn collect(&self, item: &Item, live: &Live) -> Result<Next, Error> {
        synced(&self.kinds).await;
        let owners = live.metadata.owner_references.clone().unwrap_or_default();
        let mut states = Vec::new();
        for owner in &owners {
            let owner = Owner {
                api_version: owner.api_version.as_str().into(),
                kind: owner.kind.as_str().into(),
                name: owner.name.as_str().into(),
                uid: owner.uid.as_str().into(),
                controller: owner.controller.unwrap_or(false),
                block_owner_deletion: owner.block_owner_deletion.unwrap_or(false),
            };
            match self.state_of(&owner, &live.key).await? {
                Some(state) => states.push(state),
                None => return Ok(self.set_aside(item)),
            }
        }
        let dependents = self.kinds.dependents(&item.uid);
        match judge(&states, !dependents.is_empty()) {
            Verdict::Keep => {}
            Verdict::Release(lost) => {
                let lost = lost.iter().filter_map(|i| owners.get(*i));
                let lost: Vec<&str> = lost.map(|o| o.uid.as_str()).collect();
                self.release(live, &lost).await?;
            }
            Verdict::DeleteForeground => {
                // Two objects that own each other and block would wait for each other for ever.
                if dependents.iter().any(|d| waits_for_dependents(d)) {
                    self.unblock(live).await?;
                    return Err(Error::Wait("its references were unblocked".to_owned()));
                }
                self.delete(live, PropagationPolicy::Foreground).await?;
            }
            Verdict::Delete => self.delete(live, policy(&live.metadata)).await?,
        }
        Ok(Next::OnChange)
    }

    /// `None`: nobody can say.
    async fn state_of(&self, owner: &Owner, dependent: &Key) -> Result<Option<OwnerState>, Error> {
        let (resource, key) = match self.kinds.place(&dependent.namespace, owner) {
            Place::At(resource, key) => (resource, key),
            Place::Unknown | Place::Impossible => return Ok(None),
        };
        let live = self.metadata(&resource, &key).await?;
        let Some(live) = live.filter(|m| m.uid.as_deref() == Some(&owner.uid)) else {
            return Ok(Some(OwnerState::Gone));
        };
        let waits = live.deletion_timestamp.is_some() && has(&live, FOREGROUND);
        Ok(Some(if waits && owner.block_owner_deletion {
            OwnerState::Waiting
        } else {
            OwnerState::Solid
        }))
    }

    /// An object that waits for its dependents: are there still some?
    pub(super) async fn finish_foreground(&self, live: &Live) -> Result<Next, Error> {
        synced(&self.kinds).await;
        if !self.kinds.are_synced() {
            return Err(Error::Wait("not all kinds are listed yet".to_owned()));
        }
        let uid = live.metadata.uid.as_deref().unwrap_or_default();
        let blocks = |o: &Object| {
            o.owners()
                .iter()
                .any(|r| *r.uid == *uid && r.block_owner_deletion)
        };
        let dependents = self.kinds.dependents(uid);
        let blocking: Vec<_> = dependents.iter().filter(|d| blocks(d)).collect();
        if blocking.is_empty() {
            self.drop_finalizer(live, FOREGROUND).await?;
            return Ok(Next::OnChange);
        }
        for dependent in blocking.into_iter().filter(|d| !waits_for_dependents(d)) {
            self.queue.add(Item::of(dependent));
        }
        Ok(Next::OnChange)
    }

    /// Lets all dependents go before their owner goes.
    pub(super) async fn orphan(&self, owner: &Object) -> Result<Next, Error> {
        synced(&self.kinds).await;
        for dependent in self.kinds.dependents(owner.uid()) {
            if let Some(live) = self.live(&dependent).await? {
                self.release(&live, &[owner.uid()]).await?;
            }
        }
        if let Some(live) = self.live(owner).await? {
            self.drop_finalizer(&live, ORPHAN).await?;
        }
        Ok(Next::OnChange)
    }

    async fn release(&self, live: &Live, lost: &[&str]) -> Result<(), Error> {
        let mut owners = live.metadata.owner_references.clone().unwrap_or_default();
        let before = owners.len();
        owners.retain(|o| !lost.contains(&o.uid.as_str()));
        if owners.len() == before {
            return Ok(());
        }
        self.patch(live, json!({ "ownerReferences": patch::list(&owners) }))
            .await
    }

    async fn unblock(&self, live: &Live) -> Result<(), Error> {
        let mut owners = live.metadata.owner_references.clone().unwrap_or_default();
        for owner in &mut owners {
            owner.block_owner_deletion = Some(false);
        }
        self.patch(live, json!({ "ownerReferences": owners })).await
    }

    async fn drop_finalizer(&self, live: &Live, name: &str) -> Result<(), Error> {
        let mut finalizers = live.metadata.finalizers.clone().unwrap_or_default();
        let before = finalizers.len();
        finalizers.retain(|f| f != name);
        if finalizers.len() == before {
            return Ok(());
        }
        self.patch(live, json!({ "finalizers": patch::list(&finalizers) }))
            .await
    }

    async fn patch(&self, live: &Live, mut metadata: Value) -> Result<(), Error> {
        metadata["uid"] = json!(live.metadata.uid);
        metadata["resourceVersion"] = json!(live.metadata.resource_version);
        let patch = Patch::Merge(json!({ "metadata": metadata }));
        let params = PatchParams::default();
        let api = self.api(&live.resource, &live.key);
        let patched = api.patch_metadata(&live.key.name, &params, &patch).await;
        optional(patched).map(|_| ())
    }

    async fn delete(&self, live: &Live, policy: PropagationPolicy) -> Result<(), Error> {
        tracing::debug!(kind = live.resource.kind, key = %live.key, ?policy, "garbage collected");
        let params = DeleteParams {
            propagation_policy: Some(policy),
            preconditions: Some(Preconditions {
                uid: live.metadata.uid.clone(),
                resource_version: live.metadata.resource_version.clone(),
            }),
            ..DeleteParams::default()
        };
        let api = self.api(&live.resource, &live.key);
        match api.delete(&live.key.name, &params).await {
            Err(e) if !e.is_not_found() => Err(e.into()),
            _ => Ok(()),
        }
    }
}

/// An object that already waits for something goes on to wait for it.
fn policy(metadata: &ObjectMeta) -> PropagationPolicy {
    if has(metadata, ORPHAN) {
        PropagationPolicy::Orphan
    } else if has(metadata, FOREGROUND) {
        PropagationPolicy::Foreground
    } else {
        PropagationPolicy::Background
    }
}

fn has(metadata: &ObjectMeta, finalizer: &str) -> bool {
    metadata.finalizers.iter().flatten().any(|f| f == finalizer)
}
