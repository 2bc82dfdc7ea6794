//! Makes and deletes the pods of a set, and their claims.

use std::sync::atomic::{AtomicUsize, Ordering};

use cedge_informer::Object;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use serde_json::json;

use super::plan::{Action, Plan, View};
use super::{StatefulSets, identity};
use crate::error::{Answer as _, Error, exists, message};
use crate::pods;
use crate::slow_start::slow_start;

/// Why a claim or a pod could not be brought about.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{}", message(.0))]
    Refused(Box<kube::Error>),
    #[error("failed to create PVC {name}: {}", message(.cause))]
    Claim {
        name: String,
        cause: Box<kube::Error>,
    },
    #[error("could not update claim {name} for delete policy ownerRefs: {}", message(.cause))]
    Owners {
        name: String,
        cause: Box<kube::Error>,
    },
    #[error("pvc {0} is being deleted")]
    Leaving(String),
}

impl StatefulSets {
    /// Does one step after the other until one fails. Returns how many pods were deleted for the update.
    pub(super) async fn act(
        &self,
        object: &Object,
        view: &View,
        plan: Plan,
    ) -> (usize, Result<(), Error>) {
        let actions = plan.iter().flatten();
        let creations = actions.filter(|a| matches!(a, Action::Create(_))).count();
        let uids = plan.iter().flatten().filter_map(|a| match a {
            Action::Delete(pod) | Action::Outdate(pod) => Some(pods::uid(pod)),
            Action::Create(_) | Action::Fill(_) | Action::Mend(_) | Action::Retain(_) => None,
        });
        self.expectations.expect(object.key(), creations, uids);
        let outdated = AtomicUsize::new(0);
        for (i, step) in plan.iter().enumerate() {
            let mut tried = 0;
            let (_, error) = slow_start(step.len(), |j| {
                let (action, outdated) = (&step[j], &outdated);
                tried = j + 1;
                async move {
                    let done = Box::pin(self.act_once(object, view, action)).await;
                    match &done {
                        Err(_) => self.forget(object, [action]),
                        Ok(()) if matches!(action, Action::Outdate(_)) => {
                            outdated.fetch_add(1, Ordering::Relaxed);
                        }
                        Ok(()) => {}
                    }
                    done
                }
            })
            .await;
            if let Some(e) = error {
                self.forget(object, &step[tried..]);
                self.forget(object, plan[i + 1..].iter().flatten());
                return (outdated.into_inner(), Err(Error::Wait(e.to_string())));
            }
        }
        (outdated.into_inner(), Ok(()))
    }

    /// What was not done will not be seen either.
    fn forget<'a>(&self, object: &Object, actions: impl IntoIterator<Item = &'a Action>) {
        for action in actions {
            match action {
                Action::Create(_) => self.expectations.not_created(object.key(), 1),
                Action::Delete(pod) | Action::Outdate(pod) => {
                    self.expectations.deleted(object.key(), pods::uid(pod));
                }
                Action::Fill(_) | Action::Mend(_) | Action::Retain(_) => {}
            }
        }
    }

    async fn act_once(&self, object: &Object, view: &View, action: &Action) -> Result<(), Failure> {
        match action {
            Action::Create(pod) => self.create(object, view, pod).await,
            Action::Fill(pod) => self.fill(object, view, pod).await,
            Action::Mend(pod) => {
                let mended = self.mend(object, view, pod).await;
                self.tell(
                    object,
                    pod,
                    ("SuccessfulUpdate", "FailedUpdate"),
                    "Update",
                    &mended,
                );
                mended
            }
            Action::Retain(pod) => self.retain(object, view, pod).await,
            Action::Delete(pod) | Action::Outdate(pod) => {
                let deleted = self.delete(object, pod).await;
                self.tell(
                    object,
                    pod,
                    ("SuccessfulDelete", "FailedDelete"),
                    "Delete",
                    &deleted,
                );
                deleted
            }
        }
    }

    async fn create(&self, object: &Object, view: &View, pod: &Pod) -> Result<(), Failure> {
        let result = match self.make_claims(object, view, pod).await {
            Ok(()) => {
                let api: Api<Pod> = Api::namespaced(self.ctx.client.clone(), object.namespace());
                match api.create(&PostParams::default(), pod).await {
                    Ok(_) => self.retain(object, view, pod).await,
                    Err(e) if exists(&e) || e.is_namespace_terminating() => return Err(e.into()),
                    Err(e) => Err(e.into()),
                }
            }
            failed => failed,
        };
        self.tell(
            object,
            pod,
            ("SuccessfulCreate", "FailedCreate"),
            "Create",
            &result,
        );
        result
    }

    async fn fill(&self, object: &Object, view: &View, pod: &Pod) -> Result<(), Failure> {
        self.make_claims(object, view, pod).await?;
        self.retain(object, view, pod).await
    }

    async fn mend(&self, object: &Object, view: &View, pod: &Pod) -> Result<(), Failure> {
        self.fill(object, view, pod).await?;
        let mut mended = pod.clone();
        if !identity::has_identity(pod) {
            identity::set_identity(&mut mended);
        }
        if !identity::has_storage(&view.set, pod) {
            identity::set_storage(&view.set, &mut mended);
        }
        if mended == *pod {
            return Ok(());
        }
        let patch = json!({
            "metadata": {"uid": pod.metadata.uid, "resourceVersion": pod.metadata.resource_version,
                "labels": mended.metadata.labels},
            "spec": {"volumes": mended.spec.and_then(|s| s.volumes)},
        });
        let api: Api<Pod> = Api::namespaced(self.ctx.client.clone(), object.namespace());
        let params = PatchParams::default();
        api.patch(pods::name(pod), &params, &Patch::Merge(patch))
            .await?;
        Ok(())
    }

    async fn delete(&self, object: &Object, pod: &Pod) -> Result<(), Failure> {
        let api: Api<Pod> = Api::namespaced(self.ctx.client.clone(), object.namespace());
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: pod.metadata.uid.clone(),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        match api.delete(pods::name(pod), &params).await {
            Err(e) if e.is_not_found() => {
                self.expectations.deleted(object.key(), pods::uid(pod));
                Ok(())
            }
            Err(e) => Err(e.into()),
            Ok(_) => Ok(()),
        }
    }

    /// Makes the claims of a pod that are not there.
    async fn make_claims(&self, object: &Object, view: &View, pod: &Pod) -> Result<(), Failure> {
        let api: Api<PersistentVolumeClaim> =
            Api::namespaced(self.ctx.client.clone(), object.namespace());
        let mut failed = None;
        for (_, claim) in identity::claims(&view.set, pod) {
            let name = identity::claim_name(&claim).to_owned();
            if let Some(there) = view.claims.get(&name) {
                if there.metadata.deletion_timestamp.is_some() {
                    failed = Some(Failure::Leaving(name));
                }
                continue;
            }
            let (pod, set) = (pods::name(pod), object.name());
            match api.create(&PostParams::default(), &claim).await {
                Ok(_) => {
                    let text =
                        format!("Create Claim {name} Pod {pod} in StatefulSet {set} success");
                    self.recorder
                        .normal(object.reference(), "SuccessfulCreate", text);
                }
                Err(e) => {
                    if !exists(&e) {
                        let text = format!(
                            "Create Claim {name} for Pod {pod} in StatefulSet {set} failed error: {}",
                            message(&e)
                        );
                        self.recorder
                            .warning(object.reference(), "FailedCreate", text);
                    }
                    let cause = Box::new(e);
                    failed = Some(Failure::Claim { name, cause });
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Gives the claims of a pod the owners that the retention policy says.
    async fn retain(&self, object: &Object, view: &View, pod: &Pod) -> Result<(), Failure> {
        let api: Api<PersistentVolumeClaim> =
            Api::namespaced(self.ctx.client.clone(), object.namespace());
        let retention = view.retention(pod);
        for claim in view.claims_of(pod) {
            let name = identity::claim_name(claim);
            if retention.is_managed_by_others(claim) {
                let text = format!(
                    "PersistentVolumeClaim {name} has another controller among its owners, so the retention policy does not apply to it"
                );
                self.recorder
                    .warning(object.reference(), "ConflictingController", text);
            }
            let Some(owners) = retention.correct(claim) else {
                continue;
            };
            let mut owned = claim.clone();
            owned.metadata.owner_references = Some(owners).filter(|o| !o.is_empty());
            owned.metadata.managed_fields = None;
            let written = api.replace(name, &PostParams::default(), &owned).await;
            written.map_err(|e| Failure::Owners {
                name: name.to_owned(),
                cause: Box::new(e),
            })?;
        }
        Ok(())
    }

    /// Tells how something went that was done to a pod.
    fn tell(
        &self,
        object: &Object,
        pod: &Pod,
        (done, failed): (&'static str, &'static str),
        verb: &str,
        result: &Result<(), Failure>,
    ) {
        let (pod, set) = (pods::name(pod), object.name());
        let text = format!("{verb} Pod {pod} in StatefulSet {set}");
        match result {
            Ok(()) => {
                let text = format!("{text} successful");
                self.recorder.normal(object.reference(), done, text);
            }
            Err(e) => {
                let text = format!("{text} failed error: {e}");
                self.recorder.warning(object.reference(), failed, text);
            }
        }
    }
}

impl From<kube::Error> for Failure {
    fn from(e: kube::Error) -> Self {
        Self::Refused(Box::new(e))
    }
}
