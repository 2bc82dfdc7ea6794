//! The part with a network: follows the cluster, binds, tells why a pod waits.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cedge_informer::{Cache, Change, Events, Informers, Key, Recorder};
use cedge_tasks::{Group, clock};
use k8s_openapi::api::core::v1::{Binding, Namespace, Node, ObjectReference, Pod as ApiPod};
use k8s_openapi::api::scheduling::v1::PriorityClass;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{ApiResource, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

use crate::cluster::{Cluster, Verdict};
use crate::decide::Unfit;
use crate::pod::{NAME, Pod};

/// Requests to the API server at the same time. As many as a small API server answers without making others wait.
const REQUESTS_MAX: usize = 16;
/// How long one request may take.
const REQUEST_TIME: Duration = Duration::from_secs(30);
/// Longest text of an event, as Kubernetes cuts it.
const EVENT_MESSAGE_MAX: usize = 1024;

/// Schedules until `group` shuts down: finds a node for every pod that names the default scheduler, and for those that
/// come, in the order of their priority. Returns at shutdown.
///
/// *Guarantees*: pods that were placed but not yet shown as bound keep their room, so two pods never get the same;
/// a pod that fits nowhere says why in its condition `PodScheduled` and in an event, and is tried again when something
/// changes that may help, never by the clock alone.
///
/// *Cancel safety*: dropped, it leaves bindings that were begun to end by themselves; it can be started again.
pub async fn run(informers: Informers, events: Events, group: Group) {
    let worker = Arc::new(Worker {
        client: informers.client().clone(),
        pods: informers.of::<ApiPod>(),
        recorder: events.recorder(NAME),
        cluster: Mutex::default(),
        changed: Notify::new(),
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
    recorder: Recorder,
    cluster: Mutex<Cluster>,
    /// Told when there may be something to do.
    changed: Notify,
    requests: Arc<Semaphore>,
    group: Group,
}

/// Why a binding was not made.
#[derive(Debug, thiserror::Error)]
enum BindError {
    /// It is bound already, gone, or another of the same name: what the cluster shows next decides.
    #[error("the pod changed meanwhile")]
    Changed(#[source] kube::Error),
    #[error("the API server did not do it")]
    Api(#[source] kube::Error),
    #[error("the API server did not answer in time")]
    Time,
}

// === impl Worker ===

impl Worker {
    /// Listens to everything that matters, and waits until all of it is known: a decision on half the pods would give
    /// room away twice.
    async fn follow(self: Arc<Self>, informers: &Informers) {
        let classes = informers.of::<PriorityClass>();
        let nodes = informers.of::<Node>();
        let namespaces = informers.headers(&ApiResource::erase::<Namespace>(&()));
        // Before pods, whose place in the queue depends on them.
        self.listen(&classes, |cluster, change, _| {
            cluster.priority_class_changed(change);
            false
        });
        classes.synced().await;
        self.listen(&nodes, Cluster::node_changed);
        self.listen(&namespaces, Cluster::namespace_changed);
        self.listen(&self.pods, Cluster::pod_changed);
        nodes.synced().await;
        namespaces.synced().await;
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

    async fn schedule(self: &Arc<Self>) {
        loop {
            let (verdict, due) = {
                let mut cluster = self.cluster();
                let verdict = cluster.next(Instant::now(), |key| self.pods.get_key(key));
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
                Verdict::Place { pod, node } => worker.place(&pod, &node).await,
                Verdict::Wait { pod, unfit } => worker.explain(&pod, &unfit).await,
            }
            drop(slot);
        });
    }

    async fn place(&self, pod: &Pod, node: &str) {
        let key = pod.key();
        match self.bind(pod, node).await {
            Ok(()) => {
                self.cluster().bound(&key);
                tracing::info!(station = "bind", pod = %key, node, "pod bound");
                let message = format!("Successfully assigned {key} to {node}");
                self.recorder.normal(pod.reference(), "Scheduled", message);
            }
            Err(e) => {
                let cause = std::error::Error::source(&e).map(ToString::to_string);
                tracing::warn!(pod = %key, node, error = %e, cause, "pod not bound");
                if !matches!(e, BindError::Changed(_)) {
                    let message = format!("binding rejected: {e}");
                    self.recorder
                        .warning(pod.reference(), "FailedScheduling", message);
                }
                self.cluster().not_bound(&key, Instant::now());
                self.changed.notify_one();
            }
        }
    }

    async fn bind(&self, pod: &Pod, node: &str) -> Result<(), BindError> {
        let meta = &pod.metadata;
        let binding = Binding {
            metadata: ObjectMeta {
                name: Some(meta.name.clone()),
                namespace: Some(meta.namespace.clone()),
                // Not another pod of the same name.
                uid: Some(meta.uid.clone()),
                ..ObjectMeta::default()
            },
            target: ObjectReference {
                kind: Some("Node".to_owned()),
                name: Some(node.to_owned()),
                ..ObjectReference::default()
            },
        };
        let api = self.api(pod);
        let params = PostParams::default();
        let request = api
            .create_subresource::<_, serde_json::Value>("binding", &meta.name, &params, &binding);
        match tokio::time::timeout(REQUEST_TIME, request).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(kube::Error::Api(status))) if matches!(status.code, 404 | 409) => {
                Err(BindError::Changed(kube::Error::Api(status)))
            }
            Ok(Err(e)) => Err(BindError::Api(e)),
            Err(_) => Err(BindError::Time),
        }
    }

    /// Tells the pod's owner why it waits: once for each reason.
    async fn explain(&self, pod: &Pod, unfit: &Unfit) {
        let cut = cut(&unfit.message, EVENT_MESSAGE_MAX);
        self.recorder
            .warning(pod.reference(), "FailedScheduling", cut);
        let Some(patch) = condition(pod, &unfit.message) else {
            return;
        };
        let api = self.api(pod);
        let params = PatchParams::default();
        let patch = Patch::Strategic(patch);
        let request = api.patch_status(&pod.metadata.name, &params, &patch);
        match tokio::time::timeout(REQUEST_TIME, request).await {
            Ok(Ok(_)) => {}
            // Gone, or another by now.
            Ok(Err(kube::Error::Api(status))) if matches!(status.code, 404 | 409) => {}
            Ok(Err(e)) => {
                tracing::warn!(pod = %pod.key(), error = %e, "could not say why a pod waits");
            }
            Err(_) => tracing::warn!(pod = %pod.key(), "could not say in time why a pod waits"),
        }
    }

    fn api(&self, pod: &Pod) -> Api<ApiPod> {
        Api::namespaced(self.client.clone(), &pod.metadata.namespace)
    }

    fn cluster(&self) -> MutexGuard<'_, Cluster> {
        self.cluster.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === what is written ===

impl Pod {
    fn key(&self) -> Key {
        Key::new(&self.metadata.namespace, &self.metadata.name)
    }

    fn reference(&self) -> ObjectReference {
        ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            namespace: Some(self.metadata.namespace.clone()),
            name: Some(self.metadata.name.clone()),
            uid: Some(self.metadata.uid.clone()),
            ..ObjectReference::default()
        }
    }
}

/// The condition of a pod that fits nowhere; `None` if it says so already.
fn condition(pod: &Pod, message: &str) -> Option<serde_json::Value> {
    let known = pod.condition("PodScheduled");
    let is_false = known.is_some_and(|c| c.status == "False");
    let same = known.is_some_and(|c| {
        is_false
            && c.reason.as_deref() == Some("Unschedulable")
            && c.message.as_deref() == Some(message)
    });
    if same {
        return None;
    }
    let mut condition = serde_json::json!({
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": message,
    });
    if !is_false {
        condition["lastTransitionTime"] = clock::now_rfc3339().into();
    }
    if let Some(generation) = pod.metadata.generation {
        condition["observedGeneration"] = generation.into();
    }
    Some(serde_json::json!({
        "metadata": { "uid": pod.metadata.uid },
        "status": { "conditions": [condition] },
    }))
}

/// At most so many bytes, with an end that shows it.
fn cut(message: &str, max: usize) -> String {
    const END: &str = " ...";
    if message.len() <= max {
        return message.to_owned();
    }
    let mut end = max - END.len();
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{END}", &message[..end])
}
