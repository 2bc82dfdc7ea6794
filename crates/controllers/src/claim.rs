//! Which objects belong to a controller: those it owns and still selects, and orphans that it selects and adopts.

use std::sync::Arc;

use cedge_informer::{Object, Owner, Selector};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::error::{Answer as _, Error};
use crate::patch;

/// What to do about one candidate.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Claim {
    Keep,
    Adopt,
    Release,
    Leave,
}

/// An owner that claims objects.
pub(crate) struct Claimer<'a> {
    pub(crate) owner: &'a Object,
    pub(crate) selector: &'a Selector,
    /// Added when an object is adopted.
    pub(crate) finalizer: Option<&'static str>,
    /// What else must hold of owner and object, beside the selector.
    pub(crate) fits: fn(&Object, &Object) -> bool,
}

impl<'a> Claimer<'a> {
    /// One that goes by the selector alone.
    pub(crate) fn new(owner: &'a Object, selector: &'a Selector) -> Self {
        Self {
            owner,
            selector,
            finalizer: None,
            fits: |_, _| true,
        }
    }

    /// Decides about an object. Neither a deleting owner nor a deleting object changes hands.
    fn decide(&self, object: &Object) -> Claim {
        let selected = self.selector.matches(object.labels()) && (self.fits)(self.owner, object);
        match object.controller() {
            Some(c) if *c.uid != *self.owner.uid() => Claim::Leave,
            Some(_) if selected => Claim::Keep,
            Some(_) if self.owner.is_deleting() => Claim::Leave,
            Some(_) => Claim::Release,
            None if selected && !self.owner.is_deleting() && !object.is_deleting() => Claim::Adopt,
            None => Claim::Leave,
        }
    }

    /// Adopts and releases; returns what belongs to the owner now.
    ///
    /// `still_there` asks the API (not the cache) whether the owner is alive: an owner that was deleted and made
    /// again under its name must not get orphans with its old identity.
    pub(crate) async fn claim<K, F>(
        &self,
        api: &Api<K>,
        candidates: Vec<Arc<Object>>,
        still_there: F,
    ) -> Result<Vec<Arc<Object>>, Error>
    where
        K: Resource + Clone + DeserializeOwned + std::fmt::Debug,
        F: Future<Output = Result<bool, Error>> + Send,
    {
        let mut owned = Vec::new();
        // Asked once, and only if somebody is to be adopted.
        let mut still_there = Some(still_there);
        let mut alive = false;
        for object in candidates {
            match self.decide(&object) {
                Claim::Keep => owned.push(object),
                Claim::Leave => {}
                Claim::Release => self.write(api, &object, self.release(&object)).await?,
                Claim::Adopt => {
                    if let Some(ask) = still_there.take() {
                        alive = ask.await?;
                    }
                    if alive {
                        self.write(api, &object, self.adopt(&object)).await?;
                        owned.push(object);
                    }
                }
            }
        }
        Ok(owned)
    }

    fn adopt(&self, object: &Object) -> Value {
        let mut owners: Vec<Value> = object.owners().iter().map(reference).collect();
        owners.push(json!(controller_reference(self.owner)));
        let mut patch = json!({ "metadata": { "ownerReferences": owners } });
        if let Some(finalizer) = self.finalizer.filter(|f| !object.has_finalizer(f)) {
            let finalizers: Vec<&str> = object.finalizers().chain([finalizer]).collect();
            patch["metadata"]["finalizers"] = json!(finalizers);
        }
        patch
    }

    fn release(&self, object: &Object) -> Value {
        let others = object
            .owners()
            .iter()
            .filter(|o| *o.uid != *self.owner.uid());
        let owners: Vec<Value> = others.map(reference).collect();
        let mut patch = json!({ "metadata": { "ownerReferences": patch::list(&owners) } });
        if let Some(finalizer) = self.finalizer {
            let finalizers: Vec<&str> = object.finalizers().filter(|f| *f != finalizer).collect();
            patch["metadata"]["finalizers"] = patch::list(&finalizers);
        }
        patch
    }

    async fn write<K>(&self, api: &Api<K>, object: &Object, patch: Value) -> Result<(), Error>
    where
        K: Resource + Clone + DeserializeOwned + std::fmt::Debug,
    {
        match patch::merge(api, object, patch).await {
            Err(Error::Api(e)) if e.is_not_found() => Ok(()),
            written => written.map(|_| ()),
        }
    }
}

/// The reference that makes `owner` the controller of an object.
pub(crate) fn controller_reference(owner: &Object) -> OwnerReference {
    OwnerReference {
        api_version: owner.resource().api_version.clone(),
        kind: owner.resource().kind.clone(),
        name: owner.name().to_owned(),
        uid: owner.uid().to_owned(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

fn reference(owner: &Owner) -> Value {
    let mut value = json!({
        "apiVersion": owner.api_version, "kind": owner.kind, "name": owner.name, "uid": owner.uid,
    });
    if owner.controller {
        value["controller"] = true.into();
    }
    if owner.block_owner_deletion {
        value["blockOwnerDeletion"] = true.into();
    }
    value
}

/// Asks the API whether `object` is still the one that is stored, and not being deleted.
pub(crate) async fn still_there<K>(api: &Api<K>, object: &Object) -> Result<bool, Error>
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug,
{
    let live = api.get_metadata_opt(object.name()).await?;
    Ok(live.is_some_and(|live| {
        live.metadata.uid.as_deref() == Some(object.uid())
            && live.metadata.deletion_timestamp.is_none()
    }))
}
