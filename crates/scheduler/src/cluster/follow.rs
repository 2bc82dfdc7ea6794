//! What happens in the cluster, and whom it may help. Each function says whether there may be something to do.

use std::collections::BTreeSet;
use std::sync::Arc;

use cedge_informer::{Change, Key, Object};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use tokio::time::Instant;

use super::{Cluster, read};
use crate::decide::{Budget, Causes};
use crate::node::{Node, Placed};
use crate::pod::Pod;
use crate::terms::compile;
use crate::volumes::{Claim, Class, Volume, read_limits};

// === impl Cluster: pods and nodes ===

impl Cluster {
    pub(crate) fn pod_changed(&mut self, change: &Change, now: Instant) -> bool {
        let object = change.object();
        let key = object.key();
        let pod = match change {
            Change::Deleted(_) => None,
            Change::Added(_) | Change::Updated { .. } => read::<Pod>(object),
        };
        let Some(pod) = pod.filter(|pod| !pod.is_over()) else {
            self.queue.forget(key);
            return self.not_waiting(key, now) | self.leave(key, now);
        };
        if let Some(node) = pod.node() {
            self.queue.forget(key);
            self.unnominate(key);
            return self.settle(key, node, &pod, now);
        }
        if object.is_deleting() || !pod.wants_node() {
            self.queue.forget(key);
            return self.not_waiting(key, now);
        }
        if self.homes.contains_key(key) {
            // Assumed: the binding is on its way.
            return false;
        }
        self.wants(key, &pod, change)
    }

    fn wants(&mut self, key: &Key, pod: &Pod, change: &Change) -> bool {
        let known: Option<Pod> = change.old().and_then(|old| read(old));
        // Our own nomination is known before it is shown; one that others write or take back counts.
        let told = pod.nominated();
        if known.as_ref().is_none_or(|old| old.nominated() != told)
            && self.nominations.get(key).map(|n| &**n) != told
        {
            match told {
                Some(node) => {
                    let placed = Arc::new(Placed::new(pod, pod.priority()));
                    self.nominate(key, node, placed);
                }
                None => {
                    self.unnominate(key);
                }
            }
        }
        if known.is_some_and(|old| same_wish(&old, pod)) && self.queue.knows(key) {
            return false;
        }
        self.queue.add(key, pod.priority());
        true
    }

    /// No room need be made for it any more; that may help others.
    fn not_waiting(&mut self, key: &Key, now: Instant) -> bool {
        self.unnominate(key) && self.queue.changed(Causes::LEAVING, now)
    }

    /// A pod is on a node, as the cluster says.
    fn settle(&mut self, key: &Key, node: &str, pod: &Pod, now: Instant) -> bool {
        let placed = Arc::new(Placed::new(pod, pod.priority()));
        if placed.is_deleting {
            self.world.doomed.remove(key);
        }
        let before = self.take_out(key);
        let same = before
            .as_ref()
            .is_some_and(|(home, old)| *home.node == *node && old.looks_as(&placed));
        self.put(key, node.into(), placed, None);
        // An assumed pod that is bound now, or a new status: nothing that others did not know.
        if same {
            return false;
        }
        let change = match before {
            None => Causes::COMING,
            Some(_) => Causes::NEIGHBOURS,
        };
        self.queue.changed(change, now)
    }

    pub(crate) fn node_changed(&mut self, change: &Change, now: Instant) -> bool {
        let name: Arc<str> = change.object().name().into();
        if matches!(change, Change::Deleted(_)) {
            if let Some(place) = self.world.places.get_mut(&name) {
                place.node = None;
                self.tidy(&name);
            }
            return false;
        }
        let Some(node) = read::<Node>(change.object()) else {
            return false;
        };
        let place = self.world.places.entry(name).or_default();
        // Heartbeats and conditions change nothing here.
        let same = place.node.as_deref().is_some_and(|old| old.takes_as(&node));
        place.node = Some(Arc::new(node));
        !same && self.queue.changed(Causes::NODES, now)
    }

    pub(crate) fn namespace_changed(&mut self, change: &Change, now: Instant) -> bool {
        let (name, object) = (change.object().name().to_owned(), change.object());
        if matches!(change, Change::Deleted(_)) {
            self.world.namespaces.remove(&name);
            return false;
        }
        let labels = object.labels().clone();
        let old = self.world.namespaces.insert(name, labels.clone());
        old.as_ref() != Some(&labels) && self.queue.changed(Causes::COMING, now)
    }
}

// === impl Cluster: what decides between pods ===

impl Cluster {
    pub(crate) fn budget_changed(&mut self, change: &Change) {
        let key = change.object().key();
        self.world.budgets.remove(key);
        if matches!(change, Change::Deleted(_)) {
            return;
        }
        let budget: Option<PodDisruptionBudget> = read(change.object());
        let Some((spec, status)) =
            budget.and_then(|b| Some((b.spec?, b.status.unwrap_or_default())))
        else {
            return;
        };
        // Without a selector it is for nobody.
        let Some(selector) = spec.selector.as_ref().map(compile) else {
            return;
        };
        let disrupted: BTreeSet<String> = status
            .disrupted_pods
            .unwrap_or_default()
            .into_keys()
            .collect();
        let budget = Budget {
            selector,
            allowed: i64::from(status.disruptions_allowed.unwrap_or(0)),
            disrupted,
        };
        self.world.budgets.insert(key.clone(), budget);
    }

    pub(crate) fn service_changed(&mut self, change: &Change) {
        let (namespace, name) = (change.object().namespace(), change.object().name());
        let services = self.services.entry(namespace.into()).or_default();
        services.remove(name);
        if let Change::Deleted(_) = change {
            return;
        }
        let service: Option<Service> = read(change.object());
        let selector = service.and_then(|service| service.spec?.selector);
        if let Some(selector) = selector.filter(|selector| !selector.is_empty()) {
            services.insert(name.into(), selector);
        }
    }
}

// === impl Cluster: storage ===

impl Cluster {
    pub(crate) fn claim_changed(&mut self, change: &Change, now: Instant) -> bool {
        let key = change.object().key();
        let claim = unless_deleted(change, Claim::read);
        let claims = &mut self.world.volumes.claims;
        let changed = claims.get(key) != claim.as_ref();
        match claim {
            Some(claim) => claims.insert(key.clone(), claim),
            None => claims.remove(key),
        };
        changed && self.queue.changed(Causes::STORED, now)
    }

    pub(crate) fn volume_changed(&mut self, change: &Change, now: Instant) -> bool {
        let name = change.object().name();
        let volume = unless_deleted(change, Volume::read);
        let volumes = &mut self.world.volumes.volumes;
        let changed = volumes.get(name) != volume.as_ref();
        match volume {
            Some(volume) => volumes.insert(name.to_owned(), volume),
            None => volumes.remove(name),
        };
        changed && self.queue.changed(Causes::STORED, now)
    }

    pub(crate) fn class_changed(&mut self, change: &Change, now: Instant) -> bool {
        let name = change.object().name();
        let classes = &mut self.world.volumes.classes;
        match unless_deleted(change, Class::read) {
            Some(class) => classes.insert(name.to_owned(), class),
            None => classes.remove(name),
        };
        self.queue.changed(Causes::STORED, now)
    }

    pub(crate) fn limits_changed(&mut self, change: &Change, now: Instant) -> bool {
        let name = change.object().name();
        let limits = unless_deleted(change, read_limits).filter(|limits| !limits.is_empty());
        let known = &mut self.world.volumes.limits;
        let changed = known.get(name) != limits.as_ref();
        match limits {
            Some(limits) => known.insert(name.to_owned(), limits),
            None => known.remove(name),
        };
        changed && self.queue.changed(Causes::STORED, now)
    }
}

fn unless_deleted<T>(change: &Change, read: impl Fn(&Object) -> Option<T>) -> Option<T> {
    match change {
        Change::Deleted(_) => None,
        Change::Added(_) | Change::Updated { .. } => read(change.object()),
    }
}

/// Whether another state of a pod asks for the same. Its status does not count.
fn same_wish(old: &Pod, new: &Pod) -> bool {
    old.spec == new.spec && old.metadata.labels == new.metadata.labels
}
