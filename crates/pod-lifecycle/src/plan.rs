//! What to do next with a pod.

mod containers;
mod ending;
mod init;
#[cfg(test)]
mod tests;

use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};

use crate::{ContainerId, Memory, Now, Seen};

/// What to do now, and when to ask again even if nothing happens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// To be done, in this order; stops go on beside whatever follows.
    pub actions: Vec<Action>,
    /// What to tell people.
    pub notes: Vec<Note>,
    /// Ask again after this time, if nothing happens before.
    pub wake_after: Option<Duration>,
    /// Nothing of the pod runs, and nothing of it will ever run again.
    pub over: bool,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Make the pod's sandbox, and its volumes.
    CreateSandbox,
    /// Make a container and start it; afterwards call [`Memory::started`], [`Memory::refused`] or
    /// [`Memory::start_failed`].
    Start {
        /// The container's name in the pod.
        container: String,
        /// The number of this attempt.
        attempt: u32,
    },
    /// Run preStop, then stop a container; an earlier stop of the same one is replaced.
    Stop {
        /// The container's name in the pod.
        container: String,
        /// Which attempt.
        id: ContainerId,
        /// For preStop and the process together.
        grace: Duration,
        /// Why.
        reason: StopReason,
    },
}

/// Why a container is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// The pod is being deleted.
    Deleted,
    /// The pod has been active for longer than it may.
    DeadlineExceeded,
    /// The other containers have ended for good, or the pod was declared over.
    PodOver,
    /// Its liveness probe failed.
    Liveness,
    /// Its startup probe failed.
    Startup,
    /// Its postStart hook failed.
    PostStart,
}

/// Something people should be told: becomes an Event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// `Warning`, or `Normal`.
    pub warning: bool,
    /// CamelCase.
    pub reason: &'static str,
    /// For people.
    pub message: String,
    /// The container that it is about.
    pub container: Option<String>,
}

/// A pod in the middle of a decision.
struct Step<'a> {
    pod: &'a Pod,
    spec: &'a PodSpec,
    seen: &'a Seen,
    memory: &'a mut Memory,
    now: Now,
    plan: Plan,
}

/// Decides what to do next.
#[must_use]
pub fn plan(pod: &Pod, seen: &Seen, memory: &mut Memory, now: Now) -> Plan {
    let Some(spec) = &pod.spec else {
        return Plan {
            over: true,
            ..Plan::default()
        };
    };
    memory.observe(pod, seen, now);
    let mut step = Step {
        pod,
        spec,
        seen,
        memory,
        now,
        plan: Plan::default(),
    };
    step.decide();
    step.plan
}

/// How long the containers of a pod get to stop.
#[must_use]
pub fn grace_of(pod: &Pod) -> Duration {
    let asked = pod
        .metadata
        .deletion_grace_period_seconds
        .filter(|_| pod.metadata.deletion_timestamp.is_some());
    let written = pod
        .spec
        .as_ref()
        .and_then(|s| s.termination_grace_period_seconds);
    let secs = asked.or(written).unwrap_or(30);
    Duration::from_secs(u64::try_from(secs).unwrap_or(0))
}

// === impl Step ===

impl Step<'_> {
    fn decide(&mut self) {
        if let Some(reason) = self.reason_to_end() {
            return self.end(reason);
        }
        if !self.seen.sandbox {
            return self.create_sandbox();
        }
        let finished = match self.initialize() {
            init::Progress::Waiting => false,
            init::Progress::Failed => true,
            init::Progress::Done => self.run_containers() == containers::Progress::Finished,
        };
        if finished {
            self.end(StopReason::PodOver);
        } else {
            self.memory.ending_since = None;
        }
    }

    /// After a reboot: not for a pod of which nothing is to run again.
    fn create_sandbox(&mut self) {
        let nothing_left = self.spec.containers.iter().all(|c| {
            let exit = self.seen.latest(&c.name).and_then(|s| s.exit());
            exit.is_some_and(|e| !crate::should_restart(c, self.spec, e.code))
        });
        if nothing_left {
            return self.end(StopReason::PodOver);
        }
        match self.memory.sandbox.as_ref().and_then(|t| t.retry_at) {
            Some(at) if at > self.now.elapsed => self.wake(at - self.now.elapsed),
            _ => self.plan.actions.push(Action::CreateSandbox),
        }
    }

    fn wake(&mut self, after: Duration) {
        let after = after.max(Duration::from_millis(10));
        self.plan.wake_after = Some(self.plan.wake_after.map_or(after, |w| w.min(after)));
    }

    fn note(&mut self, warning: bool, reason: &'static str, container: &str, message: String) {
        self.plan.notes.push(Note {
            warning,
            reason,
            message,
            container: Some(container.to_owned()),
        });
    }

    /// `web_default(uid)`, as the kubelet names a pod in its messages.
    fn pod_name(&self) -> String {
        let meta = &self.pod.metadata;
        format!(
            "{}_{}({})",
            meta.name.as_deref().unwrap_or_default(),
            meta.namespace.as_deref().unwrap_or_default(),
            meta.uid.as_deref().unwrap_or_default()
        )
    }

    fn stop(&mut self, container: &Container, grace: Duration, reason: StopReason) {
        let Some(seen) = self.seen.latest(&container.name).filter(|c| c.is_running()) else {
            return;
        };
        let until = self.now.elapsed + grace;
        let earlier = self.memory.stopping.get(&seen.id);
        if earlier.is_some_and(|held| *held <= until + Duration::from_secs(1)) {
            return;
        }
        if earlier.is_none() {
            let message = stop_message(&container.name, reason, self.spec);
            self.note(false, "Killing", &container.name, message);
        }
        self.memory.stopping.insert(seen.id.clone(), until);
        self.plan.actions.push(Action::Stop {
            container: container.name.clone(),
            id: seen.id.clone(),
            grace,
            reason,
        });
    }
}

fn stop_message(name: &str, reason: StopReason, spec: &PodSpec) -> String {
    let again = if spec.restart_policy.as_deref() == Some("Never") {
        ""
    } else {
        ", will be restarted"
    };
    match reason {
        StopReason::Deleted | StopReason::DeadlineExceeded | StopReason::PodOver => {
            format!("Stopping container {name}")
        }
        StopReason::Liveness => format!("Container {name} failed liveness probe{again}"),
        StopReason::Startup => format!("Container {name} failed startup probe{again}"),
        StopReason::PostStart => format!("Container {name} failed its postStart hook{again}"),
    }
}
