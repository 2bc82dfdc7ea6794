//! What is remembered of a pod between two decisions. Losing it (the agent restarts) costs nothing but
//! back-offs that begin again, as with the kubelet.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, PodStatus, Probe};

use crate::probe::{ProbeKind, Streak, Verdict};
use crate::{Backoff, ContainerId, LONGEST_DELAY, Now, Rejection, Seen};

/// What is wrong on this node itself (a taken port, a missing ConfigMap) is looked at again this often.
const LONGEST_RETRY: Duration = Duration::from_secs(20);

/// See the module. Written by [`crate::plan`] and by the calls below; read by [`crate::status`].
#[derive(Debug, Clone, Default)]
pub struct Memory {
    /// The status that was last reported; survives a restart of the agent.
    pub(crate) previous: Option<PodStatus>,
    pub(crate) rejection: Option<Rejection>,
    pub(crate) containers: BTreeMap<String, Remembered>,
    /// Until when (monotonic) a container has to stop.
    pub(crate) stopping: BTreeMap<ContainerId, Duration>,
    /// Since when the whole pod is being stopped.
    pub(crate) ending_since: Option<Duration>,
    /// Why the pod's sandbox or volumes cannot be made, and when to try again.
    pub(crate) sandbox: Option<Trouble>,
}

/// Why something does not start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// CamelCase, as in `state.waiting.reason`.
    pub reason: String,
    /// For people.
    pub message: String,
    pub(crate) since: Duration,
    pub(crate) retry_at: Option<Duration>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Remembered {
    pub(crate) crashes: Backoff,
    retries: Backoff,
    pub(crate) trouble: Option<Trouble>,
    pub(crate) current: Option<Current>,
}

/// What is known of the newest attempt only.
#[derive(Debug, Clone)]
pub(crate) struct Current {
    pub(crate) id: ContainerId,
    pub(crate) ended: Option<Duration>,
    pub(crate) hook: Hook,
    pub(crate) startup: Streak,
    pub(crate) readiness: Streak,
    pub(crate) liveness: Streak,
}

/// Where the postStart hook of a container stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hook {
    Running,
    Done,
    Failed,
}

// === impl Memory ===

impl Memory {
    /// Goes on from the status that was reported last, if any.
    #[must_use]
    pub fn resume(previous: Option<PodStatus>) -> Self {
        Self {
            previous,
            ..Self::default()
        }
    }

    /// The status that was reported last.
    #[must_use]
    pub fn previous(&self) -> Option<&PodStatus> {
        self.previous.as_ref()
    }

    /// A status has been reported.
    pub fn reported(&mut self, status: PodStatus) {
        self.previous = Some(status);
    }

    /// The node does not take this pod: nothing of it will run.
    pub fn reject(&mut self, rejection: Rejection) {
        self.rejection = Some(rejection);
    }

    /// The sandbox, or a volume, could not be made; tried again after a while.
    pub fn sandbox_failed(&mut self, reason: &str, message: String, now: Now) {
        self.sandbox = Some(Trouble {
            reason: reason.to_owned(),
            message,
            since: now.elapsed,
            retry_at: Some(now.elapsed + Duration::from_secs(10)),
        });
    }

    /// The sandbox and the volumes exist.
    pub fn sandbox_ready(&mut self) {
        self.sandbox = None;
    }

    /// Why the sandbox could not be made.
    #[must_use]
    pub fn sandbox_trouble(&self) -> Option<&Trouble> {
        self.sandbox.as_ref()
    }

    /// Why a container waits.
    #[must_use]
    pub fn trouble(&self, container: &str) -> Option<&Trouble> {
        self.containers.get(container)?.trouble.as_ref()
    }

    /// A container could not be started before it existed: its image, its configuration, its creation. Tried
    /// again with a back-off.
    pub fn refused(&mut self, container: &str, reason: &str, message: String, now: Now) {
        let remembered = self.remembered(container);
        remembered.retries.started(now.elapsed, now.elapsed);
        let longest = if reason == "ErrImagePull" {
            LONGEST_DELAY
        } else {
            LONGEST_RETRY
        };
        let retry_at = now.elapsed + remembered.retries.delay().min(longest);
        remembered.trouble = Some(Trouble {
            reason: reason.to_owned(),
            message,
            since: now.elapsed,
            retry_at: Some(retry_at),
        });
    }

    /// A container was made, but its first process could not be started: the crash back-off rules the next try.
    pub fn start_failed(&mut self, container: &str, message: String, now: Now) {
        self.remembered(container).trouble = Some(Trouble {
            reason: "RunContainerError".to_owned(),
            message,
            since: now.elapsed,
            retry_at: None,
        });
    }

    /// A container's first process runs; its postStart hook, if it has one, is running.
    pub fn started(&mut self, container: &str, id: ContainerId, has_hook: bool) {
        let remembered = self.remembered(container);
        remembered.trouble = None;
        remembered.retries.reset();
        let mut current = Current::new(id);
        if has_hook {
            current.hook = Hook::Running;
        }
        remembered.current = Some(current);
    }

    /// The postStart hook of a container has ended.
    pub fn hook_ended(&mut self, container: &str, id: &ContainerId, success: bool) {
        if let Some(current) = self.current_mut(container, id) {
            current.hook = if success { Hook::Done } else { Hook::Failed };
        }
    }

    /// What the pod refers to has changed: what waits for its configuration tries again at once.
    pub fn configuration_changed(&mut self) {
        let troubles = self
            .containers
            .values_mut()
            .filter_map(|r| r.trouble.as_mut());
        for trouble in troubles.chain(self.sandbox.as_mut()) {
            if matches!(
                trouble.reason.as_str(),
                "CreateContainerConfigError" | "FailedMount"
            ) {
                trouble.retry_at = Some(Duration::ZERO);
            }
        }
    }

    /// Counts one outcome of a probe; says whether the verdict on the container changed.
    pub fn probed(
        &mut self,
        container: &str,
        id: &ContainerId,
        kind: ProbeKind,
        outcome: Verdict,
        probe: &Probe,
    ) -> bool {
        self.current_mut(container, id)
            .is_some_and(|c| c.streak_mut(kind).record(outcome, probe))
    }

    pub(crate) fn remembered(&mut self, container: &str) -> &mut Remembered {
        self.containers.entry(container.to_owned()).or_default()
    }

    pub(crate) fn current(&self, container: &str, id: &ContainerId) -> Option<&Current> {
        let current = self.containers.get(container)?.current.as_ref()?;
        (current.id == *id).then_some(current)
    }

    fn current_mut(&mut self, container: &str, id: &ContainerId) -> Option<&mut Current> {
        let current = self.containers.get_mut(container)?.current.as_mut()?;
        (current.id == *id).then_some(current)
    }

    /// Takes note of attempts that this memory has not known (adopted ones), and of ends.
    pub(crate) fn observe(&mut self, pod: &Pod, seen: &Seen, now: Now) {
        let Some(spec) = &pod.spec else { return };
        for container in spec
            .init_containers
            .iter()
            .flatten()
            .chain(&spec.containers)
        {
            let Some(latest) = seen.latest(&container.name) else {
                continue;
            };
            if self.current(&container.name, &latest.id).is_none() {
                let adopted = Current::adopted(&latest.id, &container.name, self.previous.as_ref());
                self.remembered(&container.name).current = Some(adopted);
            }
            if latest.exit().is_some()
                && let Some(current) = self.current_mut(&container.name, &latest.id)
            {
                current.ended.get_or_insert(now.elapsed);
            }
        }
        self.stopping.retain(|id, _| {
            seen.containers
                .iter()
                .any(|c| c.id == *id && c.is_running())
        });
    }
}

// === impl Current ===

impl Current {
    fn new(id: ContainerId) -> Self {
        Self {
            id,
            ended: None,
            hook: Hook::Done,
            startup: Streak::default(),
            readiness: Streak::default(),
            liveness: Streak::default(),
        }
    }

    /// A container that ran before this agent did keeps the verdicts that were reported of it.
    fn adopted(id: &ContainerId, name: &str, previous: Option<&PodStatus>) -> Self {
        let mut current = Self::new(id.clone());
        let statuses = previous.into_iter().flat_map(|p| {
            let init = p.init_container_statuses.iter().flatten();
            init.chain(p.container_statuses.iter().flatten())
        });
        for status in statuses.filter(|s| s.name == name) {
            let same = status
                .container_id
                .as_deref()
                .and_then(|c| c.split_once("://"));
            if same.is_some_and(|(_, old)| old == id.0) {
                if status.started == Some(true) {
                    current.startup.verdict = Some(Verdict::Success);
                }
                if status.ready {
                    current.readiness.verdict = Some(Verdict::Success);
                }
            }
        }
        current
    }

    pub(crate) fn streak(&self, kind: ProbeKind) -> &Streak {
        match kind {
            ProbeKind::Startup => &self.startup,
            ProbeKind::Readiness => &self.readiness,
            ProbeKind::Liveness => &self.liveness,
        }
    }

    fn streak_mut(&mut self, kind: ProbeKind) -> &mut Streak {
        match kind {
            ProbeKind::Startup => &mut self.startup,
            ProbeKind::Readiness => &mut self.readiness,
            ProbeKind::Liveness => &mut self.liveness,
        }
    }
}
