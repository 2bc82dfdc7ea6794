//! Decides what happens next to a Deployment's ReplicaSets, and what its status says. Pure.

mod annotations;
mod scale;
mod status;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use cedge_informer::Object;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{
    Deployment, DeploymentCondition, DeploymentSpec, ReplicaSet, RollingUpdateDeployment,
};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::template;

pub(super) use annotations::REVISION;

/// A Deployment and its ReplicaSets, as read.
pub(super) struct View {
    pub(super) deployment: Deployment,
    /// Oldest first.
    pub(super) sets: Vec<Set>,
    /// The one of the current template.
    new: Option<usize>,
    /// Whether a pod of an old version may still run. Only Recreate asks.
    pub(super) old_pods_run: bool,
    pub(super) collisions: i32,
    /// The conditions as they will be.
    conditions: Option<Vec<DeploymentCondition>>,
    now: Timestamp,
}

pub(super) struct Set {
    pub(super) object: Arc<Object>,
    pub(super) set: ReplicaSet,
}

/// What to do in this round. Remove before add does not hold here: a rolling update adds first where it may.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Nothing,
    /// Make the ReplicaSet of the current template.
    Create {
        replicas: i32,
    },
    /// Set sizes, by index of the ReplicaSet.
    Scale(Vec<(usize, i32)>),
}

// === impl Set ===

impl Set {
    pub(super) fn replicas(&self) -> i32 {
        self.set.spec.replicas.unwrap_or(1)
    }

    pub(super) fn status_replicas(&self) -> i32 {
        self.set.status.as_ref().map_or(0, |s| s.replicas)
    }

    fn available(&self) -> i32 {
        let status = self.set.status.as_ref();
        status.and_then(|s| s.available_replicas).unwrap_or(0)
    }

    fn ready(&self) -> i32 {
        let status = self.set.status.as_ref();
        status.and_then(|s| s.ready_replicas).unwrap_or(0)
    }

    fn annotation(&self, name: &str) -> Option<&str> {
        let annotations = self.set.metadata.annotations.as_ref()?;
        annotations.get(name).map(String::as_str)
    }

    fn number(&self, name: &str) -> Option<i32> {
        self.annotation(name)?.parse().ok()
    }
}

// === impl View ===

impl View {
    pub(super) fn new(
        deployment: Deployment,
        sets: Vec<(Arc<Object>, ReplicaSet)>,
        now: Timestamp,
    ) -> Self {
        let status = deployment.status.clone().unwrap_or_default();
        let mut sets: Vec<Set> = sets
            .into_iter()
            .map(|(object, set)| Set { object, set })
            .collect();
        sets.sort_by_key(|s| (s.object.created(), s.object.key().clone()));
        let mut view = Self {
            deployment,
            sets,
            new: None,
            old_pods_run: false,
            collisions: status.collision_count.unwrap_or(0),
            conditions: status.conditions,
            now,
        };
        let current = view.template();
        view.new = view.sets.iter().position(|s| {
            let theirs = s.set.spec.template.as_ref();
            theirs.is_some_and(|t| template::is_same(t, &current))
        });
        view
    }

    pub(super) fn spec(&self) -> DeploymentSpec {
        self.deployment.spec.clone()
    }

    pub(super) fn template(&self) -> PodTemplateSpec {
        self.deployment.spec.template.clone()
    }

    pub(super) fn old(&self) -> impl Iterator<Item = &Set> {
        let new = self.new;
        let all = self.sets.iter().enumerate();
        all.filter(move |(i, _)| Some(*i) != new).map(|(_, s)| s)
    }

    fn new_set(&self) -> Option<&Set> {
        self.new.map(|i| &self.sets[i])
    }

    fn replicas(&self) -> i32 {
        self.deployment.spec.replicas.unwrap_or(1)
    }

    fn is_paused(&self) -> bool {
        self.deployment.spec.paused.unwrap_or(false)
    }

    pub(super) fn is_recreate(&self) -> bool {
        let strategy = self.deployment.spec.strategy.as_ref();
        strategy.is_some_and(|s| s.type_.as_deref() == Some("Recreate"))
    }

    /// (maxSurge, maxUnavailable) as numbers.
    fn fences(&self) -> (i32, i32) {
        if self.is_recreate() {
            return (0, 0);
        }
        let strategy = self.deployment.spec.strategy.as_ref();
        let rolling =
            strategy
                .and_then(|s| s.rolling_update.clone())
                .unwrap_or(RollingUpdateDeployment {
                    max_surge: Some(IntOrString::String("25%".to_owned())),
                    max_unavailable: Some(IntOrString::String("25%".to_owned())),
                });
        let replicas = self.replicas();
        let surge = share(rolling.max_surge.as_ref(), replicas, true);
        let unavailable = share(rolling.max_unavailable.as_ref(), replicas, false);
        // Both zero can only come from rounding; something must be allowed to move.
        match (surge, unavailable) {
            (0, 0) => (0, 1.min(replicas)),
            (surge, unavailable) => (surge, unavailable.min(replicas)),
        }
    }

    pub(super) fn plan(&mut self) -> Step {
        self.note_pause();
        if self.is_paused() || self.is_scaled() {
            return self.resize();
        }
        if self.is_recreate() {
            self.recreate()
        } else {
            self.roll()
        }
    }

    fn recreate(&self) -> Step {
        let down: Vec<_> = self
            .indices(|s| s.replicas() > 0)
            .filter(|i| Some(*i) != self.new)
            .map(|i| (i, 0))
            .collect();
        if !down.is_empty() {
            return Step::Scale(down);
        }
        if self.old_pods_run {
            return Step::Nothing;
        }
        match self.new {
            None => Step::Create {
                replicas: self.replicas(),
            },
            Some(i) => self.scale_to(vec![(i, self.replicas())]),
        }
    }

    fn roll(&self) -> Step {
        let Some(new) = self.new else {
            return Step::Create {
                replicas: self.size_of_new(0),
            };
        };
        let up = self.scale_to(vec![(new, self.size_of_new(self.sets[new].replicas()))]);
        if up != Step::Nothing {
            return up;
        }
        self.scale_to(self.shrink_old())
    }

    /// Only what really changes.
    fn scale_to(&self, mut sizes: Vec<(usize, i32)>) -> Step {
        sizes.retain(|(i, size)| self.sets[*i].replicas() != *size);
        if sizes.is_empty() {
            return Step::Nothing;
        }
        Step::Scale(sizes)
    }

    fn indices(&self, f: impl Fn(&Set) -> bool) -> impl Iterator<Item = usize> {
        let all = self.sets.iter().enumerate();
        all.filter(move |(_, s)| f(s)).map(|(i, _)| i)
    }

    /// Whether this step touches the current ReplicaSet.
    pub(super) fn touches_new(&self, step: &Step) -> bool {
        match step {
            Step::Nothing => false,
            Step::Create { .. } => true,
            Step::Scale(sizes) => sizes.iter().any(|(i, _)| Some(*i) == self.new),
        }
    }

    /// Old ReplicaSets beyond `revisionHistoryLimit`, once nothing moves any more.
    pub(super) fn surplus_history(&self) -> Vec<&Set> {
        let status = self.deployment.status.clone().unwrap_or_default();
        if !self.is_paused() && (self.new.is_none() || !self.is_complete(&status)) {
            return Vec::new();
        }
        let limit = self.deployment.spec.revision_history_limit.unwrap_or(10);
        let mut old: Vec<&Set> = self.old().filter(|s| !s.object.is_deleting()).collect();
        let surplus = old
            .len()
            .saturating_sub(usize::try_from(limit).unwrap_or(0));
        old.sort_by_key(|s| (s.number(REVISION), s.object.created()));
        old.truncate(surplus);
        old.retain(|s| {
            let observed = s.set.status.as_ref().and_then(|s| s.observed_generation);
            s.replicas() == 0
                && s.status_replicas() == 0
                && s.object.generation() <= observed.unwrap_or(0)
        });
        old
    }
}

/// A number, or a share of `total`.
fn share(value: Option<&IntOrString>, total: i32, up: bool) -> i32 {
    match value {
        None => 0,
        Some(IntOrString::Int(n)) => (*n).max(0),
        Some(IntOrString::String(s)) => {
            let percent: i64 = s.trim_end_matches('%').parse().unwrap_or(0);
            let hundredfold = percent * i64::from(total.max(0)) + if up { 99 } else { 0 };
            i32::try_from(hundredfold / 100).unwrap_or(i32::MAX)
        }
    }
}

type Annotations = BTreeMap<String, String>;
