//! Says of a bound claim whether a pod refers to it, and since when none does.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::PersistentVolumeClaimCondition as Condition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

const UNUSED: &str = "Unused";

/// The conditions of a claim that is used or not; nothing if they say so already.
pub(super) fn conditions(
    old: &[Condition],
    is_used: bool,
    now: Timestamp,
) -> Option<Vec<Condition>> {
    let (status, reason, message) = if is_used {
        (
            "False",
            "PodUsingPVC",
            "A pod is currently referencing this PVC",
        )
    } else {
        (
            "True",
            "NoPodsUsingPVC",
            "No pods are currently referencing this PVC",
        )
    };
    let known = old.iter().position(|c| c.type_ == UNUSED);
    if known.is_some_and(|at| (old[at].status == "True") != is_used) {
        return None;
    }
    let condition = Condition {
        type_: UNUSED.to_owned(),
        status: status.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        last_transition_time: Some(Time(now)),
        ..Condition::default()
    };
    let mut new = old.to_vec();
    match known {
        Some(at) => new[at] = condition,
        None => new.push(condition),
    }
    Some(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_said_to_be_unused_until_a_pod_refers_to_it() {
        let now = Timestamp::UNIX_EPOCH;
        let status = |conditions: &[Condition]| conditions[0].status.clone();
        let unused = conditions(&[], false, now).expect("news");
        assert_eq!(status(&unused), "True");
        assert_eq!(conditions(&unused, false, now), None);
        let used = conditions(&unused, true, now).expect("news");
        assert_eq!((used.len(), status(&used)), (1, "False".to_owned()));
        assert_eq!(conditions(&used, true, now), None);
    }
}
