//! Under which name each controller speaks: its own service account of `kube-system`, with the rights of its bootstrap
//! role, as the controllers of Kubernetes with `--use-service-account-credentials`. A call that the API refuses for want
//! of a right is a mistake of ours: it is logged as an error and remembered.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use cedge_pki::Identity;
use kube::Client;

use crate::Controller;

mod loud;

use loud::Loud;

/// Who reads for all controllers, and what has no account of its own.
const MANAGER: &str = "system:kube-controller-manager";
const ACCOUNTS: &str = "system:serviceaccount:kube-system:";
const GROUPS: [&str; 2] = [
    "system:serviceaccounts",
    "system:serviceaccounts:kube-system",
];
/// Refusals that are remembered; the log has the others.
const REMEMBERED_MAX: usize = 100;

/// Makes the clients of the controllers. Clones share what was refused.
#[derive(Clone)]
pub struct Clients {
    make: Arc<dyn Fn(&Identity) -> Client + Send + Sync>,
    refusals: Refusals,
}

/// Calls that were refused for want of a right.
type Refusals = Arc<Mutex<Vec<String>>>;

// === impl Clients ===

impl Clients {
    /// Clients by a function that knows the way to the API, and how to speak there for somebody.
    #[must_use]
    pub fn new(make: impl Fn(&Identity) -> Client + Send + Sync + 'static) -> Self {
        Self {
            make: Arc::new(make),
            refusals: Refusals::default(),
        }
    }

    /// The client of who reads for all: informers are filled by it.
    #[must_use]
    pub fn manager(&self) -> Client {
        self.speaking(&Identity::authenticated(MANAGER, [""; 0]))
    }

    /// The client of a controller.
    pub(crate) fn of(&self, controller: Controller) -> Client {
        self.speaking(&controller.identity())
    }

    /// What was refused so far for want of a right: controller, verb, resource, as the API worded it.
    #[must_use]
    pub fn refusals(&self) -> Vec<String> {
        let refusals = self.refusals.lock();
        refusals.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn speaking(&self, identity: &Identity) -> Client {
        let client = (self.make)(identity);
        let namespace = client.default_namespace().to_owned();
        let loud = Loud::new(client, &identity.user, self.refusals.clone());
        Client::new(loud, namespace)
    }
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients")
            .field("refusals", &self.refusals)
            .finish_non_exhaustive()
    }
}

// === impl Controller ===

impl Controller {
    /// For whom it speaks.
    #[must_use]
    pub fn identity(self) -> Identity {
        match self.account() {
            Some(account) => Identity::authenticated(format!("{ACCOUNTS}{account}"), GROUPS),
            None => Identity::authenticated(MANAGER, [""; 0]),
        }
    }

    /// Its service account: the name that Kubernetes' bootstrap roles bind.
    fn account(self) -> Option<&'static str> {
        Some(match self {
            Self::Namespace => "namespace-controller",
            Self::GarbageCollector => "generic-garbage-collector",
            Self::Deployment => "deployment-controller",
            Self::ReplicaSet => "replicaset-controller",
            Self::ReplicationController => "replication-controller",
            Self::StatefulSet => "statefulset-controller",
            Self::Job => "job-controller",
            Self::CronJob => "cronjob-controller",
            Self::DaemonSet => "daemon-set-controller",
            Self::ServiceAccount => "service-account-controller",
            Self::RootCa => "root-ca-cert-publisher",
            Self::NodeLifecycle | Self::TaintEviction => "node-controller",
            Self::PodGc => "pod-garbage-collector",
            Self::TtlAfterFinished => "ttl-after-finished-controller",
            Self::ResourceQuota => "resourcequota-controller",
            Self::Disruption => "disruption-controller",
            Self::Autoscaler => "horizontal-pod-autoscaler",
            Self::CertificateApproving | Self::CertificateSigning | Self::CertificateCleaner => {
                "certificate-controller"
            }
            Self::NodeTtl => "ttl-controller",
            Self::EndpointSlice => "endpointslice-controller",
            Self::Endpoints => "endpoint-controller",
            Self::EndpointSliceMirroring => "endpointslicemirroring-controller",
            Self::EphemeralVolume => "ephemeral-volume-controller",
            Self::VolumeBinder => "persistent-volume-binder",
            Self::ClaimProtection => "pvc-protection-controller",
            Self::VolumeProtection => "pv-protection-controller",
            Self::LocalPath => "local-path-provisioner",
            // It signs tokens for accounts of others: in Kubernetes, too, only the manager may.
            Self::TokenSecrets => return None,
        })
    }
}
