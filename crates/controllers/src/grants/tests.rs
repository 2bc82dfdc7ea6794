//! Whether the roles that Kubernetes gives its controllers, and our grants, are enough for ours. The needs were read from
//! the code: a new call belongs here.

use std::collections::BTreeSet;

use cedge_pki::Identity;
use cedge_rbac::{Object, Policy, Request, Target, User, bootstrap};

use super::grants;
use crate::Controller;

/// What those do that tell events.
const EVENTS: &[&str] = &["create,patch events"];
/// What those do that ask which kinds are served.
const DISCOVERY: &[&str] = &["get /api", "get /apis", "get /apis/example.com/v1"];

/// `verbs group/resource/subresource:name`, or `verb /path`. Lists and watches of informers are the manager's.
fn needs(controller: Controller) -> Vec<&'static [&'static str]> {
    const PODS: &[&str] = &["create,patch,delete pods"];
    const SLICES: &[&str] = &["create,update,delete discovery.k8s.io/endpointslices"];
    const REVISIONS: &[&str] = &["create,get,patch,delete apps/controllerrevisions"];
    match controller {
        Controller::Namespace => vec![
            &[
                "get namespaces",
                "update namespaces/status",
                "update namespaces/finalize",
            ],
            &["list,delete,deletecollection example.com/widgets"],
            DISCOVERY,
        ],
        Controller::GarbageCollector => {
            vec![&["get,patch,delete example.com/widgets"], DISCOVERY]
        }
        Controller::Deployment => vec![
            &["get apps/deployments", "update apps/deployments/status"],
            &["create,get,patch,delete apps/replicasets"],
            EVENTS,
        ],
        Controller::ReplicaSet => vec![
            &["get apps/replicasets", "update apps/replicasets/status"],
            PODS,
            EVENTS,
        ],
        Controller::ReplicationController => vec![
            &[
                "get replicationcontrollers",
                "update replicationcontrollers/status",
            ],
            PODS,
            EVENTS,
        ],
        Controller::StatefulSet => vec![
            &["get apps/statefulsets", "update apps/statefulsets/status"],
            &["create,update persistentvolumeclaims"],
            PODS,
            REVISIONS,
            EVENTS,
        ],
        Controller::Job => vec![
            &["get batch/jobs", "update batch/jobs/status"],
            PODS,
            EVENTS,
        ],
        Controller::CronJob => vec![
            &["get batch/cronjobs", "update batch/cronjobs/status"],
            &["get,create,delete batch/jobs"],
            EVENTS,
        ],
        Controller::DaemonSet => vec![
            &["get apps/daemonsets", "update apps/daemonsets/status"],
            PODS,
            REVISIONS,
            EVENTS,
        ],
        Controller::ServiceAccount => vec![&["create serviceaccounts"]],
        Controller::RootCa => vec![&["create,update configmaps"]],
        Controller::NodeLifecycle => vec![
            &[
                "get coordination.k8s.io/leases",
                "patch nodes",
                "patch nodes/status",
            ],
            &["patch pods/status"],
            EVENTS,
        ],
        Controller::TaintEviction => vec![&["patch pods/status", "delete pods"], EVENTS],
        Controller::PodGc => vec![&["get nodes", "patch pods/status", "delete pods"]],
        Controller::TtlAfterFinished => vec![&["get,delete batch/jobs"]],
        Controller::EndpointSlice | Controller::EndpointSliceMirroring => vec![SLICES, EVENTS],
        Controller::Endpoints => vec![&["create,update,delete endpoints"], EVENTS],
        Controller::ResourceQuota => vec![&["update resourcequotas/status"], DISCOVERY],
        Controller::Disruption => vec![
            &[
                "update policy/poddisruptionbudgets/status",
                "patch pods/status",
            ],
            &["get example.com/widgets/scale"],
            EVENTS,
            DISCOVERY,
        ],
        Controller::Autoscaler => vec![
            &[
                "update autoscaling/horizontalpodautoscalers/status",
                "list pods",
            ],
            &[
                "get,update example.com/widgets/scale",
                "list metrics.k8s.io/pods",
            ],
            &[
                "get custom.metrics.k8s.io/pods/hits",
                "list external.metrics.k8s.io/hits",
            ],
            &["get /apis/custom.metrics.k8s.io"],
            EVENTS,
            DISCOVERY,
        ],
        Controller::CertificateApproving => vec![&[
            "create authorization.k8s.io/subjectaccessreviews",
            "update certificates.k8s.io/certificatesigningrequests/approval",
            "approve certificates.k8s.io/signers:kubernetes.io/kube-apiserver-client-kubelet",
        ]],
        Controller::CertificateSigning => vec![&[
            "update certificates.k8s.io/certificatesigningrequests/status",
            "sign certificates.k8s.io/signers:kubernetes.io/kube-apiserver-client",
            "sign certificates.k8s.io/signers:kubernetes.io/kube-apiserver-client-kubelet",
            "sign certificates.k8s.io/signers:kubernetes.io/kubelet-serving",
        ]],
        Controller::CertificateCleaner => {
            vec![&["delete certificates.k8s.io/certificatesigningrequests"]]
        }
        Controller::NodeTtl => vec![&["patch nodes"]],
        Controller::TokenSecrets => vec![&[
            "get,list,watch,update,delete secrets",
            "get serviceaccounts",
            "create serviceaccounts/token",
        ]],
        Controller::EphemeralVolume => vec![&["create persistentvolumeclaims"], EVENTS],
        Controller::VolumeBinder => vec![
            &[
                "update persistentvolumes",
                "update persistentvolumes/status",
            ],
            &[
                "get,update persistentvolumeclaims",
                "update persistentvolumeclaims/status",
            ],
            EVENTS,
        ],
        Controller::ClaimProtection => vec![&[
            "list pods",
            "update persistentvolumeclaims",
            "update persistentvolumeclaims/status",
        ]],
        Controller::VolumeProtection => vec![&["update persistentvolumes"]],
        Controller::LocalPath => vec![
            &[
                "create,delete persistentvolumes",
                "update persistentvolumeclaims",
            ],
            &["create storage.k8s.io/storageclasses"],
            EVENTS,
        ],
    }
}

/// What whoever fills the informers does, and reads for those who may only write.
const MANAGER: &[&str] = &[
    "list,watch example.com/widgets",
    "get serviceaccounts",
    "get configmaps",
];

fn policy() -> Policy {
    let objects = bootstrap::objects();
    Policy::of(objects.filter_map(|o| Object::read(o["kind"].as_str()?, &o).ok()))
}

fn missing(policy: &Policy, identity: &Identity, needs: &[&[&str]]) -> Vec<String> {
    let user = User {
        name: &identity.user,
        groups: &identity.groups,
    };
    let mut missing = Vec::new();
    for need in needs.iter().copied().flatten() {
        let (verbs, what) = need.split_once(' ').unwrap();
        for verb in verbs.split(',') {
            let target = target(what);
            if !policy
                .authorize(&user, &Request { verb, target })
                .is_allowed()
            {
                missing.push(format!("{} {verb} {what}", identity.user));
            }
        }
    }
    missing
}

/// `pods`, `pods/status`, `apps/deployments/status`: a group has a dot, or is one of those that have none.
fn target(what: &str) -> Target<'_> {
    if what.starts_with('/') {
        return Target::Path(what);
    }
    let (what, name) = what.split_once(':').unwrap_or((what, ""));
    let (first, rest) = what.split_once('/').unwrap_or((what, ""));
    let is_group =
        first.contains('.') || ["apps", "batch", "policy", "autoscaling"].contains(&first);
    let (group, what) = if is_group { (first, rest) } else { ("", what) };
    let (resource, subresource) = what.split_once('/').unwrap_or((what, ""));
    Target::Resource {
        group,
        resource,
        subresource,
        namespace: "",
        name,
    }
}

#[test]
fn the_roles_and_grants_allow_what_the_controllers_do() {
    let policy = policy().granting(grants());
    let mut all = Vec::new();
    for controller in Controller::ALL {
        all.extend(missing(&policy, &controller.identity(), &needs(controller)));
    }
    let manager = Controller::TokenSecrets.identity();
    all.extend(missing(&policy, &manager, &[MANAGER]));
    assert_eq!(all, Vec::<String>::new());
}

#[test]
fn only_the_provisioner_needs_more_than_kubernetes_gives() {
    let policy = policy();
    let lacking = |c: &Controller| !missing(&policy, &c.identity(), &needs(*c)).is_empty();
    let lacking: BTreeSet<Controller> = Controller::ALL.into_iter().filter(lacking).collect();
    assert_eq!(lacking, BTreeSet::from([Controller::LocalPath]));
}

#[test]
fn every_account_but_the_provisioners_is_bound_by_kubernetes_to_its_own_role() {
    let bound: BTreeSet<String> = bootstrap::objects()
        .filter(|o| o["kind"] == "ClusterRoleBinding")
        .filter_map(|o| {
            let name = o["roleRef"]["name"].as_str()?;
            let account = name.strip_prefix("system:controller:")?;
            Some(format!("system:serviceaccount:kube-system:{account}"))
        })
        .collect();
    for controller in Controller::ALL {
        let user = controller.identity().user;
        let ours = [
            "system:kube-controller-manager",
            "system:serviceaccount:kube-system:local-path-provisioner",
        ];
        assert!(
            bound.contains(&user) || ours.contains(&user.as_str()),
            "{user}"
        );
    }
}
