//! One server, our controllers, and the played kubelet, shared by all tests of this program.

use std::sync::OnceLock;
use std::time::Duration;

use cedge_controllers::Config;
use cedge_informer::Informers;
use cedge_tasks::{Group, Shutdown};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::{kubelet, server};

/// How long a state may take to come. Generous: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct World {
    runtime: Runtime,
    pub(crate) client: Client,
    /// Its watches end with it.
    _informers: Informers,
    _server: server::Server,
}

/// Runs a test in the world, or says why not.
pub(crate) fn run<R>(test: impl FnOnce(&'static World) -> R)
where
    R: Future<Output = ()>,
{
    static WORLD: OnceLock<Result<World, server::Skipped>> = OnceLock::new();
    match WORLD.get_or_init(start) {
        Ok(world) => world.runtime.block_on(test(world)),
        Err(why) => println!("skipped: {why}"),
    }
}

fn start() -> Result<World, server::Skipped> {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_test_writer()
        .init();
    let runtime = Runtime::new().unwrap();
    let server = runtime.block_on(server::start())?;
    let _inside = runtime.enter();
    let client = || Client::try_from(server.config.clone()).unwrap();
    let group = Group::new(Shutdown::never());
    let config = Config {
        cluster_ca: Some("a certificate\n".to_owned()),
        node_grace: Duration::from_secs(5),
        node_startup_grace: Duration::from_secs(5),
        vanished_node_quarantine: Duration::from_secs(1),
        ..Config::default()
    };
    if !server.theirs {
        group.spawn(
            "controllers",
            cedge_controllers::run(client(), config, Shutdown::never()),
        );
    }
    let informers = Informers::new(client(), group.clone());
    kubelet::start(&informers, &group);
    Ok(World {
        client: client(),
        runtime,
        _informers: informers,
        _server: server,
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
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let gvk = GroupVersionKind::gvk(group, version, kind);
        let resource = ApiResource::from_gvk_with_plural(&gvk, plural);
        let client = self.client.clone();
        Objects(if namespace.is_empty() {
            Api::all_with(client, &resource)
        } else {
            Api::namespaced_with(client, namespace, &resource)
        })
    }

    pub(crate) fn pods(&self, namespace: &str) -> Objects {
        self.api("v1", "Pod", "pods", namespace)
    }
}

/// Objects of one kind as JSON.
#[derive(Clone)]
pub(crate) struct Objects(pub(crate) Api<DynamicObject>);

impl Objects {
    pub(crate) async fn create(&self, object: Value) -> Value {
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        let created = self.0.create(&PostParams::default(), &object).await;
        serde_json::to_value(created.unwrap()).unwrap()
    }

    pub(crate) async fn patch(&self, name: &str, patch: Value) -> Value {
        let params = PatchParams::default();
        let patched = self.0.patch(name, &params, &Patch::Merge(patch)).await;
        serde_json::to_value(patched.unwrap()).unwrap()
    }

    /// `null` if it is not there.
    pub(crate) async fn get(&self, name: &str) -> Value {
        serde_json::to_value(self.0.get_opt(name).await.unwrap()).unwrap()
    }

    pub(crate) async fn list(&self) -> Vec<Value> {
        let list = self.0.list(&Default::default()).await.unwrap();
        let items = list.items.into_iter();
        items.map(|o| serde_json::to_value(o).unwrap()).collect()
    }

    /// Waits until the object is as told; returns it.
    pub(crate) async fn until(&self, name: &str, holds: impl Fn(&Value) -> bool) -> Value {
        until_some(name, || async {
            let object = self.get(name).await;
            if holds(&object) {
                Ok(object)
            } else {
                Err(object)
            }
        })
        .await
    }

    /// Waits until all objects together are as told; returns them.
    pub(crate) async fn until_all(
        &self,
        what: &str,
        holds: impl Fn(&[Value]) -> bool,
    ) -> Vec<Value> {
        until_some(what, || async {
            let objects = self.list().await;
            if holds(&objects) {
                Ok(objects)
            } else {
                Err(json!(objects))
            }
        })
        .await
    }

    pub(crate) async fn until_gone(&self, name: &str) {
        self.until(name, Value::is_null).await;
    }
}

pub(crate) async fn until<R: Future<Output = bool>>(what: &str, holds: impl Fn() -> R) {
    until_some(what, || async {
        if holds().await {
            Ok(())
        } else {
            Err(Value::Null)
        }
    })
    .await;
}

async fn until_some<T, R>(what: &str, found: impl Fn() -> R) -> T
where
    R: Future<Output = Result<T, Value>>,
{
    let end = tokio::time::Instant::now() + PATIENCE;
    loop {
        match found().await {
            Ok(found) => return found,
            Err(last) if tokio::time::Instant::now() > end => {
                panic!("{what} did not come; last seen: {last:#}");
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// The status of a condition of an object.
pub(crate) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    let conditions = object["status"]["conditions"].as_array()?;
    conditions.iter().find(|c| c["type"] == kind)
}
