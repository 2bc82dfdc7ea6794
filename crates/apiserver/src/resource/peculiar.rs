//! Where kinds differ in ways that no schema tells: Kubernetes wrote each of them by hand.

use super::{Definition, Resource};

// === impl Resource ===

impl Resource {
    /// What writes to a part cannot change, so that nobody comes to own it by them.
    pub(crate) fn reset_fields(&self, subresource: &str) -> &'static [&'static str] {
        let has_status = match &self.definition {
            Definition::BuiltIn(kind) => kind.subresource("status").is_some(),
            Definition::Custom(custom) => custom.has_status(),
        };
        match subresource {
            "" | "scale" if has_status => &["status"],
            "status" if self.is_custom() || self.status_keeps_metadata() => &["spec", "metadata"],
            "status" if self.is("apps", "deployments") => &["spec", "metadata.labels"],
            "status" => &["spec"],
            "finalize" => &["status"],
            _ => &[],
        }
    }

    /// Newer kinds let a write to their status change nothing else.
    fn status_keeps_metadata(&self) -> bool {
        matches!(
            self.group.as_str(),
            "storage.k8s.io"
                | "admissionregistration.k8s.io"
                | "apiregistration.k8s.io"
                | "flowcontrol.apiserver.k8s.io"
                | "resource.k8s.io"
        )
    }

    /// Whether a write without a resource version is refused.
    pub(crate) fn needs_revision(&self) -> bool {
        self.is_custom()
            || matches!(
                self.plural.as_str(),
                "leases"
                    | "customresourcedefinitions"
                    | "apiservices"
                    | "runtimeclasses"
                    | "poddisruptionbudgets"
                    | "csidrivers"
                    | "csistoragecapacities"
                    | "volumeattachments"
                    | "csinodes"
                    | "validatingadmissionpolicies"
                    | "validatingadmissionpolicybindings"
                    | "mutatingadmissionpolicies"
                    | "mutatingadmissionpolicybindings"
                    | "mutatingwebhookconfigurations"
                    | "validatingwebhookconfigurations"
                    | "clustertrustbundles"
            )
    }

    /// Below which name Kubernetes keeps objects in etcd: some errors speak of it.
    pub(crate) fn etcd_name(&self) -> String {
        let name = match (self.group.as_str(), self.plural.as_str()) {
            ("", "nodes") => "minions",
            ("", "services") => "services/specs",
            ("", "endpoints") => "services/endpoints",
            ("", "replicationcontrollers") => "controllers",
            ("networking.k8s.io", "ingresses") => "ingress",
            (group, plural) if self.is_custom() || group.starts_with("api") => {
                return format!("{group}/{plural}");
            }
            (_, plural) => plural,
        };
        name.to_owned()
    }

    /// Whether the answer to a deletion is the object instead of a `Status`.
    pub(crate) fn returns_deleted(&self) -> bool {
        const OURS: [&str; 17] = [
            "namespaces",
            "persistentvolumes",
            "persistentvolumeclaims",
            "pods",
            "podtemplates",
            "resourcequotas",
            "services",
            "serviceaccounts",
            "csidrivers",
            "csinodes",
            "storageclasses",
            "volumeattachments",
            "volumeattributesclasses",
            "deviceclasses",
            "resourceclaims",
            "resourceclaimtemplates",
            "resourceslices",
        ];
        !self.is_custom() && OURS.contains(&self.plural.as_str())
    }

    /// Whether objects may be made by PUT.
    pub(crate) fn create_on_update(&self) -> bool {
        const OURS: [&str; 5] = ["endpoints", "events", "leases", "limitranges", "services"];
        !self.is_custom()
            && (self.group == "rbac.authorization.k8s.io" || OURS.contains(&self.plural.as_str()))
    }
}
