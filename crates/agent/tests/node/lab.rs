//! A node under test.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use cedge_agent::{Change, Config, Handover, NodeStream, Reports, TableError, Tables};
use cedge_tasks::Trigger;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

/// A table in memory.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Mutex<BTreeMap<String, Bytes>>,
    changes: Mutex<Vec<Change>>,
    done: Mutex<Vec<String>>,
    changed: Notify,
}

impl Table {
    pub(crate) fn set(&self, key: &str, value: &Value) {
        let value = Bytes::from(value.to_string());
        self.rows
            .lock()
            .unwrap()
            .insert(key.to_owned(), value.clone());
        self.change(key, Some(value));
    }

    pub(crate) fn unset(&self, key: &str) {
        self.rows.lock().unwrap().remove(key);
        self.change(key, None);
    }

    fn change(&self, key: &str, value: Option<Bytes>) {
        self.changes.lock().unwrap().push(Change {
            key: key.to_owned(),
            version: 1,
            value,
        });
        self.changed.notify_one();
    }

    /// Forgets everything in silence, as a table that was lost.
    pub(crate) fn lose(&self) {
        self.rows.lock().unwrap().clear();
        self.changes.lock().unwrap().clear();
    }

    pub(crate) fn row(&self, key: &str) -> Option<Value> {
        let rows = self.rows.lock().unwrap();
        rows.get(key).map(|v| serde_json::from_slice(v).unwrap())
    }

    pub(crate) fn rows(&self) -> Vec<Value> {
        let rows = self.rows.lock().unwrap();
        rows.values()
            .map(|v| serde_json::from_slice(v).unwrap())
            .collect()
    }
}

impl Handover for Table {
    fn keys(&self) -> Vec<String> {
        self.rows.lock().unwrap().keys().cloned().collect()
    }

    fn get(&self, key: &str) -> Result<Option<Bytes>, TableError> {
        Ok(self.rows.lock().unwrap().get(key).cloned())
    }

    fn next_change(&self) -> BoxFuture<'_, Change> {
        async move {
            loop {
                let next = {
                    let mut changes = self.changes.lock().unwrap();
                    (!changes.is_empty()).then(|| changes.remove(0))
                };
                match next {
                    Some(change) => return change,
                    None => self.changed.notified().await,
                }
            }
        }
        .boxed()
    }

    fn done<'a>(&'a self, key: &'a str, _: u64) -> BoxFuture<'a, Result<(), TableError>> {
        self.done.lock().unwrap().push(key.to_owned());
        async { Ok(()) }.boxed()
    }
}

impl Reports for Table {
    fn keys(&self) -> Vec<String> {
        self.rows.lock().unwrap().keys().cloned().collect()
    }

    fn put<'a>(&'a self, key: &'a str, value: Bytes) -> BoxFuture<'a, Result<(), TableError>> {
        self.rows.lock().unwrap().insert(key.to_owned(), value);
        async { Ok(()) }.boxed()
    }

    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), TableError>> {
        self.rows.lock().unwrap().remove(key);
        async { Ok(()) }.boxed()
    }
}

/// A node with a directory of its own, which is taken away with everything that runs.
pub(crate) struct Lab {
    pub(crate) dir: PathBuf,
    pub(crate) config: Config,
    pub(crate) pods: Arc<Table>,
    pub(crate) objects: Arc<Table>,
    pub(crate) node: Arc<Table>,
    pub(crate) statuses: Arc<Table>,
    pub(crate) events: Arc<Table>,
    running: Option<(Trigger, JoinHandle<()>, mpsc::Sender<NodeStream>)>,
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut lab = Self::stopped(change);
        lab.start();
        lab
    }

    pub(crate) fn stopped(change: impl FnOnce(&mut Config)) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("cedge-node-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let mut config = Config::new(dir.join("data"), "n1".into());
        config.shim = PathBuf::from(env!("CARGO_BIN_EXE_cedge-node-lab"));
        config.addresses = vec!["127.0.0.1".parse().unwrap()];
        change(&mut config);
        Self {
            dir,
            config,
            pods: Arc::default(),
            objects: Arc::default(),
            node: Arc::default(),
            statuses: Arc::default(),
            events: Arc::default(),
            running: None,
        }
    }

    pub(crate) fn start(&mut self) {
        let tables = Tables {
            pods: self.pods.clone(),
            objects: self.objects.clone(),
            node: self.node.clone(),
            podstatus: self.statuses.clone(),
            events: self.events.clone(),
        };
        let (trigger, shutdown) = cedge_tasks::shutdown();
        let (to, streams) = mpsc::channel(16);
        let config = self.config.clone();
        let task = cedge_tasks::spawn("lab", async move {
            cedge_agent::run(config, tables, streams, shutdown)
                .await
                .unwrap();
        });
        self.running = Some((trigger, task, to));
    }

    /// The agent goes; its pods do not.
    pub(crate) async fn stop(&mut self) {
        let (trigger, task, _) = self.running.take().unwrap();
        trigger.ask();
        task.await.unwrap();
    }

    /// A stream to the node's server.
    pub(crate) async fn stream(&self) -> tokio::io::DuplexStream {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let to = &self.running.as_ref().unwrap().2;
        assert!(to.send(Box::new(theirs)).await.is_ok());
        ours
    }

    /// Hands over a pod with this spec; its key is `default/NAME/uid-NAME`.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a table of pods reads better without ampersands"
    )]
    pub(crate) fn pod(&self, name: &str, spec: Value) {
        self.pods.set(&key(name), &pod(name, &spec));
    }

    /// Asks for the deletion of a pod.
    pub(crate) fn delete(&self, name: &str, grace: u32) {
        let mut pod = self.pods.row(&key(name)).unwrap();
        pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        pod["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
        self.pods.set(&key(name), &pod);
    }

    pub(crate) fn report(&self, name: &str) -> Value {
        self.statuses.row(&key(name)).unwrap_or_default()
    }

    /// Waits until a pod's report is as wished; returns its status.
    pub(crate) async fn until(
        &self,
        name: &str,
        what: &str,
        check: impl Fn(&Value) -> bool,
    ) -> Value {
        for _ in 0..1500 {
            let report = self.report(name);
            if check(&report) {
                return report["status"].clone();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!(
            "{name} was never {what}: {:#}\n{:#?}",
            self.report(name),
            self.told()
        );
    }

    pub(crate) async fn phase(&self, name: &str, phase: &str) -> Value {
        self.until(name, phase, |r| r["status"]["phase"] == phase)
            .await
    }

    pub(crate) async fn ready(&self, name: &str) -> Value {
        self.until(name, "ready", |r| {
            let conditions = r["status"]["conditions"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            conditions
                .iter()
                .any(|c| c["type"] == "Ready" && c["status"] == "True")
        })
        .await
    }

    /// Reasons and messages of all events.
    pub(crate) fn told(&self) -> Vec<String> {
        let events = self.events.rows();
        let words = events.iter().map(|e| {
            format!(
                "{}: {}",
                e["reason"].as_str().unwrap(),
                e["message"].as_str().unwrap()
            )
        });
        words.collect()
    }

    /// A GET to the node's server: status and text.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        use http_body_util::{BodyExt as _, Empty};
        let io = hyper_util::rt::TokioIo::new(self.stream().await);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        let connection = cedge_tasks::spawn("client", connection);
        let request = http::Request::get(path)
            .header("host", "node")
            .body(Empty::<Bytes>::new());
        let response = sender.send_request(request.unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        connection.abort();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    /// The working directory of the first attempt of container `a`.
    pub(crate) fn work(&self, name: &str) -> PathBuf {
        let spec = self
            .config
            .data_dir
            .join(format!("pods/uid-{name}/c/a/0/spec.json"));
        let spec: Value = serde_json::from_slice(&std::fs::read(spec).unwrap()).unwrap();
        PathBuf::from(spec["work"].as_str().unwrap())
    }

    pub(crate) async fn log(&self, name: &str, container: &str) -> String {
        self.get(&format!("/containerLogs/default/{name}/{container}"))
            .await
            .1
    }

    pub(crate) async fn says(&self, name: &str, container: &str, word: &str) {
        for _ in 0..500 {
            if self.log(name, container).await.contains(word) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("never said {word:?}: {}", self.log(name, container).await);
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.running = None;
        let _ = cedge_runtime::power_off(&self.config.data_dir);
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

pub(crate) fn key(name: &str) -> String {
    format!("default/{name}/uid-{name}")
}

pub(crate) fn pod(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "uid": format!("uid-{name}"), "generation": 1},
        "spec": spec,
    })
}

/// One container `a` that runs a shell script.
pub(crate) fn shell(script: &str) -> Value {
    json!({"name": "a", "image": "process", "command": ["sh", "-c", script]})
}

/// A pod of it.
pub(crate) fn one(script: &str) -> Value {
    json!({"terminationGracePeriodSeconds": 2, "containers": [shell(script)]})
}

pub(crate) fn container<'a>(status: &'a Value, name: &str) -> &'a Value {
    let all = status["containerStatuses"].as_array().unwrap();
    all.iter().find(|c| c["name"] == name).unwrap()
}

pub(crate) fn alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}
