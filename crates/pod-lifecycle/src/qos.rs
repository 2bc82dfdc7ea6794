//! The quality-of-service class of a pod.

use k8s_openapi::api::core::v1::Pod;

use crate::milli;

const COUNTED: [&str; 2] = ["cpu", "memory"];

/// `Guaranteed`, `Burstable` or `BestEffort`, from cpu and memory alone.
#[must_use]
pub fn qos_class(pod: &Pod) -> &'static str {
    let Some(spec) = &pod.spec else {
        return "BestEffort";
    };
    let containers = spec
        .init_containers
        .iter()
        .flatten()
        .chain(&spec.containers);
    let (mut asks, mut guaranteed) = (false, true);
    for container in containers {
        for name in COUNTED {
            let resources = container.resources.as_ref();
            let amount = |list: Option<&std::collections::BTreeMap<String, _>>| {
                list.and_then(|l| l.get(name))
                    .and_then(milli)
                    .filter(|a| *a > 0)
            };
            let limit = amount(resources.and_then(|r| r.limits.as_ref()));
            let request = amount(resources.and_then(|r| r.requests.as_ref())).or(limit);
            asks |= limit.is_some() || request.is_some();
            guaranteed &= limit.is_some() && limit == request;
        }
    }
    match (asks, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::pod;

    #[test]
    fn classes_follow_requests_and_limits() {
        for (resources, class) in [
            ("{}", "BestEffort"),
            (r#"{"requests":{"cpu":"1"}}"#, "Burstable"),
            (r#"{"limits":{"cpu":"1"}}"#, "Burstable"),
            (r#"{"limits":{"cpu":"1","memory":"1Gi"}}"#, "Guaranteed"),
            (
                r#"{"limits":{"cpu":"1","memory":"1Gi"},"requests":{"cpu":"1000m","memory":"1024Mi"}}"#,
                "Guaranteed",
            ),
            (
                r#"{"limits":{"cpu":"1","memory":"1Gi"},"requests":{"cpu":"500m"}}"#,
                "Burstable",
            ),
        ] {
            let pod = pod(&format!(
                r#"{{"containers":[{{"name":"a","resources":{resources}}}]}}"#
            ));
            assert_eq!(qos_class(&pod), class, "{resources}");
        }
    }
}
