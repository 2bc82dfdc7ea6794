//! One entry for each container.

use k8s_openapi::api::core::v1::{
    Container, ContainerState, ContainerStateRunning, ContainerStateTerminated,
    ContainerStateWaiting, ContainerStatus, ContainerUser, LinuxContainerUser, Pod, PodStatus,
    VolumeMountStatus,
};

use super::{running_and_started, time};
use crate::memory::{Hook, Memory};
use crate::{Exit, ProbeKind, Seen, SeenContainer, State, Verdict, is_sidecar, should_restart};

pub(super) fn fill(status: &mut PodStatus, pod: &Pod, seen: &Seen, memory: &Memory, over: bool) {
    let Some(spec) = &pod.spec else { return };
    let inits = spec.init_containers.as_deref().unwrap_or_default();
    let writer = Writer {
        pod,
        seen,
        memory,
        over,
        first_wait: if inits.is_empty() {
            "ContainerCreating"
        } else {
            "PodInitializing"
        },
    };
    if !inits.is_empty() {
        let all = inits.iter().map(|c| writer.init(c)).collect();
        status.init_container_statuses = Some(all);
    }
    let mut all: Vec<_> = spec.containers.iter().map(|c| writer.regular(c)).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    status.container_statuses = Some(all);
}

/// A pod that is over serves nobody.
pub(super) fn unready(status: &mut PodStatus) {
    for container in status.container_statuses.iter_mut().flatten() {
        container.ready = false;
        container.started = Some(false);
    }
}

/// Of a running container: whether its hook and its startup probe are through.
pub(crate) fn has_started(container: &Container, seen: &SeenContainer, memory: &Memory) -> bool {
    let Some(current) = memory.current(&container.name, &seen.id) else {
        return false;
    };
    let probed = current.streak(ProbeKind::Startup).verdict == Some(Verdict::Success);
    current.hook == Hook::Done && (container.startup_probe.is_none() || probed)
}

struct Writer<'a> {
    pod: &'a Pod,
    seen: &'a Seen,
    memory: &'a Memory,
    over: bool,
    first_wait: &'static str,
}

impl Writer<'_> {
    fn regular(&self, container: &Container) -> ContainerStatus {
        let mut status = self.seen_or_waiting(container);
        self.set_started_and_ready(container, &mut status);
        status
    }

    fn init(&self, container: &Container) -> ContainerStatus {
        let mut status = self.seen_or_waiting(container);
        if is_sidecar(container) {
            self.set_started_and_ready(container, &mut status);
            return status;
        }
        let ended = status.state.as_ref().and_then(|s| s.terminated.as_ref());
        status.ready = ended.is_some_and(|t| t.exit_code == 0);
        let running = status.state.as_ref().is_some_and(|s| s.running.is_some());
        status.started = Some(running);
        status
    }

    fn set_started_and_ready(&self, container: &Container, status: &mut ContainerStatus) {
        let latest = self.seen.latest(&container.name);
        let started = latest.is_some_and(|s| running_and_started(container, s, self.memory));
        let verdict = latest
            .and_then(|s| self.memory.current(&container.name, &s.id))
            .and_then(|c| c.streak(ProbeKind::Readiness).verdict);
        let probed = container.readiness_probe.is_none() || verdict == Some(Verdict::Success);
        status.started = Some(started);
        status.ready = started && probed;
    }

    fn seen_or_waiting(&self, container: &Container) -> ContainerStatus {
        let previous = self.previous(&container.name);
        let mut status = match self.seen.latest(&container.name) {
            Some(seen) => self.of_seen(container, seen, previous),
            None => self.of_previous(container, previous),
        };
        status.volume_mounts = volume_mounts(container);
        if let Some(resources) = &container.resources {
            status.allocated_resources.clone_from(&resources.requests);
            status.resources = Some(resources.clone());
        }
        self.wait_if_troubled(container, &mut status);
        status
    }

    fn previous(&self, name: &str) -> Option<&ContainerStatus> {
        let known = self.memory.previous.as_ref().or(self.pod.status.as_ref())?;
        let init = known.init_container_statuses.iter().flatten();
        init.chain(known.container_statuses.iter().flatten())
            .find(|s| s.name == name)
    }

    fn of_seen(
        &self,
        container: &Container,
        seen: &SeenContainer,
        previous: Option<&ContainerStatus>,
    ) -> ContainerStatus {
        let restarts = i32::try_from(seen.attempt).unwrap_or(i32::MAX);
        let id = self.show_id(&seen.id.0);
        let last_exit = self
            .seen
            .before_latest(&container.name)
            .and_then(|s| Some(self.ended(s.exit()?, &s.id.0)));
        let last_state = last_exit.or_else(|| previous.and_then(|p| earlier_end(p, &id)));
        ContainerStatus {
            name: container.name.clone(),
            image: seen.image.clone(),
            restart_count: restarts.max(previous.map_or(0, |p| p.restart_count)),
            state: Some(self.state(seen)),
            last_state,
            container_id: Some(id),
            user: seen.user.map(user),
            ..ContainerStatus::default()
        }
    }

    /// Nothing is seen of it: it has not been made yet, or the runtime has lost it.
    fn of_previous(
        &self,
        container: &Container,
        previous: Option<&ContainerStatus>,
    ) -> ContainerStatus {
        let mut status = ContainerStatus {
            name: container.name.clone(),
            image: container.image.clone().unwrap_or_default(),
            state: Some(waiting(self.first_wait, None)),
            ..ContainerStatus::default()
        };
        let state = previous.and_then(|p| p.state.as_ref());
        if let Some(previous) = previous.filter(|_| state.is_some_and(|s| s.terminated.is_some())) {
            return previous.clone();
        }
        if let Some(previous) = previous {
            status.restart_count = previous.restart_count;
            status.last_state.clone_from(&previous.last_state);
        }
        if state.is_some_and(|s| s.running.is_some()) {
            status.last_state = Some(lost());
            status.restart_count += i32::from(self.pod.metadata.deletion_timestamp.is_none());
        }
        if self.over && state.is_some_and(|s| s.running.is_some()) {
            status.state = Some(lost());
        }
        status
    }

    /// A container that is to run again, and cannot yet, waits; how it ended is then its last state.
    fn wait_if_troubled(&self, container: &Container, status: &mut ContainerStatus) {
        let code = match self.seen.latest(&container.name).map(|s| &s.state) {
            Some(State::Running { .. }) => return,
            Some(State::Exited(exit)) => Some(exit.code),
            Some(State::Created) | None => None,
        };
        let again = match (code, &self.pod.spec) {
            _ if self.over || self.pod.metadata.deletion_timestamp.is_some() => false,
            (Some(code), Some(spec)) => should_restart(container, spec, code),
            _ => true,
        };
        let trouble = self.memory.trouble(&container.name);
        let (true, Some(trouble)) = (again, trouble) else {
            return;
        };
        let state = status.state.take();
        if state.as_ref().is_some_and(|s| s.terminated.is_some()) {
            status.last_state = state;
        }
        status.state = Some(waiting(&trouble.reason, Some(&trouble.message)));
    }

    fn state(&self, seen: &SeenContainer) -> ContainerState {
        match &seen.state {
            State::Created => waiting(self.first_wait, None),
            State::Running { started } => ContainerState {
                running: Some(ContainerStateRunning {
                    started_at: Some(time(*started)),
                }),
                ..ContainerState::default()
            },
            State::Exited(exit) => self.ended(exit, &seen.id.0),
        }
    }

    fn ended(&self, exit: &Exit, id: &str) -> ContainerState {
        let reason = exit
            .reason
            .clone()
            .unwrap_or_else(|| if exit.code == 0 { "Completed" } else { "Error" }.to_owned());
        ContainerState {
            terminated: Some(ContainerStateTerminated {
                container_id: Some(self.show_id(id)),
                exit_code: exit.code,
                finished_at: Some(time(exit.finished)),
                message: exit.message.clone(),
                reason: Some(reason),
                // The kubelet, whose runtimes see only the exit code, leaves the signal out.
                signal: None,
                started_at: Some(time(exit.started)),
            }),
            ..ContainerState::default()
        }
    }

    fn show_id(&self, id: &str) -> String {
        format!("{}://{id}", self.seen.runtime)
    }
}

/// What the last report knew of the attempt before, when the runtime has forgotten it.
fn earlier_end(previous: &ContainerStatus, id: &str) -> Option<ContainerState> {
    let ended = |state: &Option<ContainerState>| state.clone().filter(|s| s.terminated.is_some());
    if previous.container_id.as_deref() == Some(id) {
        return ended(&previous.last_state);
    }
    ended(&previous.state).or_else(|| ended(&previous.last_state))
}

fn waiting(reason: &str, message: Option<&str>) -> ContainerState {
    ContainerState {
        waiting: Some(ContainerStateWaiting {
            reason: Some(reason.to_owned()),
            message: message.map(ToOwned::to_owned),
        }),
        ..ContainerState::default()
    }
}

/// The end of a container that was running and of which nothing is left.
fn lost() -> ContainerState {
    ContainerState {
        terminated: Some(ContainerStateTerminated {
            exit_code: 137,
            reason: Some("ContainerStatusUnknown".into()),
            message: Some("the container was running and nothing of it was found".into()),
            ..ContainerStateTerminated::default()
        }),
        ..ContainerState::default()
    }
}

fn user(uid: u32) -> ContainerUser {
    ContainerUser {
        linux: Some(LinuxContainerUser {
            uid: i64::from(uid),
            gid: i64::from(uid),
            supplemental_groups: Some(vec![i64::from(uid)]),
        }),
    }
}

fn volume_mounts(container: &Container) -> Option<Vec<VolumeMountStatus>> {
    let mounts = container.volume_mounts.as_ref()?;
    let shown = mounts.iter().map(|mount| VolumeMountStatus {
        name: mount.name.clone(),
        mount_path: mount.mount_path.clone(),
        read_only: mount.read_only,
        recursive_read_only: (mount.read_only == Some(true)).then(|| "Disabled".to_owned()),
        ..VolumeMountStatus::default()
    });
    Some(shown.collect())
}
