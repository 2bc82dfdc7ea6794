//! Whether a container that has ended runs again.

use k8s_openapi::api::core::v1::{Container, ContainerRestartRule, PodSpec};

/// An init container that keeps running beside the others.
#[must_use]
pub fn is_sidecar(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}

/// Whether `container` of `spec`, having ended with `code`, is to run again.
#[must_use]
pub fn should_restart(container: &Container, spec: &PodSpec, code: i32) -> bool {
    let rules = container.restart_policy_rules.iter().flatten();
    if let Some(rule) = rules.into_iter().find(|rule| matches(rule, code)) {
        return rule.action == "Restart" || rule.action == "RestartAllContainers";
    }
    let policy = container
        .restart_policy
        .as_deref()
        .or(init_policy(container, spec))
        .or(spec.restart_policy.as_deref());
    match policy {
        Some("Never") => false,
        Some("OnFailure") => code != 0,
        _ => true,
    }
}

/// A plain init container that has succeeded is never run again, even where the pod says `Always`.
fn init_policy<'a>(container: &Container, spec: &PodSpec) -> Option<&'a str> {
    let init = spec.init_containers.iter().flatten();
    let is_init = init.into_iter().any(|c| c.name == container.name);
    (is_init && spec.restart_policy.as_deref() != Some("Never")).then_some("OnFailure")
}

fn matches(rule: &ContainerRestartRule, code: i32) -> bool {
    let Some(exit_codes) = &rule.exit_codes else {
        return false;
    };
    let listed = exit_codes.values.iter().flatten().any(|v| *v == code);
    match exit_codes.operator.as_str() {
        "In" => listed,
        "NotIn" => !listed,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::pod;

    #[test]
    fn policies_decide_by_exit_code() {
        for (policy, code, again) in [
            ("Always", 0, true),
            ("Always", 1, true),
            ("OnFailure", 0, false),
            ("OnFailure", 3, true),
            ("Never", 0, false),
            ("Never", 3, false),
        ] {
            let pod = pod(&format!(
                r#"{{"restartPolicy":"{policy}","containers":[{{"name":"a"}}]}}"#
            ));
            let spec = pod.spec.unwrap();
            assert_eq!(
                should_restart(&spec.containers[0], &spec, code),
                again,
                "{policy} {code}"
            );
        }
    }

    #[test]
    fn a_containers_own_policy_and_rules_win() {
        let pod = pod(r#"{"restartPolicy":"Never","containers":[
            {"name":"a","restartPolicy":"Never","restartPolicyRules":[{"action":"Restart","exitCodes":{"operator":"In","values":[42]}}]},
            {"name":"b","restartPolicy":"OnFailure"}]}"#);
        let spec = pod.spec.unwrap();
        assert!(should_restart(&spec.containers[0], &spec, 42));
        assert!(!should_restart(&spec.containers[0], &spec, 1));
        assert!(should_restart(&spec.containers[1], &spec, 1));
    }

    #[test]
    fn an_init_container_that_succeeded_stays_done() {
        let pod =
            pod(r#"{"restartPolicy":"Always","containers":[],"initContainers":[{"name":"i"}]}"#);
        let spec = pod.spec.unwrap();
        let init = &spec.init_containers.as_ref().unwrap()[0];
        assert!(!should_restart(init, &spec, 0));
        assert!(should_restart(init, &spec, 1));
    }
}
