//! What counts as a sign of life, and what a node's conditions mean for its taints. Pure.

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Node, NodeCondition, Taint};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::nodes::{self, NOT_READY, UNREACHABLE};

/// Nodes with this label do not count when it is asked whether all are silent.
pub(super) const EXCLUDED: &str = "node.kubernetes.io/exclude-disruption";
const NO_SCHEDULE: &str = "NoSchedule";
const NO_EXECUTE: &str = "NoExecute";
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

/// Condition, its status, and the taint that says so to the scheduler.
const BY_CONDITION: [(&str, &str, &str); 6] = [
    ("Ready", "False", NOT_READY),
    ("Ready", "Unknown", UNREACHABLE),
    (
        "MemoryPressure",
        "True",
        "node.kubernetes.io/memory-pressure",
    ),
    ("DiskPressure", "True", "node.kubernetes.io/disk-pressure"),
    ("PIDPressure", "True", "node.kubernetes.io/pid-pressure"),
    (
        "NetworkUnavailable",
        "True",
        "node.kubernetes.io/network-unavailable",
    ),
];

/// What a node said last, as it said it. Compared for equality only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sign {
    heartbeat: Option<Timestamp>,
    renewed: Option<Timestamp>,
}

impl Sign {
    pub(super) fn of_node(node: &Node) -> Self {
        let conditions = node.status.as_ref().and_then(|s| s.conditions.as_ref());
        let ready = conditions
            .into_iter()
            .flatten()
            .find(|c| c.type_ == "Ready");
        Self {
            heartbeat: ready.and_then(|c| Some(c.last_heartbeat_time.as_ref()?.0)),
            renewed: None,
        }
    }

    pub(super) fn of_lease(lease: &Lease) -> Self {
        let renewed = lease.spec.as_ref().and_then(|s| s.renew_time.as_ref());
        Self {
            heartbeat: None,
            renewed: renewed.map(|t| t.0),
        }
    }

    /// Takes a newer sign; says whether it is another one.
    pub(super) fn take(&mut self, new: &Self) -> bool {
        let before = self.clone();
        self.heartbeat = new.heartbeat.or(self.heartbeat);
        self.renewed = new.renewed.or(self.renewed);
        *self != before
    }
}

/// The conditions of a node that is not heard of. Those that it does not set itself stay.
pub(super) fn unknown(node: &Node, now: Timestamp) -> Vec<NodeCondition> {
    let conditions = node.status.as_ref().and_then(|s| s.conditions.clone());
    let mut conditions = conditions.unwrap_or_default();
    for kind in ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"] {
        let (reason, message) = match conditions.iter().find(|c| c.type_ == kind) {
            Some(c) if c.status == "Unknown" => continue,
            Some(_) => ("NodeStatusUnknown", "Kubelet stopped posting node status."),
            None => (
                "NodeStatusNeverUpdated",
                "Kubelet never posted node status.",
            ),
        };
        let heartbeat = conditions.iter().find(|c| c.type_ == kind);
        let heartbeat = heartbeat.and_then(|c| c.last_heartbeat_time.clone());
        let condition = NodeCondition {
            type_: kind.to_owned(),
            status: "Unknown".to_owned(),
            reason: Some(reason.to_owned()),
            message: Some(message.to_owned()),
            last_heartbeat_time: heartbeat.or_else(|| node.metadata.creation_timestamp.clone()),
            last_transition_time: Some(Time(now)),
        };
        match conditions.iter_mut().find(|c| c.type_ == kind) {
            Some(c) => *c = condition,
            None => conditions.push(condition),
        }
    }
    conditions
}

/// The taints that a node should have, if those are not the ones it has. Others' taints stay.
///
/// With `all_silent` nothing is evicted: taints that would are taken away.
pub(super) fn taints(node: &Node, all_silent: bool, now: Timestamp) -> Option<Vec<Taint>> {
    let wanted = wanted(node, all_silent);
    let is_wanted = |t: &Taint| wanted.iter().any(|(k, e)| *k == t.key && *e == t.effect);
    let mut taints = nodes::taints(node).to_vec();
    let before = taints.len();
    taints.retain(|t| !is_ours(t) || is_wanted(t));
    let removed = before - taints.len();
    let is_there = |key: &str, effect: &str| {
        nodes::taints(node)
            .iter()
            .any(|t| t.key == key && t.effect == effect)
    };
    let missing: Vec<_> = wanted.iter().filter(|(k, e)| !is_there(k, e)).collect();
    if removed == 0 && missing.is_empty() {
        return None;
    }
    taints.extend(missing.into_iter().map(|(key, effect)| Taint {
        key: (*key).to_owned(),
        effect: (*effect).to_owned(),
        value: None,
        time_added: Some(Time(now)),
    }));
    Some(taints)
}

fn wanted(node: &Node, all_silent: bool) -> Vec<(&'static str, &'static str)> {
    let mut wanted: Vec<_> = BY_CONDITION
        .iter()
        .filter(|(kind, status, _)| nodes::condition(node, kind) == Some(*status))
        .map(|(_, _, key)| (*key, NO_SCHEDULE))
        .collect();
    let cordoned = node.spec.as_ref().and_then(|s| s.unschedulable);
    if cordoned == Some(true) {
        wanted.push((UNSCHEDULABLE, NO_SCHEDULE));
    }
    if nodes::condition(node, "Ready").is_none() {
        // Born with this taint, and it has not said yet that it is ready.
        wanted.push((NOT_READY, NO_SCHEDULE));
    }
    if !all_silent {
        match nodes::condition(node, "Ready") {
            Some("False") => wanted.push((NOT_READY, NO_EXECUTE)),
            Some("Unknown") => wanted.push((UNREACHABLE, NO_EXECUTE)),
            _ => {}
        }
    }
    wanted
}

fn is_ours(taint: &Taint) -> bool {
    let key = taint.key.as_str();
    match taint.effect.as_str() {
        NO_SCHEDULE => key == UNSCHEDULABLE || BY_CONDITION.iter().any(|(_, _, k)| *k == key),
        NO_EXECUTE => key == NOT_READY || key == UNREACHABLE,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn node(ready: Option<&str>, cordoned: bool, taints: &[(&str, &str)]) -> Node {
        let taints: Vec<_> = taints
            .iter()
            .map(|(k, e)| json!({"key": k, "effect": e}))
            .collect();
        let ready: Vec<_> = ready
            .iter()
            .map(|s| json!({"type": "Ready", "status": s}))
            .collect();
        serde_json::from_value(json!({"spec": {"taints": taints, "unschedulable": cordoned}, "status": {"conditions": ready}})).unwrap()
    }

    #[test]
    fn taints_follow_conditions_and_leave_those_of_others() {
        type Pairs<'a> = &'a [(&'a str, &'a str)];
        let both = [(UNREACHABLE, NO_SCHEDULE), (UNREACHABLE, NO_EXECUTE)];
        let mixed = [
            ("mine", NO_EXECUTE),
            (UNREACHABLE, NO_SCHEDULE),
            (UNREACHABLE, NO_EXECUTE),
        ];
        for (node, silent, expected) in [
            (node(Some("True"), false, &[]), false, None),
            (
                node(Some("Unknown"), false, &[]),
                false,
                Some(&both as Pairs<'_>),
            ),
            (node(Some("Unknown"), false, &both), false, None),
            (node(Some("Unknown"), false, &both), true, Some(&both[..1])),
            (node(Some("True"), false, &mixed), false, Some(&mixed[..1])),
            (
                node(Some("False"), false, &[]),
                false,
                Some(&[(NOT_READY, NO_SCHEDULE), (NOT_READY, NO_EXECUTE)]),
            ),
            (
                node(Some("True"), true, &[]),
                false,
                Some(&[(UNSCHEDULABLE, NO_SCHEDULE)]),
            ),
            (node(None, false, &[(NOT_READY, NO_SCHEDULE)]), false, None),
        ] {
            let found = taints(&node, silent, Timestamp::UNIX_EPOCH);
            let found = found.map(|t| t.into_iter().map(|t| (t.key, t.effect)).collect::<Vec<_>>());
            let expected = expected.map(|e| {
                e.iter()
                    .map(|(k, e)| ((*k).to_owned(), (*e).to_owned()))
                    .collect()
            });
            assert_eq!(found, expected, "{node:?} {silent}");
        }
    }

    #[test]
    fn only_another_sign_is_a_sign() {
        let at = |s| Timestamp::from_second(s).ok();
        let mut sign = Sign {
            heartbeat: at(1),
            renewed: None,
        };
        assert!(sign.take(&Sign {
            heartbeat: None,
            renewed: at(1)
        }));
        assert!(!sign.take(&Sign {
            heartbeat: at(1),
            renewed: None
        }));
        // A clock that was set back is alive as well.
        assert!(sign.take(&Sign {
            heartbeat: at(0),
            renewed: None
        }));
    }

    #[test]
    fn a_silent_node_is_unknown_in_all_that_it_says_of_itself() {
        let conditions = unknown(&node(Some("True"), false, &[]), Timestamp::UNIX_EPOCH);
        let all: Vec<_> = conditions
            .iter()
            .map(|c| (&*c.type_, &*c.status, c.reason.as_deref().unwrap()))
            .collect();
        assert_eq!(all[0], ("Ready", "Unknown", "NodeStatusUnknown"));
        assert_eq!(
            all[1],
            ("MemoryPressure", "Unknown", "NodeStatusNeverUpdated")
        );
        assert_eq!(all.len(), 4);
    }
}
