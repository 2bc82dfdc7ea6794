//! One server, our controllers, and the played kubelet, shared by all tests of this program.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cedge_controllers::{Clients, Config};
use cedge_informer::Informers;
use cedge_pki::Authority;
use cedge_tasks::{Group, Shutdown};
use cedge_testkit::{Lab, Skipped, theirs};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::sync::{Mutex, MutexGuard};

use crate::kubelet;

pub(crate) use cedge_testkit::{Objects, condition, until};

pub(crate) struct World {
    runtime: Runtime,
    pub(crate) client: Client,
    /// Its watches end with it.
    _informers: Informers,
    lab: Lab,
    /// Of our controllers.
    clients: Clients,
    /// Held by the one test that may have nodes now: what a controller does about one depends on how all others fare.
    nodes: Mutex<()>,
}

/// Runs a test in the world, or says why not.
pub(crate) fn run<R>(test: impl FnOnce(&'static World) -> R)
where
    R: Future<Output = ()>,
{
    static WORLD: OnceLock<Result<World, Skipped>> = OnceLock::new();
    match WORLD.get_or_init(start) {
        Ok(world) => {
            world.runtime.block_on(test(world));
            let refusals = world.clients.refusals();
            assert!(
                refusals.is_empty(),
                "a controller lacks a right: {refusals:#?}"
            );
        }
        Err(why) => println!("skipped: {why}"),
    }
}

fn start() -> Result<World, Skipped> {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_test_writer()
        .init();
    let runtime = Runtime::new().unwrap();
    let lab = runtime.block_on(Lab::start("controllers"))?;
    let _inside = runtime.enter();
    let client = || lab.client();
    let group = Group::new(Shutdown::never());
    let config = Config {
        cluster_ca: Some(lab.root_ca.clone()),
        authority: Some(Arc::new(Authority::ephemeral())),
        node_grace: Duration::from_secs(5),
        node_startup_grace: Duration::from_secs(5),
        vanished_node_quarantine: Duration::from_secs(5),
        ..Config::default()
    };
    // In their own names, with the rights of their roles: also on an API of others.
    let speaking = lab.clients();
    let clients = Clients::new(move |identity| speaking(&identity.user));
    if theirs("CEDGE_TEST_CONTROLLERS") {
        lab.run_controllers()?;
    } else {
        runtime.block_on(lab.grant(&cedge_controllers::grants()));
        let running = cedge_controllers::run(clients.clone(), config, Shutdown::never());
        group.spawn("controllers", running);
    }
    let informers = Informers::new(client(), group.clone());
    kubelet::start(&informers, &group);
    let client = client();
    Ok(World {
        client,
        runtime,
        _informers: informers,
        lab,
        clients,
        nodes: Mutex::new(()),
    })
}

impl World {
    /// A new namespace in which pods can be made.
    pub(crate) async fn namespace(&self, name: &str) {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let namespace: Namespace =
            serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
        namespaces
            .create(&PostParams::default(), &namespace)
            .await
            .unwrap();
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), name);
        until("the account", || async {
            accounts.get_opt("default").await.unwrap().is_some()
        })
        .await;
    }

    pub(crate) fn api(
        &self,
        api_version: &str,
        kind: &str,
        plural: &str,
        namespace: &str,
    ) -> Objects {
        self.lab.objects(api_version, kind, plural, namespace)
    }

    /// All nodes, as long as the guard lives for one test only. It deletes those that it made.
    pub(crate) async fn nodes(&self) -> (Objects, MutexGuard<'_, ()>) {
        (self.api("v1", "Node", "nodes", ""), self.nodes.lock().await)
    }

    /// What each namespace is told to trust.
    pub(crate) fn root_ca(&self) -> &str {
        &self.lab.root_ca
    }

    pub(crate) fn pods(&self, namespace: &str) -> Objects {
        self.api("v1", "Pod", "pods", namespace)
    }
}
