//! `cedge server`: a whole cluster in one process. [`run`] is a list to read aloud.

mod joining;
mod metrics;
mod node;
mod wires;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context as _;
use cedge_apiserver::{ApiServer, FrontProxy};
use cedge_controllers::Clients;
use cedge_informer::{Cache, Events, Informers};
use cedge_pki::{
    Authority, Identity, Kubeconfig, LiveCredential, Profile, ServiceAccountTokens, Validity,
    outside::{self, Trust},
    tls,
};
use cedge_store::Store;
use cedge_tasks::{Backoff, Group, Ready, Shutdown, clock};
use cedge_tree::Tree;
use k8s_openapi::api::core::v1::Pod;

use crate::cli::Module;
use crate::config::Server;

pub(crate) use joining::{first_join, keep_joining};
pub(crate) use node::{TOKEN_SECRET, local_grant};
use wires::InProcess;
pub(crate) use wires::OverNetwork;

/// How long everything may take to stop politely: requests in flight get 1.5 s of it, everything else ends at once.
const STOP_LIMIT: Duration = Duration::from_secs(3);
/// The issuer of service account tokens, as in Kubernetes' own default.
const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

/// Runs until it is told to stop.
pub(crate) async fn run(config: Server, shutdown: Shutdown) -> anyhow::Result<()> {
    let dir = &config.data_dir;
    cedge_pki::files::private_dir(dir)
        .with_context(|| format!("data directory {}", dir.display()))?;
    let authority = Arc::new(Authority::load_or_create(&dir.join("identity"))?);
    let listener = cedge_serving::bind(config.listen)
        .await
        .context("the API's port (--listen)")?;
    let api_address = listener.local_addr()?;
    let hub_listener = match config.runs(Module::Tree) {
        true => Some(
            cedge_serving::bind(config.hub_listen)
                .await
                .context("the hub's port (--hub-listen)")?,
        ),
        false => None,
    };
    let store = open_store(dir)?;
    let tasks = Group::new(shutdown.clone());
    let tree: Arc<OnceLock<Tree>> = Arc::default();
    let registry = cedge_apiserver::SharedRegistry::default();
    let api = start_api(
        &config,
        &store,
        &registry,
        &tree,
        api_address,
        &authority,
        &tasks,
    )
    .await?;
    let readiness = api.readiness();
    let tree_ready = config.runs(Module::Tree).then(|| readiness.part("tree"));
    tell_when_ready(&api, &tasks);
    let credential = authority.server_credential(config.hosts(), clock::now())?;
    let credential = LiveCredential::new(&credential);
    write_kubeconfig(dir, &authority, &config, api_address)?;
    let (serving, settings) = (api.clone(), tls::api_server(credential.clone(), &authority));
    tasks.spawn("api/port", async move {
        serving.serve(listener, settings).await;
    });
    tracing::info!(address = %api_address, kubeconfig = %dir.join("kubeconfig").display(), "API served");
    let pods = start_workers(&config, &api, &authority, &tasks);
    let metrics = metrics::Metrics {
        store: store.clone(),
        pods,
        tree: tree.clone(),
    };
    metrics.register(&registry);
    if let Some(hub_listener) = hub_listener {
        first_join(&config, &authority).await?;
        let (config, api, authority, tree) =
            (config.clone(), api.clone(), authority.clone(), tree.clone());
        let group = tasks.clone();
        tasks.spawn("tree", async move {
            keep_tree(
                config,
                api,
                authority,
                credential,
                hub_listener,
                tree,
                tree_ready,
                group,
            )
            .await;
        });
    }
    if config.runs(Module::Node) {
        node::start(&config, &api, &authority, &tasks);
    }
    shutdown.wait().await;
    tracing::info!("stopping");
    if !tasks.wait(STOP_LIMIT).await {
        tracing::warn!("not everything ended in time");
    }
    api.stopped().await;
    // The next start need not look at the file then, and no revision is skipped.
    store.close().await;
    Ok(())
}

/// Ready is who takes whatever may be applied: Missions as well, where there is a tree.
fn tell_when_ready(api: &ApiServer, tasks: &Group) {
    let (readiness, shutdown) = (api.readiness().clone(), tasks.shutdown().clone());
    tasks.spawn("ready", async move {
        if shutdown.or(readiness.wait()).await.is_some() {
            tracing::info!("ready");
        }
    });
}

fn open_store(dir: &Path) -> anyhow::Result<Store> {
    let path = dir.join("api");
    cedge_pki::files::private_dir(&path)?;
    let store = Store::open(path.join("store.redb"), cedge_store::Options::default());
    store.context("the cluster's store")
}

#[expect(clippy::too_many_arguments, reason = "what the API is wired to, once")]
async fn start_api(
    config: &Server,
    store: &Store,
    registry: &cedge_apiserver::SharedRegistry,
    tree: &Arc<OnceLock<Tree>>,
    address: SocketAddr,
    authority: &Authority,
    tasks: &Group,
) -> anyhow::Result<ApiServer> {
    let mut grants = cedge_controllers::grants();
    grants.extend(node::grants());
    let tokens = ServiceAccountTokens::load_or_create(&config.data_dir.join("api"), ISSUER)?;
    let mut settings = cedge_apiserver::Config::new(store.clone(), tokens);
    settings.aggregate_roles = config.runs(Module::Controllers);
    settings.grants = grants;
    settings.metrics = registry.clone();
    settings.audit.clone_from(&config.audit);
    settings.front_proxy = Some(front_proxy(config, authority)?);
    settings.node_connector = Arc::new(wires::ToNodes(tree.clone()));
    let shown = node_credential(authority)?;
    // Kubelets show certificates of this cluster (signed for `kubernetes.io/kubelet-serving`), for their addresses.
    let trust = Trust::Bundle(authority.certificate_pem().into_bytes());
    settings.kubelets = outside::client(&trust, Some(shown.clone()));
    if !config.runs(Module::Tree) {
        settings.node_credential = Some(shown);
    }
    settings.advertised = config
        .hub_addresses()
        .first()
        .and_then(|a| a.rsplit_once(':'))
        .and_then(|(host, _)| {
            host.trim_matches(['[', ']'])
                .parse()
                .ok()
                .map(|ip| SocketAddr::new(ip, address.port()))
        });
    Ok(ApiServer::start(settings, tasks.shutdown().clone()).await?)
}

/// What the API server shows to extension API servers, of an authority that is good for nothing else.
fn front_proxy(config: &Server, authority: &Authority) -> anyhow::Result<FrontProxy> {
    let own = Authority::load_or_create(&config.data_dir.join("identity/front-proxy"))?;
    Ok(FrontProxy::new(&own, Some(authority.certificate_pem()))?)
}

/// What the API server shows to the ports of nodes, which a hub in another process holds open.
fn node_credential(authority: &Authority) -> anyhow::Result<Arc<LiveCredential>> {
    let profile = Profile::User {
        name: "kube-apiserver-kubelet-client".to_owned(),
        group: Some("system:masters".to_owned()),
    };
    let key = Arc::new(cedge_pki::Key::generate());
    let credential = authority.issue(&profile, &key, Validity::from_now(clock::now()))?;
    Ok(LiveCredential::new(&credential))
}

/// The administrator's kubeconfig, private to who started the server.
fn write_kubeconfig(
    dir: &Path,
    authority: &Authority,
    config: &Server,
    address: SocketAddr,
) -> anyhow::Result<()> {
    let profile = Profile::User {
        name: "admin".to_owned(),
        group: Some("system:masters".to_owned()),
    };
    let key = Arc::new(cedge_pki::Key::load_or_create(
        &dir.join("identity/admin.key"),
    )?);
    let credential = authority.issue(&profile, &key, Validity::from_now(clock::now()))?;
    let host = if address.ip().is_unspecified() {
        "127.0.0.1".to_owned()
    } else {
        address.ip().to_string()
    };
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host
    };
    let server = format!("https://{host}:{}", address.port());
    let user = cedge_pki::kubeconfig::User::by_certificate(&credential);
    let file = Kubeconfig::single(
        config.name.as_str(),
        &server,
        &authority.certificate_pem(),
        user,
    );
    file.write(&dir.join("kubeconfig"))?;
    Ok(())
}

/// Controllers and scheduler, each in its own name with the rights of its role. Answers the cache of pods that they share.
fn start_workers(
    config: &Server,
    api: &ApiServer,
    authority: &Arc<Authority>,
    tasks: &Group,
) -> Option<Cache> {
    let speaking = api.clone();
    let clients = Clients::new(move |identity| speaking.client(&identity.user, &identity.groups));
    let informers = Informers::new(clients.manager(), tasks.clone());
    if config.runs(Module::Controllers) {
        let defaults = cedge_controllers::Config::default();
        let settings = cedge_controllers::Config {
            cluster_ca: Some(authority.certificate_pem()),
            authority: Some(authority.clone()),
            // The hub sees sooner than a lease runs out that a node is lost; a longer grace counts for both.
            node_grace: defaults.node_grace.max(config.node_grace),
            ..defaults
        };
        let running =
            cedge_controllers::run_with(clients, informers.clone(), settings, tasks.clone());
        tasks.spawn("controllers", running);
    }
    if config.runs(Module::Scheduler) {
        let client = api.client("system:kube-scheduler", ["system:authenticated"]);
        let events = Events::start(client.clone(), tasks);
        let running = cedge_scheduler::run(client, informers.clone(), events, tasks.clone());
        tasks.spawn("scheduler", running);
    }
    let shared = config.runs(Module::Controllers) || config.runs(Module::Scheduler);
    shared.then(|| informers.of::<Pod>())
}

/// Starts the tree, and tries again until it is there: the API and everything local never wait for it (I1).
#[expect(clippy::too_many_arguments, reason = "what the tree is wired to, once")]
async fn keep_tree(
    config: Server,
    api: ApiServer,
    authority: Arc<Authority>,
    credential: Arc<LiveCredential>,
    listener: tokio::net::TcpListener,
    place: Arc<OnceLock<Tree>>,
    ready: Option<Ready>,
    tasks: Group,
) {
    let shutdown = tasks.shutdown().clone();
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
    let address = listener.local_addr().unwrap_or(config.hub_listen);
    let (tree, _running) = loop {
        // An attempt that failed leaves nothing running: the tables are opened by one at a time.
        let (stop, attempt) = shutdown.child();
        let group = Group::new(attempt);
        let starting = Box::pin(start_tree(&config, &api, &authority, &group, address));
        match shutdown.or(starting).await {
            None => return,
            Some(Ok(tree)) => break (tree, stop),
            Some(Err(error)) => {
                drop(stop);
                group.wait(STOP_LIMIT).await;
                tracing::warn!(
                    error = format!("{error:#}"),
                    "the tree did not start; it is tried again"
                );
            }
        }
        if shutdown
            .or(tokio::time::sleep(backoff.next_delay()))
            .await
            .is_none()
        {
            return;
        }
    };
    let _ = place.set(tree.clone());
    drop(ready);
    let kubeconfig = config.data_dir.join("kubeconfig");
    keep_joining(&config, &authority, kubeconfig, &tasks);
    cedge_tree::port::serve(tree, listener, authority, credential, &[], shutdown).await;
}

async fn start_tree(
    config: &Server,
    api: &ApiServer,
    authority: &Arc<Authority>,
    tasks: &Group,
    hub: SocketAddr,
) -> anyhow::Result<Tree> {
    // A Mission may carry any kind, roles among them: whoever deploys it must be able to do everything.
    let identity = Identity::authenticated("system:cedge:tree", ["system:masters"]);
    let client = api.client("system:cedge:tree", ["system:masters"]);
    let starting = cedge_tree::run(
        cedge_tree::Config {
            informers: Informers::new(client.clone(), tasks.clone()),
            client: client.clone(),
            api: Arc::new(InProcess::new(
                api.clone(),
                identity,
                tasks.shutdown().clone(),
            )),
            authority: authority.clone(),
            data_dir: config.data_dir.join("tree"),
            name: config.name.clone(),
            labels: config.labels.clone(),
            flavor: "embedded".to_owned(),
            parent_role: config.parent_role.clone(),
            silence: config.silence,
            node_grace: config.node_grace,
            hub,
            ports: None,
        },
        tasks.shutdown().clone(),
    );
    let tree = Box::pin(starting).await?;
    cedge_tree::install::publish_hub(
        &client,
        config.name.as_str(),
        hub,
        &config.hub_addresses(),
        authority,
    )
    .await?;
    Ok(tree)
}
