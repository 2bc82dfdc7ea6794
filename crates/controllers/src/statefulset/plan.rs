//! Decides what a set does next, and what its status says. Pure.
//!
//! *Ordered* sets take one step at a time: a pod is made or deleted only when all before it are available. *Parallel*
//! ones do all at once. An update deletes pods, highest number first; the next round makes them anew.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use cedge_informer::Next;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{
    RollingUpdateStatefulSetStrategy, StatefulSet, StatefulSetStatus,
};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::identity;
use super::retention::Retention;
use crate::error::Error;
use crate::history::Revision;
use crate::pods::{self, Available};

/// The versions that a set moves between.
pub(super) struct Versions {
    /// What was rolled out last.
    pub(super) current: Revision,
    /// What is to be rolled out.
    pub(super) update: Revision,
    pub(super) collisions: i32,
}

pub(super) struct View {
    pub(super) set: StatefulSet,
    /// One place for each number that the set is to have.
    replicas: Vec<Option<Pod>>,
    /// Beyond the set's size; highest number first.
    condemned: Vec<Pod>,
    /// What is there, by name.
    pub(super) claims: BTreeMap<String, PersistentVolumeClaim>,
    versions: Versions,
    current: PodTemplateSpec,
    update: PodTemplateSpec,
    now: Timestamp,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Action {
    /// Makes a pod, after its claims.
    Create(Box<Pod>),
    /// Makes the claims that a waiting pod lacks.
    Fill(Box<Pod>),
    /// Brings labels, volumes and claims of a pod up to date.
    Mend(Box<Pod>),
    /// Brings the owners of the claims of a pod up to date.
    Retain(Box<Pod>),
    Delete(Box<Pod>),
    /// Deletes a pod of an old version.
    Outdate(Box<Pod>),
}

/// Steps; each is begun only when the one before has worked.
pub(super) type Plan = Vec<Vec<Action>>;

impl View {
    pub(super) fn new(
        set: StatefulSet,
        pods: Vec<Pod>,
        claims: BTreeMap<String, PersistentVolumeClaim>,
        versions: Versions,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let start = start(&set);
        let size = usize::try_from(set.spec.replicas.unwrap_or(1)).unwrap_or(0);
        let mut replicas: Vec<Option<Pod>> = Vec::new();
        replicas.resize_with(size, || None);
        let mut condemned = Vec::new();
        for pod in pods {
            let number = identity::ordinal(&pod);
            let place = number.and_then(|n| usize::try_from(n - start).ok());
            match place.and_then(|p| replicas.get_mut(p)) {
                Some(place) => *place = Some(pod),
                None => condemned.push(pod),
            }
        }
        condemned.sort_by_key(|p| std::cmp::Reverse(identity::ordinal(p)));
        Ok(Self {
            current: versions.current.template()?,
            update: versions.update.template()?,
            set,
            replicas,
            condemned,
            claims,
            versions,
            now,
        })
    }

    pub(super) fn plan(&self) -> Plan {
        let mut plan = Plan::new();
        if self.set.metadata.deletion_timestamp.is_some() {
            return plan;
        }
        let (actions, done) = self.plan_replicas();
        plan.push(actions);
        if !done && self.is_ordered() {
            return plan;
        }
        let stale = self.condemned.iter().filter(|p| !self.retains(p));
        plan.push(stale.map(|p| Action::Retain(boxed(p))).collect());
        plan.push(self.plan_condemned());
        if self.is_rolling() && (self.condemned.is_empty() || !self.is_ordered()) {
            plan.push(self.plan_update());
        }
        plan.retain(|step| !step.is_empty());
        plan
    }

    /// What the pods need that are to be there; and whether all are as they should be.
    fn plan_replicas(&self) -> (Vec<Action>, bool) {
        let mut actions = Vec::new();
        let mut done = true;
        for (place, pod) in self.replicas.iter().enumerate() {
            done &= match pod {
                None => self.plan_missing(place, &mut actions),
                Some(pod) => self.plan_replica(pod, &mut actions),
            };
            if !done && self.is_ordered() {
                break;
            }
        }
        (actions, done)
    }

    fn plan_missing(&self, place: usize, actions: &mut Vec<Action>) -> bool {
        let pod = self.new_pod(place);
        let retention = self.retention(&pod);
        let mut claims = self.claims_of(&pod);
        if !claims.any(|c| retention.is_of_earlier_pod(c)) {
            actions.push(Action::Create(Box::new(pod.clone())));
        }
        false
    }

    fn plan_replica(&self, pod: &Pod, actions: &mut Vec<Action>) -> bool {
        if pods::is_terminal(pod) {
            if !pods::is_deleting(pod) {
                actions.push(Action::Delete(boxed(pod)));
            }
            return false;
        }
        let waits = !is_ready(pod) || !self.is_available(pod) || pods::is_deleting(pod);
        let pending = pods::phase(pod) == "Pending" && !self.is_filled(pod);
        if self.is_ordered() && waits {
            if pending {
                actions.push(Action::Fill(boxed(pod)));
            }
            return false;
        }
        let mended = identity::has_identity(pod)
            && identity::has_storage(&self.set, pod)
            && self.retains(pod);
        if !mended {
            actions.push(Action::Mend(boxed(pod)));
        } else if pending {
            actions.push(Action::Fill(boxed(pod)));
        }
        true
    }

    /// Pods beyond the set's size go; in an ordered set one at a time, and only a healthy one or the first that is not.
    fn plan_condemned(&self) -> Vec<Action> {
        let delete = |p: &Pod| Action::Delete(boxed(p));
        if !self.is_ordered() {
            let leaving = self.condemned.iter().filter(|p| !pods::is_deleting(p));
            return leaving.map(delete).collect();
        }
        let Some(last) = self.condemned.first() else {
            return Vec::new();
        };
        let unhealthy = self.condemned.iter().rev().find(|p| self.is_out(p));
        let waits = !is_ready(last) || !self.is_available(last);
        let is_first = unhealthy.is_some_and(|p| pods::uid(p) == pods::uid(last));
        if pods::is_deleting(last) || (waits && !is_first) {
            return Vec::new();
        }
        vec![delete(last)]
    }

    fn plan_update(&self) -> Vec<Action> {
        let out = self.replicas.iter();
        let out = out.filter(|p| p.as_ref().is_none_or(|p| self.is_out(p)));
        let room = self.unavailable_max().saturating_sub(out.count());
        let from = self.rolling().and_then(|r| r.partition).unwrap_or(0);
        let from = usize::try_from(from).unwrap_or(0);
        let old = self.replicas.iter().skip(from).rev().flatten();
        let old = old.filter(|p| identity::revision(p) != self.versions.update.name);
        let old: Vec<&Pod> = old.filter(|p| !pods::is_deleting(p)).collect();
        let outdate = |p: &&Pod| Action::Outdate(boxed(p));
        if self.is_ordered() {
            return old.iter().take(room).map(outdate).collect();
        }
        // Those that serve nobody go first, and cost nothing.
        let (working, broken): (Vec<&Pod>, Vec<&Pod>) =
            old.into_iter().partition(|p| self.is_available(p));
        let broken = broken.iter().map(outdate);
        broken
            .chain(working.iter().take(room).map(outdate))
            .collect()
    }

    /// The status after `outdated` pods were deleted for the update.
    pub(super) fn status(&self, outdated: usize) -> StatefulSetStatus {
        let all = || self.replicas.iter().flatten().chain(&self.condemned);
        let count = |f: &dyn Fn(&&Pod) -> bool| number(all().filter(f).count());
        let of = |p: &Pod, r: &Revision| !pods::is_deleting(p) && identity::revision(p) == r.name;
        let mut current = count(&|p| of(p, &self.versions.current));
        current = (current - number(outdated)).max(0);
        let updated = count(&|p| of(p, &self.versions.update));
        let (replicas, ready) = (count(&|_| true), count(&|p| is_ready(p)));
        let mut revision = &self.versions.current.name;
        let size = number(self.replicas.len());
        if updated == size && ready == size && replicas == size {
            current = updated;
            revision = &self.versions.update.name;
        }
        let old = self.set.status.as_ref();
        StatefulSetStatus {
            available_replicas: Some(count(&|p| is_ready(p) && self.is_available(p))),
            collision_count: Some(self.versions.collisions),
            conditions: old.and_then(|s| s.conditions.clone()),
            current_replicas: some(current),
            current_revision: Some(revision.clone()),
            observed_generation: self.set.metadata.generation,
            ready_replicas: some(ready),
            replicas,
            update_revision: Some(self.versions.update.name.clone()),
            updated_replicas: some(updated),
        }
    }

    /// When the first pod that is ready will have been so long enough.
    pub(super) fn next(&self) -> Next {
        let all = self.replicas.iter().flatten().chain(&self.condemned);
        let waits = all.filter_map(|p| match pods::available(p, self.min_ready(), self.now) {
            Available::After(left) => Some(left),
            Available::Yes | Available::No => None,
        });
        waits.min().map_or(Next::OnChange, Next::After)
    }

    /// Whether a version is still needed.
    pub(super) fn is_live(&self, name: &str) -> bool {
        let mut all = self.replicas.iter().flatten().chain(&self.condemned);
        name == self.versions.current.name
            || name == self.versions.update.name
            || all.any(|p| identity::revision(p) == name)
    }

    pub(super) fn is_ordered(&self) -> bool {
        self.set.spec.pod_management_policy.as_deref() != Some("Parallel")
    }

    pub(super) fn retention<'a>(&'a self, pod: &'a Pod) -> Retention<'a> {
        let places = start(&self.set)..start(&self.set) + number(self.replicas.len());
        Retention {
            set: &self.set,
            pod,
            condemned: identity::ordinal(pod).is_none_or(|n| !places.contains(&n)),
        }
    }

    /// The claims of a pod that are there.
    pub(super) fn claims_of(&self, pod: &Pod) -> impl Iterator<Item = &PersistentVolumeClaim> {
        let wanted = identity::claims(&self.set, pod).into_iter();
        wanted.filter_map(|(_, c)| self.claims.get(identity::claim_name(&c)))
    }

    /// The pod for a place: of the current version below the partition, else of the new one.
    fn new_pod(&self, place: usize) -> Pod {
        let place = number(place);
        let below = match self.rolling() {
            Some(rolling) => rolling.partition.unwrap_or(0),
            None if self.is_rolling() => {
                let status = self.set.status.as_ref();
                status.and_then(|s| s.current_replicas).unwrap_or(0)
            }
            None => 0,
        };
        let (template, revision) = if place < below {
            (&self.current, &self.versions.current)
        } else {
            (&self.update, &self.versions.update)
        };
        let metadata = &self.set.metadata;
        let owner = OwnerReference {
            api_version: super::API_VERSION.to_owned(),
            kind: super::KIND.to_owned(),
            name: metadata.name.clone().unwrap_or_default(),
            uid: metadata.uid.clone().unwrap_or_default(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        };
        let ordinal = start(&self.set) + place;
        identity::pod(&self.set, template, &revision.name, ordinal, owner)
    }

    /// Whether all claims of a pod are there to stay.
    fn is_filled(&self, pod: &Pod) -> bool {
        let wanted = identity::claims(&self.set, pod);
        wanted.iter().all(|(_, claim)| {
            let there = self.claims.get(identity::claim_name(claim));
            there.is_some_and(|c| c.metadata.deletion_timestamp.is_none())
        })
    }

    /// Whether the claims of a pod have the owners that the retention policy gives them.
    fn retains(&self, pod: &Pod) -> bool {
        let retention = self.retention(pod);
        self.claims_of(pod).all(|c| retention.correct(c).is_none())
    }

    fn is_rolling(&self) -> bool {
        let strategy = self.set.spec.update_strategy.as_ref();
        strategy.is_none_or(|s| s.type_.as_deref() != Some("OnDelete"))
    }

    fn rolling(&self) -> Option<&RollingUpdateStatefulSetStrategy> {
        let strategy = self.set.spec.update_strategy.as_ref()?;
        strategy.rolling_update.as_ref()
    }

    /// A number, or a share of the set's size, rounded down; something must be allowed to move.
    fn unavailable_max(&self) -> usize {
        let size = self.replicas.len();
        let max = match self.rolling().and_then(|r| r.max_unavailable.as_ref()) {
            None => 1,
            Some(IntOrString::Int(n)) => usize::try_from(*n).unwrap_or(0),
            Some(IntOrString::String(s)) => {
                let percent: usize = s.trim_end_matches('%').parse().unwrap_or(0);
                percent * size / 100
            }
        };
        max.max(1)
    }

    fn is_available(&self, pod: &Pod) -> bool {
        pods::available(pod, self.min_ready(), self.now) == Available::Yes
    }

    /// Whether a pod does not serve, or soon will not.
    fn is_out(&self, pod: &Pod) -> bool {
        !self.is_available(pod) || pods::is_deleting(pod)
    }

    fn min_ready(&self) -> i32 {
        self.set.spec.min_ready_seconds.unwrap_or(0)
    }
}

/// The first number.
fn start(set: &StatefulSet) -> i32 {
    let ordinals = set.spec.ordinals.as_ref();
    ordinals.and_then(|o| o.start).unwrap_or(0)
}

fn is_ready(pod: &Pod) -> bool {
    pods::phase(pod) == "Running" && pods::is_ready(pod)
}

fn boxed(pod: &Pod) -> Box<Pod> {
    Box::new(pod.clone())
}

fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// Zero is left out, as Go's `omitempty` does.
fn some(count: i32) -> Option<i32> {
    (count != 0).then_some(count)
}
