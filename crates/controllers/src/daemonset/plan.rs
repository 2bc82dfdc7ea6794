//! Decides which nodes get a pod, which pods go, and what the status says. Pure.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use cedge_informer::Next;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{DaemonSet, DaemonSetStatus};
use k8s_openapi::api::core::v1::{Node, Pod, PodSpec, Toleration};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::nodes;
use crate::pods::{self, Available};

/// The label that says of which version a pod is.
pub(super) const HASH: &str = "controller-revision-hash";
/// Pods made or deleted in one go, as in Kubernetes.
const BURST: usize = 250;

pub(super) struct View {
    pub(super) set: DaemonSet,
    nodes: Vec<Node>,
    /// By node; oldest first.
    by_node: BTreeMap<String, Vec<Pod>>,
    pub(super) hash: String,
    now: Timestamp,
}

#[derive(Debug, Default, PartialEq)]
pub(super) struct Plan {
    /// Nodes that need a pod.
    pub(super) create: Vec<String>,
    pub(super) delete: Vec<Pod>,
    /// Pods that have failed; they go after a wait that grows, so that a set that cannot run does not spin.
    pub(super) failed: Vec<Pod>,
}

/// What a node is to a set.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fit {
    /// It gets a pod.
    Run,
    /// It gets none, but one that is there stays.
    Stay,
    /// One that is there goes.
    Leave,
}

impl View {
    pub(super) fn new(
        set: DaemonSet,
        mut nodes: Vec<Node>,
        mut pods: Vec<Pod>,
        hash: String,
        now: Timestamp,
    ) -> Self {
        nodes.sort_by(|a, b| nodes::name(a).cmp(nodes::name(b)));
        pods.sort_by_key(|p| {
            (
                p.metadata.creation_timestamp.clone(),
                pods::name(p).to_owned(),
            )
        });
        let mut by_node: BTreeMap<String, Vec<Pod>> = BTreeMap::new();
        for pod in pods {
            by_node.entry(target(&pod)).or_default().push(pod);
        }
        Self {
            set,
            nodes,
            by_node,
            hash,
            now,
        }
    }

    pub(super) fn plan(&self) -> Plan {
        let mut plan = Plan::default();
        for node in &self.nodes {
            self.plan_node(node, &mut plan);
        }
        for (node, pods) in &self.by_node {
            // Pods without a node are not ours to move; those of vanished nodes are the pod collector's.
            if !node.is_empty() && !self.nodes.iter().any(|n| nodes::name(n) == node) {
                let waiting = pods.iter().filter(|p| pods::node_name(p).is_empty());
                plan.delete
                    .extend(waiting.filter(|p| pods::is_active(p)).cloned());
            }
        }
        if self.is_rolling() {
            self.roll(&mut plan);
        }
        plan.create.truncate(BURST);
        plan.delete.truncate(BURST);
        plan
    }

    fn plan_node(&self, node: &Node, plan: &mut Plan) {
        let name = nodes::name(node);
        let there = self.on(name);
        let fit = self.fit(node);
        if fit == Fit::Leave {
            let leaving = there.iter().filter(|p| !pods::is_deleting(p));
            plan.delete.extend(leaving.cloned());
            return;
        }
        if there.is_empty() {
            if fit == Fit::Run {
                plan.create.push(name.to_owned());
            }
            return;
        }
        let mut running = Vec::new();
        for pod in there.iter().filter(|p| !pods::is_deleting(p)) {
            match pods::phase(pod) {
                "Failed" => plan.failed.push(pod.clone()),
                "Succeeded" => plan.delete.push(pod.clone()),
                _ => running.push(pod),
            }
        }
        // One of each version may be there while a surge replaces one by the other.
        let (new, old): (Vec<&Pod>, Vec<&Pod>) = if self.surge() > 0 {
            running.into_iter().partition(|p| self.is_current(p))
        } else {
            (Vec::new(), running)
        };
        for version in [new, old] {
            plan.delete.extend(version.into_iter().skip(1).cloned());
        }
    }

    fn is_rolling(&self) -> bool {
        let strategy = self.set.spec.update_strategy.as_ref();
        strategy.is_none_or(|s| s.type_.as_deref() != Some("OnDelete"))
    }

    fn roll(&self, plan: &mut Plan) {
        if self.surge() > 0 {
            self.roll_with_surge(plan);
        } else {
            self.roll_in_place(plan);
        }
    }

    /// Deletes old pods; the next round makes new ones in their place.
    fn roll_in_place(&self, plan: &mut Plan) {
        let mut missing = 0;
        let (mut broken, mut working) = (Vec::new(), Vec::new());
        for node in self.wanting() {
            let there = self.on(nodes::name(node));
            let alive: Vec<&Pod> = there.iter().filter(|p| pods::is_active(p)).collect();
            match alive.first() {
                None => missing += 1,
                Some(pod) => {
                    let available = self.is_available(pod);
                    missing += usize::from(!available);
                    if self.is_current(pod) {
                        continue;
                    }
                    if available {
                        working.push((*pod).clone());
                    } else {
                        broken.push((*pod).clone());
                    }
                }
            }
        }
        let room = self.unavailable_max().saturating_sub(missing);
        working.truncate(room);
        plan.delete.extend(broken.into_iter().chain(working));
    }

    /// Makes new pods beside old ones; the old one goes when the new one is available.
    fn roll_with_surge(&self, plan: &mut Plan) {
        let mut surging = 0;
        let (mut urgent, mut waiting) = (Vec::new(), Vec::new());
        for node in self.wanting() {
            let there = self.on(nodes::name(node));
            let alive = || there.iter().filter(|p| pods::is_active(p));
            let new = alive().find(|p| self.is_current(p));
            let Some(old) = alive().find(|p| !self.is_current(p)) else {
                continue;
            };
            match new {
                Some(new) if self.is_available(new) => plan.delete.push(old.clone()),
                Some(_) => surging += 1,
                None if self.is_available(old) => waiting.push(nodes::name(node).to_owned()),
                None => urgent.push(nodes::name(node).to_owned()),
            }
        }
        let room = self.surge().saturating_sub(surging);
        waiting.truncate(room);
        plan.create.extend(urgent.into_iter().chain(waiting));
    }

    pub(super) fn status(&self) -> DaemonSetStatus {
        let mut counts = DaemonSetStatus {
            observed_generation: self.set.metadata.generation,
            collision_count: self.set.status.as_ref().and_then(|s| s.collision_count),
            ..DaemonSetStatus::default()
        };
        let (mut updated, mut available) = (0, 0);
        for node in &self.nodes {
            let there = self.on(nodes::name(node));
            if self.fit(node) != Fit::Run {
                counts.number_misscheduled += i32::from(!there.is_empty());
                continue;
            }
            counts.desired_number_scheduled += 1;
            let Some(pod) = there.first() else { continue };
            counts.current_number_scheduled += 1;
            counts.number_ready += i32::from(pods::is_ready(pod));
            available += i32::from(self.is_available(pod));
            updated += i32::from(there.iter().any(|p| self.is_current(p)));
        }
        let some = |count: i32| (count != 0).then_some(count);
        counts.updated_number_scheduled = some(updated);
        counts.number_available = some(available);
        counts.number_unavailable = some(counts.desired_number_scheduled - available);
        counts
    }

    /// When the first pod that is ready will have been so long enough.
    pub(super) fn next(&self) -> Next {
        let all = self.by_node.values().flatten();
        let waits = all.filter_map(|p| match pods::available(p, self.min_ready(), self.now) {
            Available::After(left) => Some(left),
            Available::Yes | Available::No => None,
        });
        waits.min().map_or(Next::OnChange, Next::After)
    }

    fn on(&self, node: &str) -> &[Pod] {
        self.by_node.get(node).map_or(&[], Vec::as_slice)
    }

    fn wanting(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|n| self.fit(n) == Fit::Run)
    }

    fn fit(&self, node: &Node) -> Fit {
        let spec = self.pod_spec();
        let named = spec
            .node_name
            .as_ref()
            .is_none_or(|n| n == nodes::name(node));
        if !named || !nodes::attracts(&spec, node) {
            return Fit::Leave;
        }
        let tolerations = spec.tolerations.as_deref().unwrap_or(&[]);
        let repelled = |effects: &[&str]| {
            nodes::untolerated(nodes::taints(node), tolerations, effects).is_some()
        };
        if repelled(&["NoExecute"]) {
            Fit::Leave
        } else if repelled(&["NoSchedule"]) {
            Fit::Stay
        } else {
            Fit::Run
        }
    }

    /// The template's spec with the tolerations that all pods of DaemonSets have: they stay on a node in trouble.
    pub(super) fn pod_spec(&self) -> PodSpec {
        let mut spec = self.set.spec.template.spec.clone().unwrap_or_default();
        let mut wanted = vec![
            (nodes::NOT_READY, "NoExecute"),
            (nodes::UNREACHABLE, "NoExecute"),
            ("node.kubernetes.io/disk-pressure", "NoSchedule"),
            ("node.kubernetes.io/memory-pressure", "NoSchedule"),
            ("node.kubernetes.io/pid-pressure", "NoSchedule"),
            ("node.kubernetes.io/unschedulable", "NoSchedule"),
        ];
        if spec.host_network == Some(true) {
            wanted.push(("node.kubernetes.io/network-unavailable", "NoSchedule"));
        }
        let tolerations = spec.tolerations.get_or_insert_default();
        for (key, effect) in wanted {
            let toleration = Toleration {
                key: Some(key.to_owned()),
                operator: Some("Exists".to_owned()),
                effect: Some(effect.to_owned()),
                ..Toleration::default()
            };
            if !tolerations.contains(&toleration) {
                tolerations.push(toleration);
            }
        }
        spec
    }

    fn is_current(&self, pod: &Pod) -> bool {
        let labels = pod.metadata.labels.as_ref();
        labels.and_then(|l| l.get(HASH)) == Some(&self.hash)
    }

    fn is_available(&self, pod: &Pod) -> bool {
        pods::available(pod, self.min_ready(), self.now) == Available::Yes
    }

    fn min_ready(&self) -> i32 {
        self.set.spec.min_ready_seconds.unwrap_or(0)
    }

    fn surge(&self) -> usize {
        let rolling = self.set.spec.update_strategy.as_ref();
        let rolling = rolling.and_then(|s| s.rolling_update.as_ref());
        self.share(rolling.and_then(|r| r.max_surge.as_ref()))
    }

    fn unavailable_max(&self) -> usize {
        let rolling = self.set.spec.update_strategy.as_ref();
        let rolling = rolling.and_then(|s| s.rolling_update.as_ref());
        let max = rolling.and_then(|r| r.max_unavailable.as_ref());
        // Something must be allowed to move.
        max.map_or(1, |max| self.share(Some(max))).max(1)
    }

    /// A number, or a share of the nodes that want a pod, rounded up.
    fn share(&self, value: Option<&IntOrString>) -> usize {
        match value {
            None => 0,
            Some(IntOrString::Int(n)) => usize::try_from(*n).unwrap_or(0),
            Some(IntOrString::String(s)) => {
                let percent: usize = s.trim_end_matches('%').parse().unwrap_or(0);
                (percent * self.wanting().count()).div_ceil(100)
            }
        }
    }
}

/// The node that a pod is on, or is meant for.
fn target(pod: &Pod) -> String {
    let spec = pod.spec.as_ref();
    if let Some(name) = spec
        .and_then(|s| s.node_name.clone())
        .filter(|n| !n.is_empty())
    {
        return name;
    }
    let affinity = spec.and_then(|s| s.affinity.as_ref()?.node_affinity.as_ref());
    let required = affinity.and_then(|a| {
        a.required_during_scheduling_ignored_during_execution
            .as_ref()
    });
    let terms = required.into_iter().flat_map(|r| &r.node_selector_terms);
    let mut fields = terms.flat_map(|t| t.match_fields.iter().flatten());
    let field = fields.find(|f| f.key == "metadata.name" && f.operator == "In");
    let values = field.and_then(|f| f.values.clone()).unwrap_or_default();
    values.into_iter().next().unwrap_or_default()
}
