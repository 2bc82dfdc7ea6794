//! Which nodes take a pod at all.

use std::collections::BTreeSet;

use super::neighbours::Neighbours;
use super::storage::Storage;
use super::{Candidate, Causes, Refusal, Wish, World, affinity, taints};
use crate::node::{Node, Place};
use crate::pod::HostPort;
use crate::resources::Resources;

/// What is asked of each node, prepared once for a pod.
#[derive(Debug)]
pub(super) struct Filters<'a> {
    pub(super) wish: &'a Wish<'a>,
    pub(super) world: &'a World,
    pub(super) neighbours: Neighbours<'a>,
    storage: &'a Storage<'a>,
    named: Option<BTreeSet<&'a str>>,
}

// === impl Filters ===

impl<'a> Filters<'a> {
    /// Fails if no node can ever do.
    pub(super) fn new(
        wish: &'a Wish<'a>,
        world: &'a World,
        storage: &'a Storage<'a>,
    ) -> Result<Self, Refusal> {
        let named = affinity::named(wish.pod);
        if named.as_ref().is_some_and(BTreeSet::is_empty) {
            let reason = "pod affinity terms conflict";
            return Err(Refusal::final_because(reason, Causes::default()));
        }
        Ok(Self {
            wish,
            world,
            neighbours: Neighbours::new(wish, world, &storage.exclusive),
            storage,
            named,
        })
    }

    pub(super) fn check(&self, candidate: &Candidate<'_>) -> Result<(), Refusal> {
        let Candidate { node, place } = candidate;
        self.check_node(node)?;
        self.check_with_nominated(node, place, &self.neighbours)
    }

    /// What no pod that leaves can change.
    fn check_node(&self, node: &Node) -> Result<(), Refusal> {
        let because = |reason: &str| Err(Refusal::final_because(reason, Causes::NODES));
        if self
            .named
            .as_ref()
            .is_some_and(|names| !names.contains(node.name.as_str()))
        {
            return because("node(s) didn't satisfy plugin(s) [NodeAffinity]");
        }
        let tolerations = self.wish.pod.tolerations();
        if node.unschedulable && !taints::tolerate_cordon(tolerations) {
            return because("node(s) were unschedulable");
        }
        if taints::repel(&node.taints, tolerations) {
            return because("node(s) had untolerated taint(s)");
        }
        if !affinity::accepts(self.wish.pod, node) {
            return because("node(s) didn't match Pod's node affinity/selector");
        }
        Ok(())
    }

    /// What depends on the pods that are there: it must hold with those for which room is being made there, and
    /// without them, as they may go elsewhere.
    pub(super) fn check_with_nominated(
        &self,
        node: &Node,
        place: &Place,
        neighbours: &Neighbours<'_>,
    ) -> Result<(), Refusal> {
        let nominated = self.world.nominated.get(node.name.as_str());
        let mut expected = nominated
            .into_iter()
            .flatten()
            .filter(|(key, pod)| pod.priority >= self.wish.placed.priority && *key != self.wish.key)
            .peekable();
        if expected.peek().is_some() {
            let mut place = place.clone();
            let mut neighbours = neighbours.clone();
            for (key, pod) in expected {
                neighbours.note(pod, node, self.world, 1);
                place.put(key.clone(), pod.clone());
            }
            self.check_pods(node, &place, &neighbours)?;
        }
        self.check_pods(node, place, neighbours)
    }

    fn check_pods(
        &self,
        node: &Node,
        place: &Place,
        neighbours: &Neighbours<'_>,
    ) -> Result<(), Refusal> {
        if collide(&self.wish.placed.ports, place) {
            let reason = "node(s) didn't have free ports for the requested pod ports";
            return Err(Refusal::because(reason, Causes::ROOM));
        }
        check_room(&self.wish.placed.requests.resources, node, place)?;
        if neighbours.is_held() {
            let reason = "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod \
                          access mode already in-use by another pod";
            return Err(Refusal::because(reason, Causes::ROOM));
        }
        if !self.storage.is_empty() {
            self.storage.check_limits(node, place, self.world)?;
            self.storage.bindings(node, self.world)?;
        }
        neighbours.check(node)
    }
}

fn collide(ports: &[HostPort], place: &Place) -> bool {
    !ports.is_empty()
        && place
            .pods
            .values()
            .flat_map(|pod| &pod.ports)
            .any(|taken| ports.iter().any(|port| port.collides(taken)))
}

/// What a node has too little of, as Kubernetes names it. Whoever asks for more than there is at all, asks in vain.
fn check_room(requests: &Resources, node: &Node, place: &Place) -> Result<(), Refusal> {
    let (has, taken) = (&node.allocatable, &place.requested.resources);
    let mut reasons = Vec::new();
    let mut is_final = false;
    let pods = i64::try_from(place.pods.len()).unwrap_or(i64::MAX);
    if pods >= has.pods {
        reasons.push("Too many pods".to_owned());
    }
    let mut check = |name: &str, asked: i64, taken: i64, has: i64| {
        if asked > 0 && asked > has - taken {
            is_final |= asked > has;
            reasons.push(format!("Insufficient {name}"));
        }
    };
    check("cpu", requests.milli_cpu, taken.milli_cpu, has.milli_cpu);
    check("memory", requests.memory, taken.memory, has.memory);
    check(
        "ephemeral-storage",
        requests.ephemeral_storage,
        taken.ephemeral_storage,
        has.ephemeral_storage,
    );
    for (name, asked) in &requests.extended {
        let of = |r: &Resources| r.extended.get(name).copied().unwrap_or(0);
        check(name, *asked, of(taken), of(has));
    }
    if reasons.is_empty() {
        return Ok(());
    }
    let causes = Causes::ROOM;
    Err(Refusal {
        reasons,
        causes,
        is_final,
    })
}
