//! HorizontalPodAutoscalers: every quarter of a minute the metrics of an object's pods are asked for, and the object is
//! scaled so that they come to their targets.
//!
//! Nothing is asked while there is no autoscaler. What was proposed and done of late is kept in memory only: after a restart
//! an object is left as it is until its windows have passed, as in Kubernetes.

mod measure;
mod metrics;
mod rate;
mod replicas;
mod status;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cedge_informer::{Cache, Change, Key, Next, Object, Queue, Recorder};
use k8s_openapi::api::autoscaling::v2::{HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;
use tokio::time::Instant;

use crate::context::Context;
use crate::error::{Error, message};
use crate::scale::{self, Found, Scale, Target};
use crate::update;
use rate::{Memory, Wish};
use status::Status;

/// How often metrics are looked at, as in Kubernetes.
const PERIOD: Duration = Duration::from_secs(15);

#[derive(Clone)]
struct Autoscalers {
    ctx: Context,
    objects: Cache,
    recorder: Recorder,
    memories: Arc<Mutex<HashMap<Key, Remembered>>>,
}

#[derive(Default)]
struct Remembered {
    rate: Memory,
    /// The pods that it scales by, as of the last look: nobody else may scale by them.
    pods: BTreeSet<String>,
}

pub(crate) fn start(ctx: &Context) {
    let this = Autoscalers {
        ctx: ctx.clone(),
        objects: ctx.informers.of::<HorizontalPodAutoscaler>(),
        recorder: ctx.events.recorder("horizontal-pod-autoscaler"),
        memories: Arc::default(),
    };
    let queue: Queue<Key> = Queue::with_backoff("autoscaler", PERIOD, PERIOD);
    this.objects.subscribe({
        let (this, queue) = (this.clone(), queue.clone());
        move |change| {
            let key = change.object().key().clone();
            let news = match change {
                Change::Deleted(_) => {
                    this.memories().remove(&key);
                    false
                }
                Change::Added(_) => true,
                // What we write ourselves is no news.
                Change::Updated { old, new } => old.generation() != new.generation(),
            };
            if news {
                queue.add(key);
            }
        }
    });
    ctx.work(
        &queue,
        &[&this.objects.clone()],
        ctx.config.workers,
        move |key| {
            let this = this.clone();
            async move { Box::pin(this.reconcile(&key)).await }
        },
    );
}

impl Autoscalers {
    async fn reconcile(&self, key: &Key) -> Result<Next, Error> {
        let Some(object) = self.objects.get_key(key) else {
            return Ok(Next::OnChange);
        };
        let autoscaler: HorizontalPodAutoscaler = object.decode()?;
        let spec = autoscaler.spec.clone();
        let before = autoscaler.status.clone().unwrap_or_default();
        let mut status = Status::new(before.clone());
        if let Err(why) = self.look(&object, &spec, &mut status).await {
            tracing::debug!(autoscaler = %key, why, "an autoscaler does nothing");
        }
        let api: Api<HorizontalPodAutoscaler> =
            Api::namespaced(self.ctx.client.clone(), &key.namespace);
        update::status(&api, &object, &before, &status.finish()).await?;
        Ok(Next::After(PERIOD))
    }

    /// # Errors
    /// Why nothing could be decided; the status says so already.
    async fn look(
        &self,
        object: &Object,
        spec: &HorizontalPodAutoscalerSpec,
        status: &mut Status,
    ) -> Result<(), String> {
        let scale = self.scale(object, spec).await.inspect_err(|why| {
            self.recorder
                .warning(object.reference(), "FailedGetScale", why.clone());
            let text =
                format!("the HPA controller was unable to get the target's current scale: {why}");
            status.set("AbleToScale", false, "FailedGetScale", text);
        })?;
        let able = "the HPA controller was able to get the target's current scale";
        status.set("AbleToScale", true, "SucceededGetScale", able);
        let current = scale.wanted();
        let (min, max) = (spec.min_replicas.unwrap_or(1), spec.max_replicas);
        let now = Instant::now();
        self.with(object.key(), |m| m.rate.begin(current, now));
        let (wanted, reason) = if current == 0 {
            let text = "scaling is disabled since the replica count of the target is zero";
            status.set("ScalingActive", false, "ScalingDisabled", text);
            status.stay(0, object.generation());
            return Ok(());
        } else if current > max {
            (
                max,
                "Current number of replicas above Spec.MaxReplicas".to_owned(),
            )
        } else if current < min {
            (
                min,
                "Current number of replicas below Spec.MinReplicas".to_owned(),
            )
        } else {
            let wish = Wish {
                current,
                proposed: current,
                min,
                max,
            };
            self.by_metrics(object, spec, &scale, wish, status).await?
        };
        if wanted == current {
            status.stay(current, object.generation());
            return Ok(());
        }
        self.rescale(object, scale, wanted, &reason, status).await
    }

    async fn scale(
        &self,
        object: &Object,
        spec: &HorizontalPodAutoscalerSpec,
    ) -> Result<Scale, String> {
        let reference = &spec.scale_target_ref;
        let target = Target {
            api_version: reference.api_version.clone().unwrap_or_default(),
            kind: reference.kind.clone(),
            namespace: object.namespace().to_owned(),
            name: reference.name.clone(),
        };
        let resource = || {
            let group = target
                .api_version
                .split_once('/')
                .map_or("", |(group, _)| group);
            let plural = format!("{}s", target.kind.to_lowercase());
            if group.is_empty() {
                plural
            } else {
                format!("{plural}.{group}")
            }
        };
        match scale::get(&self.ctx.client, &target).await {
            Ok(Found::Scale(scale)) => Ok(scale),
            Ok(Found::Nothing) => Err(format!("{} {:?} not found", resource(), target.name)),
            Ok(Found::NoScale(_)) => {
                Err("the server could not find the requested resource".to_owned())
            }
            Ok(Found::NoKind) => Err(format!(
                "no matches for kind {:?} in group {:?}",
                target.kind,
                target
                    .api_version
                    .split_once('/')
                    .map_or("", |(group, _)| group)
            )),
            Err(Error::Api(e)) => Err(message(&e)),
            Err(other) => Err(other.to_string()),
        }
    }

    /// What the metrics ask for, followed as fast as the rules allow; and why.
    async fn by_metrics(
        &self,
        object: &Object,
        spec: &HorizontalPodAutoscalerSpec,
        scale: &Scale,
        wish: Wish,
        status: &mut Status,
    ) -> Result<(i32, String), String> {
        let failed = |why: &String| {
            let reason = "FailedComputeMetricsReplicas";
            self.recorder
                .warning(object.reference(), reason, why.clone());
        };
        let pods = self.pods(object, scale, status).await.inspect_err(failed);
        let pods = match pods {
            Ok(pods) => pods,
            Err(why) => {
                status.measured(wish.current, Vec::new());
                return Err(why);
            }
        };
        let asked = measure::Ask {
            autoscalers: self,
            object,
            spec,
            scale,
            pods: &pods,
        };
        let measured = Box::pin(asked.all(status)).await;
        status.measured(wish.current, measured.statuses);
        let (proposed, metric) = measured.proposal.inspect_err(failed)?;
        let behavior = spec.behavior.as_ref();
        let wish = Wish { proposed, ..wish };
        let verdict = self.with(object.key(), |m| {
            m.rate.decide(wish, behavior, Instant::now())
        });
        status.set("AbleToScale", true, verdict.able.0, verdict.able.1);
        let (reason, text) = verdict.limit;
        status.set("ScalingLimited", verdict.limited, reason, text);
        let reason = if proposed > wish.current {
            format!("{metric} above target")
        } else {
            "All metrics below target".to_owned()
        };
        Ok((verdict.replicas, reason))
    }

    /// The pods that count, if nobody else scales by them.
    async fn pods(
        &self,
        object: &Object,
        scale: &Scale,
        status: &mut Status,
    ) -> Result<Vec<Pod>, String> {
        let selector = scale.selector();
        if selector.is_empty() {
            let text = "selector is required";
            self.recorder
                .warning(object.reference(), "SelectorRequired", text);
            let missing = "the HPA target's scale is missing a selector";
            status.set("ScalingActive", false, "InvalidSelector", missing);
            return Err(text.to_owned());
        }
        let api: Api<Pod> = Api::namespaced(self.ctx.client.clone(), object.namespace());
        let listed = api.list(&ListParams::default().labels(selector)).await;
        let pods = listed.map_err(|e| {
            format!(
                "unable to get pods while calculating replica count: {}",
                message(&e)
            )
        })?;
        let uids: BTreeSet<String> = pods
            .items
            .iter()
            .filter_map(|p| p.metadata.uid.clone())
            .collect();
        let mut memories = self.memories();
        let others = memories.iter().filter(|(key, other)| {
            *key != object.key()
                && key.namespace == object.key().namespace
                && !other.pods.is_disjoint(&uids)
        });
        let mut others: Vec<String> = others.map(|(key, _)| key.to_string()).collect();
        memories.entry(object.key().clone()).or_default().pods = uids;
        drop(memories);
        if others.is_empty() {
            return Ok(pods.items);
        }
        others.push(object.key().to_string());
        others.sort();
        let text = format!(
            "pods by selector {selector} are controlled by more than one HPA (e.g. [{}])",
            others.join(" ")
        );
        self.recorder
            .warning(object.reference(), "AmbiguousSelector", text.clone());
        status.set("ScalingActive", false, "AmbiguousSelector", text.clone());
        Err(text)
    }

    async fn rescale(
        &self,
        object: &Object,
        scale: Scale,
        wanted: i32,
        reason: &str,
        status: &mut Status,
    ) -> Result<(), String> {
        let current = scale.wanted();
        if let Err(e) = scale.set(&self.ctx.client, wanted).await {
            let why = message(&e);
            let text = format!("New size: {wanted}; reason: {reason}; error: {why}");
            self.recorder
                .warning(object.reference(), "FailedRescale", text);
            let text = format!("the HPA controller was unable to update the target scale: {why}");
            status.set("AbleToScale", false, "FailedUpdateScale", text);
            status.seen(current);
            return Err(why);
        }
        let text = format!("the HPA controller was able to update the target scale to {wanted}");
        status.set("AbleToScale", true, "SucceededRescale", text);
        let text = format!("New size: {wanted}; reason: {reason}");
        self.recorder
            .normal(object.reference(), "SuccessfulRescale", text);
        let now = Instant::now();
        self.with(object.key(), |m| m.rate.changed(current, wanted, now));
        status.rescaled(current, wanted, object.generation());
        Ok(())
    }

    fn with<R>(&self, key: &Key, f: impl FnOnce(&mut Remembered) -> R) -> R {
        f(self.memories().entry(key.clone()).or_default())
    }

    fn memories(&self) -> MutexGuard<'_, HashMap<Key, Remembered>> {
        self.memories.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
