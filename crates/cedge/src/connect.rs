//! How a command finds the cluster that it speaks to.

use std::path::PathBuf;

use anyhow::Context as _;
use cedge_api::{ClusterPath, SYSTEM_NAMESPACE};
use cedge_pki::Kubeconfig;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};

use crate::paths;

/// Name of the `ConfigMap` in which a tree says where its hub is.
pub(crate) const HUB: &str = "hub";

/// A cluster and the file that speaks to it.
pub(crate) struct Target {
    pub(crate) client: Client,
    pub(crate) kubeconfig: PathBuf,
}

/// Where a tree's hub is, as it says itself.
#[derive(Debug, Clone)]
pub(crate) struct Hub {
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) addresses: Vec<String>,
    pub(crate) ca: String,
}

/// The kubeconfig that a command uses: the flag's (or the environment's), else a server's of this user or machine,
/// else the demo's root.
pub(crate) fn kubeconfig(flag: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    if let Some(path) = flag.filter(|p| !p.as_os_str().is_empty()) {
        return Ok(path);
    }
    let mut tried = vec![
        paths::server().join("kubeconfig"),
        PathBuf::from("/var/lib/cedge/kubeconfig"),
    ];
    tried.extend(crate::demo::root_kubeconfig());
    if let Some(found) = tried.iter().find(|p| std::fs::File::open(p).is_ok()) {
        return Ok(found.clone());
    }
    let tried: Vec<String> = tried.iter().map(|p| p.display().to_string()).collect();
    anyhow::bail!(
        "no cluster to speak to: start one (cedge server, or cedge demo), or name a file with --kubeconfig; looked for {}",
        tried.join(", ")
    )
}

pub(crate) async fn target(flag: Option<PathBuf>) -> anyhow::Result<Target> {
    let kubeconfig = kubeconfig(flag)?;
    let client = client(&kubeconfig).await?;
    Ok(Target { client, kubeconfig })
}

/// A client for a kubeconfig.
pub(crate) async fn client(path: &std::path::Path) -> anyhow::Result<Client> {
    let file = kube::config::Kubeconfig::read_from(path)
        .with_context(|| format!("kubeconfig {}", path.display()))?;
    client_of(file).await
}

pub(crate) async fn client_of(file: kube::config::Kubeconfig) -> anyhow::Result<Client> {
    let options = kube::config::KubeConfigOptions::default();
    let mut config = kube::Config::from_custom_kubeconfig(file, &options).await?;
    config.connect_timeout = Some(std::time::Duration::from_secs(10));
    Ok(Client::try_from(config)?)
}

/// Where the hub of a cluster is.
pub(crate) async fn hub(client: &Client) -> anyhow::Result<Hub> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), SYSTEM_NAMESPACE);
    let map = api
        .get_opt(HUB)
        .await
        .context("could not ask the cluster where its hub is")?;
    let data = map
        .and_then(|m| m.data)
        .context("this cluster has no hub: its tree module is not running")?;
    let get = |key: &str| {
        data.get(key)
            .cloned()
            .with_context(|| format!("the hub's ConfigMap lacks {key}"))
    };
    Ok(Hub {
        name: get("name")?,
        address: get("address")?,
        addresses: get("addresses")?.split(',').map(str::to_owned).collect(),
        ca: get("ca")?,
    })
}

/// A kubeconfig for a cluster below, through the hub, with the rights that `own` has at this one.
pub(crate) fn through(
    own: &Kubeconfig,
    hub: &Hub,
    path: &ClusterPath,
) -> anyhow::Result<Kubeconfig> {
    let (_, user) = own
        .current()
        .context("the kubeconfig has no current context")?;
    let pairs: String = path
        .names()
        .iter()
        .map(|name| format!("/clusters/{name}"))
        .collect();
    let server = format!("https://{}{pairs}", hub.address);
    let name = format!("{}/{path}", hub.name);
    Ok(Kubeconfig::single(&name, &server, &hub.ca, user.clone()))
}

/// A client for a cluster below.
pub(crate) async fn below(target: &Target, path: &ClusterPath) -> anyhow::Result<Client> {
    if path.is_here() {
        return Ok(target.client.clone());
    }
    client_of(kubeconfig_below(target, path).await?).await
}

/// The hub itself, for what is not a cluster's API.
pub(crate) async fn hub_client(target: &Target) -> anyhow::Result<Client> {
    client_of(kubeconfig_below(target, &ClusterPath::here()).await?).await
}

async fn kubeconfig_below(
    target: &Target,
    path: &ClusterPath,
) -> anyhow::Result<kube::config::Kubeconfig> {
    let own = Kubeconfig::read(&target.kubeconfig)?;
    let config = through(&own, &hub(&target.client).await?, path)?;
    Ok(kube::config::Kubeconfig::from_yaml(&config.to_yaml())?)
}
