//! What a pod asks of its node.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, Pod};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::{is_sidecar, milli};

/// Amounts in thousandths, by resource name.
pub type Resources = BTreeMap<String, i64>;

/// What the scheduler and the node count for a pod: its containers and sidecars together, or its greediest
/// init container with the sidecars before it, whichever is more; plus the overhead.
#[must_use]
pub fn pod_requests(pod: &Pod) -> Resources {
    let Some(spec) = &pod.spec else {
        return Resources::new();
    };
    let mut steady = Resources::new();
    for container in &spec.containers {
        add(&mut steady, &container_requests(container));
    }
    let mut sidecars = Resources::new();
    let mut peak = Resources::new();
    for container in spec.init_containers.iter().flatten() {
        let mut here = container_requests(container);
        if is_sidecar(container) {
            add(&mut steady, &here);
            add(&mut sidecars, &here);
            here.clone_from(&sidecars);
        } else {
            add(&mut here, &sidecars);
        }
        raise(&mut peak, &here);
    }
    raise(&mut steady, &peak);
    if let Some(pod_level) = spec.resources.as_ref().and_then(|r| r.requests.as_ref()) {
        steady.extend(amounts(pod_level));
    }
    add(
        &mut steady,
        &spec.overhead.as_ref().map(amounts).unwrap_or_default(),
    );
    steady
}

/// The requests of one container; a limit without a request counts as one.
fn container_requests(container: &Container) -> Resources {
    let mut found = container_limits(container);
    let requests = container
        .resources
        .as_ref()
        .and_then(|r| r.requests.as_ref());
    found.extend(requests.map(amounts).unwrap_or_default());
    found
}

/// The limits of one container.
#[must_use]
pub fn container_limits(container: &Container) -> Resources {
    let limits = container.resources.as_ref().and_then(|r| r.limits.as_ref());
    limits.map(amounts).unwrap_or_default()
}

fn amounts(list: &BTreeMap<String, Quantity>) -> Resources {
    list.iter()
        .filter_map(|(name, quantity)| Some((name.clone(), milli(quantity)?)))
        .collect()
}

fn add(into: &mut Resources, more: &Resources) {
    for (name, amount) in more {
        let slot = into.entry(name.clone()).or_default();
        *slot = slot.saturating_add(*amount);
    }
}

fn raise(into: &mut Resources, other: &Resources) {
    for (name, amount) in other {
        let slot = into.entry(name.clone()).or_default();
        *slot = (*slot).max(*amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::pod;

    #[test]
    fn init_containers_count_by_their_peak_and_sidecars_always() {
        let pod = pod(
            r#"{"containers":[{"name":"a","resources":{"requests":{"cpu":"100m"}}},{"name":"b","resources":{"limits":{"cpu":"200m"}}}],
            "initContainers":[
              {"name":"s","restartPolicy":"Always","resources":{"requests":{"cpu":"50m"}}},
              {"name":"i","resources":{"requests":{"cpu":"500m","memory":"1Ki"}}}]}"#,
        );
        let requests = pod_requests(&pod);
        assert_eq!(requests["cpu"], 550);
        assert_eq!(requests["memory"], 1_024_000);
    }
}
