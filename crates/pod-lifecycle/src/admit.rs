//! Whether a node takes a pod that was bound to it.

use k8s_openapi::api::core::v1::Pod;

use crate::{Resources, pod_requests};

/// Why a node does not take a pod; it becomes the reason and message of a failed pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// CamelCase, as the kubelet names it: `OutOfcpu`, `OutOfmemory`, `OutOfpods`.
    pub reason: String,
    /// For people.
    pub message: String,
}

/// Decides whether `pod` fits beside `others` into `allocatable` (thousandths, `pods` included).
///
/// # Errors
/// The first resource that is lacking.
pub fn admit<'a>(
    pod: &Pod,
    others: impl IntoIterator<Item = &'a Pod>,
    allocatable: &Resources,
) -> Result<(), Rejection> {
    let mut used = Resources::new();
    for other in others {
        *used.entry("pods".into()).or_default() += 1000;
        for (name, amount) in pod_requests(other) {
            let sum = used.entry(name).or_default();
            *sum = sum.saturating_add(amount);
        }
    }
    let mut wanted = pod_requests(pod);
    wanted.insert("pods".into(), 1000);
    for (name, amount) in wanted {
        let capacity = allocatable.get(&name).copied().unwrap_or(0);
        let taken = used.get(&name).copied().unwrap_or(0);
        if amount > 0 && taken.saturating_add(amount) > capacity {
            return Err(lacking(&name, amount, taken, capacity));
        }
    }
    Ok(())
}

fn lacking(name: &str, requested: i64, used: i64, capacity: i64) -> Rejection {
    // The kubelet counts cpu in thousandths and all else in units.
    let unit = if name == "cpu" { 1 } else { 1000 };
    Rejection {
        reason: format!("OutOf{name}"),
        message: format!(
            "Node didn't have enough resource: {name}, requested: {}, used: {}, capacity: {}",
            requested / unit,
            used / unit,
            capacity / unit
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::pod;

    fn asking(cpu: &str) -> Pod {
        pod(&format!(
            r#"{{"containers":[{{"name":"a","resources":{{"requests":{{"cpu":"{cpu}"}}}}}}]}}"#
        ))
    }

    #[test]
    fn a_pod_that_does_not_fit_is_rejected_with_the_resource_that_lacks() {
        let allocatable = Resources::from([("cpu".into(), 1000), ("pods".into(), 2000)]);
        let (a, b, none) = (asking("600m"), asking("500m"), pod(r#"{"containers":[]}"#));
        assert_eq!(admit(&b, [], &allocatable), Ok(()));
        let refused = admit(&b, [&a], &allocatable).unwrap_err();
        assert_eq!(refused.reason, "OutOfcpu");
        assert_eq!(
            refused.message,
            "Node didn't have enough resource: cpu, requested: 500, used: 600, capacity: 1000"
        );
        let refused = admit(&none, [&none, &none], &allocatable).unwrap_err();
        assert_eq!(refused.reason, "OutOfpods");
    }
}
