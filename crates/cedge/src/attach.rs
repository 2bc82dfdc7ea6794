//! `cedge attach`: the tree beside a cluster of any flavor. Read [`run`] aloud.

mod cluster;
mod local_token;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use cedge_api::ClusterName;
use cedge_informer::Informers;
use cedge_pki::{Authority, LiveCredential};
use cedge_tasks::{Backoff, Group, OnError, Shutdown, Trigger, clock};
use cedge_tree::Tree;
use cedge_tree::nodes::PortSettings;
use tokio::net::TcpListener;

use crate::cli::AttachArgs;
use crate::server::{OverNetwork, first_join, keep_joining};
use crate::{config, paths};
use cluster::{Answered, Cluster};

/// How long everything may take to stop politely.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// What is attached, and with what.
struct Attach {
    cluster: Cluster,
    hub: config::Server,
    authority: Arc<Authority>,
    credential: Arc<LiveCredential>,
}

pub(crate) async fn run(
    args: AttachArgs,
    kubeconfig: Option<PathBuf>,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let kubeconfig = kubeconfig.context("name the cluster with --kubeconfig FILE")?;
    let cluster = Cluster::of(&kubeconfig).await?;
    let mut hub = settings(args, &cluster)?;
    let dir = hub.data_dir.clone();
    cedge_pki::files::private_dir(&dir)
        .with_context(|| format!("data directory {}", dir.display()))?;
    let authority = Arc::new(Authority::load_or_create(&dir.join("identity"))?);
    let listener = cedge_serving::bind(hub.hub_listen)
        .await
        .context("the hub's port (--hub-listen)")?;
    hub.hub_listen.set_port(listener.local_addr()?.port());
    first_join(&hub, &authority).await?;
    let credential = authority.server_credential(hub.hosts(), clock::now())?;
    let attach = Attach {
        credential: LiveCredential::new(&credential),
        cluster,
        hub,
        authority,
    };
    let tasks = Group::new(shutdown.clone());
    if let Some((tree, answered, _running)) = attach.start(&listener, &shutdown).await? {
        attach
            .serve(tree, answered, kubeconfig, listener, &tasks)
            .await;
    }
    tasks.wait(STOP_LIMIT).await;
    Ok(())
}

/// The hub's part of a server's configuration.
fn settings(args: AttachArgs, cluster: &Cluster) -> anyhow::Result<config::Server> {
    let listen = args
        .hub_listen
        .unwrap_or_else(|| ([0, 0, 0, 0], 7443).into());
    let name: ClusterName = match args.name {
        Some(name) => name,
        None => cluster.name.parse().with_context(|| {
            format!(
                "the kubeconfig calls the cluster {:?}; say --name",
                cluster.name
            )
        })?,
    };
    let labels = args.labels.unwrap_or_default();
    for (key, value) in &labels {
        config::check_label(key, value)?;
    }
    Ok(config::Server {
        audit: None,
        name,
        labels,
        join: args.join,
        without: Vec::new(),
        data_dir: args.data_dir.unwrap_or_else(paths::attach),
        listen,
        hub_listen: listen,
        advertise: args.advertise,
        proxy: args.proxy,
        silence: Duration::from_secs(45),
        node_grace: cedge_tree::NODE_GRACE,
        parent_role: args.parent_role,
    })
}

impl Attach {
    /// Starts the tree; while the cluster's API is not there, as after a power cut, it is tried again.
    async fn start(
        &self,
        listener: &TcpListener,
        shutdown: &Shutdown,
    ) -> anyhow::Result<Option<(Tree, Answered, Trigger)>> {
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
        loop {
            // An attempt that failed leaves nothing running: the tables are opened by one at a time.
            let (stop, attempt) = shutdown.child();
            let group = Group::new(attempt);
            let error = match shutdown.or(Box::pin(self.attempt(listener, &group))).await {
                None => return Ok(None),
                Some(Ok((tree, answered))) => return Ok(Some((tree, answered, stop))),
                Some(Err(error)) => error,
            };
            drop(stop);
            group.wait(STOP_LIMIT).await;
            if cluster::is_unauthorized(&error) {
                return Err(error.context("the cluster does not know who this kubeconfig is"));
            }
            tracing::warn!(
                error = format!("{error:#}"),
                "the tree did not start beside the cluster; it is tried again"
            );
            let pause = tokio::time::sleep(backoff.next_delay());
            if shutdown.or(pause).await.is_none() {
                return Ok(None);
            }
        }
    }

    async fn attempt(
        &self,
        listener: &TcpListener,
        tasks: &Group,
    ) -> anyhow::Result<(Tree, Answered)> {
        let (client, hub) = (self.cluster.client.clone(), listener.local_addr()?);
        let answered = self.cluster.ask().await?;
        if answered.users.is_empty() {
            tracing::warn!(
                "the CA of the cluster's users is not known (kube-system/extension-apiserver-authentication is not there, \
                 nor does the kubeconfig hold one): logs and exec do not work on nodes that hang on this hub"
            );
        }
        let ports = PortSettings {
            listen: self.hub.hub_listen.ip(),
            host: self.node_host(),
            credential: self.credential.clone(),
            authority: self.authority.pin(),
            users: answered.users.clone(),
        };
        let starting = cedge_tree::run(
            cedge_tree::Config {
                client: client.clone(),
                informers: Informers::new(client.clone(), tasks.clone()),
                api: Arc::new(OverNetwork::new(&self.cluster.settings)?),
                authority: self.authority.clone(),
                data_dir: self.hub.data_dir.join("tree"),
                name: self.hub.name.clone(),
                labels: self.hub.labels.clone(),
                flavor: answered.flavor.to_owned(),
                parent_role: self.hub.parent_role.clone(),
                silence: self.hub.silence,
                node_grace: self.hub.node_grace,
                hub,
                ports: Some(ports),
            },
            tasks.shutdown().clone(),
        );
        let tree = Box::pin(starting).await?;
        let (name, addresses) = (self.hub.name.as_str(), self.hub.hub_addresses());
        cedge_tree::install::publish_hub(&client, name, hub, &addresses, &self.authority).await?;
        tracing::info!(
            cluster = name,
            flavor = answered.flavor,
            version = answered.version,
            address = %hub,
            "attached"
        );
        Ok((tree, answered))
    }

    /// What Nodes show as their address: the first one that children are told.
    fn node_host(&self) -> String {
        let addresses = self.hub.hub_addresses();
        let first = addresses.first().and_then(|a| a.rsplit_once(':'));
        let host = first.map_or("127.0.0.1", |(host, _)| host);
        host.trim_matches(['[', ']']).to_owned()
    }

    /// Serves the hub until it is time to stop.
    async fn serve(
        self,
        tree: Tree,
        answered: Answered,
        kubeconfig: PathBuf,
        listener: TcpListener,
        tasks: &Group,
    ) {
        keep_joining(&self.hub, &self.authority, kubeconfig, tasks);
        if answered.flavor == cluster::EMBEDDED {
            let (client, hub, pin) = (
                self.cluster.client.clone(),
                self.hub.clone(),
                self.authority.pin(),
            );
            tasks.supervise("attach/local-token", OnError::Restart, move || {
                local_token::keep(client.clone(), pin, hub.clone())
            });
        }
        cedge_tree::port::serve(
            tree,
            listener,
            self.authority,
            self.credential,
            &answered.users,
            tasks.shutdown().clone(),
        )
        .await;
    }
}
