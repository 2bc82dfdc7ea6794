//! Which nodes take a pod at all.

use std::collections::BTreeSet;

use super::neighbours::Neighbours;
use super::{Candidate, Causes, Refusal, World, affinity, taints};
use crate::node::Place;
use crate::pod::{HostPort, Pod};
use crate::resources::{Requests, Resources};

/// What is asked of each node, prepared once for a pod.
#[derive(Debug)]
pub(super) struct Filters<'a> {
    pod: &'a Pod,
    requests: &'a Resources,
    ports: Vec<HostPort>,
    named: Option<BTreeSet<&'a str>>,
    neighbours: Neighbours<'a>,
}

// === impl Filters ===

impl<'a> Filters<'a> {
    /// Fails if no node can ever do.
    pub(super) fn new(
        pod: &'a Pod,
        requests: &'a Requests,
        world: &'a World,
    ) -> Result<Self, Refusal> {
        let named = affinity::named(pod);
        if named.as_ref().is_some_and(BTreeSet::is_empty) {
            let reason = "pod affinity terms conflict";
            return Err(Refusal::because(reason, Causes::default()));
        }
        Ok(Self {
            pod,
            requests: &requests.resources,
            ports: pod.host_ports(),
            named,
            neighbours: Neighbours::new(pod, world),
        })
    }

    pub(super) fn check(&self, candidate: &Candidate<'_>) -> Result<(), Refusal> {
        let Candidate { node, place } = candidate;
        let because = |reason: &str| Err(Refusal::because(reason, Causes::NODES));
        if self
            .named
            .as_ref()
            .is_some_and(|names| !names.contains(node.name.as_str()))
        {
            return because("node(s) didn't satisfy plugin(s) [NodeAffinity]");
        }
        let tolerations = self.pod.tolerations();
        if node.unschedulable && !taints::tolerate_cordon(tolerations) {
            return because("node(s) were unschedulable");
        }
        if taints::repel(&node.taints, tolerations) {
            return because("node(s) had untolerated taint(s)");
        }
        if !affinity::accepts(self.pod, node) {
            return because("node(s) didn't match Pod's node affinity/selector");
        }
        if self.ports_collide(place) {
            let reason = "node(s) didn't have free ports for the requested pod ports";
            return Err(Refusal::because(reason, Causes::ROOM));
        }
        let reasons = lacking(self.requests, &node.allocatable, place);
        if !reasons.is_empty() {
            let causes = Causes::ROOM;
            return Err(Refusal { reasons, causes });
        }
        self.neighbours.check(node)
    }

    fn ports_collide(&self, place: &Place) -> bool {
        !self.ports.is_empty()
            && place
                .pods
                .values()
                .flat_map(|pod| &pod.ports)
                .any(|taken| self.ports.iter().any(|port| port.collides(taken)))
    }
}

/// What a node has too little of, as Kubernetes names it.
fn lacking(requests: &Resources, has: &Resources, place: &Place) -> Vec<String> {
    let taken = &place.requested.resources;
    let mut reasons = Vec::new();
    let pods = i64::try_from(place.pods.len()).unwrap_or(i64::MAX);
    if pods >= has.pods {
        reasons.push("Too many pods".to_owned());
    }
    let mut check = |name: &str, asked: i64, taken: i64, has: i64| {
        if asked > 0 && asked > has - taken {
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
    reasons
}
