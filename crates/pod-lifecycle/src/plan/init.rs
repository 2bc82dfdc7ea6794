//! Init containers, one after the other; sidecars among them keep running.

use k8s_openapi::api::core::v1::Container;

use super::{Step, StopReason};
use crate::memory::Hook;
use crate::{SeenContainer, State, Verdict, is_sidecar, should_restart};

/// How far the init containers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// One has to finish first.
    Waiting,
    /// One has failed and is not tried again.
    Failed,
    /// The pod's own containers may run.
    Done,
}

/// What one init container means for those after it.
enum Pass {
    Next,
    Wait,
    Fail,
}

impl Step<'_> {
    pub(super) fn initialize(&mut self) -> Progress {
        let spec = self.spec;
        let regular = || spec.containers.iter();
        let initialized = regular().any(|c| self.seen.current(&c.name).is_some());
        let inits = spec.init_containers.as_deref().unwrap_or_default();
        for (i, container) in inits.iter().enumerate() {
            if initialized && !is_sidecar(container) {
                continue;
            }
            let passed = initialized
                || inits[i + 1..]
                    .iter()
                    .any(|c| self.seen.current(&c.name).is_some());
            match self.consider_init(container) {
                Pass::Fail => return Progress::Failed,
                Pass::Wait if !passed => return Progress::Waiting,
                Pass::Wait | Pass::Next => {}
            }
        }
        Progress::Done
    }

    fn consider_init(&mut self, container: &Container) -> Pass {
        let Some(seen) = self.seen.current(&container.name).cloned() else {
            self.start(container);
            return Pass::Wait;
        };
        match &seen.state {
            State::Created => self.start(container),
            State::Running { .. } if is_sidecar(container) => {
                if !self.stop_if_unwell(container, &seen) && self.has_started(container, &seen) {
                    return Pass::Next;
                }
            }
            State::Running { .. } => {}
            State::Exited(exit) if !is_sidecar(container) && exit.code == 0 => return Pass::Next,
            State::Exited(exit) => {
                if !should_restart(container, self.spec, exit.code) {
                    return Pass::Fail;
                }
                self.start(container);
            }
        }
        Pass::Wait
    }

    /// Stops a running container that its probes or its hook have condemned.
    pub(super) fn stop_if_unwell(&mut self, container: &Container, seen: &SeenContainer) -> bool {
        let Some(current) = self.memory.current(&container.name, &seen.id) else {
            return false;
        };
        let (reason, probe) = if current.hook == Hook::Failed {
            (StopReason::PostStart, None)
        } else if current.liveness.verdict == Some(Verdict::Failure) {
            (StopReason::Liveness, container.liveness_probe.as_ref())
        } else if current.startup.verdict == Some(Verdict::Failure) {
            (StopReason::Startup, container.startup_probe.as_ref())
        } else {
            return false;
        };
        let own = probe.and_then(|p| p.termination_grace_period_seconds);
        let grace = own
            .and_then(|s| u64::try_from(s).ok())
            .map_or_else(|| super::grace_of(self.pod), std::time::Duration::from_secs);
        self.stop(container, grace, reason);
        true
    }

    fn has_started(&self, container: &Container, seen: &SeenContainer) -> bool {
        crate::status::has_started(container, seen, self.memory)
    }
}
