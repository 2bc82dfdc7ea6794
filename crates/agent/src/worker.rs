//! One pod: *read, plan, act, report, wait*, until it is gone.

mod act;
mod background;
mod prepare;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cedge_pod_lifecycle::{ContainerId, Memory, Plan, ProbeWanted, Seen, Verdict, plan, status};
use cedge_runtime::Sandbox;
use k8s_openapi::api::core::v1::{Container, Pod, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tokio::sync::{mpsc, watch};

use crate::Node;
use crate::pods::Wanted;
use crate::tables::Handover;
use crate::volumes::Volumes;
use background::Background;

/// Looked at this often even if nothing is heard.
const LOOK_EVERY: Duration = Duration::from_secs(60);

pub(crate) struct Worker {
    node: Arc<Node>,
    table: Arc<dyn Handover>,
    key: String,
    uid: String,
    wanted: watch::Receiver<Wanted>,
    pod: Arc<Pod>,
    /// The version of the removal, once it was removed.
    gone: Option<u64>,
    memory: Memory,
    sandbox: Option<Sandbox>,
    /// `None` until the sandbox and all volumes exist.
    volumes: Option<Volumes>,
    admitted: bool,
    reported: Option<(PodStatus, bool)>,
    objects: watch::Receiver<u64>,
    to_self: mpsc::Sender<Message>,
    messages: mpsc::Receiver<Message>,
    waits: BTreeMap<ContainerId, Background>,
    stops: BTreeMap<ContainerId, Background>,
    hooks: BTreeMap<ContainerId, Background>,
    probes: BTreeMap<ProbeWanted, Background>,
}

/// What the tasks beside a worker tell it.
#[derive(Debug)]
enum Message {
    /// A container has ended, or was stopped: look.
    Ended,
    Probed(ProbeWanted, Verdict, String),
    Hooked(String, ContainerId, Result<(), String>),
}

/// What comes after a step.
enum Next {
    Again,
    After(Duration),
    End,
}

impl Worker {
    pub(crate) fn new(
        node: Arc<Node>,
        table: Arc<dyn Handover>,
        key: &str,
        mut wanted: watch::Receiver<Wanted>,
    ) -> Self {
        let pod = match &*wanted.borrow_and_update() {
            Wanted::Pod(pod) => Arc::clone(pod),
            Wanted::Gone(_) => Arc::default(),
        };
        let uid = pod.metadata.uid.clone().unwrap_or_default();
        let (to_self, messages) = mpsc::channel(64);
        Self {
            memory: Memory::resume(node.statuses.last(&uid)),
            objects: node.objects.changes(),
            node,
            table,
            key: key.to_owned(),
            uid,
            wanted,
            pod,
            gone: None,
            sandbox: None,
            volumes: None,
            admitted: false,
            reported: None,
            to_self,
            messages,
            waits: BTreeMap::new(),
            stops: BTreeMap::new(),
            hooks: BTreeMap::new(),
            probes: BTreeMap::new(),
        }
    }

    /// Works until the pod is gone, or the agent stops: then its containers go on without us.
    pub(crate) async fn run(mut self) {
        let shutdown = self.node.tasks.shutdown().clone();
        loop {
            if shutdown.is_asked() {
                return;
            }
            let after = match self.step().await {
                Next::Again => continue,
                Next::End => return,
                Next::After(after) => after,
            };
            tokio::select! {
                biased;
                () = shutdown.wait() => return,
                changed = self.wanted.changed() => if changed.is_err() { return },
                Some(message) = self.messages.recv() => self.hear(message),
                _ = self.objects.changed() => self.refresh(),
                () = tokio::time::sleep(after) => {}
            }
        }
    }

    async fn step(&mut self) -> Next {
        self.take_wanted();
        self.admit();
        let mut seen = match self.node.runtime.seen(&self.uid).await {
            Ok(seen) => seen,
            Err(error) => {
                tracing::error!(
                    pod = self.key,
                    error = error.explain(),
                    "the pod cannot be looked at"
                );
                return Next::After(Duration::from_secs(5));
            }
        };
        let sandbox = seen.sandbox;
        seen.sandbox &= self.volumes.is_some();
        let plan = plan(&self.pod, &seen, &mut self.memory, self.node.now());
        for note in &plan.notes {
            self.say(
                note.container.as_deref(),
                note.warning,
                note.reason,
                note.message.clone(),
            );
        }
        if self.act(&plan).await {
            return Next::Again;
        }
        self.follow_containers(&seen);
        // A sandbox whose volumes have not been looked at since the agent began is not reported as lost.
        seen.sandbox |= sandbox && self.memory.sandbox_trouble().is_none();
        self.report(&seen, &plan).await;
        if plan.over {
            self.node.admission.leave(&self.key);
            if let Some(version) = self.gone {
                return self.clear(version).await;
            }
        }
        Next::After(plan.wake_after.unwrap_or(LOOK_EVERY).min(LOOK_EVERY))
    }

    fn take_wanted(&mut self) {
        match self.wanted.borrow_and_update().clone() {
            Wanted::Pod(pod) => {
                self.pod = pod;
                self.gone = None;
            }
            Wanted::Gone(version) if self.gone.is_none() => {
                self.gone = Some(version);
                if self.pod.metadata.deletion_timestamp.is_none() {
                    let mut pod = Pod::clone(&self.pod);
                    pod.metadata.deletion_timestamp = Some(Time(cedge_tasks::clock::now()));
                    self.pod = Arc::new(pod);
                }
            }
            Wanted::Gone(_) => {}
        }
    }

    /// Once, before anything else: is there room?
    fn admit(&mut self) {
        if self.admitted {
            return;
        }
        self.admitted = true;
        let previous = self.memory.previous();
        let over = |s: &PodStatus| matches!(s.phase.as_deref(), Some("Failed" | "Succeeded"));
        let known = [previous, self.pod.status.as_ref()];
        if known.into_iter().flatten().any(over) || self.pod.metadata.deletion_timestamp.is_some() {
            return;
        }
        let again = previous.is_some();
        if let Err(rejection) = self.node.admission.enter(&self.key, &self.pod, again) {
            let (reason, message) = (rejection.reason.clone(), rejection.message.clone());
            tracing::warn!(pod = self.key, reason, message, "pod rejected");
            self.say(None, true, reason_word(&reason), message);
            self.memory.reject(rejection);
        }
    }

    fn hear(&mut self, message: Message) {
        match message {
            Message::Ended => {}
            Message::Probed(probe, verdict, words) => self.probed(&probe, verdict, &words),
            Message::Hooked(container, id, outcome) => {
                self.hooks.remove(&id);
                self.memory.hook_ended(&container, &id, outcome.is_ok());
                if let Err(words) = outcome {
                    let text = format!("PostStartHook failed: {words}");
                    self.say(Some(&container), true, "FailedPostStartHook", text);
                }
            }
        }
    }

    fn probed(&mut self, wanted: &ProbeWanted, verdict: Verdict, words: &str) {
        let container = self.container(&wanted.container).cloned();
        let probe = container
            .as_ref()
            .and_then(|c| cedge_pod_lifecycle::probe_of(c, wanted.kind));
        let Some(probe) = probe else { return };
        self.memory
            .probed(&wanted.container, &wanted.id, wanted.kind, verdict, probe);
        if verdict == Verdict::Failure && self.probes.contains_key(wanted) {
            let text = format!("{} probe failed: {words}", wanted.kind);
            self.say(Some(&wanted.container), true, "Unhealthy", text);
        }
    }

    async fn report(&mut self, seen: &Seen, plan: &Plan) {
        let now = self.node.now();
        let place = self.node.place.borrow().clone();
        let status = status(&self.pod, seen, &self.memory, plan, (&place, now));
        let terminated = plan.over && self.pod.metadata.deletion_timestamp.is_some();
        self.memory.reported(status.clone());
        let reported = (status, terminated);
        if self.gone.is_some() || self.reported.as_ref() == Some(&reported) {
            return;
        }
        tracing::info!(
            pod = self.key,
            phase = reported.0.phase,
            terminated,
            "observe: the pod's status has changed"
        );
        self.node
            .statuses
            .put(&self.key, &self.uid, &reported.0, terminated)
            .await;
        self.reported = Some(reported);
    }

    /// Nothing runs, and the pod was removed: so is all that we have of it.
    async fn clear(&mut self, version: u64) -> Next {
        if let Err(error) = self.node.runtime.remove_sandbox(&self.uid).await {
            tracing::warn!(
                pod = self.key,
                error = error.explain(),
                "the sandbox is not removed yet"
            );
            return Next::After(Duration::from_secs(5));
        }
        self.node.statuses.forget(&self.key, &self.uid).await;
        if let Err(error) = self.table.done(&self.key, version).await {
            tracing::warn!(pod = self.key, %error, "the removal is not noted yet");
            return Next::After(Duration::from_secs(5));
        }
        if self.node.pods.leave(&self.key) {
            Next::End
        } else {
            Next::Again
        }
    }

    fn say(&self, container: Option<&str>, warning: bool, reason: &'static str, message: String) {
        self.node
            .events
            .say(&self.pod, container, warning, reason, message);
    }

    fn container(&self, name: &str) -> Option<&Container> {
        let spec = self.pod.spec.as_ref()?;
        let inits = spec.init_containers.iter().flatten();
        inits.chain(&spec.containers).find(|c| c.name == name)
    }

    /// Where pods are reached: at the node.
    fn address(&self) -> String {
        let place = self.node.place.borrow();
        place
            .addresses
            .first()
            .cloned()
            .unwrap_or_else(|| "127.0.0.1".into())
    }
}

/// Events have a fixed vocabulary; a resource that nobody thought of falls back to the general word.
fn reason_word(reason: &str) -> &'static str {
    match reason {
        "OutOfcpu" => "OutOfcpu",
        "OutOfmemory" => "OutOfmemory",
        "OutOfpods" => "OutOfpods",
        "OutOfephemeral-storage" => "OutOfephemeral-storage",
        _ => "UnexpectedAdmissionError",
    }
}
