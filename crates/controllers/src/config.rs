//! What can be set.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use cedge_pki::Authority;

/// What the controllers need to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// Which controllers run. Default: all.
    pub which: BTreeSet<Controller>,
    /// The PEM bundle for the ConfigMap `kube-root-ca.crt` of each namespace. None: that controller does nothing.
    pub cluster_ca: Option<String>,
    /// Signs certificate requests. None: nobody does.
    pub authority: Option<Arc<Authority>>,
    /// How long a node may be silent before its `Ready` becomes `Unknown`. Default 40 s, as in Kubernetes: a few lost
    /// renewals of a lease that is renewed every 10 s.
    pub node_grace: Duration,
    /// How long a new node may be silent before it has ever reported. Default 60 s, as in Kubernetes.
    pub node_startup_grace: Duration,
    /// Finished pods that are kept in the cluster before the oldest are deleted. Default 12,500, as in Kubernetes.
    pub terminated_pods_max: usize,
    /// How long a pod of a vanished node waits for the node to come back. Default 40 s, as in Kubernetes.
    pub vanished_node_quarantine: Duration,
    /// Reconciles of one controller at a time. Default 5, as in Kubernetes.
    pub workers: usize,
}

/// A controller, by the name that kube-controller-manager gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    clippy::enum_variant_names,
    reason = "a ReplicationController is the name of a kind"
)]
pub enum Controller {
    /// Deletes what is in a namespace that is being deleted.
    Namespace,
    /// Deletes what has lost its owners.
    GarbageCollector,
    /// Deployments.
    Deployment,
    /// `ReplicaSets`.
    ReplicaSet,
    /// `ReplicationControllers`.
    ReplicationController,
    /// StatefulSets.
    StatefulSet,
    /// Jobs.
    Job,
    /// CronJobs.
    CronJob,
    /// `DaemonSets`.
    DaemonSet,
    /// The `default` account of each namespace.
    ServiceAccount,
    /// The cluster's CA in each namespace.
    RootCa,
    /// Says which nodes are not heard of, and taints them.
    NodeLifecycle,
    /// Evicts pods from nodes whose taints they do not tolerate.
    TaintEviction,
    /// Deletes pods of vanished nodes, and finished ones when there are too many.
    PodGc,
    /// Deletes finished Jobs after their time.
    TtlAfterFinished,
    /// `EndpointSlices` of Services.
    EndpointSlice,
    /// What namespaces use of their quotas.
    ResourceQuota,
    /// How many pods may be evicted.
    Disruption,
    /// `HorizontalPodAutoscalers`.
    Autoscaler,
    /// Approves the certificate requests of nodes.
    CertificateApproving,
    /// Signs approved certificate requests.
    CertificateSigning,
    /// Deletes old certificate requests.
    CertificateCleaner,
    /// Tells nodes how long they may believe what they know.
    NodeTtl,
    /// Tokens in Secrets.
    TokenSecrets,
    /// `Endpoints` of Services, the older form of those.
    Endpoints,
    /// `EndpointSlices` of Endpoints that somebody wrote.
    EndpointSliceMirroring,
    /// Claims of volumes that live as long as their pod.
    EphemeralVolume,
    /// Binds claims and volumes.
    VolumeBinder,
    /// Keeps claims that pods use.
    ClaimProtection,
    /// Keeps volumes that are bound.
    VolumeProtection,
    /// Makes volumes out of directories on nodes. Ours: Kubernetes has none.
    LocalPath,
}

/// A name that no controller has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no controller named `{0}`")]
pub struct UnknownController(String);

impl Default for Config {
    fn default() -> Self {
        Self {
            which: Controller::ALL.into_iter().collect(),
            cluster_ca: None,
            authority: None,
            node_grace: Duration::from_secs(40),
            node_startup_grace: Duration::from_secs(60),
            terminated_pods_max: 12_500,
            vanished_node_quarantine: Duration::from_secs(40),
            workers: 5,
        }
    }
}

impl Controller {
    /// Every controller.
    pub const ALL: [Self; 31] = [
        Self::Namespace,
        Self::GarbageCollector,
        Self::Deployment,
        Self::ReplicaSet,
        Self::ReplicationController,
        Self::StatefulSet,
        Self::Job,
        Self::CronJob,
        Self::DaemonSet,
        Self::ServiceAccount,
        Self::RootCa,
        Self::NodeLifecycle,
        Self::TaintEviction,
        Self::PodGc,
        Self::TtlAfterFinished,
        Self::EndpointSlice,
        Self::ResourceQuota,
        Self::Disruption,
        Self::Autoscaler,
        Self::CertificateApproving,
        Self::CertificateSigning,
        Self::CertificateCleaner,
        Self::NodeTtl,
        Self::TokenSecrets,
        Self::Endpoints,
        Self::EndpointSliceMirroring,
        Self::EphemeralVolume,
        Self::VolumeBinder,
        Self::ClaimProtection,
        Self::VolumeProtection,
        Self::LocalPath,
    ];

    /// Its name, as kube-controller-manager's `--controllers` takes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Namespace => "namespace-controller",
            Self::GarbageCollector => "garbage-collector-controller",
            Self::Deployment => "deployment-controller",
            Self::ReplicaSet => "replicaset-controller",
            Self::ReplicationController => "replicationcontroller-controller",
            Self::StatefulSet => "statefulset-controller",
            Self::Job => "job-controller",
            Self::CronJob => "cronjob-controller",
            Self::DaemonSet => "daemonset-controller",
            Self::ServiceAccount => "serviceaccount-controller",
            Self::RootCa => "root-ca-certificate-publisher-controller",
            Self::NodeLifecycle => "node-lifecycle-controller",
            Self::TaintEviction => "taint-eviction-controller",
            Self::PodGc => "pod-garbage-collector-controller",
            Self::TtlAfterFinished => "ttl-after-finished-controller",
            Self::EndpointSlice => "endpointslice-controller",
            Self::ResourceQuota => "resourcequota-controller",
            Self::Disruption => "disruption-controller",
            Self::Autoscaler => "horizontal-pod-autoscaler-controller",
            Self::CertificateApproving => "certificatesigningrequest-approving-controller",
            Self::CertificateSigning => "certificatesigningrequest-signing-controller",
            Self::CertificateCleaner => "certificatesigningrequest-cleaner-controller",
            Self::NodeTtl => "ttl-controller",
            Self::TokenSecrets => "serviceaccount-token-controller",
            Self::Endpoints => "endpoints-controller",
            Self::EndpointSliceMirroring => "endpointslice-mirroring-controller",
            Self::EphemeralVolume => "ephemeral-volume-controller",
            Self::VolumeBinder => "persistentvolume-binder-controller",
            Self::ClaimProtection => "persistentvolumeclaim-protection-controller",
            Self::VolumeProtection => "persistentvolume-protection-controller",
            Self::LocalPath => "local-path-provisioner-controller",
        }
    }
}

impl FromStr for Controller {
    type Err = UnknownController;

    fn from_str(name: &str) -> Result<Self, UnknownController> {
        let name = name.strip_suffix("-controller").unwrap_or(name);
        Self::ALL
            .into_iter()
            .find(|c| c.name().strip_suffix("-controller") == Some(name))
            .ok_or_else(|| UnknownController(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_controller_is_found_by_its_name_with_or_without_suffix() {
        for controller in Controller::ALL {
            assert_eq!(controller.name().parse(), Ok(controller));
            let short = controller.name().strip_suffix("-controller").unwrap();
            assert_eq!(short.parse(), Ok(controller));
        }
        assert!("pods".parse::<Controller>().is_err());
    }
}
