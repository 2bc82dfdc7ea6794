//! What depends on nodes. One test: they all see all nodes.

use std::time::Duration;

use cedge_tasks::clock;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tokio::task::AbortHandle;

use crate::world::{Objects, World, run};

/// A node that renews its lease until this is dropped.
struct Heart(AbortHandle);

impl Drop for Heart {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn status(nodes: &Objects, name: &str, ready: &str) {
    let now = clock::now_rfc3339();
    let status = json!({"conditions": [{"type": "Ready", "status": ready, "lastHeartbeatTime": now, "lastTransitionTime": now}]});
    let patch = Patch::Merge(json!({ "status": status }));
    nodes
        .0
        .patch_status(name, &PatchParams::default(), &patch)
        .await
        .unwrap();
}

fn beat(world: &World, name: &str) -> Heart {
    let leases = world.api(
        "coordination.k8s.io/v1",
        "Lease",
        "leases",
        "kube-node-lease",
    );
    let name = name.to_owned();
    let task = cedge_tasks::spawn("heart", async move {
        loop {
            let spec = json!({"holderIdentity": name, "leaseDurationSeconds": 5, "renewTime": clock::now_micro()});
            if leases.get(&name).await.is_null() {
                leases
                    .create(json!({"metadata": {"name": name}, "spec": spec}))
                    .await;
            } else {
                leases.patch(&name, json!({ "spec": spec })).await;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    });
    Heart(task.abort_handle())
}

async fn node(world: &World, nodes: &Objects, name: &str) -> Heart {
    nodes
        .create(json!({"metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}}))
        .await;
    status(nodes, name, "True").await;
    let heart = beat(world, name);
    nodes.until(name, |n| n["spec"]["taints"].is_null()).await;
    heart
}

fn taints(node: &Value) -> Vec<(&str, &str)> {
    let taints = node["spec"]["taints"].as_array().into_iter().flatten();
    let mut taints: Vec<_> = taints
        .map(|t| (t["key"].as_str().unwrap(), t["effect"].as_str().unwrap()))
        .collect();
    taints.sort_unstable();
    taints
}

fn on<'a>(pods: &'a [Value], node: &str) -> Vec<&'a Value> {
    pods.iter()
        .filter(|p| p["spec"]["nodeName"] == node)
        .collect()
}

#[test]
fn daemon_sets_follow_nodes_and_silent_nodes_lose_their_pods() {
    run(async |world: &World| {
        world.namespace("nodes").await;
        let (nodes, _alone) = world.nodes().await;
        let pods = world.pods("nodes");
        let n1 = node(world, &nodes, "n1").await;
        let n2 = node(world, &nodes, "n2").await;

        let sets = world.api("apps/v1", "DaemonSet", "daemonsets", "nodes");
        let template = json!({"metadata": {"labels": {"app": "d"}}, "spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "c", "image": "a"}]}});
        sets.create(json!({"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"app": "d"}}, "template": template}})).await;
        let done = |n: i32| {
            move |d: &Value| {
                let status = &d["status"];
                status["observedGeneration"] == d["metadata"]["generation"]
                    && [
                        "desiredNumberScheduled",
                        "updatedNumberScheduled",
                        "numberAvailable",
                    ]
                    .iter()
                    .all(|f| status[f] == n)
            }
        };
        sets.until("d", done(2)).await;
        let n3 = node(world, &nodes, "n3").await;
        sets.until("d", done(3)).await;
        sets.patch(
            "d",
            json!({"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "b"}]}}}}),
        )
        .await;
        sets.until("d", done(3)).await;
        let all = pods.until_all("new pods only", |p| p.len() == 3).await;
        assert!(
            all.iter()
                .all(|p| p["spec"]["containers"][0]["image"] == "b")
        );
        let revisions = world.api(
            "apps/v1",
            "ControllerRevision",
            "controllerrevisions",
            "nodes",
        );
        assert_eq!(revisions.list().await.len(), 2);

        // A pod that tolerates silence for a second, and one that does so for five minutes.
        for (name, seconds) in [("short", 1), ("long", 300)] {
            let tolerations = ["unreachable", "not-ready"].map(|t| {
                json!({"key": format!("node.kubernetes.io/{t}"),
                "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds})
            });
            pods.create(json!({"metadata": {"name": name}, "spec": {"nodeName": "n3", "tolerations": tolerations,
                "terminationGracePeriodSeconds": 0, "containers": [{"name": "c", "image": "a"}]}}))
                .await;
            pods.until(name, |p| p["status"]["phase"] == "Running")
                .await;
        }
        drop(n3);
        let silent = nodes.until("n3", |n| taints(n).len() == 2).await;
        let unreachable = "node.kubernetes.io/unreachable";
        assert_eq!(
            taints(&silent),
            [(unreachable, "NoExecute"), (unreachable, "NoSchedule")]
        );
        pods.until_gone("short").await;
        let long = pods.get("long").await;
        let ready = crate::world::condition(&long, "Ready").unwrap();
        assert_eq!(
            ready["status"], "False",
            "a pod that nobody hears of serves nobody"
        );
        assert_eq!(
            on(&pods.list().await, "n3").len(),
            2,
            "the daemon's pod and the patient one stay"
        );

        // All silent: nothing is evicted any more.
        drop((n1, n2));
        for name in ["n1", "n2", "n3"] {
            nodes
                .until(name, |n| taints(n) == [(unreachable, "NoSchedule")])
                .await;
        }
        // One returns: the others are silent for certain.
        status(&nodes, "n1", "True").await;
        let _n1 = beat(world, "n1");
        nodes.until("n1", |n| taints(n).is_empty()).await;
        nodes.until("n2", |n| taints(n).len() == 2).await;

        // A node that is gone takes its pods with it.
        nodes.0.delete("n3", &Default::default()).await.unwrap();
        pods.until_gone("long").await;
        pods.until_all("no pods on n3", |p| on(p, "n3").is_empty())
            .await;
        for name in ["n1", "n2"] {
            nodes.0.delete(name, &Default::default()).await.unwrap();
        }
    });
}
