//! Which pods a pod must be near, or must not be, and how evenly its like are to be spread: affinity and anti-affinity
//! between pods, and topology spread constraints that forbid.

use std::collections::{BTreeMap, BTreeSet};

use cedge_informer::{Labels, Selector};
use k8s_openapi::api::core::v1::{PodAffinityTerm, TopologySpreadConstraint};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::{Causes, Refusal, World, affinity, taints};
use crate::node::{Node, Placed};
use crate::pod::Pod;

/// A label of nodes and its value: one side of a border.
type Domain = (String, String);

/// Where a pod may be because of others, prepared once.
#[derive(Debug)]
pub(super) struct Neighbours<'a> {
    /// For each term of affinity its topology key, and the domains where somebody matches.
    near: Vec<(&'a str, BTreeSet<String>)>,
    /// Nobody matches any term, and the pod matches all of its own: it may be the first.
    first: bool,
    /// Domains that somebody in them is not wanted near by this pod.
    avoids: BTreeSet<Domain>,
    /// Domains where somebody does not want this pod.
    unwanted: BTreeSet<Domain>,
    spreads: Vec<Spread<'a>>,
}

/// One topology spread constraint with the counts of now.
#[derive(Debug)]
struct Spread<'a> {
    key: &'a str,
    max_skew: i64,
    counts: BTreeMap<String, i64>,
    least: i64,
    /// 1 if the pod itself counts.
    own: i64,
}

/// A term with what it selects, ready to be asked.
struct Term {
    namespaces: Option<Vec<String>>,
    namespace_selector: Option<Selector>,
    pods: Selector,
}

// === impl Neighbours ===

impl<'a> Neighbours<'a> {
    pub(super) fn new(pod: &'a Pod, world: &World) -> Self {
        let affinity = pod.spec.affinity.as_ref();
        let near_terms = affinity
            .and_then(|a| a.pod_affinity.as_ref())
            .and_then(|a| {
                a.required_during_scheduling_ignored_during_execution
                    .as_deref()
            })
            .unwrap_or_default();
        let far_terms = affinity
            .and_then(|a| a.pod_anti_affinity.as_ref())
            .and_then(|a| {
                a.required_during_scheduling_ignored_during_execution
                    .as_deref()
            })
            .unwrap_or_default();
        let labels: Labels = pod.metadata.labels.iter().flatten().collect();
        let namespace = &pod.metadata.namespace;
        let near: Vec<(&str, BTreeSet<String>)> = near_terms
            .iter()
            .map(|term| {
                (
                    &*term.topology_key,
                    domains(term, namespace, &labels, world),
                )
            })
            .collect();
        let own_match = near_terms
            .iter()
            .all(|term| Term::new(term, namespace, &labels).selects(namespace, &labels, world));
        Self {
            first: own_match && near.iter().all(|(_, domains)| domains.is_empty()),
            near,
            avoids: far_terms
                .iter()
                .flat_map(|term| {
                    let found = domains(term, namespace, &labels, world);
                    found.into_iter().map(|d| (term.topology_key.clone(), d))
                })
                .collect(),
            unwanted: unwanted(pod, &labels, world),
            spreads: forbidding(pod)
                .map(|constraint| Spread::new(constraint, pod, &labels, world))
                .collect(),
        }
    }

    pub(super) fn check(&self, node: &Node) -> Result<(), Refusal> {
        let because = |reason: &str| Err(Refusal::because(reason, Causes::NEIGHBOURS));
        for spread in &self.spreads {
            let Some(domain) = node.labels.get(spread.key) else {
                let reason =
                    "node(s) didn't match pod topology spread constraints (missing required label)";
                return because(reason);
            };
            if !spread.allows(domain) {
                return because("node(s) didn't match pod topology spread constraints");
            }
        }
        let inside = |domains: &BTreeSet<Domain>| {
            domains
                .iter()
                .any(|(key, value)| node.labels.get(key) == Some(value))
        };
        let is_near = |(key, domains): &(&str, BTreeSet<String>)| {
            let domain = node.labels.get(*key);
            domain.is_some_and(|d| self.first || domains.contains(d))
        };
        if !self.near.iter().all(is_near) {
            return because("node(s) didn't match pod affinity rules");
        }
        if inside(&self.avoids) {
            return because("node(s) didn't match pod anti-affinity rules");
        }
        if inside(&self.unwanted) {
            return because("node(s) didn't satisfy existing pods anti-affinity rules");
        }
        Ok(())
    }
}

/// The domains of a term's topology where somebody matches it.
fn domains(
    term: &PodAffinityTerm,
    namespace: &str,
    labels: &Labels,
    world: &World,
) -> BTreeSet<String> {
    let asked = Term::new(term, namespace, labels);
    let mut found = BTreeSet::new();
    for (node, placed) in everybody(world) {
        if let Some(domain) = node.labels.get(&term.topology_key)
            && asked.selects(&placed.namespace, &placed.labels, world)
        {
            found.insert(domain.clone());
        }
    }
    found
}

/// The domains of those who do not want this pod near.
fn unwanted(pod: &Pod, labels: &Labels, world: &World) -> BTreeSet<Domain> {
    let mut found = BTreeSet::new();
    for (node, placed) in everybody(world) {
        for term in &placed.repels {
            if let Some(domain) = node.labels.get(&term.topology_key)
                && Term::new(term, &placed.namespace, &placed.labels).selects(
                    &pod.metadata.namespace,
                    labels,
                    world,
                )
            {
                found.insert((term.topology_key.clone(), domain.clone()));
            }
        }
    }
    found
}

fn everybody(world: &World) -> impl Iterator<Item = (&Node, &Placed)> {
    world.places.values().flat_map(|place| {
        let node = place.node.as_deref();
        let pods = place.pods.values();
        node.into_iter()
            .flat_map(move |node| pods.clone().map(move |pod| (node, &**pod)))
    })
}

// === impl Term ===

impl Term {
    /// `labels` are those of the pod whose term it is: label keys may be taken from them.
    fn new(term: &PodAffinityTerm, namespace: &str, labels: &Labels) -> Self {
        let named = term.namespaces.clone().filter(|n| !n.is_empty());
        let selector = term.namespace_selector.as_ref().map(selector_of);
        let own = (named.is_none() && selector.is_none()).then(|| vec![namespace.to_owned()]);
        let mut pods = term.label_selector.clone();
        if let Some(pods) = &mut pods {
            add_keys(pods, term.match_label_keys.as_deref(), labels, "In");
            add_keys(pods, term.mismatch_label_keys.as_deref(), labels, "NotIn");
        }
        Self {
            namespaces: named.or(own),
            namespace_selector: selector,
            pods: pods.as_ref().map_or_else(Selector::nothing, selector_of),
        }
    }

    fn selects(&self, namespace: &str, labels: &Labels, world: &World) -> bool {
        let named = self
            .namespaces
            .as_ref()
            .is_some_and(|names| names.iter().any(|n| n == namespace));
        let none = Labels::default();
        let of_namespace = world.namespaces.get(namespace).unwrap_or(&none);
        let selected = self
            .namespace_selector
            .as_ref()
            .is_some_and(|selector| selector.matches(of_namespace));
        (named || selected) && self.pods.matches(labels)
    }
}

fn selector_of(selector: &LabelSelector) -> Selector {
    // The API refuses an operator that does not exist.
    Selector::try_from(selector).unwrap_or_else(|_| Selector::nothing())
}

/// Adds the value that the pod itself has for each key. Beside keys that the API server has added itself, it changes
/// nothing.
fn add_keys(
    selector: &mut LabelSelector,
    keys: Option<&[String]>,
    labels: &Labels,
    operator: &str,
) {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelectorRequirement;
    for key in keys.unwrap_or_default() {
        if let Some(value) = labels.get(key) {
            selector
                .match_expressions
                .get_or_insert_default()
                .push(LabelSelectorRequirement {
                    key: key.clone(),
                    operator: operator.to_owned(),
                    values: Some(vec![value.to_owned()]),
                });
        }
    }
}

// === impl Spread ===

fn forbidding(pod: &Pod) -> impl Iterator<Item = &TopologySpreadConstraint> {
    pod.spec
        .topology_spread_constraints
        .iter()
        .flatten()
        .filter(|c| c.when_unsatisfiable == "DoNotSchedule")
}

impl<'a> Spread<'a> {
    fn new(
        constraint: &'a TopologySpreadConstraint,
        pod: &Pod,
        labels: &Labels,
        world: &World,
    ) -> Self {
        let mut selector = constraint.label_selector.clone();
        if let Some(selector) = &mut selector {
            let keys = constraint.match_label_keys.as_deref();
            add_keys(selector, keys, labels, "In");
        }
        let selector = selector
            .as_ref()
            .map_or_else(Selector::nothing, selector_of);
        let mut counts = BTreeMap::new();
        for place in world.places.values() {
            let Some(node) = place
                .node
                .as_deref()
                .filter(|n| counted(constraint, pod, n))
            else {
                continue;
            };
            let Some(domain) = node.labels.get(&constraint.topology_key) else {
                continue;
            };
            let like = |p: &&std::sync::Arc<Placed>| {
                p.namespace == pod.metadata.namespace && selector.matches(&p.labels)
            };
            let count = place.pods.values().filter(like).count();
            *counts.entry(domain.clone()).or_insert(0) += i64::try_from(count).unwrap_or(0);
        }
        let wanted = i64::from(constraint.min_domains.unwrap_or(1));
        let found = i64::try_from(counts.len()).unwrap_or(i64::MAX);
        let least = counts.values().min().copied().unwrap_or(0);
        Self {
            key: &constraint.topology_key,
            max_skew: i64::from(constraint.max_skew),
            least: if found < wanted { 0 } else { least },
            counts,
            own: i64::from(selector.matches(labels)),
        }
    }

    fn allows(&self, domain: &str) -> bool {
        let count = self.counts.get(domain).copied().unwrap_or(0);
        count + self.own - self.least <= self.max_skew
    }
}

/// Whether a node counts for a constraint: by default those that the pod's affinity accepts, whatever their taints.
fn counted(constraint: &TopologySpreadConstraint, pod: &Pod, node: &Node) -> bool {
    let honoured = |policy: &Option<String>, default: bool| match policy.as_deref() {
        Some("Honor") => true,
        Some("Ignore") => false,
        _ => default,
    };
    (!honoured(&constraint.node_affinity_policy, true) || affinity::accepts(pod, node))
        && (!honoured(&constraint.node_taints_policy, false)
            || !taints::repel(&node.taints, pod.tolerations()))
}
