//! Which pods are a pod's like: those that its services and the set that it belongs to select. They are spread, unless
//! the pod itself says how.

use std::collections::BTreeMap;

use cedge_informer::{Cache, Informers, Selector};
use k8s_openapi::api::apps::v1::{ReplicaSet, StatefulSet};
use k8s_openapi::api::core::v1::ReplicationController;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use crate::pod::Pod;
use crate::terms::compile;

pub(super) struct Sets {
    replica_sets: Cache,
    stateful_sets: Cache,
    controllers: Cache,
}

// === impl Sets ===

impl Sets {
    pub(super) fn new(informers: &Informers) -> Self {
        Self {
            replica_sets: informers.of::<ReplicaSet>(),
            stateful_sets: informers.of::<StatefulSet>(),
            controllers: informers.of::<ReplicationController>(),
        }
    }

    pub(super) async fn synced(&self) {
        self.replica_sets.synced().await;
        self.stateful_sets.synced().await;
        self.controllers.synced().await;
    }

    /// `services` is what the services that select the pod select together.
    pub(super) fn like(&self, pod: &Pod, services: BTreeMap<String, String>) -> Option<Selector> {
        let mut all = LabelSelector {
            match_labels: Some(services),
            match_expressions: None,
        };
        if let Some(owner) = self.of_owner(pod) {
            // Both select the pod, so no label can have two values.
            let labels = all.match_labels.get_or_insert_default();
            labels.extend(owner.match_labels.unwrap_or_default());
            all.match_expressions = owner.match_expressions;
        }
        let selector = compile(&all);
        (!selector.is_everything()).then_some(selector)
    }

    fn of_owner(&self, pod: &Pod) -> Option<LabelSelector> {
        let owners = pod.metadata.owner_references.iter().flatten();
        let owner = owners.into_iter().find(|o| o.controller == Some(true))?;
        let namespace = &pod.metadata.namespace;
        let find = |cache: &Cache| cache.get(namespace, &owner.name);
        match (&*owner.api_version, &*owner.kind) {
            ("apps/v1", "ReplicaSet") => {
                let set: ReplicaSet = find(&self.replica_sets)?.decode().ok()?;
                Some(set.spec.selector)
            }
            ("apps/v1", "StatefulSet") => {
                let set: StatefulSet = find(&self.stateful_sets)?.decode().ok()?;
                Some(set.spec.selector)
            }
            ("v1", "ReplicationController") => {
                let set: ReplicationController = find(&self.controllers)?.decode().ok()?;
                Some(LabelSelector {
                    match_labels: set.spec?.selector,
                    match_expressions: None,
                })
            }
            _ => None,
        }
    }
}
