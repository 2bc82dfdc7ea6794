//! The part with a network: follows the cluster, and carries out what was decided. Placing a pod stands in
//! `worker/bind.rs`, saying why one waits and making room for it in `worker/wait.rs`.

mod bind;
mod like;
mod wait;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cedge_informer::{Cache, Change, Events, Informers, Key, Object, Recorder, Selector};
use cedge_tasks::Group;
use k8s_openapi::api::core::v1::{
    Namespace, Node, ObjectReference, PersistentVolume, PersistentVolumeClaim, Pod as ApiPod,
    Service,
};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::storage::v1::{CSINode, StorageClass};
use kube::api::ApiResource;
use kube::{Api, Client};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::Instant;

use crate::cluster::{Cluster, Source, Verdict};
use crate::pod::{NAME, Pod};
use like::Sets;

/// Requests to the API server at the same time. As many as a small API server answers without making others wait.
const REQUESTS_MAX: usize = 16;
/// How long one request may take.
const REQUEST_TIME: Duration = Duration::from_secs(30);

/// Schedules until `group` shuts down: finds a node for every pod that names the default scheduler, and for those that
/// come, in the order of their priority. Returns at shutdown.
///
/// *Guarantees*: pods that were placed but not yet shown as bound keep their room, so two pods never get the same;
/// a pod that fits nowhere says why in its condition `PodScheduled` and in an event, and is tried again when something
/// changes that may help, never by the clock alone.
///
/// `client` writes; it needs the rights of `system:kube-scheduler` and `system:volume-scheduler`, no more.
///
/// *Cancel safety*: dropped, it leaves bindings that were begun to end by themselves; it can be started again.
pub async fn run(client: Client, informers: Informers, events: Events, group: Group) {
    let worker = Arc::new(Worker {
        client,
        pods: informers.of::<ApiPod>(),
        claims: informers.of::<PersistentVolumeClaim>(),
        volumes: informers.of::<PersistentVolume>(),
        sets: Sets::new(&informers),
        recorder: events.recorder(NAME),
        cluster: Mutex::default(),
        changed: Notify::new(),
        moved: watch::Sender::new(()),
        requests: Arc::new(Semaphore::new(REQUESTS_MAX)),
        group: group.clone(),
    });
    let follow = async {
        worker.clone().follow(&informers).await;
        worker.schedule().await;
    };
    group.shutdown().or(follow).await;
}

struct Worker {
    client: Client,
    pods: Cache,
    claims: Cache,
    volumes: Cache,
    sets: Sets,
    recorder: Recorder,
    cluster: Mutex<Cluster>,
    /// Told when there may be something to do.
    changed: Notify,
    /// Told when a claim changed or a pod is gone: some bindings wait for that.
    moved: watch::Sender<()>,
    requests: Arc<Semaphore>,
    group: Group,
}

// === impl Worker ===

impl Worker {
    /// Listens to everything that matters, and waits until all of it is known: a decision on half the pods would give
    /// room away twice.
    async fn follow(self: Arc<Self>, informers: &Informers) {
        let first = [
            informers.of::<PodDisruptionBudget>(),
            informers.of::<Service>(),
            informers.of::<Node>(),
            informers.headers(&ApiResource::erase::<Namespace>(&())),
            informers.of::<StorageClass>(),
            informers.of::<CSINode>(),
            self.volumes.clone(),
            self.claims.clone(),
        ];
        let [
            budgets,
            services,
            nodes,
            namespaces,
            storage,
            limits,
            volumes,
            claims,
        ] = &first;
        self.listen(budgets, |cluster, change, _| {
            cluster.budget_changed(change);
            false
        });
        self.listen(services, |cluster, change, _| {
            cluster.service_changed(change);
            false
        });
        self.listen(nodes, Cluster::node_changed);
        self.listen(namespaces, Cluster::namespace_changed);
        self.listen(storage, Cluster::class_changed);
        self.listen(limits, Cluster::limits_changed);
        self.listen(volumes, Cluster::volume_changed);
        self.listen(claims, Cluster::claim_changed);
        self.listen(&self.pods, Cluster::pod_changed);
        self.tell_moves();
        for cache in &first {
            cache.synced().await;
        }
        self.sets.synced().await;
        self.pods.synced().await;
    }

    fn listen(
        self: &Arc<Self>,
        cache: &Cache,
        note: impl Fn(&mut Cluster, &Change, Instant) -> bool + Send + Sync + 'static,
    ) {
        // Weak: the cache outlives the scheduler, which may be switched off.
        let worker = Arc::downgrade(self);
        cache.subscribe(move |change| {
            if let Some(worker) = worker.upgrade()
                && note(&mut worker.cluster(), change, Instant::now())
            {
                worker.changed.notify_one();
            }
        });
    }

    fn tell_moves(self: &Arc<Self>) {
        let (on_claims, on_pods) = (Arc::downgrade(self), Arc::downgrade(self));
        self.claims.subscribe(move |_| {
            if let Some(worker) = on_claims.upgrade() {
                worker.moved.send_replace(());
            }
        });
        self.pods.subscribe(move |change| {
            if let (Change::Deleted(_), Some(worker)) = (change, on_pods.upgrade()) {
                worker.moved.send_replace(());
            }
        });
    }

    async fn schedule(self: &Arc<Self>) {
        loop {
            let (verdict, due) = {
                let mut cluster = self.cluster();
                let verdict = cluster.next(Instant::now(), &**self);
                (verdict, cluster.due())
            };
            match (verdict, due) {
                (Some(verdict), _) => self.carry_out(verdict).await,
                (None, None) => self.changed.notified().await,
                (None, Some(due)) => {
                    let _ = tokio::time::timeout_at(due, self.changed.notified()).await;
                }
            }
        }
    }

    /// Begins what was decided; waits only while too many requests are under way.
    async fn carry_out(self: &Arc<Self>, verdict: Verdict) {
        let slot = self.requests.clone().acquire_owned().await;
        let worker = self.clone();
        let name = match &verdict {
            Verdict::Place { pod, .. } | Verdict::Wait { pod, .. } => {
                format!("bind/{}/{}", pod.metadata.namespace, pod.metadata.name)
            }
        };
        self.group.spawn(name, async move {
            match verdict {
                Verdict::Place { pod, chosen } => worker.place(&pod, &chosen, slot.ok()).await,
                Verdict::Wait { pod, unfit } => {
                    worker.wait(&pod, &unfit).await;
                    drop(slot);
                }
            }
        });
    }

    fn api(&self, pod: &Pod) -> Api<ApiPod> {
        Api::namespaced(self.client.clone(), &pod.metadata.namespace)
    }

    fn cluster(&self) -> MutexGuard<'_, Cluster> {
        self.cluster.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source for Worker {
    fn pod(&self, key: &Key) -> Option<Arc<Object>> {
        self.pods.get_key(key)
    }

    fn like(&self, pod: &Pod, services: BTreeMap<String, String>) -> Option<Selector> {
        self.sets.like(pod, services)
    }
}

// === what is written ===

impl Pod {
    fn key(&self) -> Key {
        Key::new(&self.metadata.namespace, &self.metadata.name)
    }

    fn reference(&self) -> ObjectReference {
        reference(&self.key(), &self.metadata.uid)
    }
}

fn reference(pod: &Key, uid: &str) -> ObjectReference {
    ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Pod".to_owned()),
        namespace: Some(pod.namespace.to_string()),
        name: Some(pod.name.to_string()),
        uid: Some(uid.to_owned()),
        ..ObjectReference::default()
    }
}
