//! One server and one scheduler, shared by all tests of this program.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use cedge_informer::{Events, Informers};
use cedge_tasks::{Group, Shutdown};
use cedge_testkit::{Lab, Objects, Skipped, condition, theirs};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::Mutex;

pub(crate) struct World {
    runtime: Runtime,
    pub(crate) lab: Lab,
    alone: Mutex<()>,
}

/// Runs a test in the world, or says why not.
pub(crate) fn run<R>(test: impl FnOnce(&'static World) -> R)
where
    R: Future<Output = ()>,
{
    static WORLD: OnceLock<Result<World, Skipped>> = OnceLock::new();
    match WORLD.get_or_init(start) {
        Ok(world) => world.runtime.block_on(async {
            // What is said of pods counts all nodes: one test at a time has any.
            let _alone = world.alone.lock().await;
            let nodes = world.lab.objects("v1", "Node", "nodes", "");
            for node in nodes.list().await {
                nodes
                    .delete(node["metadata"]["name"].as_str().unwrap())
                    .await;
            }
            test(world).await;
        }),
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
    let lab = runtime.block_on(Lab::start("scheduler"))?;
    let _inside = runtime.enter();
    if theirs("CEDGE_TEST_SCHEDULER") {
        lab.run_scheduler()?;
    } else {
        let group = Group::new(Shutdown::never());
        // With the rights of the real one, so that it is seen to need no more.
        let client = lab.client_of("system:kube-scheduler");
        let informers = Informers::new(client.clone(), group.clone());
        let events = Events::start(client.clone(), &group);
        let running = cedge_scheduler::run(client, informers, events, group.clone());
        group.spawn("scheduler", running);
    }
    Ok(World {
        runtime,
        lab,
        alone: Mutex::new(()),
    })
}

/// A namespace, and nodes that are labelled with its name.
pub(crate) struct Place {
    pub(crate) name: &'static str,
    pub(crate) pods: Objects,
    pub(crate) nodes: Objects,
    lab: &'static Lab,
}

impl World {
    pub(crate) async fn place(&'static self, name: &'static str) -> Place {
        let namespaces = self.lab.objects("v1", "Namespace", "namespaces", "");
        namespaces
            .create(json!({ "metadata": { "name": name } }))
            .await;
        let accounts = self
            .lab
            .objects("v1", "ServiceAccount", "serviceaccounts", name);
        accounts
            .create(json!({ "metadata": { "name": "default" } }))
            .await;
        Place {
            name,
            pods: self.lab.objects("v1", "Pod", "pods", name),
            nodes: self.lab.objects("v1", "Node", "nodes", ""),
            lab: &self.lab,
        }
    }
}

impl Place {
    pub(crate) fn objects(&self, api_version: &str, kind: &str, plural: &str) -> Objects {
        self.lab.objects(api_version, kind, plural, self.name)
    }

    pub(crate) fn everywhere(&self, api_version: &str, kind: &str, plural: &str) -> Objects {
        self.lab.objects(api_version, kind, plural, "")
    }

    /// A ready node of 2 processors and 10 pods, called after the place; `change` is merged in.
    pub(crate) async fn node(&self, name: &str, change: Value) -> String {
        let name = format!("{}-{name}", self.name);
        let mut node = json!({
            "metadata": { "name": name, "labels": { "kubernetes.io/hostname": name, "place": self.name } },
            "spec": {},
            "status": {
                "capacity": { "cpu": "2", "memory": "4Gi", "pods": "10", "ephemeral-storage": "10Gi" },
                "allocatable": { "cpu": "2", "memory": "4Gi", "pods": "10", "ephemeral-storage": "10Gi" },
                "conditions": [{ "type": "Ready", "status": "True", "reason": "KubeletReady",
                    "lastTransitionTime": "2026-11-23T10:00:00Z", "lastHeartbeatTime": "2026-11-23T10:00:00Z" }],
            },
        });
        merge(&mut node, change);
        // Admission marks a new node as not ready, and a controller would take that back.
        let taints = node["spec"]["taints"].clone();
        self.nodes.create(node.clone()).await;
        self.nodes
            .patch_status(&name, json!({ "status": node["status"] }))
            .await;
        self.nodes
            .patch(&name, json!({ "spec": { "taints": taints } }))
            .await;
        name
    }

    /// A pod for the nodes of this place; `spec` is merged in.
    pub(crate) fn pod(&self, name: &str, spec: Value) -> Value {
        let mut pod = json!({
            "metadata": { "name": name, "labels": {} },
            "spec": {
                "nodeSelector": { "place": self.name },
                "terminationGracePeriodSeconds": 0,
                "containers": [{ "name": "c", "image": "x" }],
            },
        });
        merge(&mut pod["spec"], spec);
        pod
    }

    pub(crate) async fn create(&self, name: &str, spec: Value) -> Value {
        self.pods.create(self.pod(name, spec)).await
    }

    pub(crate) async fn create_labelled(&self, name: &str, labels: Value, spec: Value) -> Value {
        let mut pod = self.pod(name, spec);
        pod["metadata"]["labels"] = labels;
        self.pods.create(pod).await
    }

    /// Waits until a pod has a node; tells which, without the name of the place.
    pub(crate) async fn node_of(&self, pod: &str) -> String {
        let bound = self
            .pods
            .until(pod, |p| p["spec"]["nodeName"].is_string())
            .await;
        let node = bound["spec"]["nodeName"].as_str().unwrap();
        let own = node.strip_prefix(&format!("{}-", self.name));
        own.unwrap_or(node).to_owned()
    }

    /// Waits until a pod says why it waits, and that contains a word.
    pub(crate) async fn why(&self, pod: &str, contains: &str) -> String {
        let waits = |p: &Value| {
            condition(p, "PodScheduled").is_some_and(|c| {
                c["status"] == "False"
                    && c["message"].as_str().is_some_and(|m| m.contains(contains))
            })
        };
        let pod = self.pods.until(pod, waits).await;
        let condition = condition(&pod, "PodScheduled").unwrap();
        assert_eq!(condition["reason"], "Unschedulable");
        condition["message"].as_str().unwrap().to_owned()
    }

    /// A priority class for this place alone.
    pub(crate) async fn class(&self, name: &str, value: i32, change: Value) -> String {
        let name = format!("{}-{name}", self.name);
        let mut class = json!({ "metadata": { "name": name }, "value": value });
        merge(&mut class, change);
        self.everywhere("scheduling.k8s.io/v1", "PriorityClass", "priorityclasses")
            .create(class)
            .await;
        name
    }

    /// Where pods of these names are: how many on each node.
    pub(crate) async fn nodes_of(&self, pods: &[String]) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for pod in pods {
            *counts.entry(self.node_of(pod).await).or_insert(0) += 1;
        }
        counts
    }
}

pub(crate) fn merge(into: &mut Value, change: Value) {
    match (into, change) {
        (Value::Object(into), Value::Object(change)) => {
            for (key, value) in change {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, change) => *into = change,
    }
}

/// Containers that ask for processors.
pub(crate) fn asking(cpu: &str) -> Value {
    json!({ "containers": [{ "name": "c", "image": "x", "resources": { "requests": { "cpu": cpu } } }] })
}
