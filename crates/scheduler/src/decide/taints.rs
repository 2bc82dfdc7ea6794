//! Taints and tolerations.

use k8s_openapi::api::core::v1::{Taint, Toleration};

/// Whether a pod may not be placed on a node with these taints.
pub(super) fn repel(taints: &[Taint], tolerations: &[Toleration]) -> bool {
    taints
        .iter()
        .filter(|taint| matches!(taint.effect.as_str(), "NoSchedule" | "NoExecute"))
        .any(|taint| !is_tolerated(taint, tolerations))
}

/// How many taints would rather not have the pod.
pub(super) fn disfavour(taints: &[Taint], tolerations: &[Toleration]) -> usize {
    taints
        .iter()
        .filter(|taint| taint.effect == "PreferNoSchedule" && !is_tolerated(taint, tolerations))
        .count()
}

/// Whether a pod may be placed on a cordoned node.
pub(super) fn tolerate_cordon(tolerations: &[Toleration]) -> bool {
    let cordon = Taint {
        key: "node.kubernetes.io/unschedulable".to_owned(),
        effect: "NoSchedule".to_owned(),
        ..Taint::default()
    };
    is_tolerated(&cordon, tolerations)
}

fn is_tolerated(taint: &Taint, tolerations: &[Toleration]) -> bool {
    tolerations.iter().any(|t| tolerates(t, taint))
}

fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let wanted = |text: &Option<String>| text.clone().filter(|t| !t.is_empty());
    if wanted(&toleration.effect).is_some_and(|effect| effect != taint.effect) {
        return false;
    }
    if wanted(&toleration.key).is_some_and(|key| key != taint.key) {
        return false;
    }
    match toleration.operator.as_deref() {
        None | Some("" | "Equal") => {
            toleration.value.as_deref().unwrap_or("") == taint.value.as_deref().unwrap_or("")
        }
        Some("Exists") => true,
        Some(_) => false,
    }
}
