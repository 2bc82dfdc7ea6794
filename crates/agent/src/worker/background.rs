//! What goes on beside a worker: waiting for ends, stopping, hooks, probes. It ends with the worker.

use std::sync::Arc;
use std::time::Duration;

use cedge_pod_lifecycle::{ContainerId, ProbeWanted, Seen, State, probe_of, probes_wanted};
use k8s_openapi::api::core::v1::{Container, LifecycleHandler, Probe};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{Message, Worker};
use crate::{hooks, probe};

/// A task that is ended when nobody holds it any more.
#[derive(Debug)]
pub(super) struct Background(JoinHandle<()>);

impl Background {
    fn spawn(name: &'static str, work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(cedge_tasks::spawn(name, work))
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Worker {
    /// Waits for the end of what runs, and asks it how it is.
    pub(super) fn follow_containers(&mut self, seen: &Seen) {
        let running = |id: &ContainerId| {
            seen.containers
                .iter()
                .any(|c| c.id == *id && c.is_running())
        };
        self.waits.retain(|id, _| running(id));
        self.stops.retain(|id, _| running(id));
        self.hooks.retain(|id, _| running(id));
        for container in seen.containers.iter().filter(|c| c.is_running()) {
            if !self.waits.contains_key(&container.id) {
                let wait = self.wait_for(container.id.clone());
                self.waits.insert(container.id.clone(), wait);
            }
        }
        let wanted = probes_wanted(&self.pod, seen, &self.memory);
        self.probes.retain(|key, _| wanted.contains(key));
        for key in wanted {
            if self.probes.contains_key(&key) {
                continue;
            }
            let started = seen
                .containers
                .iter()
                .find(|c| c.id == key.id)
                .map(|c| &c.state);
            let age = match started {
                Some(State::Running { started }) => {
                    cedge_tasks::clock::now().duration_since(*started)
                }
                _ => jiff::SignedDuration::ZERO,
            };
            let age = Duration::try_from(age).unwrap_or_default();
            if let Some(task) = self.probe(&key, age) {
                self.probes.insert(key, task);
            }
        }
    }

    fn wait_for(&self, id: ContainerId) -> Background {
        let (node, to) = (Arc::clone(&self.node), self.to_self.clone());
        Background::spawn("pod/wait", async move {
            node.runtime.wait(&id).await;
            let _ = to.send(Message::Ended).await;
        })
    }

    fn probe(&self, key: &ProbeWanted, age: Duration) -> Option<Background> {
        let container = self.container(&key.container)?.clone();
        let probe = probe_of(&container, key.kind)?.clone();
        let (node, to, key) = (Arc::clone(&self.node), self.to_self.clone(), key.clone());
        let address = self.address();
        Some(Background::spawn("pod/probe", async move {
            let (delay, period) = times(&probe);
            tokio::time::sleep(delay.saturating_sub(age)).await;
            let mut ticks = tokio::time::interval(period);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let asked = probe::ask(&probe, &container, &key.id, &*node.runtime, &address);
                let (verdict, words) = asked.await;
                if to
                    .send(Message::Probed(key.clone(), verdict, words))
                    .await
                    .is_err()
                {
                    return;
                }
            }
        }))
    }

    /// Runs a postStart hook; the worker hears how it went.
    pub(super) fn hook(&mut self, container: &Container, id: &ContainerId, hook: LifecycleHandler) {
        let (node, to) = (Arc::clone(&self.node), self.to_self.clone());
        let (container, id_, address) = (container.clone(), id.clone(), self.address());
        let task = Background::spawn("pod/hook", async move {
            let outcome = hooks::run(&hook, &container, &id_, &*node.runtime, &address).await;
            let _ = to.send(Message::Hooked(container.name, id_, outcome)).await;
        });
        self.hooks.insert(id.clone(), task);
    }

    /// Runs preStop, then stops the container in what is left of the grace. A stop that goes on already is replaced.
    pub(super) fn stop(&mut self, name: &str, id: &ContainerId, grace: Duration) {
        let (node, to) = (Arc::clone(&self.node), self.to_self.clone());
        let container = self.container(name).cloned();
        let (pod, address, id_) = (Arc::clone(&self.pod), self.address(), id.clone());
        let task = Background::spawn("pod/stop", async move {
            let begin = Instant::now();
            let hook = container
                .as_ref()
                .and_then(|c| Some((c, c.lifecycle.as_ref()?.pre_stop.as_ref()?)));
            if let Some((container, hook)) = hook {
                let run = hooks::run(hook, container, &id_, &*node.runtime, &address);
                let failed = match tokio::time::timeout(grace, run).await {
                    Ok(Ok(())) => None,
                    Ok(Err(words)) => Some(words),
                    Err(_) => Some("it did not end within the grace".into()),
                };
                if let Some(words) = failed {
                    let text = format!("PreStopHook failed: {words}");
                    node.events
                        .say(&pod, Some(&container.name), true, "FailedPreStopHook", text);
                }
            }
            let left = grace
                .saturating_sub(begin.elapsed())
                .max(Duration::from_secs(2));
            if let Err(error) = node.runtime.stop_container(&id_, left).await {
                tracing::warn!(container = %id_, error = error.explain(), "container not stopped");
            }
            let _ = to.send(Message::Ended).await;
        });
        self.stops.insert(id.clone(), task);
    }
}

/// The delay before the first question, and the time between two.
fn times(probe: &Probe) -> (Duration, Duration) {
    let secs = |value: Option<i32>, default| {
        Duration::from_secs(value.and_then(|v| u64::try_from(v).ok()).unwrap_or(default))
    };
    let period = secs(probe.period_seconds, 10).max(Duration::from_secs(1));
    (secs(probe.initial_delay_seconds, 0), period)
}
