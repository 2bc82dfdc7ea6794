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

/// What stands before the name of each cluster on the way down.
const BELOW: &str = "/clusters/";

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
    let (cluster, user) = own
        .current()
        .context("the kubeconfig has no current context")?;
    let pairs: String = path
        .names()
        .iter()
        .map(|name| format!("{BELOW}{name}"))
        .collect();
    if cluster.server.contains(BELOW) {
        return farther(own, path, &pairs);
    }
    let server = format!("https://{}{pairs}", hub.address);
    let name = format!("{}/{path}", hub.name);
    Ok(Kubeconfig::single(&name, &server, &hub.ca, user.clone()))
}

/// The same where `own` itself leads through parents: on from there. The cluster's own hub takes no credentials of theirs.
fn farther(own: &Kubeconfig, path: &ClusterPath, pairs: &str) -> anyhow::Result<Kubeconfig> {
    let mut farther = own.clone();
    let clusters = farther.clusters.iter_mut().map(|c| &mut c.cluster);
    for cluster in clusters.filter(|c| c.server.contains(BELOW)) {
        if path.is_here() {
            anyhow::bail!(
                "this kubeconfig reaches its cluster through the parents ({}), and that cluster's hub does not know who they let in: \
                 use the kubeconfig of the cluster above, whose tree shows this one too, or the one in the data directory of this cluster's own server",
                cluster.server
            );
        }
        cluster.server += pairs;
    }
    Ok(farther)
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

#[cfg(test)]
mod tests {
    use cedge_pki::kubeconfig::User;

    use super::*;

    #[test]
    fn a_kubeconfig_that_leads_through_parents_leads_on_from_there_and_not_to_the_hub_at_its_end() {
        let hub = Hub {
            name: "plant".into(),
            address: "10.0.0.9:7443".into(),
            addresses: Vec::new(),
            ca: "PLANT".into(),
        };
        let server = "https://root:7443/clusters/plant";
        let own = Kubeconfig::single("root/plant", server, "ROOT", User::default());
        let below: ClusterPath = "line".parse().unwrap();
        let on = through(&own, &hub, &below).unwrap();
        let (cluster, _) = on.current().unwrap();
        assert_eq!(
            cluster.server,
            "https://root:7443/clusters/plant/clusters/line"
        );
        let (before, _) = own.current().unwrap();
        assert_eq!(
            cluster.certificate_authority_data,
            before.certificate_authority_data
        );
        let why = through(&own, &hub, &ClusterPath::here()).unwrap_err();
        assert!(
            why.to_string().contains("kubeconfig of the cluster above"),
            "{why}"
        );
        let direct = Kubeconfig::single("plant", "https://10.0.0.9:6443", "PLANT", User::default());
        let hub_itself = through(&direct, &hub, &ClusterPath::here()).unwrap();
        assert_eq!(
            hub_itself.current().unwrap().0.server,
            "https://10.0.0.9:7443"
        );
    }
}
