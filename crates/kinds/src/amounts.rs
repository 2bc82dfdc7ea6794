//! Lists of amounts by resource name, and what a pod asks for as a whole.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::quantity::Quantity;
use crate::read::Read;

/// Amounts by resource name: `cpu`, `memory`, `requests.storage`.
pub type Amounts = BTreeMap<String, Quantity>;

/// Which of the two lists of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// What is set aside for it.
    Requests,
    /// What it may use at most.
    Limits,
}

// === impl List ===

impl List {
    fn field(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Limits => "limits",
        }
    }
}

/// The amounts in a JSON object; what is no quantity is left out.
#[must_use]
pub fn read(value: &Value) -> Amounts {
    let entries = value.as_object().into_iter().flatten();
    let amounts = entries.filter_map(|(name, amount)| {
        let amount = Quantity::from_json(amount).ok()?;
        Some((name.clone(), amount))
    });
    amounts.collect()
}

/// As the API writes them.
#[must_use]
pub fn write(amounts: &Amounts) -> Value {
    let entries = amounts.iter();
    Value::Object(
        entries
            .map(|(name, amount)| (name.clone(), json!(amount.to_string())))
            .collect(),
    )
}

/// Adds every amount of `more`.
pub fn add(to: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        to.entry(name.clone())
            .and_modify(|sum| *sum = *sum + *amount)
            .or_insert(*amount);
    }
}

/// Raises each amount to that of `other`, if that is more.
pub fn raise(to: &mut Amounts, other: &Amounts) {
    for (name, amount) in other {
        let present = to.entry(name.clone()).or_insert(*amount);
        if *present < *amount {
            *present = *amount;
        }
    }
}

/// What a container states.
#[must_use]
pub fn of_container(container: &Value, list: List) -> Amounts {
    read(container.field("resources").field(list.field()))
}

/// What the containers of a pod need together, without the overhead of its runtime class: the sum of those that run
/// side by side, or what the largest init container needs beside the sidecars before it, whichever is more. What is
/// stated for the pod as a whole counts instead.
#[must_use]
pub fn of_pod(pod: &Value, list: List) -> Amounts {
    let spec = pod.field("spec");
    let mut all = Amounts::new();
    for container in spec.items("containers") {
        add(&mut all, &of_container(container, list));
    }
    let mut sidecars = Amounts::new();
    let mut starting = Amounts::new();
    for container in spec.items("initContainers") {
        let own = of_container(container, list);
        if container.text("restartPolicy") == "Always" {
            add(&mut all, &own);
            add(&mut sidecars, &own);
            raise(&mut starting, &sidecars);
        } else {
            let mut beside = own;
            add(&mut beside, &sidecars);
            raise(&mut starting, &beside);
        }
    }
    raise(&mut all, &starting);
    let whole = read(spec.field("resources").field(list.field()));
    all.extend(whole.into_iter().filter(|(name, _)| is_for_pods(name)));
    all
}

/// The same, with the overhead of the runtime class; on limits it counts only where there is one.
#[must_use]
pub fn of_pod_with_overhead(pod: &Value, list: List) -> Amounts {
    let mut all = of_pod(pod, list);
    let overhead = read(pod.field("spec").field("overhead"));
    match list {
        List::Requests => add(&mut all, &overhead),
        List::Limits => {
            for (name, amount) in overhead {
                if let Some(limit) = all.get_mut(&name).filter(|l| !l.is_zero()) {
                    *limit = *limit + amount;
                }
            }
        }
    }
    all
}

/// Whether a pod states anything for all of its containers together.
#[must_use]
pub fn is_stated_for_pod(pod: &Value) -> bool {
    let whole = pod.field("spec").field("resources");
    ["requests", "limits"]
        .iter()
        .any(|list| whole.entries(list).any(|(name, _)| is_for_pods(name)))
}

fn is_for_pods(name: &str) -> bool {
    matches!(name, "cpu" | "memory") || name.starts_with("hugepages-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_needs_its_containers_or_its_largest_start() {
        let pod = json!({"spec": {
            "initContainers": [
                {"resources": {"requests": {"cpu": "100m"}}, "restartPolicy": "Always"},
                {"resources": {"requests": {"cpu": "1", "memory": "1Gi"}}},
            ],
            "containers": [
                {"resources": {"requests": {"cpu": "200m", "memory": "64Mi"}, "limits": {"cpu": "1"}}},
                {"resources": {"requests": {"cpu": "300m"}}},
            ],
            "overhead": {"cpu": "50m", "memory": "8Mi"},
        }});
        let requests = write(&of_pod_with_overhead(&pod, List::Requests));
        assert_eq!(requests, json!({"cpu": "1150m", "memory": "1032Mi"}));
        let limits = write(&of_pod_with_overhead(&pod, List::Limits));
        assert_eq!(limits, json!({"cpu": "1050m"}));
    }

    #[test]
    fn what_is_stated_for_the_pod_counts_instead() {
        let pod = json!({"spec": {"resources": {"requests": {"cpu": "2"}},
            "containers": [{"resources": {"requests": {"cpu": "1", "example.com/x": "1"}}}]}});
        let requests = write(&of_pod(&pod, List::Requests));
        assert_eq!(requests, json!({"cpu": "2", "example.com/x": "1"}));
        assert!(is_stated_for_pod(&pod));
    }
}
