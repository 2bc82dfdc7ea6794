//! Events (core/v1) on objects, counted instead of repeated.
//!
//! The rules are client-go's: the same event again raises `count` on the stored one; more than ten that differ only in
//! their message become one "combined" event; an object that gets more than a burst of 25 is cut to one in five minutes.
//! Events are for people: under pressure, or when the API refuses them, they are dropped.

mod correlate;

use std::time::Duration;

use cedge_tasks::{Backoff, Group, clock};
use k8s_openapi::api::core::v1::{Event, ObjectReference};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use tokio::sync::mpsc;

use correlate::{Correlator, Verdict};

/// Events that wait for the API; more are dropped.
const WAITING_MAX: usize = 256;
/// Tries for one event, as client-go, within a few seconds.
const TRIES: u32 = 5;

/// Where the recorders of a process send their events. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Events {
    sender: mpsc::Sender<Report>,
}

/// Writes events in the name of one component. Cheap to clone; never waits.
#[derive(Debug, Clone)]
pub struct Recorder {
    component: &'static str,
    events: Events,
}

/// One thing to tell.
#[derive(Debug, Clone)]
struct Report {
    component: &'static str,
    about: ObjectReference,
    warning: bool,
    reason: &'static str,
    message: String,
}

impl Events {
    /// Starts the task that writes events through `client`.
    #[must_use]
    pub fn start(client: Client, group: &Group) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let shutdown = group.shutdown().clone();
        group.spawn("events", async move {
            shutdown.or(Box::pin(write_all(client, receiver))).await;
        });
        Self { sender }
    }

    /// A recorder for a component, such as `deployment-controller`.
    #[must_use]
    pub fn recorder(&self, component: &'static str) -> Recorder {
        Recorder {
            component,
            events: self.clone(),
        }
    }
}

impl Recorder {
    /// Tells that something went as it should.
    pub fn normal(&self, about: ObjectReference, reason: &'static str, message: impl Into<String>) {
        self.tell(about, false, reason, message.into());
    }

    /// Tells that something did not.
    pub fn warning(
        &self,
        about: ObjectReference,
        reason: &'static str,
        message: impl Into<String>,
    ) {
        self.tell(about, true, reason, message.into());
    }

    fn tell(&self, about: ObjectReference, warning: bool, reason: &'static str, message: String) {
        tracing::debug!(
            component = self.component,
            kind = about.kind,
            namespace = about.namespace,
            name = about.name,
            reason,
            message,
            "event"
        );
        let report = Report {
            component: self.component,
            about,
            warning,
            reason,
            message,
        };
        if self.events.sender.try_send(report).is_err() {
            tracing::debug!(reason, "event dropped, too many wait");
        }
    }
}

async fn write_all(client: Client, mut reports: mpsc::Receiver<Report>) {
    let mut correlator = Correlator::default();
    while let Some(report) = reports.recv().await {
        let verdict = correlator.take(report, clock::now());
        write(&client, verdict, &mut correlator).await;
    }
}

async fn write(client: &Client, verdict: Verdict, correlator: &mut Correlator) {
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
    for _ in 0..TRIES {
        match try_write(client, &verdict).await {
            Ok(stored) => return correlator.stored(&verdict, stored),
            Err(kube::Error::Api(status)) => {
                // Forbidden (a namespace in deletion), invalid, exists: another try changes nothing.
                tracing::debug!(error = status.message, "event refused");
                return;
            }
            Err(e) => tracing::debug!(error = %e, "event not written"),
        }
        tokio::time::sleep(backoff.next_delay()).await;
    }
}

/// Returns the name of the stored event.
async fn try_write(client: &Client, verdict: &Verdict) -> Result<Option<String>, kube::Error> {
    let Some(event) = &verdict.event else {
        return Ok(None);
    };
    let namespace = event.metadata.namespace.as_deref().unwrap_or("default");
    let api: Api<Event> = Api::namespaced(client.clone(), namespace);
    if let Some(name) = &verdict.stored_as {
        let patch = serde_json::json!({
            "count": event.count, "lastTimestamp": event.last_timestamp, "message": event.message,
        });
        match api
            .patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await
        {
            Ok(_) => return Ok(Some(name.clone())),
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(e) => return Err(e),
        }
    }
    api.create(&PostParams::default(), event).await?;
    Ok(event.metadata.name.clone())
}
