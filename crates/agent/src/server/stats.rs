//! What this node and its pods use, in the forms of the kubelet: its summary, and its metrics of resources.
//!
//! Nothing is measured while nobody asks. How fast processor time grows is told between two questions; the first one
//! of a while takes a moment longer, to look twice.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cedge_tasks::clock;
use http::StatusCode;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Answer, Refused, json as answer_json, text};
use crate::Node;
use crate::facts;

/// Between two looks when there was none before.
const MOMENT: Duration = Duration::from_millis(500);
/// A look that is younger than this is not compared with: too little has happened since.
const YOUNG: Duration = Duration::from_secs(1);
/// A look that is older than this tells nothing of now.
const OLD: Duration = Duration::from_secs(60);
/// The name of the node itself among what is measured.
const MACHINE: &str = "";

/// When processor time was looked at, by container.
#[derive(Debug, Default)]
pub(crate) struct Rates(Mutex<HashMap<String, Look>>);

#[derive(Debug, Clone, Copy)]
struct Look {
    at: Instant,
    cpu: Duration,
    /// Billionths of a core until then, and how long that was measured.
    rate: Option<(u64, Duration)>,
}

/// What something uses now.
#[derive(Debug, Clone, Copy)]
struct Used {
    cpu: Duration,
    memory: u64,
    rate: u64,
    window: Duration,
}

/// One container that runs.
struct Running {
    namespace: String,
    pod: String,
    uid: String,
    container: String,
    used: Used,
}

// === impl Rates ===

impl Rates {
    /// Notes a look; the rate since an earlier one, if there is one that tells something.
    fn note(&self, id: &str, cpu: Duration) -> Option<(u64, Duration)> {
        let now = Instant::now();
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = looks
            .get(id)
            .copied()
            .filter(|l| now - l.at < OLD && l.cpu <= cpu);
        let Some(before) = before else {
            let look = Look {
                at: now,
                cpu,
                rate: None,
            };
            looks.insert(id.to_owned(), look);
            return None;
        };
        let window = now - before.at;
        if before.rate.is_some() && window < YOUNG || window < MOMENT / 2 {
            return before.rate;
        }
        let grown = (cpu - before.cpu).as_nanos().saturating_mul(1_000_000_000);
        let rate = u64::try_from(grown / window.as_nanos().max(1)).unwrap_or(u64::MAX);
        let rate = Some((rate, window));
        looks.insert(id.to_owned(), Look { at: now, cpu, rate });
        rate
    }

    /// Forgets what does not run any more.
    fn keep(&self, known: &[Running], ids: &[String]) {
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if looks.len() > 2 * (known.len() + 8) {
            looks.retain(|id, _| id == MACHINE || ids.contains(id));
        }
    }
}

/// Looks at everything; twice, if there was no look of late.
async fn look(node: &Arc<Node>) -> Result<(Used, Vec<Running>), Refused> {
    if let Some(seen) = look_once(node).await? {
        return Ok(seen);
    }
    tokio::time::sleep(MOMENT).await;
    let seen = look_once(node).await?;
    let why = "what runs here changes too fast to be measured";
    seen.ok_or_else(|| Refused(StatusCode::SERVICE_UNAVAILABLE, why.into()))
}

/// `None` if something has no rate yet.
async fn look_once(node: &Arc<Node>) -> Result<Option<(Used, Vec<Running>)>, Refused> {
    let (busy, memory) = facts::usage();
    let machine = node.rates.note(MACHINE, busy);
    let mut complete = machine.is_some();
    let used = |cpu, memory, rate: Option<(u64, Duration)>| {
        let (rate, window) = rate.unwrap_or((0, MOMENT));
        Used {
            cpu,
            memory,
            rate,
            window,
        }
    };
    let mut running = Vec::new();
    let mut ids = Vec::new();
    for pod in node.pods.all() {
        let meta = &pod.metadata;
        let uid = meta.uid.clone().unwrap_or_default();
        let seen = node.runtime.seen(&uid).await.map_err(Refused::internal)?;
        for container in seen.containers.iter().filter(|c| c.is_running()) {
            // It may have ended meanwhile.
            let Ok(usage) = node.runtime.usage(&container.id).await else {
                continue;
            };
            let id = container.id.to_string();
            let rate = node.rates.note(&id, usage.cpu);
            complete &= rate.is_some();
            ids.push(id);
            running.push(Running {
                namespace: meta.namespace.clone().unwrap_or_default(),
                pod: meta.name.clone().unwrap_or_default(),
                uid: uid.clone(),
                container: container.name.clone(),
                used: used(usage.cpu, usage.memory, rate),
            });
        }
    }
    node.rates.keep(&running, &ids);
    Ok(complete.then(|| (used(busy, memory, machine), running)))
}

pub(super) async fn summary(node: &Arc<Node>) -> Result<Answer, Refused> {
    let (machine, running) = look(node).await?;
    let now = clock::now_rfc3339();
    let mut pods: Vec<Value> = Vec::new();
    for one in &running {
        let same = pods.last().is_some_and(|p| p["podRef"]["uid"] == *one.uid);
        if !same {
            pods.push(json!({
                "podRef": {"name": one.pod, "namespace": one.namespace, "uid": one.uid},
                "containers": [],
            }));
        }
        let mut stats = of_used(&one.used, &now);
        stats["name"] = json!(one.container);
        if let Some(list) = pods.last_mut().and_then(|p| p["containers"].as_array_mut()) {
            list.push(stats);
        }
    }
    for pod in &mut pods {
        let uid = pod["podRef"]["uid"].clone();
        let own = running.iter().filter(|r| uid == *r.uid).map(|r| r.used);
        let whole = of_used(&sum(own), &now);
        pod["cpu"] = whole["cpu"].clone();
        pod["memory"] = whole["memory"].clone();
    }
    let mut about = of_used(&machine, &now);
    about["nodeName"] = json!(node.config.node_name);
    Ok(answer_json(&json!({"node": about, "pods": pods})))
}

fn of_used(used: &Used, now: &str) -> Value {
    let nanos = u64::try_from(used.cpu.as_nanos()).unwrap_or(u64::MAX);
    json!({
        "cpu": {
            "time": now, "usageNanoCores": used.rate, "usageCoreNanoSeconds": nanos,
            "windowMilliseconds": u64::try_from(used.window.as_millis()).unwrap_or(u64::MAX),
        },
        "memory": {"time": now, "workingSetBytes": used.memory},
    })
}

fn sum(all: impl Iterator<Item = Used>) -> Used {
    let nothing = Used {
        cpu: Duration::ZERO,
        memory: 0,
        rate: 0,
        window: MOMENT,
    };
    all.fold(nothing, |sum, one| Used {
        cpu: sum.cpu + one.cpu,
        memory: sum.memory + one.memory,
        rate: sum.rate + one.rate,
        window: sum.window.max(one.window),
    })
}

/// `/metrics/resource`, for whoever scrapes.
pub(super) async fn metrics(node: &Arc<Node>) -> Result<Answer, Refused> {
    let (machine, running) = look(node).await?;
    let mut out = String::new();
    let mut family = |name: &str, kind: &str, lines: &[(String, f64)]| {
        let _ = writeln!(out, "# TYPE {name} {kind}");
        for (labels, value) in lines {
            let _ = writeln!(out, "{name}{labels} {value}");
        }
    };
    let of_container = |value: fn(&Used) -> f64| -> Vec<(String, f64)> {
        let line = |r: &Running| {
            let labels = format!(
                "{{container=\"{}\",namespace=\"{}\",pod=\"{}\"}}",
                r.container, r.namespace, r.pod
            );
            (labels, value(&r.used))
        };
        running.iter().map(line).collect()
    };
    #[expect(
        clippy::cast_precision_loss,
        reason = "metrics are told as floating point"
    )]
    let memory = |used: &Used| used.memory as f64;
    let cpu = |used: &Used| used.cpu.as_secs_f64();
    let lines = of_container(cpu);
    family("container_cpu_usage_seconds_total", "counter", &lines);
    let lines = of_container(memory);
    family("container_memory_working_set_bytes", "gauge", &lines);
    family(
        "node_cpu_usage_seconds_total",
        "counter",
        &[(String::new(), cpu(&machine))],
    );
    family(
        "node_memory_working_set_bytes",
        "gauge",
        &[(String::new(), memory(&machine))],
    );
    family("resource_scrape_error", "gauge", &[(String::new(), 0.0)]);
    Ok(text(StatusCode::OK, out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_rate_is_told_between_two_looks() {
        let rates = Rates::default();
        let at = |ms| Duration::from_millis(ms);
        assert_eq!(rates.note("a", at(100)), None);
        tokio::time::advance(at(500)).await;
        assert_eq!(rates.note("a", at(350)), Some((500_000_000, at(500))));
        tokio::time::advance(at(100)).await;
        assert_eq!(
            rates.note("a", at(450)),
            Some((500_000_000, at(500))),
            "too soon"
        );
        tokio::time::advance(at(1900)).await;
        assert_eq!(rates.note("a", at(450)), Some((50_000_000, at(2000))));
        tokio::time::advance(at(61_000)).await;
        assert_eq!(rates.note("a", at(500)), None, "too long ago");
        assert_eq!(rates.note("b", at(5)), None);
    }
}
