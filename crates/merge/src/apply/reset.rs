//! Fields that a request cannot change, so that nobody owns them by it.

/// The fields that Kubernetes resets in requests to a built-in resource, as [`super::ApplyArgs::reset_fields`] takes
/// them. Custom resources have those of `("", "", subresource)`: with a status subresource, `status` is reset in the
/// object itself, and all but `status` in the subresource.
#[must_use]
pub fn reset_fields(group: &str, plural: &str, subresource: &str) -> &'static [&'static str] {
    match (group, plural, subresource) {
        ("certificates.k8s.io", "certificatesigningrequests", "") => &["spec", "status"],
        ("certificates.k8s.io", "certificatesigningrequests", "status") => {
            &["spec", "status.conditions"]
        }
        ("certificates.k8s.io", "certificatesigningrequests", "approval") => {
            &["spec", "status.certificate"]
        }
        ("", "pods", "status") => &[
            "spec",
            "metadata.deletionTimestamp",
            "metadata.ownerReferences",
        ],
        ("apps", "deployments", "status") => &["spec", "metadata.labels"],
        (_, _, "" | "finalize") => &["status"],
        (
            "" | "apps" | "autoscaling" | "batch" | "networking.k8s.io" | "policy",
            plural,
            "status",
        ) if plural != "servicecidrs" && !plural.is_empty() => &["spec"],
        (_, _, "status") => &["metadata", "spec"],
        _ => &[],
    }
}
