//! Each metric of an autoscaler, and the highest count that one of them asks for.

use std::collections::BTreeMap;

use cedge_informer::Object;
use cedge_kinds::Quantity;
use cedge_tasks::clock;
use k8s_openapi::api::autoscaling::v2::{HPAScalingRules, HorizontalPodAutoscalerSpec};
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use super::replicas::{self, Question, Samples, Tolerance};
use super::status::{Status, quantity};
use super::{Autoscalers, metrics};
use crate::pods;
use crate::scale::Scale;

/// Without a word of the object, as in Kubernetes.
const TOLERANCE: f64 = 0.1;

/// What is measured, and for whom.
pub(super) struct Ask<'a> {
    pub(super) autoscalers: &'a Autoscalers,
    pub(super) object: &'a Object,
    pub(super) spec: &'a HorizontalPodAutoscalerSpec,
    pub(super) scale: &'a Scale,
    pub(super) pods: &'a [Pod],
}

pub(super) struct Measured {
    /// For the status.
    pub(super) statuses: Vec<Value>,
    /// The count, and the metric that asks for it.
    pub(super) proposal: Result<(i32, String), String>,
}

/// One metric's answer.
struct One {
    replicas: i32,
    name: String,
    status: Value,
}

/// Why one metric has no answer: the condition's reason, its cause, and what of it the whole is told.
struct Failure {
    reason: &'static str,
    cause: String,
    told: String,
}

// === impl Ask ===

impl Ask<'_> {
    pub(super) async fn all(&self, status: &mut Status) -> Measured {
        let specs = self.spec.metrics.iter().flatten();
        let specs = specs.filter_map(|m| serde_json::to_value(m).ok());
        let specs: Vec<Value> = specs.collect();
        let mut statuses = Vec::new();
        let mut best: Option<(i32, String)> = None;
        let mut failures = Vec::new();
        for spec in &specs {
            match self.one(spec).await {
                Ok(one) => {
                    statuses.push(one.status);
                    if best
                        .as_ref()
                        .is_none_or(|(replicas, _)| one.replicas > *replicas)
                    {
                        best = Some((one.replicas, one.name));
                    }
                }
                Err(failure) => {
                    let about = self.object.reference();
                    let recorder = &self.autoscalers.recorder;
                    recorder.warning(about, failure.reason, failure.cause.clone());
                    failures.push(failure);
                }
            }
        }
        let shrinks = best.as_ref().is_none_or(|(n, _)| *n < self.scale.wanted());
        if let Some(first) = failures.first().filter(|_| shrinks) {
            let text = format!(
                "the HPA was unable to compute the replica count: {}",
                first.cause
            );
            status.set("ScalingActive", false, first.reason, text);
            let proposal = Err(format!(
                "invalid metrics ({} invalid out of {}), first error is: {}",
                failures.len(),
                specs.len(),
                first.told
            ));
            return Measured { statuses, proposal };
        }
        let proposal = best.unwrap_or((self.scale.wanted(), String::new()));
        let text = format!(
            "the HPA was able to successfully calculate a replica count from {}",
            proposal.1
        );
        status.set("ScalingActive", true, "ValidMetricFound", text);
        Measured {
            statuses,
            proposal: Ok(proposal),
        }
    }

    async fn one(&self, spec: &Value) -> Result<One, Failure> {
        let kind = spec["type"].as_str().unwrap_or_default();
        let (part, reason) = match kind {
            "Resource" => (&spec["resource"], "FailedGetResourceMetric"),
            "ContainerResource" => (
                &spec["containerResource"],
                "FailedGetContainerResourceMetric",
            ),
            "Pods" => (&spec["pods"], "FailedGetPodsMetric"),
            "Object" => (&spec["object"], "FailedGetObjectMetric"),
            "External" => (&spec["external"], "FailedGetExternalMetric"),
            _ => (&Value::Null, "InvalidMetricSourceType"),
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (done, what) = match kind {
            "Resource" => {
                let name = text(&part["name"]);
                let what = format!("failed to get {name} resource metric value");
                (self.resource(part, None).await, what)
            }
            "ContainerResource" => {
                let container = text(&part["container"]);
                let what = format!("failed to get {container} container metric value");
                (self.resource(part, Some(&container)).await, what)
            }
            "Pods" => (
                self.of_pods(part).await,
                "failed to get pods metric value".to_owned(),
            ),
            "Object" => (
                self.of_object(part).await,
                "failed to get object metric value".to_owned(),
            ),
            "External" => {
                let name = text(&part["metric"]["name"]);
                let what = format!("failed to get {name} external metric value");
                (self.external(part).await, what)
            }
            other => {
                let why = format!("unknown metric source type {other:?}");
                (Err(why), "failed to get metric value".to_owned())
            }
        };
        done.map_err(|cause| Failure {
            reason,
            told: format!("{what}: {cause}"),
            cause,
        })
    }

    async fn resource(&self, part: &Value, container: Option<&str>) -> Result<One, String> {
        let name = part["name"].as_str().unwrap_or_default();
        let target = &part["target"];
        let average = milli(&target["averageValue"]);
        let percent = target["averageUtilization"].as_i64();
        let samples = async || {
            let (client, namespace) = self.place();
            let selector = self.scale.selector();
            let found = metrics::resource(client, namespace, selector, name, container).await;
            found.map_err(|why| format!("unable to get metrics for resource {name}: {why}"))
        };
        let (proposal, words) = match (average, percent) {
            (Some(average), _) => {
                let usage = |why| format!("failed to get {name} usage: {why}");
                let samples = samples().await.map_err(usage)?;
                let target = replicas::Target::Average(average);
                let answer = self.question(target, name).answer(samples).map_err(usage)?;
                (answer, "resource".to_owned())
            }
            (None, Some(percent)) => {
                let share = |why| format!("failed to get {name} utilization: {why}");
                let samples: Samples = samples().await.map_err(share)?;
                let requests = requests(self.pods, container, name).map_err(share)?;
                let requests = &requests;
                let target = replicas::Target::Utilization { percent, requests };
                let answer = self.question(target, name).answer(samples).map_err(share)?;
                let of = if container.is_some() {
                    "container resource"
                } else {
                    "resource"
                };
                (answer, format!("{of} utilization (percentage of request)"))
            }
            (None, None) => {
                return Err("invalid resource metric source: neither an average utilization target nor an average value \
                            (usage) target was set"
                    .into());
            }
        };
        let mut current = json!({"averageValue": quantity(name, proposal.average)});
        if let Some(percent) = proposal.percent {
            current["averageUtilization"] = json!(percent);
        }
        let status = match container {
            None => json!({"type": "Resource", "resource": {"name": name, "current": current}}),
            Some(container) => json!({"type": "ContainerResource", "containerResource":
                {"name": name, "container": container, "current": current}}),
        };
        Ok(One {
            replicas: proposal.replicas,
            name: format!("{name} {words}"),
            status,
        })
    }

    async fn of_pods(&self, part: &Value) -> Result<One, String> {
        let name = part["metric"]["name"].as_str().unwrap_or_default();
        let (client, namespace) = self.place();
        let selector = self.scale.selector();
        let samples = metrics::of_pods(client, namespace, selector, &part["metric"]).await;
        let samples = samples.map_err(|why| format!("unable to get metric {name}: {why}"))?;
        let target = milli(&part["target"]["averageValue"]).unwrap_or(1);
        let question = self.question(replicas::Target::Average(target), "");
        let answer = question.answer(samples)?;
        let current = json!({"averageValue": quantity("", answer.average)});
        Ok(One {
            replicas: answer.replicas,
            name: format!("pods metric {name}"),
            status: json!({"type": "Pods", "pods": {"metric": part["metric"], "current": current}}),
        })
    }

    async fn of_object(&self, part: &Value) -> Result<One, String> {
        let name = part["metric"]["name"].as_str().unwrap_or_default();
        let object = &part["describedObject"];
        let word = |field: &str| object[field].as_str().unwrap_or_default();
        let group = word("apiVersion")
            .split_once('/')
            .map_or("", |(group, _)| group);
        let plural = format!("{}s", word("kind").to_lowercase());
        let plural = if group.is_empty() {
            plural
        } else {
            format!("{plural}.{group}")
        };
        let (client, namespace) = self.place();
        let value =
            metrics::of_object(client, namespace, &plural, word("name"), &part["metric"]).await;
        let value = value.map_err(|why| {
            format!(
                "unable to get metric {name}: {} on {namespace} {}/{why}",
                word("kind"),
                word("name")
            )
        })?;
        let (replicas, current) = self.whole(&part["target"], value);
        Ok(One {
            replicas,
            name: format!("{} metric {name}", word("kind")),
            status: json!({"type": "Object", "object":
                {"describedObject": object, "metric": part["metric"], "current": current}}),
        })
    }

    async fn external(&self, part: &Value) -> Result<One, String> {
        let name = part["metric"]["name"].as_str().unwrap_or_default();
        let (client, namespace) = self.place();
        let value = metrics::external(client, namespace, &part["metric"]).await;
        let selector = match &part["metric"]["selector"] {
            Value::Null => "nil".to_owned(),
            selector => selector.to_string(),
        };
        let value = value.map_err(|why| {
            format!("unable to get external metric {namespace}/{name}/{selector}: {why}")
        })?;
        let (replicas, current) = self.whole(&part["target"], value);
        Ok(One {
            replicas,
            name: format!("external metric {name}({selector})"),
            status: json!({"type": "External", "external": {"metric": part["metric"], "current": current}}),
        })
    }

    /// The count for a value that belongs to all pods together.
    #[expect(clippy::cast_precision_loss, reason = "ratios are floating point")]
    fn whole(&self, target: &Value, value: i64) -> (i32, Value) {
        let tolerance = self.tolerance();
        if let Some(average) = milli(&target["averageValue"]) {
            let present = self.scale.present().max(1);
            let ratio = value as f64 / (average as f64 * f64::from(present));
            let stays = tolerance.takes(ratio);
            let wanted = replicas::times(value as f64 / average as f64, 1);
            let now = value / i64::from(present);
            let replicas = if stays { self.scale.present() } else { wanted };
            return (replicas, json!({"averageValue": quantity("", now)}));
        }
        let wanted = milli(&target["value"]).unwrap_or(1);
        let ratio = value as f64 / wanted as f64;
        let ready = self
            .pods
            .iter()
            .filter(|p| pods::phase(p) == "Running" && pods::is_ready(p));
        let replicas = if tolerance.takes(ratio) {
            self.scale.wanted()
        } else {
            replicas::times(ratio, ready.count())
        };
        (replicas, json!({"value": quantity("", value)}))
    }

    fn question<'a>(&'a self, target: replicas::Target<'a>, resource: &str) -> Question<'a> {
        Question {
            current: self.scale.wanted(),
            pods: self.pods,
            target,
            cpu: resource == "cpu",
            tolerance: self.tolerance(),
            now: clock::now(),
        }
    }

    fn tolerance(&self) -> Tolerance {
        let of = |rules: Option<&HPAScalingRules>| {
            let given = rules.and_then(|r| r.tolerance.as_ref());
            let given = given.and_then(|q| q.0.parse::<Quantity>().ok());
            given.map_or(TOLERANCE, |q| {
                #[expect(clippy::cast_precision_loss, reason = "a share")]
                let share = q.millis() as f64 / 1000.0;
                share
            })
        };
        let behavior = self.spec.behavior.as_ref();
        Tolerance {
            up: of(behavior.and_then(|b| b.scale_up.as_ref())),
            down: of(behavior.and_then(|b| b.scale_down.as_ref())),
        }
    }

    fn place(&self) -> (&kube::Client, &str) {
        (&self.autoscalers.ctx.client, self.object.namespace())
    }
}

/// What each pod requests of a resource, in thousandths.
fn requests(
    pods: &[Pod],
    container: Option<&str>,
    resource: &str,
) -> Result<BTreeMap<String, i64>, String> {
    let mut all = BTreeMap::new();
    for pod in pods {
        let name = pods::name(pod);
        let Some(spec) = &pod.spec else { continue };
        let amount = |q: &k8s_openapi::apimachinery::pkg::api::resource::Quantity| {
            q.0.parse::<Quantity>().map_or(0, |q| q.millis())
        };
        let whole = spec.resources.as_ref().and_then(|r| r.requests.as_ref());
        if let (None, Some(whole)) = (container, whole.filter(|w| !w.is_empty())) {
            let own = whole
                .get(resource)
                .ok_or_else(|| format!("missing pod-level request for {resource} in Pod {name}"))?;
            all.insert(name.to_owned(), amount(own));
            continue;
        }
        let sidecars = spec.init_containers.iter().flatten();
        let sidecars = sidecars.filter(|c| c.restart_policy.as_deref() == Some("Always"));
        let mut sum = 0;
        let mut found = false;
        for one in spec.containers.iter().chain(sidecars) {
            if container.is_some_and(|wanted| wanted != one.name) {
                continue;
            }
            found = true;
            let requests = one.resources.as_ref().and_then(|r| r.requests.as_ref());
            let own = requests.and_then(|r| r.get(resource)).ok_or_else(|| {
                format!(
                    "missing request for {resource} in container {} of Pod {name}",
                    one.name
                )
            })?;
            sum += amount(own);
        }
        if let (false, Some(container)) = (found, container) {
            return Err(format!("container {container} not found in Pod {name}"));
        }
        all.insert(name.to_owned(), sum);
    }
    Ok(all)
}

fn milli(value: &Value) -> Option<i64> {
    let text = value.as_str()?;
    Some(text.parse::<Quantity>().ok()?.millis())
}
