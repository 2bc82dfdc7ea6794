//! The pod's status, as the kubelet writes it.

mod conditions;
mod containers;
mod phase;
#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, HostIP, Pod, PodIP, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::{Memory, Now, Plan, Seen, SeenContainer, qos_class};

pub(crate) use containers::has_started;

/// Where the node is.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// The node's addresses, the preferred one first. Pods are on the host's network: theirs are the same.
    pub addresses: Vec<String>,
}

/// Writes the status of a pod, after a [`Plan`] was made for it.
#[must_use]
pub fn status(
    pod: &Pod,
    seen: &Seen,
    memory: &Memory,
    plan: &Plan,
    (place, now): (&Place, Now),
) -> PodStatus {
    let mut status = PodStatus {
        observed_generation: pod.metadata.generation,
        qos_class: Some(qos_class(pod).to_owned()),
        start_time: Some(started_at(pod, memory).unwrap_or_else(|| time(now.wall))),
        ..PodStatus::default()
    };
    if memory.rejection.is_none() {
        containers::fill(&mut status, pod, seen, memory, plan.over);
    }
    set_phase(&mut status, pod, seen, memory, (plan, now));
    if is_over(status.phase.as_deref()) {
        containers::unready(&mut status);
    }
    if let Some(first) = place.addresses.first() {
        status.host_ip = Some(first.clone());
        status.pod_ip = Some(first.clone());
        let ips = || place.addresses.iter().cloned();
        status.host_ips = Some(ips().map(|ip| HostIP { ip }).collect());
        status.pod_ips = Some(ips().map(|ip| PodIP { ip }).collect());
    }
    conditions::fill(&mut status, pod, seen, memory, now);
    status
}

/// Whether this pod was declared over, here or by the API: nothing brings it back.
pub(crate) fn is_terminal(pod: &Pod, memory: &Memory) -> bool {
    let api = pod.status.as_ref().and_then(|s| s.phase.as_deref());
    let own = memory.previous.as_ref().and_then(|s| s.phase.as_deref());
    is_over(api) || is_over(own)
}

/// How long the pod may still be active; zero when it is past that.
pub(crate) fn deadline_in(pod: &Pod, memory: &Memory, now: Now) -> Option<Duration> {
    let secs = pod.spec.as_ref()?.active_deadline_seconds?;
    let started = started_at(pod, memory).map_or(now.wall, |t| t.0);
    let ends = started
        .checked_add(jiff::SignedDuration::from_secs(secs))
        .ok()?;
    Some(Duration::try_from(ends.duration_since(now.wall)).unwrap_or(Duration::ZERO))
}

/// A point in time with the precision that Kubernetes keeps: seconds.
pub(crate) fn time(at: Timestamp) -> Time {
    Time(Timestamp::from_second(at.as_second()).unwrap_or(at))
}

fn started_at(pod: &Pod, memory: &Memory) -> Option<Time> {
    let own = memory.previous.as_ref().and_then(|s| s.start_time.clone());
    own.or_else(|| pod.status.as_ref()?.start_time.clone())
}

fn is_over(phase: Option<&str>) -> bool {
    matches!(phase, Some("Failed" | "Succeeded"))
}

fn set_phase(
    status: &mut PodStatus,
    pod: &Pod,
    seen: &Seen,
    memory: &Memory,
    (plan, now): (&Plan, Now),
) {
    let previous = memory.previous.as_ref();
    if let Some(rejection) = &memory.rejection {
        status.phase = Some("Failed".into());
        status.reason = Some(rejection.reason.clone());
        status.message = Some(format!("Pod was rejected: {}", rejection.message));
        return;
    }
    let mut phase = phase::phase(pod, status, seen, plan.over);
    for known in [previous, pod.status.as_ref()].into_iter().flatten() {
        if is_over(known.phase.as_deref()) {
            phase = known.phase.clone().unwrap_or_default();
            status.reason.clone_from(&known.reason);
            status.message.clone_from(&known.message);
            break;
        }
    }
    let deadline = deadline_in(pod, memory, now).is_some_and(|left| left.is_zero());
    if deadline && !is_over(Some(&phase)) && pod.metadata.deletion_timestamp.is_none() {
        phase = "Failed".into();
        status.reason = Some("DeadlineExceeded".into());
        status.message =
            Some("Pod was active on the node longer than the specified deadline".into());
    }
    status.phase = Some(phase);
}

/// Of a running sidecar or container: whether its hook and its startup probe are through.
pub(crate) fn running_and_started(c: &Container, seen: &SeenContainer, memory: &Memory) -> bool {
    seen.is_running() && has_started(c, seen, memory)
}
