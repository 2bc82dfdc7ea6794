//! `SelfSubjectRulesReview`: what a user may do, as a list.

use serde_json::{Value, json};

use crate::policy::Policy;
use crate::request::User;

/// The status of a `SelfSubjectRulesReview` for a namespace.
#[must_use]
pub fn rules_review(policy: &Policy, user: &User<'_>, namespace: &str) -> Value {
    let (rules, unresolved) = policy.rules_for(user, namespace);
    let mut resources = Vec::new();
    let mut paths = Vec::new();
    for rule in rules {
        if !rule.resources.is_empty() {
            let mut entry = json!({
                "verbs": rule.verbs,
                "apiGroups": rule.api_groups,
                "resources": rule.resources,
            });
            if !rule.resource_names.is_empty() {
                entry["resourceNames"] = json!(rule.resource_names);
            }
            resources.push(entry);
        }
        if !rule.non_resource_urls.is_empty() {
            paths.push(json!({"verbs": rule.verbs, "nonResourceURLs": rule.non_resource_urls}));
        }
    }
    let mut status = json!({
        "resourceRules": resources,
        "nonResourceRules": paths,
        "incomplete": false,
    });
    if !unresolved.is_empty() {
        status["evaluationError"] = json!(unresolved.join(", "));
    }
    status
}
