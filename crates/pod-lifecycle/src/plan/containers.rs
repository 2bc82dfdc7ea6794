//! The pod's own containers: all at once, each on its own.

use std::time::Duration;

use k8s_openapi::api::core::v1::Container;

use super::{Action, Step};
use crate::memory::Trouble;
use crate::{State, should_restart};

/// Whether anything of the pod goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// Something runs, or will.
    Going,
    /// All have ended for good.
    Finished,
}

impl Step<'_> {
    pub(super) fn run_containers(&mut self) -> Progress {
        let mut progress = Progress::Finished;
        let spec = self.spec;
        for container in &spec.containers {
            let seen = self.seen.latest(&container.name).cloned();
            match seen.as_ref().map(|s| &s.state) {
                Some(State::Running { .. }) => {
                    let seen = seen.as_ref().expect("just matched");
                    self.stop_if_unwell(container, seen);
                }
                Some(State::Exited(exit)) if !should_restart(container, spec, exit.code) => {
                    continue;
                }
                None | Some(State::Created | State::Exited(_)) => self.start(container),
            }
            progress = Progress::Going;
        }
        progress
    }

    /// Starts a container, unless it has to wait.
    pub(super) fn start(&mut self, container: &Container) {
        if self.waits(container) {
            return;
        }
        let latest = self.seen.latest(&container.name);
        let reported = self.restarts_reported(&container.name);
        let attempt = match latest {
            Some(seen) => (seen.attempt + 1).max(reported.unwrap_or(0)),
            None => reported.map_or(0, |r| r + 1),
        };
        self.plan.actions.push(Action::Start {
            container: container.name.clone(),
            attempt,
        });
    }

    /// The restart count that was reported of a container that has run, in case the runtime has lost it.
    fn restarts_reported(&self, name: &str) -> Option<u32> {
        let previous = self.memory.previous.as_ref()?;
        let init = previous.init_container_statuses.iter().flatten();
        let status = init
            .chain(previous.container_statuses.iter().flatten())
            .find(|s| s.name == name && s.container_id.is_some())?;
        u32::try_from(status.restart_count).ok()
    }

    fn waits(&mut self, container: &Container) -> bool {
        let now = self.now.elapsed;
        let remembered = self.memory.remembered(&container.name);
        if let Some(trouble) = &mut remembered.trouble
            && let Some(at) = trouble.retry_at.filter(|at| *at > now)
        {
            let after = show_image_backoff(trouble, container, now).unwrap_or(at - now);
            self.wake(after);
            return true;
        }
        let Some(ended) = remembered.current.as_ref().and_then(|c| c.ended) else {
            return false;
        };
        let Some(left) = remembered.crashes.wait(ended, now) else {
            remembered.crashes.started(ended, now);
            return false;
        };
        let delay = show_delay(remembered.crashes.delay());
        self.wake(left);
        self.crash_loop(&container.name, &delay);
        true
    }

    fn crash_loop(&mut self, name: &str, delay: &str) {
        let (pod, since) = (self.pod_name(), self.now.elapsed);
        let message = format!("back-off {delay} restarting failed container={name} pod={pod}");
        let remembered = self.memory.remembered(name);
        if remembered
            .trouble
            .as_ref()
            .is_some_and(|t| t.message == message)
        {
            return;
        }
        remembered.trouble = Some(Trouble {
            reason: "CrashLoopBackOff".into(),
            message,
            since,
            retry_at: None,
        });
        let told = format!("Back-off restarting failed container {name} in pod {pod}");
        self.note(true, "BackOff", name, told);
    }
}

/// A refused image shows as `ErrImagePull` for a second, then as `ImagePullBackOff`.
fn show_image_backoff(trouble: &mut Trouble, c: &Container, now: Duration) -> Option<Duration> {
    let shown = trouble.since + Duration::from_secs(1);
    if trouble.reason != "ErrImagePull" {
        return None;
    }
    if shown > now {
        return Some(shown - now);
    }
    trouble.reason = "ImagePullBackOff".into();
    let image = c.image.as_deref().unwrap_or_default();
    trouble.message = format!(
        "Back-off pulling image \"{image}\": ErrImagePull: {}",
        trouble.message
    );
    None
}

/// `10s`, `1m20s`, `5m0s`, as Go prints a duration.
fn show_delay(delay: Duration) -> String {
    match delay.as_secs() {
        secs if secs < 60 => format!("{secs}s"),
        secs => format!("{}m{}s", secs / 60, secs % 60),
    }
}
