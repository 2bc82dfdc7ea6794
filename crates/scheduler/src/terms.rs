//! What a pod says about other pods: its terms of affinity and anti-affinity, ready to be asked.

use std::collections::BTreeMap;

use cedge_informer::{Labels, Selector};
use k8s_openapi::api::core::v1::{Affinity, PodAffinityTerm, WeightedPodAffinityTerm};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

/// All terms of one pod. Compiled once, when the pod is first seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    /// Each must be met by one and the same pod.
    pub(crate) near: Vec<Term>,
    /// None may be met.
    pub(crate) far: Vec<Term>,
    /// Met rather than not, by weight.
    pub(crate) likes: Vec<(i64, Term)>,
    /// Rather not met, by weight.
    pub(crate) dislikes: Vec<(i64, Term)>,
}

/// A term with what it selects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Term {
    /// The label of nodes whose equal values are one place.
    pub(crate) key: String,
    namespaces: Vec<String>,
    namespace_selector: Option<Selector>,
    pods: Selector,
}

/// The labels of namespaces by name.
pub(crate) type Namespaces = BTreeMap<String, Labels>;

// === impl Terms ===

impl Terms {
    /// `labels` are those of the pod whose terms these are: label keys may be taken from them.
    pub(crate) fn new(affinity: Option<&Affinity>, namespace: &str, labels: &Labels) -> Self {
        let term = |term: &PodAffinityTerm| Term::new(term, namespace, labels);
        let all = |terms: &Option<Vec<PodAffinityTerm>>| terms.iter().flatten().map(term).collect();
        let weighed = |terms: &Option<Vec<WeightedPodAffinityTerm>>| {
            let with_weight = |w: &WeightedPodAffinityTerm| {
                let weight = i64::from(w.weight);
                (weight, term(&w.pod_affinity_term))
            };
            terms.iter().flatten().map(with_weight).collect()
        };
        let near = affinity.and_then(|a| a.pod_affinity.as_ref());
        let far = affinity.and_then(|a| a.pod_anti_affinity.as_ref());
        let mut terms = Self::default();
        if let Some(near) = near {
            terms.near = all(&near.required_during_scheduling_ignored_during_execution);
            terms.likes = weighed(&near.preferred_during_scheduling_ignored_during_execution);
        }
        if let Some(far) = far {
            terms.far = all(&far.required_during_scheduling_ignored_during_execution);
            terms.dislikes = weighed(&far.preferred_during_scheduling_ignored_during_execution);
        }
        terms
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.near.is_empty() && self.far.is_empty() && !self.prefers()
    }

    /// Whether it has any preference.
    pub(crate) fn prefers(&self) -> bool {
        !self.likes.is_empty() || !self.dislikes.is_empty()
    }
}

// === impl Term ===

impl Term {
    fn new(term: &PodAffinityTerm, namespace: &str, labels: &Labels) -> Self {
        let mut namespaces = term.namespaces.clone().unwrap_or_default();
        let namespace_selector = term.namespace_selector.as_ref().map(compile);
        if namespaces.is_empty() && namespace_selector.is_none() {
            namespaces.push(namespace.to_owned());
        }
        let mut pods = term.label_selector.clone();
        if let Some(pods) = &mut pods {
            add_keys(pods, term.match_label_keys.as_deref(), labels, "In");
            add_keys(pods, term.mismatch_label_keys.as_deref(), labels, "NotIn");
        }
        Self {
            key: term.topology_key.clone(),
            namespaces,
            namespace_selector,
            pods: pods.as_ref().map_or_else(Selector::nothing, compile),
        }
    }

    /// Whether it speaks of a pod with these labels in this namespace.
    pub(crate) fn selects(&self, namespace: &str, labels: &Labels, known: &Namespaces) -> bool {
        if !self.pods.matches(labels) {
            return false;
        }
        let none = Labels::default();
        let of_namespace = || known.get(namespace).unwrap_or(&none);
        self.namespaces.iter().any(|n| n == namespace)
            || self
                .namespace_selector
                .as_ref()
                .is_some_and(|selector| selector.matches(of_namespace()))
    }
}

/// A selector ready to be asked.
pub(crate) fn compile(selector: &LabelSelector) -> Selector {
    // The API refuses an operator that does not exist.
    Selector::try_from(selector).unwrap_or_else(|_| Selector::nothing())
}

/// Adds the value that the pod itself has for each key. Beside keys that the API server has added itself, it changes
/// nothing.
pub(crate) fn add_keys(
    selector: &mut LabelSelector,
    keys: Option<&[String]>,
    labels: &Labels,
    operator: &str,
) {
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
