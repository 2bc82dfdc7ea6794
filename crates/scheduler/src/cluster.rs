//! What the scheduler knows: nodes, the pods on them, those that wait, and those that it has just placed and that the
//! cluster does not show as placed yet (*assumed*), so that two pods never get the same room.

use std::collections::HashMap;
use std::sync::Arc;

use cedge_informer::{Change, Key, Object};
use tokio::time::Instant;

use crate::decide::{Causes, Unfit, World, decide};
use crate::node::{Node, Place, Placed};
use crate::pod::Pod;
use crate::queue::Queue;

#[derive(Debug, Default)]
pub(crate) struct Cluster {
    world: World,
    /// Where each pod takes room.
    homes: HashMap<Key, Home>,
    queue: Queue,
    /// Value of each priority class, and the one for pods that name none.
    priorities: HashMap<String, i32>,
    usual_priority: Option<(String, i32)>,
    turn: usize,
}

#[derive(Debug)]
struct Home {
    node: Arc<str>,
    assumed: bool,
}

/// What became of the pod whose turn it was.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It gets this node; room is kept for it.
    Place { pod: Box<Pod>, node: Arc<str> },
    /// No node takes it; it waits for a change.
    Wait { pod: Box<Pod>, unfit: Unfit },
}

// === impl Cluster: what happens ===

impl Cluster {
    /// Takes note of a pod's change. Says whether there may be something to do.
    pub(crate) fn pod_changed(&mut self, change: &Change, now: Instant) -> bool {
        let object = change.object();
        let key = object.key();
        if matches!(change, Change::Deleted(_)) {
            self.queue.forget(key);
            return self.leave(key, now);
        }
        let Some(pod) = read::<Pod>(object) else {
            return false;
        };
        if pod.is_over() {
            self.queue.forget(key);
            return self.leave(key, now);
        }
        if let Some(node) = pod.node() {
            self.queue.forget(key);
            return self.settle(key, node, &pod, now);
        }
        if object.is_deleting() || !pod.wants_node() {
            self.queue.forget(key);
            return false;
        }
        if self.homes.contains_key(key) {
            // Assumed: the binding is on its way.
            return false;
        }
        let known: Option<Pod> = change.old().and_then(|old| read(old));
        if known.is_some_and(|old| same_wish(&old, &pod)) && self.queue.knows(key) {
            return false;
        }
        self.queue.add(key, self.priority(&pod));
        true
    }

    /// Takes note of a node's change. Says whether there may be something to do.
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
        if place.node.as_deref() == Some(&node) {
            return false;
        }
        place.node = Some(Arc::new(node));
        self.queue.changed(Causes::NODES, now)
    }

    pub(crate) fn namespace_changed(&mut self, change: &Change, now: Instant) -> bool {
        let (name, object) = (change.object().name().to_owned(), change.object());
        if matches!(change, Change::Deleted(_)) {
            self.world.namespaces.remove(&name);
            return false;
        }
        let labels = object.labels().clone();
        let old = self.world.namespaces.insert(name, labels.clone());
        old.as_ref() != Some(&labels) && self.queue.changed(COMING, now)
    }

    pub(crate) fn priority_class_changed(&mut self, change: &Change) {
        use k8s_openapi::api::scheduling::v1::PriorityClass;
        let name = change.object().name().to_owned();
        self.priorities.remove(&name);
        self.usual_priority.take_if(|(usual, _)| *usual == name);
        if matches!(change, Change::Deleted(_)) {
            return;
        }
        if let Some(class) = read::<PriorityClass>(change.object()) {
            let value = class.value.unwrap_or(0);
            if class.global_default == Some(true) {
                self.usual_priority = Some((name.clone(), value));
            }
            self.priorities.insert(name, value);
        }
    }

    fn priority(&self, pod: &Pod) -> i32 {
        let spec = &pod.spec;
        let of_class = || match &spec.priority_class_name {
            Some(name) if !name.is_empty() => self.priorities.get(name).copied(),
            _ => self.usual_priority.as_ref().map(|(_, value)| *value),
        };
        spec.priority.or_else(of_class).unwrap_or(0)
    }

    /// A pod is on a node, as the cluster says.
    fn settle(&mut self, key: &Key, node: &str, pod: &Pod, now: Instant) -> bool {
        let placed = Arc::new(Placed::from(pod));
        let before = self.take_out(key);
        let same = before.as_ref().is_some_and(|(home, old)| {
            *home.node == *node && old.requests == placed.requests && old.labels == placed.labels
        });
        self.put(key, node.into(), placed, false);
        // An assumed pod that is bound now, or a new status: nothing that others did not know.
        if same {
            return false;
        }
        let change = match before {
            None => COMING,
            Some(_) => Causes::NEIGHBOURS,
        };
        self.queue.changed(change, now)
    }

    fn leave(&mut self, key: &Key, now: Instant) -> bool {
        let left = self.take_out(key).is_some();
        left && self.queue.changed(LEAVING, now)
    }

    fn put(&mut self, key: &Key, node: Arc<str>, pod: Arc<Placed>, assumed: bool) {
        let place = self.world.places.entry(node.clone()).or_default();
        place.put(key.clone(), pod);
        self.homes.insert(key.clone(), Home { node, assumed });
    }

    fn take_out(&mut self, key: &Key) -> Option<(Home, Arc<Placed>)> {
        let home = self.homes.remove(key)?;
        let pod = self.world.places.get_mut(&home.node)?.remove(key)?;
        self.tidy(&home.node);
        Some((home, pod))
    }

    fn tidy(&mut self, node: &str) {
        if self.world.places.get(node).is_some_and(Place::is_nothing) {
            self.world.places.remove(node);
        }
    }
}

const LEAVING: Causes = Causes {
    nodes: false,
    leaving: true,
    coming: false,
};
const COMING: Causes = Causes {
    nodes: false,
    leaving: false,
    coming: true,
};

// === impl Cluster: deciding ===

impl Cluster {
    /// Decides for the pod whose turn it is; `find` gives its latest state.
    pub(crate) fn next(
        &mut self,
        now: Instant,
        find: impl Fn(&Key) -> Option<Arc<Object>>,
    ) -> Option<Verdict> {
        loop {
            let key = self.queue.next(now)?;
            let pod = find(&key).filter(|object| !object.is_deleting());
            let pod: Option<Pod> = pod.and_then(|object| read(&object));
            let Some(pod) = pod.filter(Pod::wants_node) else {
                self.queue.forget(&key);
                continue;
            };
            return Some(self.place(&key, pod));
        }
    }

    fn place(&mut self, key: &Key, pod: Pod) -> Verdict {
        self.turn = self.turn.wrapping_add(1);
        let pod = Box::new(pod);
        match decide(&pod, &self.world, self.turn) {
            Ok(node) => {
                let placed = Arc::new(Placed::from(&*pod));
                self.put(key, node.clone(), placed, true);
                Verdict::Place { pod, node }
            }
            Err(unfit) => {
                self.queue.park(key, unfit.causes);
                Verdict::Wait { pod, unfit }
            }
        }
    }

    /// When to decide again, if nothing changes before.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.queue.due()
    }

    /// The binding is done: the queue need not know the pod any more.
    pub(crate) fn bound(&mut self, key: &Key) {
        self.queue.forget(key);
    }

    /// The binding failed: the room is free again, and the pod is tried again, if it still is there and wants a node.
    pub(crate) fn not_bound(&mut self, key: &Key, now: Instant) {
        if self.homes.get(key).is_some_and(|home| home.assumed) {
            self.leave(key, now);
            self.queue.retry(key);
        }
    }
}

/// Whether another state of a pod asks for the same. Its status does not count.
fn same_wish(old: &Pod, new: &Pod) -> bool {
    old.spec == new.spec && old.metadata.labels == new.metadata.labels
}

fn read<T: serde::de::DeserializeOwned>(object: &Object) -> Option<T> {
    match object.decode() {
        Ok(value) => Some(value),
        Err(e) => {
            tracing::warn!(error = %e, "an object is left out of scheduling");
            None
        }
    }
}
