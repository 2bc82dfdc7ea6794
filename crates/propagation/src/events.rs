//! One Event per station of the walk, on the Mission: `cedge trace` reads them.

use std::collections::BTreeMap;

use cedge_api::{GROUP, Mission, VERSION};
use cedge_tasks::clock;
use k8s_openapi::api::core::v1::Event;
use kube::api::PostParams;
use kube::{Api, Client, ResourceExt as _};
use serde_json::json;

/// The stations that this crate passes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Station {
    Accept,
    Route,
    HandOver,
    Receive,
    Deploy,
    Summarise,
    Report,
    Merge,
}

/// Writes them, for one cluster. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Events {
    client: Client,
    cluster: String,
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events")
            .field("cluster", &self.cluster)
            .finish_non_exhaustive()
    }
}

impl Events {
    pub(crate) fn new(client: Client, cluster: &str) -> Self {
        Self {
            client,
            cluster: cluster.to_owned(),
        }
    }

    /// The Mission passed a station here. An event that cannot be written is only logged: it is a trace, not the
    /// work.
    pub(crate) async fn station(&self, station: Station, mission: &Mission, detail: &str) {
        tracing::info!(
            ?station,
            mission = mission.name_any(),
            detail,
            "station passed"
        );
        self.write("Normal", &format!("{station:?}"), mission, detail)
            .await;
    }

    async fn write(&self, kind: &str, reason: &str, mission: &Mission, note: &str) {
        let now = clock::now_micro();
        let seconds = clock::now_rfc3339();
        let name = mission.name_any();
        let events: Api<Event> = Api::namespaced(self.client.clone(), "default");
        let event = json!({
            "apiVersion": "v1", "kind": "Event",
            "metadata": { "name": event_name(&name), "namespace": "default" },
            "involvedObject": {
                "apiVersion": format!("{GROUP}/{VERSION}"), "kind": "Mission", "name": name,
                "uid": mission.uid(), "resourceVersion": mission.resource_version(),
            },
            "type": kind, "reason": reason, "message": note, "action": reason,
            "eventTime": now, "firstTimestamp": seconds, "lastTimestamp": seconds, "count": 1,
            "reportingComponent": "cedge-tree", "reportingInstance": self.cluster,
            "source": { "component": "cedge-tree", "host": self.cluster },
        });
        let event = match serde_json::from_value(event) {
            Ok(event) => event,
            Err(error) => return tracing::debug!(%error, "event not written"),
        };
        if let Err(error) = events.create(&PostParams::default(), &event).await {
            tracing::debug!(%error, "event not written");
        }
    }
}

/// A name of its own for each event: the Mission's and the nanoseconds, as client-go does.
fn event_name(mission: &str) -> String {
    format!("{mission}.{:x}", clock::now().as_nanosecond())
}

/// Which station was passed last for which version, so that each is told once.
#[derive(Debug, Default)]
pub(crate) struct Told(std::sync::Mutex<BTreeMap<String, String>>);

impl Told {
    /// Whether `what` is news under `key`.
    pub(crate) fn is_news(&self, key: String, what: &str) -> bool {
        let mut told = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        told.insert(key, what.to_owned()).as_deref() != Some(what)
    }

    /// Forgets a Mission that is gone.
    pub(crate) fn forget(&self, mission: &str) {
        let mut told = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        told.retain(|key, _| key.split_once('|').is_none_or(|(m, _)| m != mission));
    }
}
