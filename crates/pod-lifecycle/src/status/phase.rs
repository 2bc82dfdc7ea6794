//! One word for the whole pod.

use k8s_openapi::api::core::v1::{Container, ContainerStatus, Pod, PodSpec, PodStatus};

use crate::{Seen, is_sidecar, should_restart};

/// How many containers are where.
#[derive(Default)]
struct Count {
    unknown: usize,
    running: usize,
    waiting: usize,
    stopped: usize,
    succeeded: usize,
    final_stops: usize,
}

/// `Pending`, `Running`, `Succeeded` or `Failed`. `over`: nothing of it will run again.
pub(super) fn phase(pod: &Pod, status: &PodStatus, seen: &Seen, over: bool) -> String {
    let Some(spec) = &pod.spec else {
        return "Failed".into();
    };
    let initialized = spec
        .containers
        .iter()
        .any(|c| seen.current(&c.name).is_some());
    let mut count = Count::default();
    let mut uninitialized = 0;
    for container in spec.init_containers.iter().flatten() {
        let own = find(status.init_container_statuses.as_deref(), &container.name);
        if is_sidecar(container) {
            uninitialized += usize::from(count_sidecar(&mut count, own) && !initialized);
            continue;
        }
        match own.and_then(last_code) {
            Some(0) => {}
            Some(code) if !should_restart(container, spec, code) => return "Failed".into(),
            Some(_) => uninitialized += usize::from(own.is_some_and(is_waiting_or_running)),
            None => uninitialized += 1,
        }
    }
    for container in &spec.containers {
        let own = find(status.container_statuses.as_deref(), &container.name);
        count_container(&mut count, container, spec, own);
    }
    let word = sum(&count, uninitialized, over, spec);
    if over && !matches!(word, "Succeeded" | "Failed") {
        // It was stopped before all of it had come to an end by itself.
        return "Failed".into();
    }
    word.into()
}

fn sum(count: &Count, uninitialized: usize, over: bool, spec: &PodSpec) -> &'static str {
    if uninitialized > 0 || count.waiting > 0 {
        return "Pending";
    }
    if count.unknown > 0 {
        return "Pending";
    }
    if count.running > 0 {
        return "Running";
    }
    if count.stopped == 0 {
        return "Pending";
    }
    let restarts = count.stopped > count.final_stops;
    match (restarts && !over, count.stopped == count.succeeded) {
        (true, _) => "Running",
        (false, true) if count.stopped == spec.containers.len() => "Succeeded",
        (false, _) => "Failed",
    }
}

/// Whether a sidecar still holds the pod's start back.
fn count_sidecar(count: &mut Count, own: Option<&ContainerStatus>) -> bool {
    let Some(state) = own.and_then(|o| o.state.as_ref()) else {
        count.unknown += 1;
        return true;
    };
    if state.running.is_some() {
        count.running += 1;
        return own.is_some_and(|o| o.started != Some(true));
    }
    let first_start = state.waiting.is_some() && own.and_then(last_code).is_none();
    count.waiting += usize::from(first_start);
    first_start
}

fn count_container(
    count: &mut Count,
    c: &Container,
    spec: &PodSpec,
    own: Option<&ContainerStatus>,
) {
    let Some(state) = own.and_then(|o| o.state.as_ref()) else {
        count.unknown += 1;
        return;
    };
    if state.running.is_some() {
        count.running += 1;
        return;
    }
    let Some(code) = own.and_then(last_code) else {
        count.waiting += 1;
        return;
    };
    count.stopped += 1;
    count.final_stops += usize::from(!should_restart(c, spec, code));
    count.succeeded += usize::from(state.terminated.is_some() && code == 0);
}

fn find<'a>(statuses: Option<&'a [ContainerStatus]>, name: &str) -> Option<&'a ContainerStatus> {
    statuses?.iter().find(|s| s.name == name)
}

fn is_waiting_or_running(status: &ContainerStatus) -> bool {
    status
        .state
        .as_ref()
        .is_some_and(|s| s.terminated.is_none())
}

/// The exit code of a container that has ended, also while it waits for its next start.
fn last_code(status: &ContainerStatus) -> Option<i32> {
    let state = status.state.as_ref()?;
    if let Some(ended) = &state.terminated {
        return Some(ended.exit_code);
    }
    state.waiting.as_ref()?;
    Some(status.last_state.as_ref()?.terminated.as_ref()?.exit_code)
}
