//! StatefulSets: pods with names, and with storage that stays when they go.
//!
//! Before: a user wrote the StatefulSet. After: the scheduler binds the pods, the volume binder their claims.

mod act;
mod identity;
mod plan;
mod retention;

use std::collections::BTreeMap;
use std::sync::Arc;

use cedge_informer::{Cache, Change, Key, Next, Object, Queue, Recorder, Selector};
use cedge_tasks::clock;
use k8s_openapi::api::apps::v1::{ControllerRevision, StatefulSet};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::Api;

use crate::claim::{Claimer, still_there};
use crate::context::{Context, controller_key, feed};
use crate::error::Error;
use crate::expectations::Expectations;
use crate::history::{Added, History, Revision};
use crate::update;
use plan::{Versions, View};

const API_VERSION: &str = "apps/v1";
const KIND: &str = "StatefulSet";
/// The label of a revision that holds its hash.
const HASH: &str = "controller.kubernetes.io/hash";

#[derive(Clone)]
struct StatefulSets {
    ctx: Context,
    sets: Cache,
    pods: Cache,
    claims: Cache,
    revisions: Cache,
    expectations: Expectations,
    recorder: Recorder,
}

pub(crate) fn start(ctx: &Context) {
    let this = StatefulSets {
        ctx: ctx.clone(),
        sets: ctx.informers.of::<StatefulSet>(),
        pods: ctx.informers.of::<Pod>(),
        claims: ctx.informers.of::<PersistentVolumeClaim>(),
        revisions: ctx.informers.of::<ControllerRevision>(),
        expectations: Expectations::default(),
        recorder: ctx.events.recorder("statefulset-controller"),
    };
    let queue: Queue<Key> = Queue::new("statefulset");
    feed(&this.sets, &queue);
    this.pods.subscribe({
        let (this, queue) = (this.clone(), queue.clone());
        move |change| this.observe_pod(change, &queue)
    });
    let caches = [
        &this.sets.clone(),
        &this.pods.clone(),
        &this.claims.clone(),
        &this.revisions.clone(),
    ];
    ctx.work(&queue, &caches, ctx.config.workers, move |key| {
        let this = this.clone();
        async move { Box::pin(this.reconcile(&key)).await }
    });
}

fn selector_of(object: &Object) -> Result<(StatefulSet, Selector), Error> {
    let set: StatefulSet = object.decode()?;
    let selector = Selector::try_from(&set.spec.selector)?;
    Ok((set, selector))
}

impl StatefulSets {
    fn observe_pod(&self, change: &Change, queue: &Queue<Key>) {
        let pod = change.object();
        let owner = controller_key(pod, API_VERSION, KIND);
        if let Some(key) = &owner {
            if matches!(change, Change::Deleted(_)) || pod.is_deleting() {
                self.expectations.deleted(key, pod.uid());
            } else if change.old().is_none() {
                self.expectations.created(key);
            }
            queue.add(key.clone());
        }
        if let Some(before) = change
            .old()
            .and_then(|p| controller_key(p, API_VERSION, KIND))
            && owner.as_ref() != Some(&before)
        {
            queue.add(before);
        }
        let orphan = pod.controller().is_none() && !matches!(change, Change::Deleted(_));
        if orphan && !pod.is_deleting() && !pod.labels().is_empty() {
            for set in self.sets.namespace(pod.namespace()) {
                if selector_of(&set).is_ok_and(|(_, s)| s.matches(pod.labels())) {
                    queue.add(set.key().clone());
                }
            }
        }
    }

    async fn reconcile(&self, key: &Key) -> Result<Next, Error> {
        let Some(object) = self.sets.get_key(key) else {
            self.expectations.forget(key);
            return Ok(Next::OnChange);
        };
        if !self.expectations.are_met(key) {
            return Ok(Next::OnChange);
        }
        let (set, selector) = selector_of(&object)?;
        let history = History {
            client: &self.ctx.client,
            revisions: &self.revisions,
            owner: &object,
            selector: &selector,
            label: HASH,
        };
        let known = history.all::<StatefulSet>().await?;
        let pods = self.claim(&object, &selector).await?;
        let versions = self.versions(&history, &known, &set).await?;
        let limit = set.spec.revision_history_limit.unwrap_or(10);
        let claims = self.claims_of(&set, &object)?;
        let view = View::new(set, pods, claims, versions, clock::now())?;

        let plan = view.plan();
        let (outrun, acted) = self.act(&object, &view, plan).await;
        let api: Api<StatefulSet> = Api::namespaced(self.ctx.client.clone(), &key.namespace);
        let old = view.set.status.clone().unwrap_or_default();
        update::status(&api, &object, &old, &view.status(outrun)).await?;
        acted?;
        history
            .forget(&known, limit, |r| view.is_live(&r.name))
            .await?;
        Ok(view.next())
    }

    /// The pods that are ours: selected, and named as members are.
    async fn claim(&self, object: &Arc<Object>, selector: &Selector) -> Result<Vec<Pod>, Error> {
        let mut candidates = self.pods.by_owner(object.uid());
        let orphans = self.pods.select(object.namespace(), selector);
        candidates.extend(orphans.into_iter().filter(|p| p.controller().is_none()));
        let claimer = Claimer {
            fits: |set, pod| identity::is_member(set.name(), pod.name()),
            ..Claimer::new(object, selector)
        };
        let client = || self.ctx.client.clone();
        let pods: Api<Pod> = Api::namespaced(client(), object.namespace());
        let sets: Api<StatefulSet> = Api::namespaced(client(), object.namespace());
        let owned = claimer
            .claim(&pods, candidates, still_there(&sets, object))
            .await?;
        let pods: Result<Vec<Pod>, _> = owned.iter().map(|p| p.decode()).collect();
        Ok(pods?)
    }

    /// Which versions pods are of: the one that was rolled out last, and the one that is to be.
    async fn versions(
        &self,
        history: &History<'_>,
        known: &[Revision],
        set: &StatefulSet,
    ) -> Result<Versions, Error> {
        let status = set.status.as_ref();
        let mut collisions = status.and_then(|s| s.collision_count).unwrap_or(0);
        let template = &set.spec.template;
        let newest = known.last().map_or(0, |r| r.number);
        let mut update = None;
        for revision in known.iter().rev() {
            if revision.holds(template)? {
                update = Some(revision.clone());
                break;
            }
        }
        let update = match update {
            Some(found) => {
                if found.number < newest {
                    history.renumber(&found, newest + 1).await?;
                }
                found
            }
            None => loop {
                match history.add(template, newest + 1, collisions).await? {
                    Added::Made(revision) => break revision,
                    Added::Taken(_) => collisions += 1,
                }
            },
        };
        let name = status.and_then(|s| s.current_revision.as_deref());
        let current = known.iter().find(|r| Some(&*r.name) == name);
        Ok(Versions {
            current: current.cloned().unwrap_or_else(|| update.clone()),
            update,
            collisions,
        })
    }

    /// The claims that are there, of those that pods of the set have or had, by name.
    fn claims_of(
        &self,
        set: &StatefulSet,
        object: &Object,
    ) -> Result<BTreeMap<String, PersistentVolumeClaim>, Error> {
        let templates = set.spec.volume_claim_templates.as_deref().unwrap_or(&[]);
        if templates.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut claims = BTreeMap::new();
        for claim in self.claims.namespace(object.namespace()) {
            let ours = templates
                .iter()
                .any(|t| identity::is_claim_of(t, object.name(), claim.name()));
            if ours {
                claims.insert(claim.name().to_owned(), claim.decode()?);
            }
        }
        Ok(claims)
    }
}
