//! What our controllers may do beside what Kubernetes' bootstrap roles allow: as little as that.

use cedge_rbac::{Grant, Rule};

use crate::Controller;

/// The rights that no bootstrap role gives to our controllers. Kubernetes has no provisioner of its own, only a role
/// (`system:persistent-volume-provisioner`) that nobody is bound to: these are its rules, and the class that is made at the
/// first start.
#[must_use]
pub fn grants() -> Vec<Grant> {
    vec![Grant {
        user: Controller::LocalPath.identity().user,
        namespace: String::new(),
        rules: vec![
            Rule::on("", &["persistentvolumes"], &["create", "delete"]),
            Rule::on("", &["persistentvolumeclaims"], &["update"]),
            Rule::on("storage.k8s.io", &["storageclasses"], &["create"]),
            Rule::on("", &["events"], &["create", "patch"]),
        ],
    }]
}

#[cfg(test)]
mod tests;
