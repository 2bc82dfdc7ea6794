//! What controllers ask of nodes: labels against affinities, taints against tolerations. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Node, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, PodSpec, Taint, Toleration,
};

pub(crate) const NOT_READY: &str = "node.kubernetes.io/not-ready";
pub(crate) const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
pub(crate) const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

pub(crate) fn name(node: &Node) -> &str {
    node.metadata.name.as_deref().unwrap_or("")
}

pub(crate) fn taints(node: &Node) -> &[Taint] {
    let spec = node.spec.as_ref();
    spec.and_then(|s| s.taints.as_deref()).unwrap_or(&[])
}

/// The status of a condition of a node.
pub(crate) fn condition<'a>(node: &'a Node, kind: &str) -> Option<&'a str> {
    let conditions = node.status.as_ref()?.conditions.as_ref()?;
    let found = conditions.iter().find(|c| c.type_ == kind)?;
    Some(&found.status)
}

/// Whether one toleration covers one taint.
pub(crate) fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let empty = |s: &Option<String>| s.as_deref().unwrap_or("").is_empty();
    let is = |s: &Option<String>, t: &str| s.as_deref() == Some(t);
    let effect = empty(&toleration.effect) || is(&toleration.effect, &taint.effect);
    let key = empty(&toleration.key) || is(&toleration.key, &taint.key);
    let value = match toleration.operator.as_deref() {
        Some("Exists") => true,
        None | Some("" | "Equal") => {
            toleration.value.as_deref().unwrap_or("") == taint.value.as_deref().unwrap_or("")
        }
        Some(_) => false,
    };
    effect && key && value
}

/// The first taint of these effects that nothing tolerates.
pub(crate) fn untolerated<'a>(
    taints: &'a [Taint],
    tolerations: &[Toleration],
    effects: &[&str],
) -> Option<&'a Taint> {
    taints.iter().find(|taint| {
        effects.contains(&taint.effect.as_str()) && !tolerations.iter().any(|t| tolerates(t, taint))
    })
}

/// Whether a pod's node selector and required node affinity allow a node.
pub(crate) fn attracts(spec: &PodSpec, node: &Node) -> bool {
    let labels = node.metadata.labels.clone().unwrap_or_default();
    let mut selector = spec.node_selector.iter().flatten();
    if !selector.all(|(name, value)| labels.get(name) == Some(value)) {
        return false;
    }
    let affinity = spec
        .affinity
        .as_ref()
        .and_then(|a| a.node_affinity.as_ref());
    let required = affinity.and_then(|a| {
        a.required_during_scheduling_ignored_during_execution
            .as_ref()
    });
    required.is_none_or(|required| selects(required, name(node), &labels))
}

fn selects(selector: &NodeSelector, name: &str, labels: &BTreeMap<String, String>) -> bool {
    let terms = selector.node_selector_terms.iter();
    terms
        .into_iter()
        .any(|term| term_selects(term, name, labels))
}

/// A term without any requirement selects nothing.
fn term_selects(term: &NodeSelectorTerm, name: &str, labels: &BTreeMap<String, String>) -> bool {
    let expressions = term.match_expressions.as_deref().unwrap_or(&[]);
    let fields = term.match_fields.as_deref().unwrap_or(&[]);
    let label = |r: &NodeSelectorRequirement| meets(r, labels.get(&r.key).map(String::as_str));
    let field = |r: &NodeSelectorRequirement| r.key == "metadata.name" && meets(r, Some(name));
    (!expressions.is_empty() || !fields.is_empty())
        && expressions.iter().all(label)
        && fields.iter().all(field)
}

fn meets(requirement: &NodeSelectorRequirement, value: Option<&str>) -> bool {
    let values = requirement.values.as_deref().unwrap_or(&[]);
    let listed = value.is_some_and(|v| values.iter().any(|w| w == v));
    let compared = |f: fn(&i64, &i64) -> bool| {
        let wanted = values.first().and_then(|v| v.parse().ok());
        let has = value.and_then(|v| v.parse().ok());
        matches!((has, wanted), (Some(has), Some(wanted)) if f(&has, &wanted))
    };
    match requirement.operator.as_str() {
        "In" => listed,
        "NotIn" => !listed,
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => compared(i64::gt),
        "Lt" => compared(i64::lt),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tolerations_cover_taints_as_in_kubernetes() {
        let taint: Taint =
            serde_json::from_value(json!({"key": "k", "value": "v", "effect": "NoExecute"}))
                .unwrap();
        for (toleration, expected) in [
            (json!({"operator": "Exists"}), true),
            (json!({"key": "k", "value": "v"}), true),
            (
                json!({"key": "k", "operator": "Equal", "value": "w"}),
                false,
            ),
            (
                json!({"key": "k", "operator": "Exists", "effect": "NoExecute"}),
                true,
            ),
            (
                json!({"key": "k", "operator": "Exists", "effect": "NoSchedule"}),
                false,
            ),
            (json!({"key": "other", "operator": "Exists"}), false),
        ] {
            let toleration: Toleration = serde_json::from_value(toleration.clone()).unwrap();
            assert_eq!(tolerates(&toleration, &taint), expected, "{toleration:?}");
        }
    }

    #[test]
    fn affinities_select_nodes_by_label_and_by_name() {
        let node: Node = serde_json::from_value(
            json!({"metadata": {"name": "n1", "labels": {"zone": "a", "cores": "8"}}}),
        )
        .unwrap();
        let term = |t: serde_json::Value| {
            json!({"containers": [], "affinity": {"nodeAffinity":
            {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [t]}}}})
        };
        let label = |key, operator, values: &[&str]| {
            term(
                json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]}),
            )
        };
        for (spec, expected) in [
            (json!({"containers": []}), true),
            (
                json!({"containers": [], "nodeSelector": {"zone": "a"}}),
                true,
            ),
            (
                json!({"containers": [], "nodeSelector": {"zone": "b"}}),
                false,
            ),
            (label("zone", "In", &["a", "b"]), true),
            (label("zone", "NotIn", &["a"]), false),
            (label("cores", "Gt", &["4"]), true),
            (label("cores", "Lt", &["4"]), false),
            (label("none", "DoesNotExist", &[]), true),
            (
                term(
                    json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}),
                ),
                true,
            ),
            (
                term(
                    json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n2"]}]}),
                ),
                false,
            ),
            (term(json!({})), false),
        ] {
            let pod: PodSpec = serde_json::from_value(spec.clone()).unwrap();
            assert_eq!(attracts(&pod, &node), expected, "{spec}");
        }
    }
}
