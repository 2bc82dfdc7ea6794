//! A Pod's row: what its containers do, summed up in one word.

use jiff::Timestamp;
use serde_json::Value;

use super::{View, or_none, text_or};
use crate::read::Read;
use crate::time;

pub(super) fn cells(view: &View<'_>) -> Vec<Value> {
    let summary = Summary::of(view);
    let restarts = match summary.last_restart {
        Some(at) if summary.restarts != 0 => {
            let ago = time::human_duration(view.now.duration_since(at).as_secs());
            format!("{} ({ago} ago)", summary.restarts)
        }
        _ => summary.restarts.to_string(),
    };
    let ip = view
        .status
        .items("podIPs")
        .first()
        .map_or("", |ip| ip.text("ip"));
    vec![
        view.name(),
        format!("{}/{}", summary.ready, summary.total).into(),
        summary.reason.into(),
        restarts.into(),
        view.age(),
        or_none(ip.to_owned()),
        text_or(view.spec, "nodeName", "<none>"),
        text_or(view.status, "nominatedNodeName", "<none>"),
        readiness_gates(view),
    ]
}

struct Summary {
    reason: String,
    ready: usize,
    total: usize,
    restarts: i64,
    last_restart: Option<Timestamp>,
}

impl Summary {
    fn of(view: &View<'_>) -> Self {
        let (spec, status) = (view.spec, view.status);
        let mut summary = Summary {
            reason: first_reason(status),
            ready: 0,
            total: spec.items("containers").len()
                + spec
                    .items("initContainers")
                    .iter()
                    .filter(|c| is_sidecar(c))
                    .count(),
            restarts: 0,
            last_restart: None,
        };
        let sidecars = summary.add_init(spec, status);
        if let Some((restarts, last)) = sidecars {
            summary.restarts = restarts;
            summary.last_restart = last;
            summary.add_main(status);
        }
        summary.end(view);
        summary
    }

    /// Init containers; the restarts of sidecars if the pod is past its initialization, else `None`.
    fn add_init(&mut self, spec: &Value, status: &Value) -> Option<(i64, Option<Timestamp>)> {
        let inits = spec.items("initContainers");
        let mut sidecars = (0, None);
        let mut initializing = false;
        for (i, container) in status.items("initContainerStatuses").iter().enumerate() {
            let sidecar = inits
                .iter()
                .find(|c| c.text("name") == container.text("name"))
                .is_some_and(is_sidecar);
            let restarts = container.int("restartCount").unwrap_or(0);
            let last = last_end(container);
            self.restarts += restarts;
            self.last_restart = self.last_restart.max(last);
            if sidecar {
                sidecars.0 += restarts;
                sidecars.1 = sidecars.1.max(last);
            }
            let terminated = container.at("state.terminated");
            if terminated.is_object() && terminated.int("exitCode").unwrap_or(0) == 0 {
                continue;
            }
            if sidecar && container.flag("started") {
                self.ready += usize::from(container.flag("ready"));
                continue;
            }
            self.reason = init_reason(container, i, inits.len());
            initializing = true;
            break;
        }
        (!initializing || is_true(status, "Initialized")).then_some(sidecars)
    }

    fn add_main(&mut self, status: &Value) {
        let mut running = false;
        let mut error = String::new();
        for container in status.items("containerStatuses").iter().rev() {
            self.restarts += container.int("restartCount").unwrap_or(0);
            self.last_restart = self.last_restart.max(last_end(container));
            let terminated = container.at("state.terminated");
            let waiting = container.at("state.waiting").text("reason");
            if !waiting.is_empty() {
                waiting.clone_into(&mut self.reason);
            } else if terminated.is_object() {
                self.reason = end_reason(terminated);
                if terminated.int("exitCode").unwrap_or(0) != 0 {
                    self.reason.clone_into(&mut error);
                }
            } else if container.flag("ready") && container.at("state.running").is_object() {
                running = true;
                self.ready += 1;
            }
        }
        if self.reason == "Completed" {
            if running && is_true(status, "Ready") {
                self.reason = "Running".to_owned();
            } else if !error.is_empty() {
                self.reason = error;
            } else if running {
                self.reason = "NotReady".to_owned();
            }
        }
    }

    fn end(&mut self, view: &View<'_>) {
        if !view.is_deleted() {
            return;
        }
        if view.status.text("reason") == "NodeLost" {
            self.reason = "Unknown".to_owned();
        } else if !matches!(view.status.text("phase"), "Succeeded" | "Failed") {
            self.reason = "Terminating".to_owned();
        }
    }
}

fn first_reason(status: &Value) -> String {
    let gated = status
        .items("conditions")
        .iter()
        .any(|c| c.text("type") == "PodScheduled" && c.text("reason") == "SchedulingGated");
    if gated {
        return "SchedulingGated".to_owned();
    }
    match status.text("reason") {
        "" => status.text("phase").to_owned(),
        reason => reason.to_owned(),
    }
}

fn init_reason(container: &Value, index: usize, total: usize) -> String {
    let terminated = container.at("state.terminated");
    let waiting = container.at("state.waiting").text("reason");
    if terminated.is_object() {
        format!("Init:{}", end_reason(terminated))
    } else if !waiting.is_empty() && waiting != "PodInitializing" {
        format!("Init:{waiting}")
    } else {
        format!("Init:{index}/{total}")
    }
}

fn end_reason(terminated: &Value) -> String {
    let signal = terminated.int("signal").unwrap_or(0);
    match terminated.text("reason") {
        "" if signal != 0 => format!("Signal:{signal}"),
        "" => format!("ExitCode:{}", terminated.int("exitCode").unwrap_or(0)),
        reason => reason.to_owned(),
    }
}

fn is_sidecar(container: &Value) -> bool {
    container.text("restartPolicy") == "Always"
}

fn last_end(container: &Value) -> Option<Timestamp> {
    time::timestamp(container.at("lastState.terminated.finishedAt"))
}

fn is_true(status: &Value, condition: &str) -> bool {
    status
        .items("conditions")
        .iter()
        .any(|c| c.text("type") == condition && c.text("status") == "True")
}

fn readiness_gates(view: &View<'_>) -> Value {
    let gates = view.spec.items("readinessGates");
    if gates.is_empty() {
        return "<none>".into();
    }
    let passed = gates
        .iter()
        .filter(|gate| {
            let wanted = gate.text("conditionType");
            let conditions = view.status.items("conditions");
            let found = conditions.iter().find(|c| c.text("type") == wanted);
            found.is_some_and(|c| c.text("status") == "True")
        })
        .count();
    format!("{passed}/{}", gates.len()).into()
}
