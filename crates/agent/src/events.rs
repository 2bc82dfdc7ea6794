//! What happens to pods, for people: Events, counted instead of repeated.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cedge_tasks::{Shutdown, clock};
use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::tables::Reports;

/// As long as Kubernetes keeps events.
const KEPT: Duration = Duration::from_secs(3600);
/// No more than this many are kept: the oldest goes first.
const KEPT_MAX: usize = 1000;

/// Takes events from everywhere. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Recorder {
    to: mpsc::Sender<Told>,
}

#[derive(Debug)]
struct Told {
    about: ObjectReference,
    warning: bool,
    reason: &'static str,
    message: String,
}

/// Writes them down.
#[derive(Debug)]
pub(crate) struct Task {
    from: mpsc::Receiver<Told>,
    node: String,
    table: Arc<dyn Reports>,
    kept: BTreeMap<String, (Instant, Event)>,
}

pub(crate) fn recorder(node: &str, table: Arc<dyn Reports>) -> (Recorder, Task) {
    let (to, from) = mpsc::channel(256);
    let task = Task {
        from,
        node: node.to_owned(),
        table,
        kept: BTreeMap::new(),
    };
    (Recorder { to }, task)
}

impl Recorder {
    /// Says something about a pod, or one of its containers.
    pub(crate) fn say(
        &self,
        pod: &Pod,
        container: Option<&str>,
        warning: bool,
        reason: &'static str,
        message: String,
    ) {
        let meta = &pod.metadata;
        tracing::info!(
            pod = %format_args!("{}/{}", meta.namespace.as_deref().unwrap_or_default(), meta.name.as_deref().unwrap_or_default()),
            container, reason, message, "pod event"
        );
        let told = Told {
            about: ObjectReference {
                api_version: Some("v1".into()),
                kind: Some("Pod".into()),
                name: meta.name.clone(),
                namespace: meta.namespace.clone(),
                uid: meta.uid.clone(),
                resource_version: meta.resource_version.clone(),
                field_path: container.map(|c| field_path(pod, c)),
            },
            warning,
            reason,
            message,
        };
        if self.to.try_send(told).is_err() {
            tracing::debug!(reason, "too many events at once: one is lost");
        }
    }
}

fn field_path(pod: &Pod, container: &str) -> String {
    let inits = pod
        .spec
        .iter()
        .flat_map(|s| s.init_containers.iter().flatten());
    let init = inits.into_iter().any(|c| c.name == container);
    let list = if init { "initContainers" } else { "containers" };
    format!("spec.{list}{{{container}}}")
}

impl Task {
    pub(crate) async fn run(mut self, shutdown: Shutdown) {
        for key in self.table.keys() {
            // Of an earlier run: above they have their own time to live.
            let _ = self.table.remove(&key).await;
        }
        let mut tidy = tokio::time::interval(Duration::from_secs(60));
        loop {
            tokio::select! {
                biased;
                () = shutdown.wait() => return,
                told = self.from.recv() => match told {
                    Some(told) => self.write(told).await,
                    None => return,
                },
                _ = tidy.tick() => self.forget().await,
            }
        }
    }

    async fn write(&mut self, told: Told) {
        let name = name(&told);
        let now = Time(clock::now());
        let (touched, event) = self
            .kept
            .entry(name.clone())
            .or_insert_with(|| (Instant::now(), new_event(&name, &told, &self.node, &now)));
        *touched = Instant::now();
        event.count = Some(event.count.unwrap_or(0) + 1);
        event.last_timestamp = Some(now);
        match serde_json::to_vec(event) {
            Ok(value) => {
                if let Err(error) = self.table.put(&name, Bytes::from(value)).await {
                    tracing::warn!(%error, "event not reported");
                }
            }
            Err(error) => tracing::error!(%error, "event cannot be written"),
        }
        if self.kept.len() > KEPT_MAX {
            let oldest = self.kept.iter().min_by_key(|(_, (at, _))| *at);
            if let Some(name) = oldest.map(|(name, _)| name.clone()) {
                self.remove(&name).await;
            }
        }
    }

    async fn forget(&mut self) {
        let old = self.kept.iter().filter(|(_, (at, _))| at.elapsed() > KEPT);
        for name in old.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            self.remove(&name).await;
        }
    }

    async fn remove(&mut self, name: &str) {
        self.kept.remove(name);
        let _ = self.table.remove(name).await;
    }
}

fn new_event(name: &str, told: &Told, node: &str, now: &Time) -> Event {
    Event {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: told.about.namespace.clone(),
            ..ObjectMeta::default()
        },
        involved_object: told.about.clone(),
        type_: Some(if told.warning { "Warning" } else { "Normal" }.into()),
        reason: Some(told.reason.into()),
        message: Some(told.message.clone()),
        source: Some(EventSource {
            component: Some("kubelet".into()),
            host: Some(node.to_owned()),
        }),
        reporting_component: Some("kubelet".into()),
        reporting_instance: Some(node.to_owned()),
        first_timestamp: Some(now.clone()),
        ..Event::default()
    }
}

/// The same words about the same thing have the same name.
fn name(told: &Told) -> String {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    (
        &told.about.uid,
        &told.about.field_path,
        told.reason,
        &told.message,
    )
        .hash(&mut hasher);
    let pod = told.about.name.as_deref().unwrap_or_default();
    let short: String = pod.chars().take(200).collect();
    format!("{short}.{:016x}", hasher.finish())
}
