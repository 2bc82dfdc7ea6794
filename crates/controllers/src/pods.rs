//! What controllers ask of pods, and how they make them.

mod ranking;

use std::time::Duration;

use cedge_informer::{Cache, Object};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, PodCondition, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
use kube::api::{DeleteParams, Preconditions};
use kube::{Api, Client};

use crate::error::{Answer as _, Error};
use crate::patch;

pub(crate) use ranking::rank_for_deletion;

/// Whether a pod serves, and if not, when it will if nothing happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Available {
    Yes,
    After(Duration),
    No,
}

pub(crate) fn phase(pod: &Pod) -> &str {
    let status = pod.status.as_ref();
    status.and_then(|s| s.phase.as_deref()).unwrap_or("")
}

pub(crate) fn is_deleting(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some()
}

/// Succeeded or failed: its containers never run again.
pub(crate) fn is_terminal(pod: &Pod) -> bool {
    matches!(phase(pod), "Succeeded" | "Failed")
}

/// Neither finished nor being deleted.
pub(crate) fn is_active(pod: &Pod) -> bool {
    !is_terminal(pod) && !is_deleting(pod)
}

/// Being deleted, and its containers may still run.
pub(crate) fn is_terminating(pod: &Pod) -> bool {
    !is_terminal(pod) && is_deleting(pod)
}

pub(crate) fn condition<'a>(pod: &'a Pod, kind: &str) -> Option<&'a PodCondition> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().find(|c| c.type_ == kind)
}

pub(crate) fn is_ready(pod: &Pod) -> bool {
    condition(pod, "Ready").is_some_and(|c| c.status == "True")
}

pub(crate) fn node_name(pod: &Pod) -> &str {
    let spec = pod.spec.as_ref();
    spec.and_then(|s| s.node_name.as_deref()).unwrap_or("")
}

pub(crate) fn uid(pod: &Pod) -> &str {
    pod.metadata.uid.as_deref().unwrap_or("")
}

pub(crate) fn name(pod: &Pod) -> &str {
    pod.metadata.name.as_deref().unwrap_or("")
}

/// Whether a pod has been ready for `min_ready` seconds.
pub(crate) fn available(pod: &Pod, min_ready: i32, now: Timestamp) -> Available {
    let Some(ready) = condition(pod, "Ready").filter(|c| c.status == "True") else {
        return Available::No;
    };
    let Ok(min_ready) = u64::try_from(min_ready) else {
        return Available::Yes;
    };
    if min_ready == 0 {
        return Available::Yes;
    }
    let Some(since) = &ready.last_transition_time else {
        return Available::No;
    };
    let passed = Duration::try_from(now.duration_since(since.0)).unwrap_or(Duration::ZERO);
    match Duration::from_secs(min_ready).checked_sub(passed) {
        None | Some(Duration::ZERO) => Available::Yes,
        Some(left) => Available::After(left),
    }
}

/// A pod of a template, with a generated name.
pub(crate) fn from_template(
    template: &PodTemplateSpec,
    namespace: &str,
    owner: OwnerReference,
) -> Pod {
    let metadata = template.metadata.clone().unwrap_or_default();
    Pod {
        metadata: ObjectMeta {
            generate_name: Some(format!("{}-", owner.name)),
            namespace: Some(namespace.to_owned()),
            labels: metadata.labels,
            annotations: metadata.annotations,
            finalizers: metadata.finalizers,
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        },
        spec: template.spec.clone(),
        status: None,
    }
}

/// Files pods under the node they are bound to.
pub(crate) fn index_by_node(pods: &Cache) {
    pods.index(BY_NODE, |pod| {
        let bound: Result<Bound, _> = pod.decode();
        bound
            .ok()
            .and_then(|b| b.spec.node_name)
            .into_iter()
            .collect()
    });
}

/// The name of that index.
pub(crate) const BY_NODE: &str = "node";

#[derive(serde::Deserialize)]
struct Bound {
    spec: BoundSpec,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct BoundSpec {
    node_name: Option<String>,
}

/// Says in a pod's status why it is taken away, and that it has failed if `failed`, before it is deleted: whoever owns
/// it (a Job's failure policy) can tell a disruption from an error. Guarded by the revision of `object`.
pub(crate) async fn mark_disrupted(
    client: &Client,
    object: &Object,
    pod: &Pod,
    reason: &str,
    message: &str,
    failed: bool,
) -> Result<(), Error> {
    let old = pod.status.clone().unwrap_or_default();
    let mut new = old.clone();
    let conditions = new.conditions.get_or_insert_default();
    conditions.retain(|c| c.type_ != "DisruptionTarget");
    conditions.push(PodCondition {
        type_: "DisruptionTarget".to_owned(),
        status: "True".to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        last_transition_time: Some(Time(cedge_tasks::clock::now())),
        ..PodCondition::default()
    });
    if failed {
        new.phase = Some("Failed".to_owned());
    }
    let api: Api<Pod> = Api::namespaced(client.clone(), object.namespace());
    match patch::status(&api, object, &old, &new).await {
        Err(Error::Api(e)) if e.is_not_found() => Ok(()),
        written => written.map(|_| ()),
    }
}

/// Deletes a pod of this identity; `grace` of `None` is its own.
pub(crate) async fn delete(
    client: &Client,
    object: &Object,
    grace: Option<u32>,
) -> Result<(), Error> {
    let params = DeleteParams {
        grace_period_seconds: grace,
        preconditions: Some(Preconditions {
            uid: Some(object.uid().to_owned()),
            resource_version: None,
        }),
        ..DeleteParams::default()
    };
    let api: Api<Pod> = Api::namespaced(client.clone(), object.namespace());
    match api.delete(object.name(), &params).await {
        Err(e) if !e.is_not_found() => Err(e.into()),
        _ => Ok(()),
    }
}
