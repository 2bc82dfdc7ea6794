//! What the scheduler knows: nodes, the pods on them, those that wait, those for which room is being made
//! (*nominated*), and those that it has just placed and that the cluster does not show as placed yet (*assumed*), so
//! that two pods never get the same room.
//!
//! What changes it stands in `cluster/follow.rs`.

mod follow;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cedge_informer::{Key, Object, Selector};
use tokio::time::Instant;

use crate::decide::{Causes, Chosen, Unfit, Wish, World, decide};
use crate::node::{Place, Placed};
use crate::pod::Pod;
use crate::queue::Queue;
use crate::volumes::Bindings;

#[derive(Debug, Default)]
pub(crate) struct Cluster {
    world: World,
    /// Where each pod takes room.
    homes: HashMap<Key, Home>,
    /// Where room is being made for a pod.
    nominations: HashMap<Key, Arc<str>>,
    queue: Queue,
    /// What each service selects, by namespace and name.
    services: HashMap<Box<str>, Services>,
    turn: usize,
}

/// What each service of a namespace selects, by name.
type Services = BTreeMap<Box<str>, BTreeMap<String, String>>;

#[derive(Debug)]
struct Home {
    node: Arc<str>,
    /// What was promised with it, until the cluster shows it.
    assumed: Option<Bindings>,
}

/// What became of the pod whose turn it was.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It gets this node; room is kept for it.
    Place { pod: Box<Pod>, chosen: Chosen },
    /// No node takes it; it waits for a change.
    Wait { pod: Box<Pod>, unfit: Unfit },
}

/// Where a decision finds what is not kept here.
pub(crate) trait Source {
    /// The latest state of a pod.
    fn pod(&self, key: &Key) -> Option<Arc<Object>>;
    /// Which pods are a pod's like: what these services and its owner select.
    fn like(&self, pod: &Pod, services: BTreeMap<String, String>) -> Option<Selector>;
}

// === impl Cluster: deciding ===

impl Cluster {
    /// Decides for the pod whose turn it is.
    pub(crate) fn next(&mut self, now: Instant, source: &impl Source) -> Option<Verdict> {
        loop {
            let key = self.queue.next(now)?;
            let pod = source.pod(&key).filter(|object| !object.is_deleting());
            let pod: Option<Pod> = pod.and_then(|object| read(&object));
            let Some(pod) = pod.filter(Pod::wants_node) else {
                self.queue.forget(&key);
                continue;
            };
            return Some(self.place(&key, pod, source));
        }
    }

    fn place(&mut self, key: &Key, mut pod: Pod, source: &impl Source) -> Verdict {
        self.turn = self.turn.wrapping_add(1);
        // What was decided last counts, shown by the cluster or not.
        let nomination = self.nominations.get(key);
        pod.status.nominated_node_name = nomination.map(ToString::to_string);
        let like = source.like(&pod, self.services_of(&pod));
        let wish = Wish {
            key,
            pod: &pod,
            placed: Arc::new(Placed::new(&pod, pod.priority())),
            like: like.as_ref(),
        };
        let decision = decide(&wish, &self.world, self.turn);
        let placed = wish.placed.clone();
        match decision {
            Ok(chosen) => {
                self.unnominate(key);
                self.world.volumes.assume(&chosen.bindings, &chosen.node);
                let assumed = Some(chosen.bindings.clone());
                self.put(key, chosen.node.clone(), placed, assumed);
                let pod = Box::new(pod);
                Verdict::Place { pod, chosen }
            }
            Err(unfit) => {
                self.wait(key, &placed, &unfit);
                let pod = Box::new(pod);
                Verdict::Wait { pod, unfit }
            }
        }
    }

    fn wait(&mut self, key: &Key, placed: &Arc<Placed>, unfit: &Unfit) {
        if unfit.ends_nomination {
            self.unnominate(key);
        }
        if let Some(preemption) = &unfit.preemption {
            self.nominate(key, &preemption.node, placed.clone());
            let victims = preemption.victims.iter().map(|victim| victim.key.clone());
            self.world.doomed.extend(victims);
            for outbid in &preemption.outbid {
                self.unnominate(outbid);
                self.queue.activate(outbid);
            }
        }
        let is_urgent = self.nominations.contains_key(key);
        self.queue.park(key, unfit.causes, is_urgent);
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
        if self
            .homes
            .get(key)
            .is_some_and(|home| home.assumed.is_some())
        {
            self.leave(key, now);
            self.queue.retry(key);
        }
    }

    /// Not all that had to go could be told so: the pod for which they had to is tried again.
    pub(crate) fn spared(&mut self, key: &Key, victims: impl Iterator<Item = Key>) {
        for victim in victims {
            self.world.doomed.remove(&victim);
        }
        self.queue.activate(key);
    }
}

// === impl Cluster: what it keeps ===

impl Cluster {
    fn put(&mut self, key: &Key, node: Arc<str>, pod: Arc<Placed>, assumed: Option<Bindings>) {
        for claim in &pod.claims {
            let claim = Key::new(&pod.namespace, claim);
            *self.world.users.entry(claim).or_default() += 1;
        }
        let place = self.world.places.entry(node.clone()).or_default();
        place.put(key.clone(), pod);
        self.homes.insert(key.clone(), Home { node, assumed });
    }

    fn take_out(&mut self, key: &Key) -> Option<(Home, Arc<Placed>)> {
        let home = self.homes.remove(key)?;
        if let Some(bindings) = &home.assumed {
            self.world.volumes.forget(bindings);
        }
        let pod = self.world.places.get_mut(&home.node)?.remove(key)?;
        for claim in &pod.claims {
            let claim = Key::new(&pod.namespace, claim);
            if let Some(users) = self.world.users.get_mut(&claim) {
                *users -= 1;
                if *users == 0 {
                    self.world.users.remove(&claim);
                }
            }
        }
        self.tidy(&home.node);
        Some((home, pod))
    }

    fn leave(&mut self, key: &Key, now: Instant) -> bool {
        self.world.doomed.remove(key);
        let left = self.take_out(key).is_some();
        left && self.queue.changed(Causes::LEAVING, now)
    }

    fn tidy(&mut self, node: &str) {
        if self.world.places.get(node).is_some_and(Place::is_nothing) {
            self.world.places.remove(node);
        }
    }

    fn nominate(&mut self, key: &Key, node: &str, pod: Arc<Placed>) {
        self.unnominate(key);
        let node: Arc<str> = node.into();
        let there = self.world.nominated.entry(node.clone()).or_default();
        there.insert(key.clone(), pod);
        self.nominations.insert(key.clone(), node);
    }

    fn unnominate(&mut self, key: &Key) -> bool {
        let Some(node) = self.nominations.remove(key) else {
            return false;
        };
        if let Some(there) = self.world.nominated.get_mut(&node) {
            there.remove(key);
            if there.is_empty() {
                self.world.nominated.remove(&node);
            }
        }
        true
    }

    /// What the services that select a pod select together.
    fn services_of(&self, pod: &Pod) -> BTreeMap<String, String> {
        let labels = pod.metadata.labels.as_ref();
        let has = |(key, value): (&String, &String)| {
            labels.is_some_and(|labels| labels.get(key) == Some(value))
        };
        let services = self.services.get(&*pod.metadata.namespace);
        services
            .into_iter()
            .flat_map(BTreeMap::values)
            .filter(|selector| selector.iter().all(has))
            .flatten()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }
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
