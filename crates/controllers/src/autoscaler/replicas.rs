//! How many replicas bring a metric to its target. Pure.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;

use crate::pods;

/// After its start a pod's processor time is believed only once it is ready, as in Kubernetes.
const CPU_INITIALIZATION: SignedDuration = SignedDuration::from_secs(5 * 60);
/// Readiness that changed within this of the start is that of a pod which has never been ready.
const INITIAL_READINESS: SignedDuration = SignedDuration::from_secs(30);

/// How far a metric may be off its target without anything being done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tolerance {
    pub(super) up: f64,
    pub(super) down: f64,
}

/// What was measured of one pod, in thousandths.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sample {
    pub(super) value: i64,
    pub(super) at: Timestamp,
    pub(super) window: SignedDuration,
}

pub(super) type Samples = BTreeMap<String, Sample>;

/// What samples are held against.
pub(super) enum Target<'a> {
    /// A share of what pods request, in percent.
    Utilization {
        percent: i64,
        requests: &'a BTreeMap<String, i64>,
    },
    /// An average over the pods.
    Average(i64),
}

/// What comes out.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Proposal {
    pub(super) replicas: i32,
    /// The average over the pods.
    pub(super) average: i64,
    /// For a share of requests: the share now.
    pub(super) percent: Option<i64>,
}

/// The question.
pub(super) struct Question<'a> {
    pub(super) current: i32,
    pub(super) pods: &'a [Pod],
    pub(super) target: Target<'a>,
    /// Whether it is about processor time, which tells nothing of pods that start.
    pub(super) cpu: bool,
    pub(super) tolerance: Tolerance,
    pub(super) now: Timestamp,
}

/// Pods by what their samples are worth.
#[derive(Default)]
struct Groups {
    ready: usize,
    unready: BTreeSet<String>,
    missing: BTreeSet<String>,
    ignored: BTreeSet<String>,
}

/// Ratio, average, share in percent.
type Ratio = (f64, i64, Option<i64>);

// === impl Tolerance ===

impl Tolerance {
    pub(super) fn takes(self, ratio: f64) -> bool {
        (1.0 - self.down..=1.0 + self.up).contains(&ratio)
    }
}

// === impl Question ===

impl Question<'_> {
    /// # Errors
    /// In the words of Kubernetes.
    pub(super) fn answer(&self, mut samples: Samples) -> Result<Proposal, String> {
        if self.pods.is_empty() {
            return Err("no pods returned by selector while calculating replica count".into());
        }
        let groups = self.groups(&samples);
        samples.retain(|pod, _| !groups.ignored.contains(pod) && !groups.unready.contains(pod));
        if samples.is_empty() {
            return Err("did not receive metrics for targeted pods (pods might be unready)".into());
        }
        let (ratio, average, percent) = self.ratio(&samples)?;
        let propose = |replicas| Proposal {
            replicas,
            average,
            percent,
        };
        let up_with_unready = !groups.unready.is_empty() && ratio > 1.0;
        if !up_with_unready && groups.missing.is_empty() {
            let replicas = if self.tolerance.takes(ratio) {
                self.current
            } else {
                times(ratio, groups.ready)
            };
            return Ok(propose(replicas));
        }
        // What is not known counts against the change.
        let mut assumed: Vec<(&String, i64)> = Vec::new();
        if ratio < 1.0 {
            assumed.extend(groups.missing.iter().map(|pod| (pod, self.full(pod))));
        } else if ratio > 1.0 {
            assumed.extend(groups.missing.iter().map(|pod| (pod, 0)));
        }
        if up_with_unready {
            assumed.extend(groups.unready.iter().map(|pod| (pod, 0)));
        }
        let at = self.now;
        let window = SignedDuration::ZERO;
        for (pod, value) in assumed {
            samples.insert(pod.clone(), Sample { value, at, window });
        }
        let (again, ..) = self.ratio(&samples)?;
        let turned = ratio < 1.0 && again > 1.0 || ratio > 1.0 && again < 1.0;
        let replicas = times(again, samples.len());
        let wrong_way =
            again < 1.0 && replicas > self.current || again > 1.0 && replicas < self.current;
        let stay = self.tolerance.takes(again) || turned || wrong_way;
        Ok(propose(if stay { self.current } else { replicas }))
    }

    /// What a pod is assumed to use before others are taken away.
    fn full(&self, pod: &str) -> i64 {
        match &self.target {
            Target::Average(target) => *target,
            Target::Utilization { percent, requests } => {
                requests.get(pod).copied().unwrap_or(0) * (*percent).max(100) / 100
            }
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "ratios are floating point")]
    fn ratio(&self, samples: &Samples) -> Result<Ratio, String> {
        let count = i64::try_from(samples.len()).unwrap_or(i64::MAX).max(1);
        match &self.target {
            Target::Average(target) => {
                let total: i64 = samples.values().map(|s| s.value).sum();
                let average = total / count;
                Ok((average as f64 / *target as f64, average, None))
            }
            Target::Utilization { percent, requests } => {
                let known = samples.iter();
                let known = known.filter_map(|(pod, s)| Some((s.value, *requests.get(pod)?)));
                let (mut used, mut asked, mut count) = (0, 0, 0);
                for (value, request) in known {
                    used += value;
                    asked += request;
                    count += 1;
                }
                if asked == 0 {
                    return Err("no metrics returned matched known pods".into());
                }
                let share = used * 100 / asked;
                let ratio = share as f64 / *percent as f64;
                Ok((ratio, used / count, Some(share)))
            }
        }
    }

    fn groups(&self, samples: &Samples) -> Groups {
        let mut groups = Groups::default();
        for pod in self.pods {
            let name = pods::name(pod).to_owned();
            if pods::is_deleting(pod) || pods::phase(pod) == "Failed" {
                groups.ignored.insert(name);
            } else if pods::phase(pod) == "Pending" {
                groups.unready.insert(name);
            } else if let Some(sample) = samples.get(&name) {
                if self.cpu && self.is_unready(pod, sample) {
                    groups.unready.insert(name);
                } else {
                    groups.ready += 1;
                }
            } else {
                groups.missing.insert(name);
            }
        }
        groups
    }

    fn is_unready(&self, pod: &Pod, sample: &Sample) -> bool {
        let started = pod.status.as_ref().and_then(|s| s.start_time.as_ref());
        let (Some(ready), Some(started)) = (pods::condition(pod, "Ready"), started) else {
            return true;
        };
        let since = ready
            .last_transition_time
            .as_ref()
            .map_or(started.0, |t| t.0);
        let after = |at: Timestamp, span| at.checked_add(span).unwrap_or(Timestamp::MAX);
        let no = ready.status == "False";
        if after(started.0, CPU_INITIALIZATION) > self.now {
            no || sample.at < after(since, sample.window)
        } else {
            no && after(started.0, INITIAL_READINESS) > since
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "counts of pods, saturated"
)]
pub(super) fn times(ratio: f64, count: usize) -> i32 {
    (ratio * count as f64).ceil() as i32
}
