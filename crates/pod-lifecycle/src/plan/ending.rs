//! The pod as a whole has to stop, or is over.

use std::time::Duration;

use super::{Step, StopReason};
use crate::{is_sidecar, status};

/// Nothing is killed sooner than this.
const SHORTEST_GRACE: Duration = Duration::from_secs(2);

impl Step<'_> {
    /// Why nothing of the pod shall run any more.
    pub(super) fn reason_to_end(&mut self) -> Option<StopReason> {
        if self.pod.metadata.deletion_timestamp.is_some() {
            return Some(StopReason::Deleted);
        }
        if self.memory.rejection.is_some() || status::is_terminal(self.pod, self.memory) {
            return Some(StopReason::PodOver);
        }
        let left = status::deadline_in(self.pod, self.memory, self.now)?;
        if left.is_zero() {
            return Some(StopReason::DeadlineExceeded);
        }
        self.wake(left);
        None
    }

    /// Stops what runs: all containers at once, then sidecars, the last one first, in the time that is left.
    pub(super) fn end(&mut self, reason: StopReason) {
        let since = *self.memory.ending_since.get_or_insert(self.now.elapsed);
        let whole = super::grace_of(self.pod);
        let left = whole.saturating_sub(self.now.elapsed.saturating_sub(since));
        let grace = left.max(SHORTEST_GRACE);
        self.plan.actions.clear();
        let spec = self.spec;
        let inits = || spec.init_containers.iter().flatten();
        let mut alive = 0;
        for container in spec
            .containers
            .iter()
            .chain(inits().filter(|c| !is_sidecar(c)))
        {
            if self.is_running(&container.name) {
                alive += 1;
                self.stop(container, grace, reason);
            }
        }
        let sidecars: Vec<_> = inits().filter(|c| is_sidecar(c)).collect();
        for sidecar in sidecars.into_iter().rev() {
            if !self.is_running(&sidecar.name) {
                continue;
            }
            if alive == 0 || left.is_zero() {
                self.stop(sidecar, grace, reason);
            }
            alive += 1;
        }
        if alive > 0 && !left.is_zero() {
            self.wake(left);
        }
        self.plan.over = !self.seen.any_running();
    }

    fn is_running(&self, name: &str) -> bool {
        self.seen.latest(name).is_some_and(|c| c.is_running())
    }
}
