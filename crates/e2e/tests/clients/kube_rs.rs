//! kube-rs, as those use it who write controllers in Rust: discovery, a Controller with a finalizer and server-side
//! apply, streamed lists, logs, exec and port-forward.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cedge_e2e::{Folder, Site, enabled, eventually};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{AttachParams, DeleteParams, LogParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{DynamicObject, GroupVersionKind};
use kube::runtime::controller::Action;
use kube::runtime::finalizer::{Event, finalizer};
use kube::runtime::wait::{await_condition, conditions};
use kube::runtime::{Controller, watcher};
use kube::{Api, Client, Config, Discovery, ResourceExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// What keeps a ConfigMap until its mirror is gone.
const FINALIZER: &str = "example.org/mirror";
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the controller knows, and what it saw.
struct Mirror {
    client: Client,
    released: AtomicUsize,
}

async fn client_of(site: &Site) -> Client {
    // As in every program that links several TLS libraries' cryptography: the first caller chooses.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let file = Kubeconfig::read_from(site.kubeconfig()).unwrap();
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(file, &options)
        .await
        .unwrap();
    Client::try_from(config).unwrap()
}

/// Writes what a ConfigMap `source-…` says into `mirror-…`, and removes that before the source goes.
async fn mirror(
    source: Arc<ConfigMap>,
    mirror: Arc<Mirror>,
) -> Result<Action, kube::runtime::finalizer::Error<kube::Error>> {
    let maps: Api<ConfigMap> = Api::default_namespaced(mirror.client.clone());
    let name = source.name_any().replace("source-", "mirror-");
    finalizer(&maps, FINALIZER, source, |event| async {
        match event {
            Event::Apply(source) => {
                let wanted = json!({"apiVersion": "v1", "kind": "ConfigMap",
                    "metadata": {"name": name}, "data": source.data});
                let params = PatchParams::apply("mirror").force();
                maps.patch(&name, &params, &Patch::Apply(wanted)).await?;
            }
            Event::Cleanup(_) => {
                maps.delete(&name, &DeleteParams::default()).await?;
                mirror.released.fetch_add(1, Ordering::SeqCst);
            }
        }
        Ok(Action::await_change())
    })
    .await
}

fn run(test: impl AsyncFnOnce()) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(test());
    runtime.shutdown_background();
}

#[test]
fn a_kube_rs_controller_works_on_across_a_restart() {
    if !enabled("a_kube_rs_controller_works_on_across_a_restart") {
        return;
    }
    let folder = Folder::of("kube-rs-controller");
    let mut site = Site::new(&folder, "solo", &["--without", "node"]);
    site.start();
    let mut mirrors = None;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let client = client_of(&site).await;
        let known = Arc::new(Mirror {
            client: client.clone(),
            released: AtomicUsize::new(0),
        });
        let sources = watcher::Config::default()
            .labels("mirrored=yes")
            .streaming_lists();
        let controller = Controller::new(Api::default_namespaced(client), sources).run(
            mirror,
            |_, _, _| Action::requeue(Duration::from_secs(1)),
            known.clone(),
        );
        let working = controller.for_each(|_| std::future::ready(()));
        cedge_tasks::spawn("mirror", working);
        mirrors = Some(known);
    });
    let write = |site: &Site, value: &str| {
        let manifest = json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "source-a", "labels": {"mirrored": "yes"}}, "data": {"value": value}});
        site.apply(&manifest.to_string()).expect("a source");
    };
    let mirrored = |site: &Site, value: &str| {
        eventually("the mirror says the same", 60, || {
            let object = site.get(&["configmap", "mirror-a"])?;
            (object["data"]["value"] == value)
                .then_some(())
                .ok_or_else(|| object.to_string())
        });
    };
    write(&site, "1");
    mirrored(&site, "1");
    site.kill_server();
    site.start();
    write(&site, "2");
    mirrored(&site, "2");
    site.kubectl(&["delete", "configmap", "source-a", "--timeout=60s"])
        .expect("its finalizer falls");
    assert!(site.get(&["configmap", "mirror-a"]).is_err());
    assert_eq!(mirrors.unwrap().released.load(Ordering::SeqCst), 1);
    runtime.shutdown_background();
}

#[test]
fn kube_rs_discovers_runs_executes_and_forwards() {
    if !enabled("kube_rs_discovers_runs_executes_and_forwards") {
        return;
    }
    let folder = Folder::of("kube-rs-pod");
    let mut site = Site::new(&folder, "solo", &[]);
    site.start();
    run(async || {
        let client = client_of(&site).await;
        discovers(&client).await;
        let pods: Api<Pod> = Api::default_namespaced(client);
        let port = free();
        pods.create(&PostParams::default(), &pod(port))
            .await
            .unwrap();
        let running = await_condition(pods.clone(), "web", conditions::is_pod_running());
        tokio::time::timeout(PATIENCE, running)
            .await
            .unwrap()
            .unwrap();
        let logs = pods.logs("web", &LogParams::default()).await.unwrap();
        assert_eq!(logs.trim(), "hello");
        executes(&pods).await;
        assert_eq!(forwarded(&pods, port).await, "HTTP/1.0 200 OK");
        let gone = DeleteParams::default().grace_period(0);
        pods.delete("web", &gone).await.unwrap();
    });
}

/// Everything that the API serves is found, and a kind that is named is worked with untyped.
async fn discovers(client: &Client) {
    let discovery = Discovery::new(client.clone()).run_aggregated().await;
    let discovery = discovery.unwrap();
    let deployment = GroupVersionKind::gvk("apps", "v1", "Deployment");
    let (resource, abilities) = discovery.resolve_gvk(&deployment).unwrap();
    assert!(
        abilities
            .subresources
            .iter()
            .any(|(r, _)| r.plural == "deployments/scale" || r.plural == "scale")
    );
    let deployments: Api<DynamicObject> = Api::default_namespaced_with(client.clone(), &resource);
    assert_eq!(
        deployments
            .list(&kube::api::ListParams::default())
            .await
            .unwrap()
            .items
            .len(),
        0
    );
}

async fn executes(pods: &Api<Pod>) {
    let params = AttachParams::default().stdin(true).stderr(false);
    let mut process = pods.exec("web", ["cat"], &params).await.unwrap();
    let mut stdin = process.stdin().unwrap();
    stdin.write_all(b"from outside").await.unwrap();
    stdin.shutdown().await.unwrap();
    drop(stdin);
    let mut said = String::new();
    let mut stdout = process.stdout().unwrap();
    tokio::time::timeout(PATIENCE, stdout.read_to_string(&mut said))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(said, "from outside");
    let status = process.take_status().unwrap().await.unwrap();
    assert_eq!(status.status.as_deref(), Some("Success"));
}

/// The first line of what the pod's web server answers, once it listens.
async fn forwarded(pods: &Api<Pod>, port: u16) -> String {
    let ask = async || -> Option<String> {
        let mut forwarder = pods.portforward("web", &[port]).await.ok()?;
        let mut stream = forwarder.take_stream(port)?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        answer.lines().next().map(str::to_owned)
    };
    let asked = async {
        loop {
            if let Some(line) = ask().await {
                return line;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.unwrap()
}

fn pod(port: u16) -> Pod {
    let script = "echo hello; exec python3 -m http.server $PORT --bind 127.0.0.1";
    let pod: Value = json!({"metadata": {"name": "web"}, "spec": {
        "terminationGracePeriodSeconds": 1,
        "containers": [{"name": "main", "image": "process", "command": ["sh", "-c", script],
            "env": [{"name": "PORT", "value": port.to_string()}]}]}});
    serde_json::from_value(pod).unwrap()
}

fn free() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
