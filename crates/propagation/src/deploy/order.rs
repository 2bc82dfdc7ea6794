//! In which order objects are applied, and withdrawn the other way round. Pure.

use cedge_api::mission::InventoryEntry;

/// Stages by kind: what others need comes first. The order of what is not named is that of the author.
const STAGES: &[(u8, &[&str])] = &[
    (0, &["Namespace", "CustomResourceDefinition"]),
    (
        1,
        &[
            "PriorityClass",
            "RuntimeClass",
            "StorageClass",
            "ResourceQuota",
            "LimitRange",
        ],
    ),
    (
        2,
        &[
            "ServiceAccount",
            "ClusterRole",
            "Role",
            "ClusterRoleBinding",
            "RoleBinding",
        ],
    ),
    (
        3,
        &[
            "Secret",
            "ConfigMap",
            "PersistentVolume",
            "PersistentVolumeClaim",
        ],
    ),
    (4, &["Service", "NetworkPolicy"]),
    (
        6,
        &["HorizontalPodAutoscaler", "PodDisruptionBudget", "Ingress"],
    ),
    (
        7,
        &[
            "APIService",
            "ValidatingWebhookConfiguration",
            "MutatingWebhookConfiguration",
        ],
    ),
];
/// Workloads, custom resources and everything else.
const OTHERS: u8 = 5;

/// The stage of a kind.
#[must_use]
pub fn stage(kind: &str) -> u8 {
    STAGES
        .iter()
        .find(|(_, kinds)| kinds.contains(&kind))
        .map_or(OTHERS, |(stage, _)| *stage)
}

/// Whether later stages wait until objects of this kind are ready, not only applied.
#[must_use]
pub fn holds_up(kind: &str) -> bool {
    stage(kind) == 0
}

/// The order of withdrawal: what was applied last goes first.
pub fn for_withdrawal(entries: &mut [InventoryEntry]) {
    entries.sort_by(|a, b| stage(&b.kind).cmp(&stage(&a.kind)).then_with(|| a.cmp(b)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_come_first_and_go_last() {
        let entry = |kind: &str| InventoryEntry {
            kind: kind.to_owned(),
            ..InventoryEntry::default()
        };
        let mut all: Vec<_> = ["Namespace", "Deployment", "ConfigMap"]
            .into_iter()
            .map(entry)
            .collect();
        for_withdrawal(&mut all);
        let kinds: Vec<_> = all.iter().map(|e| e.kind.as_str()).collect();
        assert_eq!(kinds, ["Deployment", "ConfigMap", "Namespace"]);
        assert!(holds_up("CustomResourceDefinition") && !holds_up("Deployment"));
    }
}
