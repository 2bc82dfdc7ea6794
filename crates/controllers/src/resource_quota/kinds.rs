//! The kinds that some quota counts: each followed from when it is first asked for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cedge_informer::{Cache, Change, Object};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Service};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::ApiResource;

use super::Quotas;
use crate::discovery::discover;
use crate::error::Error;
use crate::pods;

/// By plural and group.
type Known = HashMap<(String, String), Cache>;

#[derive(Clone, Default)]
pub(super) struct Kinds(Arc<Mutex<Known>>);

impl Kinds {
    /// The objects of a kind; `None` while it is not served.
    pub(super) async fn follow(
        &self,
        quotas: &Quotas,
        plural: &str,
        group: &str,
    ) -> Result<Option<Cache>, Error> {
        let id = (plural.to_owned(), group.to_owned());
        if let Some(known) = self.lock().get(&id) {
            return Ok(Some(known.clone()));
        }
        let informers = &quotas.ctx.informers;
        let cache = match (group, plural) {
            ("", "pods") => informers.of::<Pod>(),
            ("", "services") => informers.of::<Service>(),
            ("", "persistentvolumeclaims") => informers.of::<PersistentVolumeClaim>(),
            _ => match find(quotas, plural, group).await? {
                None => return Ok(None),
                Some(resource) => informers.headers(&resource),
            },
        };
        if self.lock().insert(id, cache.clone()).is_none() {
            let this = quotas.clone();
            cache.subscribe(move |change| this.observe(change));
        }
        Ok(Some(cache))
    }

    fn forget(&self, plural: &str, group: &str) {
        let id = (plural.to_owned(), group.to_owned());
        if self.lock().remove(&id).is_some() {
            tracing::debug!(plural, group, "a counted kind is gone");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn find(quotas: &Quotas, plural: &str, group: &str) -> Result<Option<ApiResource>, Error> {
    let served = discover(&quotas.ctx.client).await?.served;
    let found = served.into_iter().find(|kind| {
        kind.resource.plural == plural && kind.resource.group == group && kind.namespaced
    });
    let found = found.filter(|kind| kind.can(&["list", "watch"]));
    Ok(found.map(|kind| kind.resource))
}

/// A definition that goes takes its cache with it; one that comes may be what a quota waits for.
pub(super) fn forget_with_definitions(quotas: &Quotas) {
    let this = quotas.clone();
    let definitions = quotas.ctx.informers.of::<CustomResourceDefinition>();
    definitions.subscribe(move |change| {
        if let Change::Updated { .. } = change {
            return;
        }
        if let Change::Deleted(definition) = change
            && let Some((plural, group)) = definition.name().split_once('.')
        {
            this.kinds.forget(plural, group);
        }
        for quota in this.quotas.list() {
            this.queue.add_after(quota.key().clone(), super::UNHURRIED);
        }
    });
}

/// Whether an object counts otherwise than before. Pods change all the time, and count less once they have ended.
pub(super) fn counts_otherwise(old: &Object, new: &Object) -> bool {
    match new.resource().plural.as_str() {
        "pods" => {
            let ended = |o: &Object| o.decode::<Pod>().is_ok_and(|p| pods::is_terminal(&p));
            ended(new) && !ended(old)
        }
        "services" | "persistentvolumeclaims" => true,
        _ => false,
    }
}
