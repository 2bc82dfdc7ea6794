//! ReplicaSets: as many pods as asked for, no more and no fewer.
//!
//! Before: `deployment` (or a user) wrote the ReplicaSet. After: the scheduler binds the pods. A ReplicationController is
//! read as a ReplicaSet; a second instance of the same code runs for these.

mod form;
mod plan;

use std::sync::Arc;

use cedge_informer::{Cache, Change, Key, Next, Object, Queue, Recorder, Selector};
use cedge_tasks::clock;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DeleteParams, PostParams, Preconditions};

use crate::claim::{Claimer, controller_reference};
use crate::context::{Context, feed};
use crate::error::{Answer as _, Error, message};
use crate::expectations::Expectations;
use crate::pods;
use crate::slow_start::slow_start;
use form::Form;
use plan::{Manage, Outcome};

#[derive(Clone)]
struct ReplicaSets {
    form: Form,
    ctx: Context,
    sets: Cache,
    pods: Cache,
    expectations: Expectations,
    recorder: Recorder,
}

pub(crate) fn start(ctx: &Context) {
    start_form(ctx, Form::Set);
}

/// For ReplicationControllers.
pub(crate) fn start_old(ctx: &Context) {
    start_form(ctx, Form::Controller);
}

fn start_form(ctx: &Context, form: Form) {
    let sets = form.cache(&ctx.informers);
    let pods = ctx.informers.of::<Pod>();
    let queue: Queue<Key> = Queue::new(form.name());
    let this = ReplicaSets {
        form,
        ctx: ctx.clone(),
        sets: sets.clone(),
        pods: pods.clone(),
        expectations: Expectations::default(),
        recorder: ctx.events.recorder(form.component()),
    };
    feed(&sets, &queue);
    pods.subscribe({
        let (this, queue) = (this.clone(), queue.clone());
        move |change| this.observe(change, &queue)
    });
    ctx.work(&queue, &[&sets, &pods], ctx.config.workers, move |key| {
        let this = this.clone();
        async move { Box::pin(this.reconcile(&key)).await }
    });
}

// === impl ReplicaSets ===

impl ReplicaSets {
    /// A pod changed: whose is it?
    fn observe(&self, change: &Change, queue: &Queue<Key>) {
        let pod = change.object();
        let owner = self.form.owner_of(pod);
        if let Some(key) = &owner {
            match change {
                Change::Added(_) if !pod.is_deleting() => self.expectations.created(key),
                Change::Updated { .. } if !pod.is_deleting() => {}
                _ => self.expectations.deleted(key, pod.uid()),
            }
            queue.add(key.clone());
        }
        if let Some(old) = change.old()
            && let Some(before) = self.form.owner_of(old)
            && owner.as_ref() != Some(&before)
        {
            queue.add(before);
        }
        let orphan = pod.controller().is_none() && !matches!(change, Change::Deleted(_));
        if orphan && !pod.is_deleting() && !pod.labels().is_empty() {
            for set in self.sets.namespace(pod.namespace()) {
                if self
                    .form
                    .read(&set)
                    .is_ok_and(|(_, s)| s.matches(pod.labels()))
                {
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
        let may_act = self.expectations.are_met(key) && !object.is_deleting();
        let (set, selector) = self.form.read(&object)?;
        let (active, terminating) = self.claim(&object, &selector).await?;
        let now = clock::now();

        let failed = if may_act {
            let related = self.related(&object)?;
            let manage = plan::manage(&set, active.clone(), &related, now);
            self.act(&object, &set, manage).await
        } else {
            None
        };

        let outcome = Outcome {
            active: &active,
            terminating: terminating.len(),
            failure: failed.as_ref().map(message),
        };
        let status = plan::status(&set, &outcome, now);
        let old = set.status.clone().unwrap_or_default();
        let client = &self.ctx.client;
        self.form.write_status(client, &object, old, status).await?;
        match failed {
            Some(e) => Err(e.into()),
            None => Ok(plan::next(&set, &active, now)),
        }
    }

    /// The pods that count, and those that still go away.
    async fn claim(
        &self,
        object: &Arc<Object>,
        selector: &Selector,
    ) -> Result<(Vec<Pod>, Vec<Pod>), Error> {
        let mut candidates = self.pods.by_owner(object.uid());
        let orphans = self.pods.select(object.namespace(), selector);
        candidates.extend(orphans.into_iter().filter(|p| p.controller().is_none()));
        let mut terminating = Vec::new();
        let mut alive = Vec::new();
        for candidate in candidates {
            let pod: Pod = candidate.decode()?;
            if pods::is_active(&pod) {
                alive.push(candidate);
            } else if pods::is_terminating(&pod) && selector.matches(candidate.labels()) {
                terminating.push(pod);
            }
        }
        let claimer = Claimer::new(object, selector);
        let pods_api: Api<Pod> = Api::namespaced(self.ctx.client.clone(), object.namespace());
        let owned = claimer
            .claim(
                &pods_api,
                alive,
                self.form.still_there(&self.ctx.client, object),
            )
            .await?;
        let active: Result<Vec<Pod>, _> = owned.iter().map(|p| p.decode()).collect();
        Ok((active?, terminating))
    }

    /// The pods of all ReplicaSets that have the same owner: they share nodes with ours.
    fn related(&self, object: &Object) -> Result<Vec<Pod>, Error> {
        let siblings = match object.controller() {
            Some(owner) => self.sets.by_owner(&owner.uid),
            None => Vec::new(),
        };
        let uids = siblings.iter().map(|s| s.uid()).chain([object.uid()]);
        let mut uids: Vec<&str> = uids.collect();
        uids.sort_unstable();
        uids.dedup();
        let mut related = Vec::new();
        for pod in uids.into_iter().flat_map(|uid| self.pods.by_owner(uid)) {
            related.push(pod.decode()?);
        }
        Ok(related)
    }

    async fn act(&self, object: &Object, set: &ReplicaSet, manage: Manage) -> Option<kube::Error> {
        match manage {
            Manage::Nothing => None,
            Manage::Create(count) => self.create(object, set, count).await,
            Manage::Delete(pods) => self.delete(object, &pods).await,
        }
    }

    async fn create(&self, object: &Object, set: &ReplicaSet, count: usize) -> Option<kube::Error> {
        let template = set.spec.template.clone().unwrap_or_default();
        let pod = pods::from_template(&template, object.namespace(), controller_reference(object));
        let api: Api<Pod> = Api::namespaced(self.ctx.client.clone(), object.namespace());
        self.expectations.expect(object.key(), count, []);
        let (done, error) = slow_start(count, |_| async {
            let params = PostParams::default();
            match Box::pin(api.create(&params, &pod)).await {
                Ok(made) => {
                    let text = format!("Created pod: {}", pods::name(&made));
                    self.recorder
                        .normal(object.reference(), "SuccessfulCreate", text);
                    Ok(())
                }
                Err(e) => Err(e),
            }
        })
        .await;
        self.expectations.not_created(object.key(), count - done);
        let error = error.filter(|e| !e.is_namespace_terminating())?;
        let text = format!("Error creating: {}", message(&error));
        self.recorder
            .warning(object.reference(), "FailedCreate", text);
        Some(error)
    }

    async fn delete(&self, object: &Object, pods: &[Pod]) -> Option<kube::Error> {
        let api: Api<Pod> = Api::namespaced(self.ctx.client.clone(), object.namespace());
        self.expectations
            .expect(object.key(), 0, pods.iter().map(pods::uid));
        let deletions = pods.iter().map(|pod| async {
            let params = DeleteParams {
                preconditions: Some(Preconditions {
                    uid: pod.metadata.uid.clone(),
                    resource_version: None,
                }),
                ..DeleteParams::default()
            };
            match Box::pin(api.delete(pods::name(pod), &params)).await {
                Ok(_) => {
                    let text = format!("Deleted pod: {}", pods::name(pod));
                    self.recorder
                        .normal(object.reference(), "SuccessfulDelete", text);
                    None
                }
                Err(e) => {
                    self.expectations.deleted(object.key(), pods::uid(pod));
                    if e.is_not_found() {
                        return None;
                    }
                    let text = format!("Error deleting: {}", message(&e));
                    self.recorder
                        .warning(object.reference(), "FailedDelete", text);
                    Some(e)
                }
            }
        });
        futures::future::join_all(deletions)
            .await
            .into_iter()
            .flatten()
            .next()
    }
}
