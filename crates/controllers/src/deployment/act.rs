//! Writes what was decided.

use std::collections::BTreeMap;

use cedge_informer::Object;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus, ReplicaSet, ReplicaSetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::{DeleteParams, PostParams, Preconditions};
use serde_json::json;

use super::plan::{self, View};
use super::{Deployments, template};
use crate::claim::controller_reference;
use crate::error::{Answer as _, Error, exists, message};
use crate::{patch, update};

impl Deployments {
    /// Makes the ReplicaSet of the current template.
    pub(super) async fn create(
        &self,
        object: &Object,
        view: &mut View,
        replicas: i32,
    ) -> Result<(), Error> {
        let set = new_set(object, view, replicas);
        let name = set.metadata.name.clone().unwrap_or_default();
        let api: Api<ReplicaSet> = Api::namespaced(self.ctx.client.clone(), object.namespace());
        match api.create(&PostParams::default(), &set).await {
            Ok(_) => {
                if replicas > 0 {
                    let text = format!("Scaled up replica set {name} from 0 to {replicas}");
                    self.recorder
                        .normal(object.reference(), "ScalingReplicaSet", text);
                }
                view.say_created(&name);
                Ok(())
            }
            Err(e) if exists(&e) => self.collide(object, view, &api, &name).await,
            Err(e) if e.is_namespace_terminating() => Ok(()),
            Err(e) => {
                let text = format!(
                    "Failed to create new replica set \"{name}\": {}",
                    message(&e)
                );
                self.recorder
                    .warning(object.reference(), "ReplicaSetCreateError", text.clone());
                view.say_not_created(&text);
                Err(e.into())
            }
        }
    }

    /// The name is taken: by our own earlier call, or by another template with the same hash.
    async fn collide(
        &self,
        object: &Object,
        view: &mut View,
        api: &Api<ReplicaSet>,
        name: &str,
    ) -> Result<(), Error> {
        let Some(there) = api.get_opt(name).await? else {
            return Err(Error::Wait(format!("replica set {name} came and went")));
        };
        let owners = there.metadata.owner_references.iter().flatten();
        let ours = owners
            .filter(|o| o.controller == Some(true))
            .any(|o| o.uid == object.uid());
        let theirs = there.spec.template.unwrap_or_default();
        if ours && template::is_same(&theirs, &view.template()) {
            return Ok(());
        }
        view.collisions += 1;
        Err(Error::Wait(format!(
            "the name of replica set {name} is taken by another template"
        )))
    }

    pub(super) async fn scale(
        &self,
        object: &Object,
        view: &View,
        index: usize,
        replicas: i32,
    ) -> Result<(), Error> {
        let set = &view.sets[index];
        let before = set.replicas();
        let api: Api<ReplicaSet> = Api::namespaced(self.ctx.client.clone(), object.namespace());
        let annotations = view.size_annotations();
        let patch =
            json!({ "metadata": { "annotations": annotations }, "spec": { "replicas": replicas } });
        patch::merge(&api, &set.object, patch).await?;
        if before != replicas {
            self.tell_scaled(object, set, before, replicas);
        }
        Ok(())
    }

    /// Brings revision, annotations and `minReadySeconds` of the current ReplicaSet up to date.
    pub(super) async fn annotate(&self, view: &View) -> Result<(), Error> {
        if let Some((set, patch)) = view.annotate_new_set() {
            let api: Api<ReplicaSet> =
                Api::namespaced(self.ctx.client.clone(), set.object.namespace());
            patch::merge(&api, &set.object, patch).await?;
        }
        Ok(())
    }

    /// Writes the status, and with it the current revision if all is done: as an annotation beside the status, as a revision
    /// is no change of what is wanted, and the generation stays.
    pub(super) async fn write_status(
        &self,
        object: &Object,
        view: &View,
        status: &DeploymentStatus,
        numbered: bool,
    ) -> Result<(), Error> {
        let old = view.deployment.status.clone().unwrap_or_default();
        let mut change = json!({});
        if let Some(difference) = patch::difference(&json!(old), &json!(status)) {
            change["status"] = difference;
        }
        if let Some(revision) = view.revision_of_deployment().filter(|_| numbered) {
            change["metadata"]["annotations"][plan::REVISION] = revision.into();
        }
        if change != json!({}) {
            let api: Api<Deployment> = Api::namespaced(self.ctx.client.clone(), object.namespace());
            update::put(&api, Some("status"), update::changed(object, &change)?).await?;
        }
        Ok(())
    }

    /// Deletes a ReplicaSet beyond the history limit.
    pub(super) async fn forget(&self, set: &Object) -> Result<(), Error> {
        let api: Api<ReplicaSet> = Api::namespaced(self.ctx.client.clone(), set.namespace());
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: Some(set.uid().to_owned()),
                resource_version: None,
            }),
            ..DeleteParams::background()
        };
        match api.delete(set.name(), &params).await {
            Err(e) if !e.is_not_found() && !e.is_conflict() => Err(e.into()),
            _ => Ok(()),
        }
    }
}

fn new_set(object: &Object, view: &View, replicas: i32) -> ReplicaSet {
    let mut template = view.template();
    let hash = template::hash(&template, view.collisions);
    let label = |labels: &mut Option<BTreeMap<String, String>>| {
        let labels = labels.get_or_insert_default();
        labels.insert(template::HASH_LABEL.to_owned(), hash.clone());
    };
    let metadata = template.metadata.get_or_insert_default();
    label(&mut metadata.labels);
    let labels = metadata.labels.clone();
    let spec = view.spec();
    let mut selector = spec.selector.clone();
    label(&mut selector.match_labels);
    ReplicaSet {
        metadata: ObjectMeta {
            name: Some(format!("{}-{hash}", object.name())),
            namespace: Some(object.namespace().to_owned()),
            labels,
            annotations: Some(view.annotations_of_new_set()),
            owner_references: Some(vec![controller_reference(object)]),
            ..ObjectMeta::default()
        },
        spec: ReplicaSetSpec {
            replicas: Some(replicas),
            min_ready_seconds: spec.min_ready_seconds,
            selector,
            template: Some(template),
        },
        status: None,
    }
}
