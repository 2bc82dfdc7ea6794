//! One node's keeper: its tasks, and the lease that says that it is heard of.

use std::time::Duration;

use cedge_informer::{Next, Queue, work};
use cedge_tasks::{Group, clock};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::{BY_NODE, MANAGER, NodeState, Nodes, api_writes, handover, lost};
use crate::ports::{In, listen};

/// Kubernetes' own: a lease lasts 40 s and is renewed every 10 s while the link is up.
const LEASE_SECONDS: u32 = 40;
const RENEW_EVERY: Duration = Duration::from_secs(10);

/// What of a node is due.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Due {
    /// Pods and what they refer to, as a whole: it is a comparison in memory.
    Handover,
    /// The Node object.
    Node,
    /// One pod's status.
    PodStatus(String),
    /// One event.
    Event(String),
    /// Its link has been down for too long: the cluster is told.
    Lost,
}

/// Starts the tasks of a node. They go on while it is not connected: what is due waits in its tables.
pub(super) fn start(nodes: &Nodes, node: NodeState, tasks: &Group) {
    let queue: Queue<Due> =
        Queue::with_backoff("node", Duration::from_millis(50), Duration::from_secs(10));
    subscribe(nodes, &node, &queue);
    for (table, make) in [
        (node.tables.node.clone(), (|_| Due::Node) as fn(&str) -> Due),
        (node.tables.pod_status.clone(), |key| {
            Due::PodStatus(key.to_owned())
        }),
        (node.tables.events.clone(), |key| Due::Event(key.to_owned())),
    ] {
        let (queue, shutdown, name) = (queue.clone(), tasks.shutdown().clone(), table.spec().name);
        tasks.spawn(format!("node/{}/{name}", node.name), async move {
            let told = |key: &str| queue.add(make(key));
            shutdown.or(listen(In(table), told)).await;
        });
    }
    if let Some(port) = &node.port {
        let (mut bound, queue, shutdown) = (port.bound(), queue.clone(), tasks.shutdown().clone());
        tasks.spawn(format!("node/{}/port-news", node.name), async move {
            while let Some(Ok(())) = shutdown.or(bound.changed()).await {
                queue.add(Due::Node);
            }
        });
    }
    for item in node.tables.pod_status.iter() {
        queue.add(Due::PodStatus(item.key));
    }
    queue.add(Due::Handover);
    queue.add(Due::Node);
    let (shared, state) = (nodes.clone(), node.clone());
    work(&queue, tasks, 2, move |due: Due| {
        let (nodes, node) = (shared.clone(), state.clone());
        async move { settle(&nodes, &node, due).await }
    });
    let (due, shutdown, grace) = (
        queue.clone(),
        tasks.shutdown().clone(),
        nodes.settings.grace,
    );
    let state = node.clone();
    tasks.spawn(format!("node/{}/link", node.name), async move {
        shutdown.or(Box::pin(lost::watch(state, grace, due))).await;
    });
    let (client, shutdown) = (nodes.client.clone(), tasks.shutdown().clone());
    tasks.spawn(format!("node/{}/lease", node.name), async move {
        shutdown.or(Box::pin(keep_lease(client, node))).await;
    });
}

/// Pods of this node, and what pods refer to (any: a comparison tells whether it is concerned).
fn subscribe(nodes: &Nodes, node: &NodeState, queue: &Queue<Due>) {
    let (due, name) = (queue.clone(), node.name.clone());
    let (kept, id) = (nodes.settings.kept.clone(), node.id.clone());
    nodes.caches.pods.subscribe(move |change| {
        let concerns = |o: &cedge_informer::Object| {
            o.decode::<super::NodeOf>()
                .is_ok_and(|p| p.spec.node_name.as_deref() == Some(name.as_str()))
        };
        // Another pod may have taken the place of one that the API lost.
        if kept.concerns(&id)
            || concerns(change.object())
            || change.old().is_some_and(|o| concerns(o))
        {
            due.add(Due::Handover);
        }
        if concerns(change.object()) && lost::became_unready(change) {
            due.add(Due::PodStatus(lost::line_of(change.object())));
        }
    });
    let caches = &nodes.caches;
    for cache in [
        &caches.config_maps,
        &caches.secrets,
        &caches.services,
        &caches.claims,
        &caches.volumes,
    ] {
        let due = queue.clone();
        cache.subscribe(move |_| due.add(Due::Handover));
    }
}

async fn settle(nodes: &Nodes, node: &NodeState, due: Due) -> Result<Next, api_writes::Error> {
    match due {
        Due::Handover => {
            let caches = &nodes.caches;
            for cache in caches.all() {
                cache.synced().await;
            }
            let pods = caches.pods.by_index(BY_NODE, &node.name);
            let again = Box::pin(handover::hand_over(nodes, node, &pods)).await?;
            return Ok(again.map_or(Next::OnChange, Next::After));
        }
        Due::Node => api_writes::node(nodes, node).await?,
        Due::PodStatus(key) => {
            api_writes::pod_status(nodes, node, &key).await?;
            // It may have ended, and then nothing keeps it.
            if nodes.settings.kept.concerns(&node.id) {
                return Box::pin(settle(nodes, node, Due::Handover)).await;
            }
        }
        Due::Event(key) => api_writes::event(nodes, node, &key).await?,
        Due::Lost => lost::declare(nodes, node).await?,
    }
    Ok(Next::OnChange)
}

/// Renews the lease while the link is up; stops when it is down, and then the cluster's own controllers judge (I8).
async fn keep_lease(client: kube::Client, node: NodeState) {
    let api: Api<Lease> = Api::namespaced(client, "kube-node-lease");
    let mut sessions = node.session.subscribe();
    loop {
        let session = sessions
            .borrow_and_update()
            .clone()
            .filter(|s| !s.is_closed());
        let Some(session) = session else {
            if sessions.changed().await.is_err() {
                return;
            }
            continue;
        };
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": { "name": node.name, "namespace": "kube-node-lease" },
            "spec": {
                "holderIdentity": node.name, "leaseDurationSeconds": LEASE_SECONDS,
                "renewTime": clock::now_micro(),
            },
        });
        let renewed = api
            .patch(
                &node.name,
                &PatchParams::apply(MANAGER).force(),
                &Patch::Apply(lease),
            )
            .await;
        if let Err(error) = renewed {
            tracing::warn!(node = node.name, %error, "lease not renewed");
        }
        tokio::select! {
            biased;
            // May be dropped: the session is asked again above.
            _ = session.closed() => {}
            () = tokio::time::sleep(RENEW_EVERY) => {}
        }
    }
}
