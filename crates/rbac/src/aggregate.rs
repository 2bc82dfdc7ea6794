//! Roles that are made of other roles: `aggregationRule`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::object::Role;
use crate::rule::{Rule, has, or_null};

/// A label selector.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Selector {
    #[serde(deserialize_with = "or_null")]
    match_labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "or_null")]
    match_expressions: Vec<Expression>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Expression {
    key: String,
    operator: String,
    #[serde(deserialize_with = "or_null")]
    values: Vec<String>,
}

// === impl Selector ===

impl Selector {
    /// Whether something with these labels is selected. One that cannot be understood selects nothing: it grants.
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let equal = |(key, value): (&String, &String)| labels.get(key) == Some(value);
        self.match_labels.iter().all(equal)
            && self.match_expressions.iter().all(|e| e.matches(labels))
    }
}

impl Expression {
    fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        match self.operator.as_str() {
            "In" => value.is_some_and(|v| has(&self.values, v)),
            "NotIn" => !value.is_some_and(|v| has(&self.values, v)),
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            _ => false,
        }
    }
}

/// What an aggregated role allows: the rules of all that it selects, by name, each once. Aggregated roles may select
/// aggregated ones (`admin` has what `edit` has), in circles even: each role is visited once.
#[must_use]
pub fn rules(name: &str, roles: &BTreeMap<String, Role>) -> Vec<Rule> {
    let mut found = Vec::new();
    collect(name, roles, &mut Vec::new(), &mut found);
    found
}

fn collect<'a>(
    name: &str,
    roles: &'a BTreeMap<String, Role>,
    visited: &mut Vec<&'a str>,
    found: &mut Vec<Rule>,
) {
    let Some(role) = roles.get(name) else { return };
    let Some(aggregation) = &role.aggregation_rule else {
        for rule in &role.rules {
            if !found.contains(rule) {
                found.push(rule.clone());
            }
        }
        return;
    };
    for selector in &aggregation.cluster_role_selectors {
        for (other, candidate) in roles {
            let is_new = !visited.contains(&other.as_str());
            if is_new && selector.matches(&candidate.labels) {
                visited.push(other);
                collect(other, roles, visited, found);
            }
        }
    }
}
