//! `cedge attach`: the tree beside a cluster of any flavor.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use cedge_api::{ClusterName, SYSTEM_NAMESPACE, TREE_MANAGER};
use cedge_informer::Informers;
use cedge_pki::{Authority, LiveCredential};
use cedge_tasks::{Group, Shutdown, clock};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;

use crate::cli::AttachArgs;
use crate::server::{OverNetwork, TOKEN_SECRET, local_grant};
use crate::{config, paths};

#[expect(clippy::too_many_lines, reason = "wiring: a list to read aloud")]
pub(crate) async fn run(
    args: AttachArgs,
    kubeconfig: Option<PathBuf>,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let path = kubeconfig.context("name the cluster with --kubeconfig FILE")?;
    let dir = args.data_dir.unwrap_or_else(paths::attach);
    cedge_pki::files::private_dir(&dir)
        .with_context(|| format!("data directory {}", dir.display()))?;
    let file = kube::config::Kubeconfig::read_from(&path)
        .with_context(|| format!("kubeconfig {}", path.display()))?;
    let options = kube::config::KubeConfigOptions::default();
    let settings = kube::Config::from_custom_kubeconfig(file.clone(), &options).await?;
    let client = Client::try_from(settings.clone())?;
    let version = client
        .apiserver_version()
        .await
        .context("the cluster does not answer")?;
    let flavor = flavor(&version.git_version).to_owned();
    let name: ClusterName = match args.name {
        Some(name) => name,
        None => file
            .clusters
            .first()
            .map(|c| c.name.clone())
            .unwrap_or_default()
            .parse()
            .context("--name")?,
    };
    let authority = Arc::new(Authority::load_or_create(&dir.join("identity"))?);
    let listen = args
        .hub_listen
        .unwrap_or_else(|| ([0, 0, 0, 0], 7443).into());
    let settings_of_hub = config::Server {
        name: name.clone(),
        labels: args.labels.unwrap_or_default(),
        join: args.join,
        without: Vec::new(),
        data_dir: dir.clone(),
        listen,
        hub_listen: listen,
        advertise: args.advertise,
        proxy: args.proxy,
        silence: Duration::from_secs(45),
        node_grace: cedge_tree::NODE_GRACE,
        parent_role: args.parent_role,
    };
    let listener = cedge_serving::bind(listen)
        .await
        .context("the hub's port (--hub-listen)")?;
    crate::server::join_parent(&settings_of_hub, &authority).await?;
    let tasks = Group::new(shutdown.clone());
    let starting = cedge_tree::run(
        cedge_tree::Config {
            client: client.clone(),
            informers: Informers::new(client.clone(), tasks.clone()),
            api: Arc::new(OverNetwork::new(&settings)?),
            authority: authority.clone(),
            data_dir: dir.join("tree"),
            name: name.clone(),
            labels: settings_of_hub.labels.clone(),
            flavor,
            parent_role: settings_of_hub.parent_role.clone(),
            silence: settings_of_hub.silence,
            node_grace: settings_of_hub.node_grace,
            hub: listener.local_addr()?,
        },
        shutdown.clone(),
    );
    let tree = Box::pin(starting).await?;
    let hub = listener.local_addr()?;
    cedge_tree::install::publish_hub(
        &client,
        name.as_str(),
        hub,
        &settings_of_hub.hub_addresses(),
        &authority,
    )
    .await?;
    leave_token(&client, &authority, hub.port()).await?;
    let credential = authority.server_credential(settings_of_hub.hosts(), clock::now())?;
    tracing::info!(cluster = %name, version = version.git_version, address = %hub, "attached");
    cedge_tree::port::serve(
        tree,
        listener,
        authority,
        LiveCredential::new(&credential),
        shutdown,
    )
    .await;
    tasks.wait(Duration::from_secs(10)).await;
    Ok(())
}

/// What kind of cluster answers.
fn flavor(version: &str) -> &'static str {
    match version {
        v if v.contains("+k3s") => "k3s",
        v if v.contains("+cedge") => "embedded",
        _ => "k8s",
    }
}

/// A token for the node of a `cedge server --without tree` on this machine.
async fn leave_token(client: &Client, authority: &Authority, port: u16) -> anyhow::Result<()> {
    let token = cedge_tree::token::create(client, authority.pin(), &local_grant(port)).await?;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": { "name": TOKEN_SECRET, "namespace": SYSTEM_NAMESPACE },
        "stringData": { "token": token.to_string() },
    });
    let api: Api<Secret> = Api::namespaced(client.clone(), SYSTEM_NAMESPACE);
    api.patch(
        TOKEN_SECRET,
        &PatchParams::apply(TREE_MANAGER).force(),
        &Patch::Apply(secret),
    )
    .await?;
    Ok(())
}
