//! The two kinds that say how many pods there are to be: one read as the other.

use cedge_informer::{Cache, Informers, Key, Object, Selector};
use k8s_openapi::api::apps::v1::{ReplicaSet, ReplicaSetStatus};
use k8s_openapi::api::core::v1::ReplicationController;
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::claim::still_there;
use crate::context::controller_key;
use crate::error::Error;
use crate::update;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Set,
    Controller,
}

impl Form {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Set => "replicaset",
            Self::Controller => "replicationcontroller",
        }
    }

    /// Who its events come from.
    pub(super) fn component(self) -> &'static str {
        match self {
            Self::Set => "replicaset-controller",
            Self::Controller => "replication-controller",
        }
    }

    pub(super) fn cache(self, informers: &Informers) -> Cache {
        match self {
            Self::Set => informers.of::<ReplicaSet>(),
            Self::Controller => informers.of::<ReplicationController>(),
        }
    }

    /// The key of the owner of a pod, if it is of this kind.
    pub(super) fn owner_of(self, pod: &Object) -> Option<Key> {
        match self {
            Self::Set => controller_key(pod, "apps/v1", "ReplicaSet"),
            Self::Controller => controller_key(pod, "v1", "ReplicationController"),
        }
    }

    pub(super) fn read(self, object: &Object) -> Result<(ReplicaSet, Selector), Error> {
        let set: ReplicaSet = match self {
            Self::Set => object.decode()?,
            Self::Controller => serde_json::from_value(as_set(object.decode()?))?,
        };
        let selector = Selector::try_from(&set.spec.selector)?;
        Ok((set, selector))
    }

    pub(super) async fn write_status(
        self,
        client: &Client,
        object: &Object,
        old: ReplicaSetStatus,
        mut new: ReplicaSetStatus,
    ) -> Result<(), Error> {
        let namespace = object.namespace();
        match self {
            Self::Set => {
                let api: Api<ReplicaSet> = Api::namespaced(client.clone(), namespace);
                update::status(&api, object, &old, &new).await?;
            }
            Self::Controller => {
                // The older kind does not have it.
                new.terminating_replicas = None;
                let api: Api<ReplicationController> = Api::namespaced(client.clone(), namespace);
                update::status(&api, object, &old, &new).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn still_there(self, client: &Client, object: &Object) -> Result<bool, Error> {
        let namespace = object.namespace();
        match self {
            Self::Set => {
                let api: Api<ReplicaSet> = Api::namespaced(client.clone(), namespace);
                still_there(&api, object).await
            }
            Self::Controller => {
                let api: Api<ReplicationController> = Api::namespaced(client.clone(), namespace);
                still_there(&api, object).await
            }
        }
    }
}

/// A ReplicationController differs from a ReplicaSet only in how it writes its selector.
fn as_set(mut controller: Value) -> Value {
    if let Some(fields) = controller.as_object_mut() {
        fields.remove("apiVersion");
        fields.remove("kind");
    }
    let selector = controller["spec"]["selector"].take();
    controller["spec"]["selector"] = json!({ "matchLabels": selector });
    controller
}

#[cfg(test)]
mod tests {
    use kube::api::ApiResource;

    use super::*;

    #[test]
    fn a_replication_controller_reads_as_a_replica_set() {
        let json = json!({"apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": "old", "namespace": "a"},
            "spec": {"replicas": 2, "selector": {"app": "x"}, "template": {"metadata": {"labels": {"app": "x"}}}},
            "status": {"replicas": 1, "conditions": [{"type": "ReplicaFailure", "status": "True"}]}});
        let resource = ApiResource::erase::<ReplicationController>(&());
        let object = Object::from_json(&resource, json.to_string().as_bytes()).unwrap();
        let (set, selector) = Form::Controller.read(&object).unwrap();
        assert_eq!(
            (set.spec.replicas, set.status.unwrap().replicas),
            (Some(2), 1)
        );
        assert!(selector.matches(&[("app", "x"), ("b", "c")].into_iter().collect()));
        assert!(!selector.matches(&[("app", "y")].into_iter().collect()));
    }
}
