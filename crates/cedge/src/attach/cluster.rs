//! The cluster that is attached, as far as its kubeconfig and its API say.

use std::path::Path;

use anyhow::Context as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// Flavor of a cluster of ours.
pub(super) const EMBEDDED: &str = "embedded";
/// Where Kubernetes says which authority its users' certificates have: namespace, name and key.
const USERS: (&str, &str, &str) = (
    "kube-system",
    "extension-apiserver-authentication",
    "client-ca-file",
);

/// What the kubeconfig says.
pub(super) struct Cluster {
    pub(super) name: String,
    pub(super) settings: kube::Config,
    pub(super) client: Client,
}

/// What the API says.
pub(super) struct Answered {
    pub(super) version: String,
    pub(super) flavor: &'static str,
    /// The authorities of the certificates of its users.
    pub(super) users: Vec<CertificateDer<'static>>,
}

impl Cluster {
    pub(super) async fn of(path: &Path) -> anyhow::Result<Self> {
        let file = kube::config::Kubeconfig::read_from(path)
            .with_context(|| format!("kubeconfig {}", path.display()))?;
        let current = file
            .contexts
            .iter()
            .find(|c| Some(&c.name) == file.current_context.as_ref())
            .and_then(|c| c.context.as_ref());
        let name = current.map(|c| c.cluster.clone()).unwrap_or_default();
        let options = kube::config::KubeConfigOptions::default();
        let mut settings = kube::Config::from_custom_kubeconfig(file, &options)
            .await
            .with_context(|| format!("kubeconfig {}", path.display()))?;
        settings.connect_timeout = Some(std::time::Duration::from_secs(10));
        let client = Client::try_from(settings.clone())?;
        Ok(Self {
            name,
            settings,
            client,
        })
    }

    /// Asks the API what it is.
    pub(super) async fn ask(&self) -> anyhow::Result<Answered> {
        let version = self
            .client
            .apiserver_version()
            .await
            .context("the cluster does not answer")?;
        Ok(Answered {
            flavor: flavor(&version.git_version),
            version: version.git_version,
            users: self.users().await?,
        })
    }

    /// The authorities of the users: what the API says of itself, else the authority of its own certificate, which in
    /// a cluster of ours is the same.
    async fn users(&self) -> anyhow::Result<Vec<CertificateDer<'static>>> {
        let (namespace, name, key) = USERS;
        let maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
        let map = maps
            .get_opt(name)
            .await
            .context("could not ask for the CA of the cluster's users")?;
        if let Some(pem) = map.and_then(|m| m.data).and_then(|mut d| d.remove(key)) {
            let all = CertificateDer::pem_slice_iter(pem.as_bytes());
            return all
                .collect::<Result<Vec<_>, _>>()
                .with_context(|| format!("ConfigMap {namespace}/{name} cannot be read"));
        }
        let roots = self.settings.root_cert.iter().flatten();
        Ok(roots.map(|der| der.clone().into()).collect())
    }
}

/// What kind of cluster answers.
fn flavor(version: &str) -> &'static str {
    match version {
        v if v.contains("+k3s") => "k3s",
        v if v.contains("+cedge") => EMBEDDED,
        _ => "k8s",
    }
}

/// Whether the API said that it does not know who asks: that does not heal by itself.
pub(super) fn is_unauthorized(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        matches!(cause.downcast_ref::<kube::Error>(), Some(kube::Error::Api(status)) if status.code == 401)
    })
}
