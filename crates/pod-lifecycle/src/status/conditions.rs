//! The pod's conditions: those that a kubelet owns. All others are passed on untouched.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodCondition, PodStatus};

use super::time;
use crate::{Memory, Now, Seen, is_sidecar};

pub(super) const OWNED: [&str; 5] = [
    "PodReadyToStartContainers",
    "Initialized",
    "Ready",
    "ContainersReady",
    "PodScheduled",
];

/// One condition before it is stamped.
struct Verdict {
    holds: bool,
    reason: Option<&'static str>,
    message: Option<String>,
}

pub(super) fn fill(status: &mut PodStatus, pod: &Pod, seen: &Seen, memory: &Memory, now: Now) {
    let foreign: Vec<PodCondition> = pod
        .status
        .iter()
        .flat_map(|s| s.conditions.iter().flatten())
        .filter(|c| !OWNED.contains(&c.type_.as_str()))
        .cloned()
        .collect();
    let containers_ready = containers_ready(pod, status);
    let verdicts = [
        sandbox(seen, memory),
        initialized(pod, status),
        ready(pod, &foreign, &containers_ready),
        containers_ready,
        Verdict::holds(),
    ];
    let mut conditions = foreign;
    for (type_, verdict) in OWNED.into_iter().zip(verdicts) {
        conditions.push(stamp(type_, verdict, pod, memory, now));
    }
    status.conditions = Some(conditions);
}

fn stamp(type_: &str, verdict: Verdict, pod: &Pod, memory: &Memory, now: Now) -> PodCondition {
    let status = if verdict.holds { "True" } else { "False" };
    let known = [memory.previous.as_ref(), pod.status.as_ref()];
    let before = known
        .into_iter()
        .flatten()
        .find_map(|s| s.conditions.iter().flatten().find(|c| c.type_ == type_));
    let since = before
        .filter(|c| c.status == status)
        .and_then(|c| c.last_transition_time.clone());
    PodCondition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: verdict.reason.map(ToOwned::to_owned),
        message: verdict.message,
        last_transition_time: Some(since.unwrap_or_else(|| time(now.wall))),
        last_probe_time: None,
        observed_generation: pod.metadata.generation,
    }
}

fn sandbox(seen: &Seen, memory: &Memory) -> Verdict {
    if seen.sandbox {
        return Verdict::holds();
    }
    let message = memory.sandbox_trouble().map(|t| t.message.clone());
    Verdict::fails("PodSandboxNotReady", message)
}

fn initialized(pod: &Pod, status: &PodStatus) -> Verdict {
    let Some(spec) = &pod.spec else {
        return Verdict::holds();
    };
    let own = status
        .init_container_statuses
        .as_deref()
        .unwrap_or_default();
    let (mut unknown, mut incomplete) = (Vec::new(), Vec::new());
    for container in spec.init_containers.iter().flatten() {
        match own.iter().find(|s| s.name == container.name) {
            None => unknown.push(container.name.as_str()),
            Some(s) if is_sidecar(container) && s.started == Some(true) => {}
            Some(s) if !is_sidecar(container) && s.ready => {}
            Some(_) => incomplete.push(container.name.as_str()),
        }
    }
    if status.phase.as_deref() == Some("Succeeded") && unknown.is_empty() {
        return Verdict {
            reason: Some("PodCompleted"),
            ..Verdict::holds()
        };
    }
    let has_run = |s: &ContainerStatus| {
        let ended = |s: &Option<_>| {
            let state: &Option<k8s_openapi::api::core::v1::ContainerState> = s;
            state
                .as_ref()
                .is_some_and(|s| s.terminated.is_some() || s.running.is_some())
        };
        ended(&s.state) || ended(&s.last_state)
    };
    if status.container_statuses.iter().flatten().any(has_run) {
        return Verdict::holds();
    }
    match list(&[("unknown", &unknown), ("incomplete", &incomplete)]) {
        Some(message) => Verdict::fails("ContainersNotInitialized", Some(message)),
        None => Verdict::holds(),
    }
}

fn containers_ready(pod: &Pod, status: &PodStatus) -> Verdict {
    let phase = status.phase.as_deref();
    let Some(own) = &status.container_statuses else {
        let reason = if phase == Some("Failed") {
            "PodFailed"
        } else {
            "UnknownContainerStatuses"
        };
        return Verdict::fails(reason, None);
    };
    let (mut unknown, mut unready) = (Vec::new(), Vec::new());
    if let Some(spec) = &pod.spec {
        let sidecars = spec
            .init_containers
            .iter()
            .flatten()
            .filter(|c| is_sidecar(c));
        let init = status.init_container_statuses.iter().flatten();
        let all: Vec<_> = init.chain(own).collect();
        for container in sidecars.chain(&spec.containers) {
            match all.iter().find(|s| s.name == container.name) {
                None => unknown.push(container.name.as_str()),
                Some(s) if s.ready => {}
                Some(_) => unready.push(container.name.as_str()),
            }
        }
    }
    match phase {
        Some("Succeeded") if unknown.is_empty() => return Verdict::fails("PodCompleted", None),
        Some("Failed") => return Verdict::fails("PodFailed", None),
        _ => {}
    }
    match list(&[("unknown", &unknown), ("unready", &unready)]) {
        Some(message) => Verdict::fails("ContainersNotReady", Some(message)),
        None => Verdict::holds(),
    }
}

fn ready(pod: &Pod, foreign: &[PodCondition], containers: &Verdict) -> Verdict {
    if !containers.holds {
        return Verdict::fails(
            containers.reason.unwrap_or_default(),
            containers.message.clone(),
        );
    }
    let gates = pod
        .spec
        .iter()
        .flat_map(|s| s.readiness_gates.iter().flatten());
    let closed: Vec<String> = gates
        .filter_map(|gate| {
            let name = &gate.condition_type;
            match foreign.iter().find(|c| c.type_ == *name) {
                None => Some(format!(
                    "corresponding condition of pod readiness gate \"{name}\" does not exist."
                )),
                Some(c) if c.status == "True" => None,
                Some(c) => Some(format!(
                    "the status of pod readiness gate \"{name}\" is not \"True\", but {}",
                    c.status
                )),
            }
        })
        .collect();
    if closed.is_empty() {
        return Verdict::holds();
    }
    Verdict::fails("ReadinessGatesNotReady", Some(closed.join(", ")))
}

/// `containers with unready status: [a b]`, as Go prints a list.
fn list(groups: &[(&str, &[&str])]) -> Option<String> {
    let parts: Vec<String> = groups
        .iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(word, names)| format!("containers with {word} status: [{}]", names.join(" ")))
        .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

impl Verdict {
    fn holds() -> Self {
        Self {
            holds: true,
            reason: None,
            message: None,
        }
    }

    fn fails(reason: &'static str, message: Option<String>) -> Self {
        Self {
            holds: false,
            reason: Some(reason),
            message,
        }
    }
}
