//! What a Deployment's status says.

use std::time::Duration;

use cedge_informer::Next;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::{DeploymentCondition, DeploymentStatus, ReplicaSetCondition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{Set, View};
use crate::conditions;

const PROGRESSING: &str = "Progressing";
const AVAILABLE: &str = "Available";
const FAILURE: &str = "ReplicaFailure";
const DONE: &str = "NewReplicaSetAvailable";
const LATE: &str = "ProgressDeadlineExceeded";
const PAUSED: &str = "DeploymentPaused";

impl View {
    /// The new status.
    pub(in crate::deployment) fn status(&mut self) -> DeploymentStatus {
        let mut status = self.counted();
        self.note_availability(&status);
        if !self.deployment_is_deleting() && !self.is_paused() && !self.is_scaled() {
            self.note_progress(&status);
            self.note_failure();
        }
        status.conditions = self.conditions.clone();
        status
    }

    fn counted(&self) -> DeploymentStatus {
        let sum = |f: &dyn Fn(&Set) -> i32| self.sets.iter().map(f).sum::<i32>();
        let available = sum(&Set::available);
        let some = |count: i32| (count != 0).then_some(count);
        let terminating = |s: &Set| {
            let status = s.set.status.as_ref();
            status.and_then(|s| s.terminating_replicas)
        };
        let known: Option<Vec<i32>> = self.sets.iter().map(terminating).collect();
        DeploymentStatus {
            observed_generation: self.deployment.metadata.generation,
            replicas: some(sum(&Set::status_replicas)),
            updated_replicas: some(self.new_set().map_or(0, Set::status_replicas)),
            ready_replicas: some(sum(&Set::ready)),
            available_replicas: some(available),
            unavailable_replicas: some((sum(&Set::replicas) - available).max(0)),
            terminating_replicas: known.map(|counts| counts.iter().sum()),
            collision_count: some(self.collisions),
            conditions: None,
        }
    }

    fn note_availability(&mut self, status: &DeploymentStatus) {
        let (_, unavailable) = self.fences();
        let enough = status.available_replicas.unwrap_or(0) >= self.replicas() - unavailable;
        if enough {
            let text = "Deployment has minimum availability.";
            self.set(AVAILABLE, "True", "MinimumReplicasAvailable", text);
        } else {
            let text = "Deployment does not have minimum availability.";
            self.set(AVAILABLE, "False", "MinimumReplicasUnavailable", text);
        }
    }

    fn note_progress(&mut self, status: &DeploymentStatus) {
        if self.deadline().is_none() {
            conditions::remove(&mut self.conditions, PROGRESSING);
            return;
        }
        let reason = self.progress_reason();
        let (replicas, updated) = (status.replicas, status.updated_replicas);
        if replicas == updated && reason.as_deref() == Some(DONE) {
            return;
        }
        let what = match self.new_set() {
            Some(set) => format!("ReplicaSet \"{}\"", set.object.name()),
            None => format!("Deployment \"{}\"", self.name()),
        };
        if self.is_complete(status) {
            let text = format!("{what} has successfully progressed.");
            self.set(PROGRESSING, "True", DONE, &text);
        } else if self.has_progressed(status) {
            let text = format!("{what} is progressing.");
            self.touch(PROGRESSING, "True", "ReplicaSetUpdated", &text);
        } else if self.is_late() {
            let text = format!("{what} has timed out progressing.");
            self.set(PROGRESSING, "False", LATE, &text);
        }
    }

    /// A ReplicaSet that cannot make pods is told here as well; the current one counts first.
    fn note_failure(&mut self) {
        let failure = |s: &Set| -> Option<ReplicaSetCondition> {
            let conditions = s.set.status.as_ref()?.conditions.as_ref();
            conditions::find(conditions, FAILURE).cloned()
        };
        let found = self
            .new_set()
            .and_then(failure)
            .or_else(|| self.sets.iter().find_map(failure));
        match found {
            None => conditions::remove(&mut self.conditions, FAILURE),
            Some(c) => self.set(
                FAILURE,
                &c.status.unwrap_or_default(),
                &c.reason.unwrap_or_default(),
                &c.message.unwrap_or_default(),
            ),
        }
    }

    /// A pause stops the clock of the progress deadline, resuming starts it anew.
    pub(super) fn note_pause(&mut self) {
        let reason = self.progress_reason();
        if self.deadline().is_none() || reason.as_deref() == Some(LATE) {
            return;
        }
        match (self.is_paused(), reason.as_deref() == Some(PAUSED)) {
            (true, false) => self.set(PROGRESSING, "Unknown", PAUSED, "Deployment is paused"),
            (false, true) => self.set(
                PROGRESSING,
                "Unknown",
                "DeploymentResumed",
                "Deployment is resumed",
            ),
            (true, true) | (false, false) => {}
        }
    }

    pub(in crate::deployment) fn say_created(&mut self, name: &str) {
        if self.deadline().is_some() {
            let text = format!("Created new replica set \"{name}\"");
            self.set(PROGRESSING, "True", "NewReplicaSetCreated", &text);
        }
    }

    pub(in crate::deployment) fn say_found(&mut self) {
        if self.deadline().is_some()
            && self.progress_reason().is_none()
            && let Some(set) = self.new_set()
        {
            let text = format!("Found new replica set \"{}\"", set.object.name());
            self.set(PROGRESSING, "True", "FoundNewReplicaSet", &text);
        }
    }

    pub(in crate::deployment) fn say_not_created(&mut self, text: &str) {
        if self.deadline().is_some() {
            self.set(PROGRESSING, "False", "ReplicaSetCreateError", text);
        }
    }

    /// When to look again: just after the progress deadline, if something moves.
    pub(in crate::deployment) fn next(&self, status: &DeploymentStatus) -> Next {
        let current = conditions::find(status.conditions.as_ref(), PROGRESSING);
        let (Some(deadline), Some(current)) = (self.deadline(), current) else {
            return Next::OnChange;
        };
        let reason = current.reason.as_deref();
        if self.is_complete(status) || reason == Some(LATE) || reason == Some(PAUSED) {
            return Next::OnChange;
        }
        let since = current.last_update_time.as_ref().map_or(self.now, |t| t.0);
        let left = deadline - self.now.duration_since(since) + SignedDuration::from_secs(1);
        Next::After(Duration::try_from(left).unwrap_or(Duration::from_secs(1)))
    }

    pub(super) fn is_complete(&self, status: &DeploymentStatus) -> bool {
        let wanted = self.replicas();
        status.updated_replicas.unwrap_or(0) == wanted
            && status.replicas.unwrap_or(0) == wanted
            && status.available_replicas.unwrap_or(0) == wanted
            && status.observed_generation >= self.deployment.metadata.generation
    }

    fn has_progressed(&self, new: &DeploymentStatus) -> bool {
        let old = self.deployment.status.clone().unwrap_or_default();
        let outdated =
            |s: &DeploymentStatus| s.replicas.unwrap_or(0) - s.updated_replicas.unwrap_or(0);
        new.updated_replicas > old.updated_replicas
            || new.ready_replicas > old.ready_replicas
            || new.available_replicas > old.available_replicas
            || outdated(new) < outdated(&old)
    }

    fn is_late(&self) -> bool {
        let current = conditions::find(self.conditions.as_ref(), PROGRESSING);
        let (Some(deadline), Some(current)) = (self.deadline(), current) else {
            return false;
        };
        match current.reason.as_deref() {
            Some(DONE) => false,
            Some(LATE) => true,
            _ => current
                .last_update_time
                .as_ref()
                .is_some_and(|t| self.now.duration_since(t.0) >= deadline),
        }
    }

    /// `None` if the Deployment has none: absent, or the greatest number there is.
    fn deadline(&self) -> Option<SignedDuration> {
        let seconds = self.deployment.spec.progress_deadline_seconds?;
        (seconds != i32::MAX).then(|| SignedDuration::from_secs(i64::from(seconds)))
    }

    fn progress_reason(&self) -> Option<String> {
        let current = conditions::find(self.conditions.as_ref(), PROGRESSING)?;
        Some(current.reason.clone().unwrap_or_default())
    }

    fn name(&self) -> &str {
        self.deployment.metadata.name.as_deref().unwrap_or("")
    }

    fn deployment_is_deleting(&self) -> bool {
        self.deployment.metadata.deletion_timestamp.is_some()
    }

    fn set(&mut self, kind: &str, status: &str, reason: &str, message: &str) {
        let condition = self.condition(kind, status, reason, message);
        conditions::set(&mut self.conditions, condition);
    }

    /// As `set`, and renews the time of the last update.
    fn touch(&mut self, kind: &str, status: &str, reason: &str, message: &str) {
        let condition = self.condition(kind, status, reason, message);
        conditions::remove(&mut self.conditions, kind);
        conditions::set(&mut self.conditions, condition);
    }

    fn condition(
        &self,
        kind: &str,
        status: &str,
        reason: &str,
        message: &str,
    ) -> DeploymentCondition {
        let now: Timestamp = self.now;
        let before = conditions::find(self.conditions.as_ref(), kind);
        let since = before
            .filter(|c| c.status.as_deref() == Some(status))
            .and_then(|c| c.last_transition_time.clone())
            .unwrap_or(Time(now));
        DeploymentCondition {
            type_: Some(kind.to_owned()),
            status: Some(status.to_owned()),
            reason: Some(reason.to_owned()),
            message: Some(message.to_owned()),
            last_update_time: Some(Time(now)),
            last_transition_time: Some(since),
        }
    }
}
