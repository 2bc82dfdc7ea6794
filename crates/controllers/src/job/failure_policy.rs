//! What a failed pod means, by the Job's `podFailurePolicy`. Pure.

use k8s_openapi::api::batch::v1::{PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};

/// The meaning of one failed pod.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Counted as usual.
    Count,
    /// As if it had never been.
    Ignore,
    /// Its index has failed for good.
    FailIndex,
    /// The whole Job has failed; says why.
    FailJob(String),
}

pub(super) fn meaning(policy: Option<&PodFailurePolicy>, pod: &Pod) -> Meaning {
    for (i, rule) in policy.into_iter().flat_map(|p| &p.rules).enumerate() {
        let subject = if let Some(codes) = &rule.on_exit_codes {
            matching_container(pod, codes)
        } else {
            let patterns = rule.on_pod_conditions.iter().flatten();
            let conditions = pod
                .status
                .iter()
                .flat_map(|s| s.conditions.iter().flatten());
            let conditions: Vec<_> = conditions.collect();
            let found = patterns.filter_map(|p| {
                let wanted = p.status.as_deref().unwrap_or("True");
                conditions
                    .iter()
                    .find(|c| c.type_ == p.type_ && c.status == wanted)
            });
            let found = found.map(|c| {
                let (namespace, name) = names(pod);
                let action = &rule.action;
                let kind = &c.type_;
                format!("Pod {namespace}/{name} has condition {kind} matching {action} rule at index {i}")
            });
            found.min()
        };
        let subject =
            subject.map(|s| s.replace("{rule}", &format!("{} rule at index {i}", rule.action)));
        match (subject, rule.action.as_str()) {
            (None, _) => {}
            (Some(_), "Ignore") => return Meaning::Ignore,
            (Some(_), "FailIndex") => return Meaning::FailIndex,
            (Some(text), "FailJob") => return Meaning::FailJob(text),
            (Some(_), _) => return Meaning::Count,
        }
    }
    Meaning::Count
}

/// Tells of the first container that ended as the rule says; `{rule}` stands where the rule is to be named.
fn matching_container(pod: &Pod, rule: &PodFailurePolicyOnExitCodesRequirement) -> Option<String> {
    let status = pod.status.as_ref()?;
    let containers = status.container_statuses.iter().flatten();
    let mut all = containers.chain(status.init_container_statuses.iter().flatten());
    let code = |c: &ContainerStatus| Some(c.state.as_ref()?.terminated.as_ref()?.exit_code);
    let container = all.find(|c| {
        let named = rule.container_name.as_ref().is_none_or(|n| *n == c.name);
        let listed = |code| rule.values.contains(&code) == (rule.operator == "In");
        named && code(c).is_some_and(|code| code != 0 && listed(code))
    })?;
    let (namespace, name) = names(pod);
    Some(format!(
        "Container {} for pod {namespace}/{name} failed with exit code {} matching {{rule}}",
        container.name,
        code(container)?
    ))
}

fn names(pod: &Pod) -> (&str, &str) {
    let metadata = &pod.metadata;
    (
        metadata.namespace.as_deref().unwrap_or(""),
        metadata.name.as_deref().unwrap_or(""),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_rule_that_matches_decides() {
        let policy: PodFailurePolicy = serde_json::from_value(json!({"rules": [
            {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
            {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}},
            {"action": "FailIndex", "onExitCodes": {"operator": "NotIn", "values": [1]}},
        ]}))
        .unwrap();
        let pod = |code: i32, disrupted: bool| -> Pod {
            let status = if disrupted { "True" } else { "False" };
            serde_json::from_value(json!({"metadata": {"namespace": "a", "name": "p"}, "status": {
                "conditions": [{"type": "DisruptionTarget", "status": status}],
                "containerStatuses": [{"name": "c", "image": "", "imageID": "", "ready": false, "restartCount": 0,
                    "state": {"terminated": {"exitCode": code}}}]}}))
            .unwrap()
        };
        let text =
            "Container c for pod a/p failed with exit code 42 matching FailJob rule at index 1";
        for (pod, expected) in [
            (pod(42, true), Meaning::Ignore),
            (pod(42, false), Meaning::FailJob(text.into())),
            (pod(7, false), Meaning::FailIndex),
            (pod(1, false), Meaning::Count),
        ] {
            assert_eq!(meaning(Some(&policy), &pod), expected);
        }
        assert_eq!(meaning(None, &pod(42, true)), Meaning::Count);
    }
}
