//! Makes and deletes the pods of a Job.

use cedge_informer::{Next, Object};
use futures::future::join_all;
use k8s_openapi::api::batch::v1::JobCondition;
use k8s_openapi::api::core::v1::{Container, EnvVar, EnvVarSource, ObjectFieldSelector, Pod};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use serde_json::json;

use super::plan::Manage;
use super::view::{View, number};
use super::{FINALIZER, Jobs, Outcome, indexes};
use crate::claim::controller_reference;
use crate::error::{Answer as _, message};
use crate::slow_start::slow_start;
use crate::{patch, pods};

const ENV: &str = "JOB_COMPLETION_INDEX";

impl Jobs {
    /// The Job is over: nothing of it runs on.
    pub(super) async fn stop(
        &self,
        object: &Object,
        view: &mut View,
        condition: JobCondition,
        may_act: bool,
    ) -> Outcome {
        let active = view.active();
        let failure = self.delete(object, &active).await;
        view.status.active = count_of(0);
        view.status.ready = Some(0);
        view.status.terminating = Some(view.terminating() + number(active.len()));
        // With pods that the cache does not show yet nothing can be said to be over.
        if failure.is_none() && may_act {
            view.finished = Some(condition);
        }
        Outcome {
            next: Next::OnChange,
            failure,
        }
    }

    pub(super) async fn go_on(&self, object: &Object, view: &mut View, may_act: bool) -> Outcome {
        let pods = view.active();
        let (mut active, mut ready) = (number(pods.len()), ready_of(&pods));
        let mut outcome = Outcome {
            next: Next::OnChange,
            failure: None,
        };
        let mut leaving = view.terminating();
        if may_act && !view.deleting {
            match view.manage() {
                Manage::Nothing => {}
                Manage::Wait(wait) => outcome.next = Next::After(wait),
                Manage::Create(count, indexes) => {
                    let (made, failure) = self.create(object, view, count, &indexes).await;
                    active += number(made);
                    outcome.failure = failure;
                }
                Manage::Delete(surplus) => {
                    outcome.failure = self.delete(object, &surplus).await;
                    if outcome.failure.is_none() {
                        active -= number(surplus.len());
                        ready -= ready_of(&surplus);
                        leaving += number(surplus.len());
                    }
                }
            }
            if view.is_complete(active) {
                view.finished = Some(view.completions_reached());
            } else if let Some((reason, text)) = view.note_suspension() {
                self.recorder.normal(object.reference(), reason, text);
            }
        }
        view.status.active = count_of(active);
        view.status.ready = Some(ready);
        view.status.terminating = Some(leaving);
        outcome
    }

    async fn create(
        &self,
        object: &Object,
        view: &View,
        count: usize,
        indexes: &[i32],
    ) -> (usize, Option<kube::Error>) {
        let pod = pod_of(object, view);
        let api: Api<Pod> = Api::namespaced(self.ctx.client.clone(), object.namespace());
        self.expectations.expect(object.key(), count, []);
        let (done, error) = slow_start(count, |i| {
            let mut pod = pod.clone();
            if let Some(index) = indexes.get(i) {
                give_index(&mut pod, object.name(), *index);
            }
            let api = &api;
            async move {
                let made = Box::pin(api.create(&PostParams::default(), &pod)).await?;
                let text = format!("Created pod: {}", pods::name(&made));
                self.recorder
                    .normal(object.reference(), "SuccessfulCreate", text);
                Ok(())
            }
        })
        .await;
        self.expectations.not_created(object.key(), count - done);
        let error = error.filter(|e: &kube::Error| !e.is_namespace_terminating());
        if let Some(e) = &error {
            let text = format!("Error creating: {}", message(e));
            self.recorder
                .warning(object.reference(), "FailedCreate", text);
        }
        (done, error)
    }

    async fn delete(&self, object: &Object, surplus: &[Pod]) -> Option<kube::Error> {
        if surplus.is_empty() {
            return None;
        }
        let api: Api<Pod> = Api::namespaced(self.ctx.client.clone(), object.namespace());
        self.expectations
            .expect(object.key(), 0, surplus.iter().map(pods::uid));
        let deletions = surplus.iter().map(|pod| {
            let api = &api;
            async move {
                let params = DeleteParams {
                    preconditions: Some(Preconditions {
                        uid: pod.metadata.uid.clone(),
                        resource_version: None,
                    }),
                    ..DeleteParams::default()
                };
                let deleted = Box::pin(api.delete(pods::name(pod), &params)).await;
                match deleted {
                    Ok(_) => {
                        let text = format!("Deleted pod: {}", pods::name(pod));
                        self.recorder
                            .normal(object.reference(), "SuccessfulDelete", text);
                        None
                    }
                    Err(e) => {
                        self.expectations.deleted(object.key(), pods::uid(pod));
                        (!e.is_not_found()).then_some(e)
                    }
                }
            }
        });
        join_all(deletions).await.into_iter().flatten().next()
    }

    /// Lets a pod go that is counted.
    pub(super) async fn drop_finalizer(&self, pod: &Pod) -> Result<(), kube::Error> {
        let namespace = pod.metadata.namespace.as_deref().unwrap_or("default");
        let api: Api<Pod> = Api::namespaced(self.ctx.client.clone(), namespace);
        let mut finalizers = pod.metadata.finalizers.clone().unwrap_or_default();
        finalizers.retain(|f| f != FINALIZER);
        let patch = json!({ "metadata": {
            "uid": pod.metadata.uid, "resourceVersion": pod.metadata.resource_version, "finalizers": patch::list(&finalizers),
        }});
        let params = PatchParams::default();
        let patch = Patch::Merge(patch);
        Box::pin(api.patch_metadata(pods::name(pod), &params, &patch))
            .await
            .map(|_| ())
    }
}

/// A pod as every one of the Job begins.
fn pod_of(object: &Object, view: &View) -> Pod {
    let owner = controller_reference(object);
    let mut pod = pods::from_template(&view.spec.template, object.namespace(), owner);
    let finalizers = pod.metadata.finalizers.get_or_insert_default();
    if !finalizers.iter().any(|f| f == FINALIZER) {
        finalizers.push(FINALIZER.to_owned());
    }
    if view.spec.selector.is_none() {
        let labels = pod.metadata.labels.get_or_insert_default();
        for prefix in ["", "batch.kubernetes.io/"] {
            labels.insert(format!("{prefix}controller-uid"), object.uid().to_owned());
            labels.insert(format!("{prefix}job-name"), object.name().to_owned());
        }
    }
    pod
}

/// Tells a pod its index: by annotation, label, environment, host name and name.
fn give_index(pod: &mut Pod, job: &str, index: i32) {
    let text = index.to_string();
    let metadata = &mut pod.metadata;
    metadata.generate_name = Some(format!("{job}-{index}-"));
    for map in [&mut metadata.annotations, &mut metadata.labels] {
        map.get_or_insert_default()
            .insert(indexes::INDEX.to_owned(), text.clone());
    }
    let Some(spec) = &mut pod.spec else { return };
    spec.hostname = Some(format!("{job}-{index}"));
    spec.containers.iter_mut().for_each(add_env);
    spec.init_containers.iter_mut().flatten().for_each(add_env);
}

fn add_env(container: &mut Container) {
    let env = container.env.get_or_insert_default();
    if env.iter().any(|e| e.name == ENV) {
        return;
    }
    env.push(EnvVar {
        name: ENV.to_owned(),
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector {
                api_version: None,
                field_path: format!("metadata.labels['{}']", indexes::INDEX),
            }),
            ..EnvVarSource::default()
        }),
        ..EnvVar::default()
    });
}

fn ready_of(pods: &[Pod]) -> i32 {
    number(pods.iter().filter(|p| pods::is_ready(p)).count())
}

/// Zero is left out, as Go's `omitempty` does.
pub(super) fn count_of(count: i32) -> Option<i32> {
    (count != 0).then_some(count)
}
