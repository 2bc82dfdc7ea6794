//! Label selectors, read once and asked often.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use crate::Labels;

/// A label selector in a form that can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    /// `None`: there was no selector, so nothing matches.
    terms: Option<Vec<Term>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Term {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
}

/// Why a label selector cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a valid label selector operator")]
pub struct SelectorError(String);

impl Selector {
    /// A selector that matches every object.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            terms: Some(Vec::new()),
        }
    }

    /// A selector that matches no object: what an absent selector means.
    #[must_use]
    pub fn nothing() -> Self {
        Self { terms: None }
    }

    /// Whether it has no term and so matches everything.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.terms.as_ref().is_some_and(Vec::is_empty)
    }

    /// Whether these labels match.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.holds(|name| labels.get(name))
    }

    /// Whether the labels of a decoded object match.
    #[must_use]
    pub fn matches_map(&self, labels: Option<&BTreeMap<String, String>>) -> bool {
        self.holds(|name| labels.and_then(|l| l.get(name)).map(String::as_str))
    }

    fn holds<'a>(&self, get: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.terms
            .as_ref()
            .is_some_and(|terms| terms.iter().all(|term| term.holds(&get)))
    }
}

impl Term {
    fn holds<'a>(&self, get: impl Fn(&str) -> Option<&'a str>) -> bool {
        match self {
            Self::In(name, values) => get(name).is_some_and(|v| values.iter().any(|w| w == v)),
            Self::NotIn(name, values) => get(name).is_none_or(|v| values.iter().all(|w| w != v)),
            Self::Exists(name) => get(name).is_some(),
            Self::Absent(name) => get(name).is_none(),
        }
    }
}

impl TryFrom<&LabelSelector> for Selector {
    type Error = SelectorError;

    fn try_from(selector: &LabelSelector) -> Result<Self, SelectorError> {
        let mut terms: Vec<Term> = selector
            .match_labels
            .iter()
            .flatten()
            .map(|(n, v)| Term::In(n.clone(), vec![v.clone()]))
            .collect();
        for e in selector.match_expressions.iter().flatten() {
            let values = e.values.clone().unwrap_or_default();
            terms.push(match e.operator.as_str() {
                "In" => Term::In(e.key.clone(), values),
                "NotIn" => Term::NotIn(e.key.clone(), values),
                "Exists" => Term::Exists(e.key.clone()),
                "DoesNotExist" => Term::Absent(e.key.clone()),
                other => return Err(SelectorError(other.to_owned())),
            });
        }
        Ok(Self { terms: Some(terms) })
    }
}

impl From<&BTreeMap<String, String>> for Selector {
    fn from(labels: &BTreeMap<String, String>) -> Self {
        Self {
            terms: Some(
                labels
                    .iter()
                    .map(|(n, v)| Term::In(n.clone(), vec![v.clone()]))
                    .collect(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selector(json: serde_json::Value) -> Selector {
        let selector: LabelSelector = serde_json::from_value(json).unwrap();
        Selector::try_from(&selector).unwrap()
    }

    #[test]
    fn each_operator_says_what_kubernetes_says() {
        let labels: Labels = [("app", "web"), ("tier", "front")].into_iter().collect();
        for (term, expected) in [
            (serde_json::json!({"matchLabels": {"app": "web"}}), true),
            (serde_json::json!({"matchLabels": {"app": "db"}}), false),
            (
                serde_json::json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "x"]}]}),
                true,
            ),
            (
                serde_json::json!({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}),
                false,
            ),
            (
                serde_json::json!({"matchExpressions": [{"key": "none", "operator": "NotIn", "values": ["web"]}]}),
                true,
            ),
            (
                serde_json::json!({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}),
                true,
            ),
            (
                serde_json::json!({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}),
                false,
            ),
            (serde_json::json!({}), true),
        ] {
            assert_eq!(selector(term.clone()).matches(&labels), expected, "{term}");
        }
        assert!(!Selector::nothing().matches(&labels));
    }
}
