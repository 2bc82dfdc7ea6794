//! Station 10 of the walk: the cluster's own line about a Mission.
//! Before: Kubernetes' own *observe*. After: `merge` with the children's reports, then `report`.
//! Durable: `status.self`. Never: looks below this cluster.

use cedge_api::mission::{OwnStatus, State};

use crate::deploy::apply;
use crate::deploy::health::{Health, Reason, Replicas};

/// What deploying came to.
#[derive(Debug, Default)]
pub struct Deployed {
    /// How each deployed object is.
    pub objects: Vec<(String, Health, Replicas)>,
    /// What stood in the way, one for each object that is not as wanted.
    pub problems: Vec<apply::Error>,
    /// A stage whose objects later stages wait for.
    pub waiting: Option<String>,
    /// Objects that are left to apply, or to take away.
    pub pending: usize,
}

/// The line of a cluster that the Mission is placed in. `was_healthy` speaks of the same version.
#[must_use]
pub fn summarise(deployed: &Deployed, was_healthy: bool) -> OwnStatus {
    let current = deployed
        .objects
        .iter()
        .filter(|(_, h, _)| *h == Health::Current)
        .count();
    let total = deployed.objects.len() + deployed.problems.len() + deployed.pending;
    let (state, reason, message) = judge(deployed, was_healthy);
    OwnStatus {
        state,
        reason,
        message,
        summary: Some(format!("{current}/{total}")),
        replicas: deployed.objects.iter().map(|(_, _, r)| r.wanted).sum(),
        ready_replicas: deployed.objects.iter().map(|(_, _, r)| r.ready).sum(),
    }
}

type Verdict = (State, Option<String>, Option<String>);

fn judge(deployed: &Deployed, was_healthy: bool) -> Verdict {
    let lasting = deployed.problems.iter().find(|p| !p.is_passing());
    if let Some(problem) = lasting {
        let state = match problem {
            apply::Error::Drifted { .. } => State::Degraded,
            _ => State::Failed,
        };
        return (
            state,
            Some(problem.reason().to_owned()),
            Some(problem.to_string()),
        );
    }
    if let Some(problem) = deployed.problems.first() {
        return (
            State::Waiting,
            Some(problem.reason().to_owned()),
            Some(problem.to_string()),
        );
    }
    if let Some(stage) = &deployed.waiting {
        return (
            State::Waiting,
            Some("StageNotReady".to_owned()),
            Some(stage.clone()),
        );
    }
    let failed = deployed
        .objects
        .iter()
        .find_map(|(name, health, _)| match health {
            Health::Failed(reason) => Some((name, reason)),
            Health::Current | Health::InProgress(_) => None,
        });
    if let Some((name, reason)) = failed {
        return told(State::Failed, name, reason);
    }
    let unready = deployed
        .objects
        .iter()
        .find_map(|(name, health, _)| match health {
            Health::InProgress(reason) => Some((name, reason)),
            Health::Current | Health::Failed(_) => None,
        });
    if let Some((name, reason)) = unready {
        let state = if was_healthy {
            State::Degraded
        } else {
            State::Progressing
        };
        return told(state, name, reason);
    }
    if deployed.pending > 0 {
        let message = format!("{} objects are being taken away", deployed.pending);
        return (
            State::Progressing,
            Some("Pruning".to_owned()),
            Some(message),
        );
    }
    (State::Healthy, None, None)
}

fn told(state: State, object: &str, reason: &Reason) -> Verdict {
    (
        state,
        Some(reason.reason.clone()),
        Some(format!("{object}: {}", reason.message)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(health: Health) -> (String, Health, Replicas) {
        (
            "Deployment default/web".to_owned(),
            health,
            Replicas {
                wanted: 2,
                ready: 1,
            },
        )
    }

    fn slow() -> Health {
        let reason = Reason {
            reason: "ReplicasNotReady".to_owned(),
            message: "1 of 2 replicas ready".to_owned(),
        };
        Health::InProgress(reason)
    }

    #[test]
    fn what_was_well_and_is_not_is_degraded() {
        let deployed = Deployed {
            objects: vec![object(slow()), object(Health::Current)],
            ..Deployed::default()
        };
        let fresh = summarise(&deployed, false);
        assert_eq!(
            (fresh.state, fresh.summary.as_deref()),
            (State::Progressing, Some("1/2"))
        );
        assert_eq!(
            fresh.message.as_deref(),
            Some("Deployment default/web: 1 of 2 replicas ready")
        );
        assert_eq!(summarise(&deployed, true).state, State::Degraded);
    }

    #[test]
    fn somebody_elses_object_fails_the_mission_and_says_whose_it_is() {
        let owned = apply::Error::OwnedByMission {
            object: "x".to_owned(),
            owner: "other".to_owned(),
        };
        let line = summarise(
            &Deployed {
                problems: vec![owned],
                ..Deployed::default()
            },
            false,
        );
        assert_eq!(
            (line.state, line.reason.as_deref()),
            (State::Failed, Some("OwnedByAnotherMission"))
        );
    }
}
