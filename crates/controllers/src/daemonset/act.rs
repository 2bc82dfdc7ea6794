//! Makes and deletes the pods of a DaemonSet.

use std::time::Duration;

use cedge_informer::{Key, Next, Object};
use futures::future::join_all;
use k8s_openapi::api::core::v1::{
    Affinity, NodeAffinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, Pod,
};
use kube::Api;
use kube::api::{DeleteParams, PostParams, Preconditions};
use tokio::time::Instant;

use super::plan::{HASH, Plan, View};
use super::{DaemonSets, Wait};
use crate::claim::controller_reference;
use crate::error::{Answer as _, Error, message};
use crate::pods;
use crate::slow_start::slow_start;

/// As in Kubernetes: the wait before a failed pod is replaced.
const FAILED_FIRST: Duration = Duration::from_secs(1);
const FAILED_MAX: Duration = Duration::from_mins(15);

impl DaemonSets {
    pub(super) async fn act(
        &self,
        object: &Object,
        view: &View,
        plan: Plan,
    ) -> (Next, Result<(), Error>) {
        let mut delete = plan.delete;
        let mut next = Next::OnChange;
        for pod in plan.failed {
            match self.wait_for(object.key(), pods::node_name(&pod)) {
                Some(left) => next = next.min(Next::After(left)),
                None => {
                    let (node, name) = (pods::node_name(&pod), pods::name(&pod));
                    let text = format!(
                        "Found failed daemon pod {}/{name} on node {node}, will try to kill it",
                        object.namespace()
                    );
                    self.recorder
                        .warning(object.reference(), "FailedDaemonPod", text);
                    delete.push(pod);
                }
            }
        }
        let uids: Vec<&str> = delete.iter().map(pods::uid).collect();
        self.expectations
            .expect(object.key(), plan.create.len(), uids);
        let failed = self.delete(object, &delete).await;
        let failed = failed.or(self.create(object, view, &plan.create).await);
        (next, failed.map_or(Ok(()), |e| Err(e.into())))
    }

    /// What is left of the wait for this node; `None` if it may be tried now, which makes the next wait longer.
    fn wait_for(&self, key: &Key, node: &str) -> Option<Duration> {
        let mut waits = self.waits();
        let now = Instant::now();
        waits.retain(|_, w| now < w.until + 2 * FAILED_MAX);
        let id = (key.clone(), node.to_owned());
        let step = match waits.get(&id) {
            Some(wait) if now < wait.until => return Some(wait.until - now),
            Some(wait) => (wait.step * 2).min(FAILED_MAX),
            None => FAILED_FIRST,
        };
        let until = now + step;
        waits.insert(id, Wait { until, step });
        None
    }

    async fn create(&self, object: &Object, view: &View, nodes: &[String]) -> Option<kube::Error> {
        let api: Api<Pod> = Api::namespaced(self.ctx.client.clone(), object.namespace());
        let pod = pod_of(object, view);
        let (done, error) = slow_start(nodes.len(), |i| {
            let mut pod = pod.clone();
            bind(&mut pod, &nodes[i]);
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
        self.expectations
            .not_created(object.key(), nodes.len() - done);
        let error = error.filter(|e: &kube::Error| !e.is_namespace_terminating())?;
        let text = format!("Error creating: {}", message(&error));
        self.recorder
            .warning(object.reference(), "FailedCreate", text);
        Some(error)
    }

    async fn delete(&self, object: &Object, surplus: &[Pod]) -> Option<kube::Error> {
        let api: Api<Pod> = Api::namespaced(self.ctx.client.clone(), object.namespace());
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
}

fn pod_of(object: &Object, view: &View) -> Pod {
    let owner = controller_reference(object);
    let mut pod = pods::from_template(&view.set.spec.template, object.namespace(), owner);
    pod.spec = Some(view.pod_spec());
    let labels = pod.metadata.labels.get_or_insert_default();
    labels.insert(HASH.to_owned(), view.hash.clone());
    labels.insert(
        "pod-template-generation".to_owned(),
        object.generation().to_string(),
    );
    pod
}

/// Ties a pod to its node by affinity: the scheduler still decides when it fits.
fn bind(pod: &mut Pod, node: &str) {
    let requirement = NodeSelectorRequirement {
        key: "metadata.name".to_owned(),
        operator: "In".to_owned(),
        values: Some(vec![node.to_owned()]),
    };
    let spec = pod.spec.get_or_insert_default();
    let affinity: &mut Affinity = spec.affinity.get_or_insert_default();
    let affinity: &mut NodeAffinity = affinity.node_affinity.get_or_insert_default();
    // What the template required of the node is known to hold.
    affinity.required_during_scheduling_ignored_during_execution = Some(NodeSelector {
        node_selector_terms: vec![NodeSelectorTerm {
            match_expressions: None,
            match_fields: Some(vec![requirement]),
        }],
    });
}
