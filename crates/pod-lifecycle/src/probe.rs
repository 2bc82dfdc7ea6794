//! Probes: which ones are due, and what a row of outcomes means.

use std::fmt;

use k8s_openapi::api::core::v1::{Container, Pod, Probe};

use crate::memory::{Hook, Memory};
use crate::{ContainerId, Seen, is_sidecar};

/// What a probe is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProbeKind {
    /// Has it come up? Until then the others wait.
    Startup,
    /// May it be sent requests?
    Readiness,
    /// Must it be restarted?
    Liveness,
}

/// The outcome of one probe, and what several of them amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As wished.
    Success,
    /// Not.
    Failure,
}

/// A probe that should be going on now.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProbeWanted {
    /// The container's name in the pod.
    pub container: String,
    /// The attempt that is probed.
    pub id: ContainerId,
    /// Which of its probes.
    pub kind: ProbeKind,
}

/// Outcomes in a row, and the verdict that the thresholds have let through.
#[derive(Debug, Clone, Default)]
pub(crate) struct Streak {
    last: Option<Verdict>,
    run: i32,
    pub(crate) verdict: Option<Verdict>,
}

/// The probe of a container that serves `kind`.
#[must_use]
pub fn probe_of(container: &Container, kind: ProbeKind) -> Option<&Probe> {
    match kind {
        ProbeKind::Startup => container.startup_probe.as_ref(),
        ProbeKind::Readiness => container.readiness_probe.as_ref(),
        ProbeKind::Liveness => container.liveness_probe.as_ref(),
    }
}

/// The probes that should be going on now: of running containers, startup first, then the other two. A pod
/// that is being deleted is only asked whether it is ready.
#[must_use]
pub fn probes_wanted(pod: &Pod, seen: &Seen, memory: &Memory) -> Vec<ProbeWanted> {
    let Some(spec) = &pod.spec else {
        return Vec::new();
    };
    let sidecars = spec
        .init_containers
        .iter()
        .flatten()
        .filter(|c| is_sidecar(c));
    let deleted = pod.metadata.deletion_timestamp.is_some();
    let mut wanted = Vec::new();
    for container in sidecars.chain(&spec.containers) {
        let running = seen.latest(&container.name).filter(|c| c.is_running());
        let Some(id) = running.map(|c| &c.id) else {
            continue;
        };
        for kind in kinds_wanted(container, id, memory) {
            if kind == ProbeKind::Readiness || !deleted {
                wanted.push(ProbeWanted {
                    container: container.name.clone(),
                    id: id.clone(),
                    kind,
                });
            }
        }
    }
    wanted
}

fn kinds_wanted(container: &Container, id: &ContainerId, memory: &Memory) -> Vec<ProbeKind> {
    let Some(current) = memory.current(&container.name, id) else {
        return Vec::new();
    };
    if current.hook != Hook::Done {
        return Vec::new();
    }
    let kinds: &[ProbeKind] = match current.startup.verdict {
        Some(Verdict::Failure) => &[],
        None if container.startup_probe.is_some() => &[ProbeKind::Startup],
        None | Some(Verdict::Success) => &[ProbeKind::Readiness, ProbeKind::Liveness],
    };
    let undecided = |kind: &ProbeKind| {
        *kind == ProbeKind::Readiness || current.streak(*kind).verdict != Some(Verdict::Failure)
    };
    kinds
        .iter()
        .copied()
        .filter(|kind| probe_of(container, *kind).is_some() && undecided(kind))
        .collect()
}

// === impl Streak ===

impl Streak {
    /// Counts an outcome; says whether the verdict changed.
    pub(crate) fn record(&mut self, outcome: Verdict, probe: &Probe) -> bool {
        self.run = if self.last == Some(outcome) {
            self.run.saturating_add(1)
        } else {
            1
        };
        self.last = Some(outcome);
        let threshold = match outcome {
            Verdict::Success => probe.success_threshold.unwrap_or(1),
            Verdict::Failure => probe.failure_threshold.unwrap_or(3),
        };
        if self.run < threshold || self.verdict == Some(outcome) {
            return false;
        }
        self.verdict = Some(outcome);
        true
    }
}

impl fmt::Display for ProbeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Startup => "Startup",
            Self::Readiness => "Readiness",
            Self::Liveness => "Liveness",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, pod, seen};

    #[test]
    fn thresholds_hold_a_verdict_back() {
        let probe = Probe {
            failure_threshold: Some(3),
            success_threshold: Some(2),
            ..Probe::default()
        };
        let mut streak = Streak::default();
        let changes: Vec<bool> = "FFSFFFSFSSF"
            .chars()
            .map(|c| {
                let outcome = if c == 'F' {
                    Verdict::Failure
                } else {
                    Verdict::Success
                };
                streak.record(outcome, &probe)
            })
            .collect();
        let changed: Vec<usize> = changes
            .iter()
            .enumerate()
            .filter(|c| *c.1)
            .map(|c| c.0)
            .collect();
        assert_eq!(changed, [5, 9]);
        assert_eq!(streak.verdict, Some(Verdict::Success));
    }

    #[test]
    fn startup_comes_before_readiness_and_liveness() {
        let pod = pod(
            r#"{"containers":[{"name":"a","startupProbe":{},"readinessProbe":{},"livenessProbe":{}}]}"#,
        );
        let sight = seen(&["a#0 running@1"]);
        let mut memory = Memory::default();
        memory.observe(&pod, &sight, at(1));
        let kinds = |memory: &Memory| -> Vec<ProbeKind> {
            probes_wanted(&pod, &sight, memory)
                .into_iter()
                .map(|w| w.kind)
                .collect()
        };
        assert_eq!(kinds(&memory), [ProbeKind::Startup]);
        let id = ContainerId("a#0".into());
        memory.probed(
            "a",
            &id,
            ProbeKind::Startup,
            Verdict::Success,
            &Probe::default(),
        );
        assert_eq!(kinds(&memory), [ProbeKind::Readiness, ProbeKind::Liveness]);
    }
}
