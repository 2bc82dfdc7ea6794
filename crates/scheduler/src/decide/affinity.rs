//! Node selectors and node affinity.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{NodeSelector, NodeSelectorRequirement, NodeSelectorTerm};

use crate::node::Node;
use crate::pod::Pod;

const NAME_FIELD: &str = "metadata.name";

/// Whether a node is what the pod requires.
pub(super) fn accepts(pod: &Pod, node: &Node) -> bool {
    let mut selected = pod.spec.node_selector.iter().flatten();
    selected.all(|(name, value)| node.labels.get(name) == Some(value))
        && pod
            .required_nodes()
            .is_none_or(|required| selects(required, node))
}

/// The weights of all preferences that a node meets.
pub(super) fn preference(pod: &Pod, node: &Node) -> i64 {
    pod.preferred_nodes()
        .iter()
        .filter(|preferred| matches(&preferred.preference, node))
        .map(|preferred| i64::from(preferred.weight))
        .sum()
}

/// The only nodes that a pod can be for, if each of its terms names some: a daemon's pods do.
pub(super) fn named(pod: &Pod) -> Option<BTreeSet<&str>> {
    let required = pod.required_nodes()?;
    let mut all = BTreeSet::new();
    for term in &required.node_selector_terms {
        let fields = term.match_fields.iter().flatten();
        let names = fields
            .filter(|f| f.key == NAME_FIELD && f.operator == "In")
            .map(|f| f.values.iter().flatten().map(String::as_str).collect())
            .reduce(|a: BTreeSet<&str>, b| a.intersection(&b).copied().collect())?;
        all.extend(names);
    }
    (!required.node_selector_terms.is_empty()).then_some(all)
}

pub(super) fn selects(required: &NodeSelector, node: &Node) -> bool {
    required
        .node_selector_terms
        .iter()
        .any(|term| matches(term, node))
}

/// A term without any requirement matches nothing.
fn matches(term: &NodeSelectorTerm, node: &Node) -> bool {
    let expressions = term.match_expressions.as_deref().unwrap_or_default();
    let fields = term.match_fields.as_deref().unwrap_or_default();
    if expressions.is_empty() && fields.is_empty() {
        return false;
    }
    let label = |e: &NodeSelectorRequirement| holds(e, node.labels.get(&e.key).map(String::as_str));
    let field = |f: &NodeSelectorRequirement| {
        f.key == NAME_FIELD
            && matches!(f.operator.as_str(), "In" | "NotIn")
            && holds(f, Some(&node.name))
    };
    expressions.iter().all(label) && fields.iter().all(field)
}

fn holds(requirement: &NodeSelectorRequirement, value: Option<&str>) -> bool {
    let values = requirement.values.as_deref().unwrap_or_default();
    let listed = |value: &str| values.iter().any(|v| v == value);
    match requirement.operator.as_str() {
        "In" => value.is_some_and(listed),
        "NotIn" => !value.is_some_and(listed),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => compare(value, values).is_some_and(|(own, wanted)| own > wanted),
        "Lt" => compare(value, values).is_some_and(|(own, wanted)| own < wanted),
        _ => false,
    }
}

/// Both as whole numbers; there must be exactly one to compare with.
fn compare(value: Option<&str>, values: &[String]) -> Option<(i64, i64)> {
    let [wanted] = values else {
        return None;
    };
    Some((value?.parse().ok()?, wanted.parse().ok()?))
}
