//! Plays scheduler and kubelets: pods run as soon as they are there, and end as their label `outcome` says.

use cedge_informer::{Informers, Key, Next, Queue, work};
use cedge_tasks::{Group, clock};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};

pub(crate) fn start(informers: &Informers, group: &Group) {
    let pods = informers.of::<Pod>();
    let queue: Queue<Key> = Queue::new("kubelet");
    pods.subscribe({
        let queue = queue.clone();
        move |change| queue.add(change.object().key().clone())
    });
    let client = informers.client().clone();
    work(&queue, group, 4, move |key| {
        let (pods, client) = (pods.clone(), client.clone());
        async move {
            if let Some(pod) = pods.get_key(&key) {
                step(&client, &key, pod.value().unwrap()).await?;
            }
            Ok::<_, kube::Error>(Next::OnChange)
        }
    });
}

async fn step(client: &Client, key: &Key, pod: Value) -> Result<(), kube::Error> {
    let api: Api<Pod> = Api::namespaced(client.clone(), &key.namespace);
    let labels = &pod["metadata"]["labels"];
    if labels["played"] == "no" {
        return Ok(());
    }
    if !pod["metadata"]["deletionTimestamp"].is_null() {
        let params = DeleteParams {
            grace_period_seconds: Some(0),
            ..DeleteParams::default()
        };
        return ignore_absence(api.delete(&key.name, &params).await.map(|_| ()));
    }
    let node = &pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        ["nodeSelectorTerms"][0]["matchFields"][0]["values"][0];
    if pod["spec"]["nodeName"].is_null() && node.is_string() {
        return bind(client, key, node).await;
    }
    let (phase, code) = match labels["outcome"].as_str() {
        Some("succeed") => ("Succeeded", 0),
        None => ("Running", 0),
        Some(code) => ("Failed", code.parse().unwrap()),
    };
    if pod["status"]["phase"] == phase {
        return Ok(());
    }
    let now = clock::now_rfc3339();
    let state = if phase == "Running" {
        json!({"running": {"startedAt": now}})
    } else {
        json!({"terminated": {"exitCode": code, "startedAt": now, "finishedAt": now}})
    };
    let ready = phase == "Running";
    let word = if ready { "True" } else { "False" };
    let status = json!({"phase": phase, "podIP": "10.1.0.1", "podIPs": [{"ip": "10.1.0.1"}], "conditions": [{"type": "Ready", "status": word, "lastTransitionTime": now}],
        "containerStatuses": [{"name": "c", "image": "x", "imageID": "", "ready": ready, "restartCount": 0, "state": state}]});
    let patch =
        Patch::Merge(json!({"metadata": {"uid": pod["metadata"]["uid"]}, "status": status}));
    let patched = api
        .patch_status(&key.name, &PatchParams::default(), &patch)
        .await;
    ignore_absence(patched.map(|_| ()))
}

async fn bind(client: &Client, key: &Key, node: &Value) -> Result<(), kube::Error> {
    let binding =
        json!({"metadata": {"name": *key.name}, "target": {"kind": "Node", "name": node}});
    let path = format!(
        "/api/v1/namespaces/{}/pods/{}/binding",
        key.namespace, key.name
    );
    let request = http::Request::post(path)
        .header("content-type", "application/json")
        .body(binding.to_string().into_bytes())
        .unwrap();
    ignore_absence(client.request_text(request).await.map(|_| ()))
}

fn ignore_absence(result: Result<(), kube::Error>) -> Result<(), kube::Error> {
    match result {
        Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => Ok(()),
        other => other,
    }
}
